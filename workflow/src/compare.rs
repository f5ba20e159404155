//! Two versions of a workflow beside each other: by node and property, and by line.
//!
//! What is compared by property is what the files mean, so an order of keys, a comment or a blank line is no change there;
//! it is one by line.

use serde_json::{Map, Value};

use crate::model::{Node, Output, Workflow};

/// What differs in meaning.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Comparison {
    /// Nodes, in the order of the later file; those that are gone come last.
    pub nodes: Vec<NodeChange>,
    /// Everything outside nodes.
    pub settings: Vec<PropertyChange>,
}

impl Comparison {
    /// Whether both mean the same.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.nodes.is_empty() && self.settings.is_empty()
    }
}

/// A node that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeChange {
    /// Its id.
    pub node: String,
    /// How.
    pub change: Change,
    /// In what: of one that came or went, all that it has.
    pub properties: Vec<PropertyChange>,
}

/// What became of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Only the later file has it.
    Added,
    /// Only the earlier file has it.
    Removed,
    /// Both have it, each otherwise.
    Changed,
}

/// A property that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct PropertyChange {
    /// As the file says it: `with.url`, `retry.attempts`, `set.total`, `input.day`.
    pub path: String,
    /// Before, if it was there.
    pub before: Option<Value>,
    /// After, if it is there.
    pub after: Option<Value>,
}

type Properties = Vec<(String, Value)>;

/// What differs between two workflows.
#[must_use]
pub fn compare(before: &Workflow, after: &Workflow) -> Comparison {
    let nodes = |workflow: &Workflow| -> Vec<(String, Properties)> {
        let walk = workflow.walk().into_iter();
        walk.map(|(around, node)| (node.id.to_string(), of_node(&around, node)))
            .collect()
    };
    let (old, new) = (nodes(before), nodes(after));
    let find = |all: &[(String, Properties)], id: &str| {
        let found = all.iter().find(|(known, _)| known == id);
        found.map(|(_, properties)| properties.clone())
    };
    let mut changes = Vec::new();
    for (id, now) in &new {
        let was = find(&old, id);
        let properties = differences(was.as_deref().unwrap_or_default(), now);
        if !properties.is_empty() {
            changes.push(NodeChange {
                node: id.clone(),
                change: if was.is_some() {
                    Change::Changed
                } else {
                    Change::Added
                },
                properties,
            });
        }
    }
    let gone = old.iter().filter(|(id, _)| find(&new, id).is_none());
    changes.extend(gone.map(|(id, was)| NodeChange {
        node: id.clone(),
        change: Change::Removed,
        properties: differences(was, &[]),
    }));
    Comparison {
        nodes: changes,
        settings: differences(&of_settings(before), &of_settings(after)),
    }
}

fn differences(before: &[(String, Value)], after: &[(String, Value)]) -> Vec<PropertyChange> {
    let value = |all: &[(String, Value)], path: &str| {
        let found = all.iter().find(|(known, _)| known == path);
        found.map(|(_, value)| value.clone())
    };
    let gone = before.iter().filter(|(path, _)| value(after, path).is_none());
    let paths = after.iter().chain(gone).map(|(path, _)| path);
    paths
        .map(|path| PropertyChange {
            path: path.clone(),
            before: value(before, path),
            after: value(after, path),
        })
        .filter(|change| change.before != change.after)
        .collect()
}

/// What a node says, by the words of the file.
fn of_node(around: &[&Node], node: &Node) -> Properties {
    let mut out = Properties::new();
    if let Some(each) = around.last() {
        out.push(("inside".to_owned(), Value::String(each.id.to_string())));
    }
    let Ok(Value::Object(parts)) = serde_json::to_value(node) else {
        return out;
    };
    for (name, part) in parts {
        match (name.as_str(), part) {
            ("id", _) => {}
            ("kind", Value::Object(kind)) => {
                for (word, body) in kind {
                    out.push(("kind".to_owned(), Value::String(word.clone())));
                    // What a call has stands beside it in the file, what any other kind has below it.
                    let prefix = match word.as_str() {
                        "call" => String::new(),
                        word => format!("{word}."),
                    };
                    of_kind(&prefix, body, &mut out);
                }
            }
            ("undo", body) => of_kind("undo.", body, &mut out),
            (_, part) => out.push((name, part)),
        }
    }
    out
}

