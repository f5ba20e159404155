//! The nodes of a definition.

use std::collections::BTreeMap;

use flowforge_protocol::NodeId;
use serde_json::{Map, Value as Json};

use super::model::{After, Approval, Call, Case, Foreach, Node, NodeKind, OnError, Retry, Wait};
use super::reader::{Reader, Section, join};
use crate::diagnostic::nearest;
use crate::limits::{
    MAX_AFTER, MAX_ATTEMPTS, MAX_LOOP_DEPTH, MAX_NODES, MAX_PARALLEL, MAX_TIMEOUT_MS, MAX_WAIT_MS,
};
use crate::names;
use crate::yaml::{Entry, Value};

/// The keys that say what a node does.
const KINDS: [&str; 6] = ["call", "set", "switch", "foreach", "wait", "approval"];

/// Words of other products for what is a kind of node here.
const SYNONYMS: [(&str, &str); 12] = [
    ("if", "switch"),
    ("condition", "switch"),
    ("case", "switch"),
    ("loop", "foreach"),
    ("for_each", "foreach"),
    ("map", "foreach"),
    ("sleep", "wait"),
    ("delay", "wait"),
    ("http", "call: flowforge:http/get"),
    ("run", "call"),
    ("ask", "approval"),
    ("uses", "call"),
];

/// Time limit of an attempt if the node sets none.
const DEFAULT_TIMEOUT_MS: u64 = 60_000;
const DEFAULT_PARALLEL: u32 = 1;

impl Reader<'_> {
    pub(super) fn nodes(&mut self, entry: &Entry) -> Vec<Node> {
        let nodes = self.body(entry, "nodes", 0);
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut repeated = Vec::new();
        count(&nodes, &mut |id| *seen.entry(id.to_string()).or_insert(0) += 1);
        let total: usize = seen.values().sum();
        for (id, times) in &seen {
            if *times > 1 {
                repeated.push(id.clone());
            }
        }
        for id in repeated {
            let at = self.places.key_at(&join("nodes", &id));
            let fix = "ids are unique in a workflow, also inside `do`";
            self.problem_fix("FF-WF-006", at, format!("two nodes are called `{id}`"), fix);
        }
        let mut items = Vec::new();
        loop_items(&nodes, &mut items);
        for (id, item) in items {
            if seen.contains_key(&item) {
                let at = self.places.value_at(&format!("nodes.{id}.as"));
                let message = format!("`{item}` is the name of a node already");
                self.problem_fix("FF-WF-007", at, message, "call the element something else");
            }
        }
        if total > MAX_NODES {
            let message = format!("{total} nodes, above the limit of {MAX_NODES}");
            self.problem("FF-WF-002", entry.key_span.start, message);
        }
        nodes
    }

    /// The nodes of the workflow or of a loop.
    fn body(&mut self, entry: &Entry, path: &str, depth: usize) -> Vec<Node> {
        let Some(entries) = self.entries(path, &entry.node) else {
            return Vec::new();
        };
        if entries.is_empty() {
            self.problem("FF-WF-004", entry.key_span.start, "there is no node here");
        }
        entries
            .iter()
            .filter_map(|entry| self.node(entry, depth))
            .collect()
    }

    fn node(&mut self, entry: &Entry, depth: usize) -> Option<Node> {
        self.snake_name(entry, "a node");
        self.check_reserved(&entry.key, entry.key_span.start);
        let path = join("nodes", &entry.key);
        self.place(&path, Some(entry), &entry.node);
        let id: Option<NodeId> = entry.key.parse().ok();
        let mut section = self.section(&path, &entry.node)?;
        let after = section
            .get("after")
            .map(|entry| self.after(&join(&path, "after"), entry))
            .unwrap_or_default();
        let kind = self.kind(&path, &mut section, entry, depth);
        if kind.is_some() {
            self.finish(section);
        }
        Some(Node {
            id: id?,
            after,
            on_error: OnError::Stop,
            fallback: None,
            undo: None,
            disabled: false,
            kind: kind?,
        })
    }

    fn check_reserved(&mut self, name: &str, at: usize) {
        if let Some(reason) = names::reserved(name) {
            let fix = format!("choose another, for example `{name}_step`");
            self.problem_fix(
                "FF-WF-007",
                at,
                format!("`{name}` cannot be the name of a node: {reason}"),
                fix,
            );
        }
    }

    fn after(&mut self, path: &str, entry: &Entry) -> Vec<After> {
        let texts = match &entry.node.value {
            Value::List(_) => self.texts(path, entry).unwrap_or_default(),
            _ => self.text(path, entry).into_iter().collect(),
        };
        if texts.len() > MAX_AFTER {
            self.problem(
                "FF-WF-002",
                entry.node.span.start,
                format!("`after` names more than {MAX_AFTER} nodes"),
            );
        }
        let mut out = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            match text.parse() {
                Ok(after) => out.push(after),
                Err(_) => {
                    let at = self.places.value_at(&format!("{path}[{index}]"));
                    let fix = "write `node` or `node.outcome`, for example `gate.strong`";
                    self.problem_fix(
                        "FF-WF-021",
                        at,
                        format!("`{text}` is not a node or an outcome"),
                        fix,
                    );
                }
            }
        }
        out
    }

    fn kind(
        &mut self,
        path: &str,
        section: &mut Section<'_>,
        node: &Entry,
        depth: usize,
    ) -> Option<NodeKind> {
        let found: Vec<(&'static str, &Entry)> = KINDS
            .iter()
            .filter_map(|kind| section.get(kind).map(|entry| (*kind, entry)))
            .collect();
        match found.as_slice() {
            [(kind, entry)] => {
                let path = join(path, kind);
                self.place(&path, Some(entry), &entry.node);
                match *kind {
                    "call" => self.call(section, entry, &path),
                    "set" => {
                        let entries = self.entries(&path, &entry.node)?;
                        self.place_all(&path, Some(entry), &entry.node);
                        Some(NodeKind::Set {
                            fields: self.fields(entries),
                        })
                    }
                    "switch" => self.switch(&path, entry),
                    "foreach" => self.foreach(section, entry, &path, depth),
                    "wait" => self.wait(&path, entry),
                    _ => self.approval(&path, entry),
                }
            }
            [] => {
                self.no_kind(node);
                None
            }
            [(first, _), (second, entry), ..] => {
                let message = format!("`{}` has both `{first}` and `{second}`", node.key);
                self.problem_fix(
                    "FF-WF-003",
                    entry.key_span.start,
                    message,
                    "a node does one thing: make two nodes",
                );
                None
            }
        }
    }

    fn no_kind(&mut self, node: &Entry) {
        let keys: Vec<&str> = match &node.node.value {
            Value::Map(entries) => entries.iter().map(|entry| entry.key.as_str()).collect(),
            _ => Vec::new(),
        };
        let synonym = keys
            .iter()
            .find_map(|key| SYNONYMS.iter().find(|(word, _)| word == key));
        let near = keys
            .iter()
            .find_map(|key| nearest(key, KINDS).map(|kind| (*key, kind)));
        let fix = match (synonym, near) {
            (Some((word, kind)), _) => format!("`{word}` is called `{kind}` here"),
            (None, Some((word, kind))) => format!("did you mean `{kind}` instead of `{word}`?"),
            (None, None) => format!("give it one of: {}", KINDS.join(", ")),
        };
        self.problem_fix(
            "FF-WF-004",
            node.key_span.start,
            format!("`{}` does nothing", node.key),
            fix,
        );
    }

    fn call(&mut self, section: &mut Section<'_>, entry: &Entry, path: &str) -> Option<NodeKind> {
        let target = self.text(path, entry);
        let base = section.path("");
        let base = base.trim_end_matches('.').to_owned();
        let with = match section.get("with") {
            Some(entry) => self.free_map(&join(&base, "with"), entry).unwrap_or_default(),
            None => Map::new(),
        };
        let allow = match section.get("allow") {
            Some(entry) => self.texts(&join(&base, "allow"), entry).unwrap_or_default(),
            None => Vec::new(),
        };
        let secrets = match section.get("secrets") {
            Some(entry) => self.slots(&join(&base, "secrets"), entry),
            None => BTreeMap::new(),
        };
        let retry = section.get("retry").map_or_else(
            || Some(Retry::default()),
            |e| self.retry(&join(&base, "retry"), e),
        );
        let timeout_ms = match section.get("timeout") {
            Some(entry) => self.duration(&join(&base, "timeout"), entry, MAX_TIMEOUT_MS),
            None => Some(DEFAULT_TIMEOUT_MS),
        };
        let target = target?;
        let Some((connector, operation)) = split_target(&target) else {
            let message = format!("`{target}` is not an operation");
            let fix = "write publisher:name/operation, for example flowforge:http/get";
            self.problem_fix("FF-WF-024", entry.node.span.start, message, fix);
            return None;
        };
        Some(NodeKind::Call(Box::new(Call {
            connector,
            operation,
            with,
            allow,
            secrets,
            retry: retry?,
            timeout_ms: timeout_ms?,
            idle_timeout_ms: None,
        })))
    }

    fn slots(&mut self, path: &str, entry: &Entry) -> BTreeMap<String, String> {
        self.place(path, Some(entry), &entry.node);
        let mut out = BTreeMap::new();
        for entry in self.entries(path, &entry.node).unwrap_or_default() {
            if let Some(secret) = self.text(&join(path, &entry.key), entry) {
                out.insert(entry.key.clone(), secret);
            }
        }
        out
    }

    fn retry(&mut self, path: &str, entry: &Entry) -> Option<Retry> {
        self.place(path, Some(entry), &entry.node);
        let default = Retry::default();
        if matches!(&entry.node.value, Value::Text(text) if text.text == "never") {
            return Some(Retry {
                attempts: 1,
                ..default
            });
        }
        let mut section = self.section(path, &entry.node)?;
        let attempts = match section.get("attempts") {
            Some(entry) => self.whole(&join(path, "attempts"), entry, 1..=MAX_ATTEMPTS)?,
            None => default.attempts,
        };
        let first_delay_ms = match section.get("first_delay") {
            Some(entry) => self.duration(&join(path, "first_delay"), entry, MAX_WAIT_MS)?,
            None => default.first_delay_ms,
        };
        let max_delay_ms = match section.get("max_delay") {
            Some(entry) => self.duration(&join(path, "max_delay"), entry, MAX_WAIT_MS)?,
            None => default.max_delay_ms.max(first_delay_ms),
        };
        self.finish(section);
        Some(Retry {
            attempts,
            first_delay_ms,
            max_delay_ms,
            ..default
        })
    }

    fn switch(&mut self, path: &str, entry: &Entry) -> Option<NodeKind> {
        let entries = self.entries(path, &entry.node)?;
        let mut cases = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let name = self.snake_name(entry, "a case");
            let Some(when) = self.text(&join(path, &name), entry) else {
                continue;
            };
            let when = (when.trim() != "else").then_some(when);
            if when.is_none() && index + 1 != entries.len() {
                let message = format!("`{name}: else` must be the last case");
                self.problem("FF-WF-009", entry.key_span.start, message);
            }
            cases.push(Case { name, when });
        }
        if cases.is_empty() {
            self.problem("FF-WF-004", entry.node.span.start, "`switch` has no case");
        }
        Some(NodeKind::Switch { cases })
    }

    fn foreach(
        &mut self,
        section: &mut Section<'_>,
        entry: &Entry,
        path: &str,
        depth: usize,
    ) -> Option<NodeKind> {
        let list = self.text(path, entry);
        let base = section.path("");
        let base = base.trim_end_matches('.').to_owned();
        let item = match section.get("as") {
            Some(entry) => {
                let name = self.text(&join(&base, "as"), entry)?;
                self.check_snake(&name, entry.node.span.start, "the element");
                if name != "item" {
                    self.check_reserved(&name, entry.node.span.start);
                }
                name
            }
            None => "item".to_owned(),
        };
        let parallel = match section.get("parallel") {
            Some(entry) => self.whole(&join(&base, "parallel"), entry, 1..=MAX_PARALLEL)?,
            None => DEFAULT_PARALLEL,
        };
        if depth + 1 > MAX_LOOP_DEPTH {
            let message = format!("`foreach` nested deeper than {MAX_LOOP_DEPTH} levels");
            self.problem("FF-WF-002", entry.key_span.start, message);
            return None;
        }
        let body = match section.get("do") {
            Some(entry) => {
                self.place(&join(&base, "do"), Some(entry), &entry.node);
                self.body(entry, &join(&base, "do"), depth + 1)
            }
            None => {
                self.missing(section, "do", "the nodes to run for each element");
                Vec::new()
            }
        };
        Some(NodeKind::Foreach(Foreach {
            list: list?,
            item,
            parallel,
            body,
        }))
    }

    fn wait(&mut self, path: &str, entry: &Entry) -> Option<NodeKind> {
        let mut section = self.section(path, &entry.node)?;
        let length = section.get("for");
        let moment = section.get("until");
        let wait = match (length, moment) {
            (Some(entry), None) => {
                let for_ms = self.duration(&join(path, "for"), entry, MAX_WAIT_MS)?;
                Some(Wait {
                    for_ms: Some(for_ms),
                    until: None,
                    signal: None,
                })
            }
            (None, Some(entry)) => Some(Wait {
                for_ms: None,
                until: self.text(&join(path, "until"), entry),
                signal: None,
            }),
            _ => {
                self.missing(
                    &section,
                    "for",
                    "give exactly one of: `for: 10m`, `until: <expression of a moment>`",
                );
                None
            }
        };
        self.finish(section);
        wait.map(NodeKind::Wait)
    }

    fn approval(&mut self, path: &str, entry: &Entry) -> Option<NodeKind> {
        let mut section = self.section(path, &entry.node)?;
        let title = match section.get("title") {
            Some(entry) => self.text(&join(path, "title"), entry),
            None => {
                self.missing(
                    &section,
                    "title",
                    "the question, for example `title: Send the report?`",
                );
                None
            }
        };
        let show = match section.get("show") {
            Some(entry) => {
                self.place_all(&join(path, "show"), Some(entry), &entry.node);
                entry.node.to_json()
            }
            None => Json::Null,
        };
        let approvers = section
            .get("approvers")
            .and_then(|e| self.texts(&join(path, "approvers"), e))
            .unwrap_or_default();
        let expires_ms = match section.get("expires") {
            Some(entry) => Some(self.duration(&join(path, "expires"), entry, MAX_WAIT_MS)?),
            None => None,
        };
        self.finish(section);
        Some(NodeKind::Approval(Approval {
            title: title?,
            show,
            approvers,
            expires_ms,
        }))
    }
}

/// `publisher:name/operation` as connector and operation.
fn split_target(target: &str) -> Option<(String, String)> {
    let (connector, operation) = target.split_once('/')?;
    let (publisher, name) = connector.split_once(':')?;
    let good = names::is_kebab(publisher) && names::is_kebab(name);
    let operation_good = !operation.is_empty() && operation.split('.').all(names::is_snake);
    (good && operation_good).then(|| (connector.to_owned(), operation.to_owned()))
}

fn count(nodes: &[Node], add: &mut impl FnMut(&NodeId)) {
    for node in nodes {
        add(&node.id);
        if let Some(body) = node.body() {
            count(body, add);
        }
    }
}

/// The loops with the names of their elements.
fn loop_items(nodes: &[Node], out: &mut Vec<(NodeId, String)>) {
    for node in nodes {
        if let NodeKind::Foreach(each) = &node.kind {
            out.push((node.id.clone(), each.item.clone()));
        }
        loop_items(node.body().unwrap_or_default(), out);
    }
}