fn of_kind(prefix: &str, body: Value, out: &mut Properties) {
    let Value::Object(body) = body else {
        return;
    };
    for (name, value) in body {
        match (name.as_str(), value) {
            ("body", _) => {}
            ("fields" | "cases", Value::Array(items)) => {
                out.extend(items.into_iter().map(|item| named(prefix, item)));
            }
            ("condition", Value::Object(map)) => {
                out.extend(
                    map.into_iter()
                        .map(|(word, value)| (format!("{prefix}{word}"), value)),
                );
            }
            ("with" | "secrets" | "retry" | "headers" | "signal", Value::Object(map)) => {
                let below = |(key, value)| (format!("{prefix}{name}.{key}"), value);
                out.extend(map.into_iter().map(below));
            }
            (_, value) => out.push((format!("{prefix}{name}"), value)),
        }
    }
}

/// `{ name, value }`, `{ name, when }`, or `{ name }` with several others, as one property.
fn named(prefix: &str, item: Value) -> (String, Value) {
    let mut item = match item {
        Value::Object(item) => item,
        _ => Map::new(),
    };
    let name = item.remove("name");
    let name = name.as_ref().and_then(Value::as_str).unwrap_or_default();
    let value = match ["value", "when"].iter().find_map(|key| item.get(*key)) {
        Some(value) if item.len() == 1 => value.clone(),
        _ => Value::Object(item),
    };
    (format!("{prefix}{name}"), value)
}

/// What a workflow says outside its nodes.
fn of_settings(workflow: &Workflow) -> Properties {
    let mut out = vec![("title".to_owned(), Value::String(workflow.title.clone()))];
    let list = |prefix: &str, items: Value, out: &mut Properties| {
        if let Value::Array(items) = items {
            out.extend(items.into_iter().map(|item| named(prefix, item)));
        }
    };
    let json = |value: Result<Value, serde_json::Error>| value.unwrap_or_default();
    list("input.", json(serde_json::to_value(&workflow.input)), &mut out);
    out.push(("additional".to_owned(), Value::Bool(!workflow.refuses_additional)));
    let config = workflow.config.iter();
    out.extend(config.map(|(name, value)| (format!("config.{name}"), value.clone())));
    out.push((
        "secrets".to_owned(),
        json(serde_json::to_value(&workflow.secrets)),
    ));
    list(
        "triggers.",
        json(serde_json::to_value(&workflow.triggers)),
        &mut out,
    );
    let values = if workflow.values_stay { "stay" } else { "send" };
    out.push(("values".to_owned(), Value::String(values.to_owned())));
    if !workflow.runs_on.is_anywhere() {
        out.push((
            "runs_on".to_owned(),
            json(serde_json::to_value(&workflow.runs_on)),
        ));
    }
    for (key, follow) in [("on_done", &workflow.on_done), ("on_failed", &workflow.on_failed)] {
        if follow.is_some() {
            out.push((key.to_owned(), json(serde_json::to_value(follow))));
        }
    }
    match &workflow.output {
        Output::Fields(fields) => list("output.", json(serde_json::to_value(fields)), &mut out),
        Output::Value(value) => out.push(("output".to_owned(), value.clone())),
    }
    out
}

/// Lines that stand around a change.
const CONTEXT: usize = 3;
/// Pairs of lines that are compared at most; above it the changed stretch is shown as a whole.
const MAX_PAIRS: usize = 4_000_000;

/// A stretch of both texts with what differs in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunk {
    /// Its first line in the earlier text, from 1.
    pub before_line: usize,
    /// Its first line in the later text, from 1.
    pub after_line: usize,
    /// Its lines.
    pub lines: Vec<HunkLine>,
}

/// One line of a stretch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HunkLine {
    /// Which text has it.
    pub kind: LineKind,
    /// Without its end.
    pub text: String,
}

/// Which text has a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineKind {
    /// Both.
    Same,
    /// The earlier one.
    Removed,
    /// The later one.
    Added,
}

/// What differs between two texts, line by line, with three lines around each change.
#[must_use]
pub fn hunks(before: &str, after: &str) -> Vec<Hunk> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let script = script(&old, &new);
    let mut out: Vec<Hunk> = Vec::new();
    let (mut before_line, mut after_line) = (1, 1);
    let changed: Vec<usize> = script
        .iter()
        .enumerate()
        .filter(|(_, (kind, _))| *kind != LineKind::Same)
        .map(|(index, _)| index)
        .collect();
    let mut shown = 0;
    for (index, (kind, text)) in script.iter().enumerate() {
        let next = changed.partition_point(|at| *at + CONTEXT < index);
        let is_near = changed.get(next).is_some_and(|at| *at <= index + CONTEXT);
        if is_near {
            if shown != index || out.is_empty() {
                out.push(Hunk {
                    before_line,
                    after_line,
                    lines: Vec::new(),
                });
            }
            shown = index + 1;
            if let Some(hunk) = out.last_mut() {
                hunk.lines.push(HunkLine {
                    kind: *kind,
                    text: (*text).to_owned(),
                });
            }
        }
        before_line += usize::from(*kind != LineKind::Added);
        after_line += usize::from(*kind != LineKind::Removed);
    }
    out
}

/// Both texts as one list of lines.
fn script<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<(LineKind, &'t str)> {
    let same = |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| pairs.take_while(|(a, b)| a == b).count();
    let head = same(&mut old.iter().zip(new));
    let most = old.len().min(new.len()) - head;
    let tail = same(&mut old.iter().rev().zip(new.iter().rev())).min(most);
    let middle = |all: &[&'t str]| all.get(head..all.len() - tail).unwrap_or_default().to_vec();
    let mut out: Vec<(LineKind, &str)> = old
        .iter()
        .take(head)
        .map(|line| (LineKind::Same, *line))
        .collect();
    out.extend(middle_script(&middle(old), &middle(new)));
    let rest = old.iter().skip(old.len() - tail);
    out.extend(rest.map(|line| (LineKind::Same, *line)));
    out
}

/// The longest lines in common stay; the others went or came.
fn middle_script<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<(LineKind, &'t str)> {
    let all = |kind, lines: &[&'t str]| lines.iter().map(move |line| (kind, *line)).collect::<Vec<_>>();
    if old.len().saturating_mul(new.len()) > MAX_PAIRS {
        let mut out = all(LineKind::Removed, old);
        out.extend(all(LineKind::Added, new));
        return out;
    }
    // Entry (i, j): lines in common of what follows line i of the one and line j of the other.
    let width = new.len() + 1;
    let mut common = vec![0_u32; (old.len() + 1) * width];
    let at = |common: &[u32], i: usize, j: usize| common.get(i * width + j).copied().unwrap_or(0);
    for (i, a) in old.iter().enumerate().rev() {
        for (j, b) in new.iter().enumerate().rev() {
            let value = match a == b {
                true => at(&common, i + 1, j + 1) + 1,
                false => at(&common, i + 1, j).max(at(&common, i, j + 1)),
            };
            if let Some(slot) = common.get_mut(i * width + j) {
                *slot = value;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut out = Vec::with_capacity(old.len() + new.len());
    loop {
        match (old.get(i), new.get(j)) {
            (Some(a), Some(b)) if a == b => {
                out.push((LineKind::Same, *a));
                (i, j) = (i + 1, j + 1);
            }
            (Some(a), b) if b.is_none() || at(&common, i + 1, j) >= at(&common, i, j + 1) => {
                out.push((LineKind::Removed, *a));
                i += 1;
            }
            (_, Some(b)) => {
                out.push((LineKind::Added, *b));
                j += 1;
            }
            (_, None) => return out,
        }
    }
}
