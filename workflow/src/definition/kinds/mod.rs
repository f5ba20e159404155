//! The kinds of nodes, as the file writes them: one file a kind, each with one function that reads it.

mod approval;
mod call;
mod foreach;
mod repeat;
mod respond;
mod set;
mod switch;
mod wait;
mod workflow;

use super::model::{Node, NodeKind};
use super::reader::{Reader, Section, join, plain_word};
use crate::diagnostic::nearest;
use crate::limits::MAX_LOOP_DEPTH;
use crate::yaml::{Entry, Value};

/// A node whose kind is being read.
struct At<'a, 'n> {
    /// The node.
    section: &'a mut Section<'n>,
    /// Its path: `nodes.pay`.
    base: &'a str,
    /// The path of the key that says what it does: `nodes.pay.call`.
    path: String,
    /// That key.
    entry: &'n Entry,
    /// Number of loops around it.
    depth: usize,
}

type Read = fn(&mut Reader<'_>, &mut At<'_, '_>) -> Option<NodeKind>;

/// The keys that say what a node does.
const KINDS: [(&str, Read); 9] = [
    ("call", call::read),
    ("set", set::read),
    ("switch", switch::read),
    ("foreach", foreach::read),
    ("repeat", repeat::read),
    ("wait", wait::read),
    ("approval", approval::read),
    ("workflow", workflow::read),
    ("respond", respond::read),
];

/// The words of the kinds of nodes, as a file says them.
pub fn node_kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(word, _)| *word)
}

/// Words of other products for what is a kind of node here. Capitals, spaces and hyphens do not count.
const SYNONYMS: [(&str, &str); 44] = [
    ("if", "switch"),
    ("condition", "switch"),
    ("case", "switch"),
    ("filter", "switch"),
    ("router", "switch"),
    ("loop", "foreach"),
    ("for_each", "foreach"),
    ("map", "foreach"),
    ("loop_over_items", "foreach"),
    ("split_in_batches", "foreach"),
    ("split_out", "foreach"),
    ("iterator", "foreach"),
    ("while", "repeat"),
    ("until", "repeat"),
    ("do_while", "repeat"),
    ("poll", "repeat"),
    ("sleep", "wait"),
    ("delay", "wait"),
    ("timer", "wait"),
    ("signal", "wait: { signal: … }"),
    ("event", "wait: { signal: … }"),
    ("wait_for_event", "wait: { signal: … }"),
    ("wait_for_webhook", "wait: { signal: … }"),
    ("http", "call: flowforge:http/get"),
    ("http_request", "call: flowforge:http/get"),
    ("run", "call"),
    ("uses", "call"),
    ("action", "call"),
    ("code", "call"),
    ("edit_fields", "set"),
    ("set_fields", "set"),
    ("assign", "set"),
    ("variables", "set"),
    ("transform", "set"),
    ("ask", "approval"),
    ("confirm", "approval"),
    ("send_and_wait", "approval"),
    ("execute_workflow", "workflow"),
    ("sub_workflow", "workflow"),
    ("subworkflow", "workflow"),
    ("child", "workflow"),
    ("respond_to_webhook", "respond"),
    ("response", "respond"),
    ("return", "respond"),
];

/// Words for what is no kind of node here, with what to write instead.
const NO_NODE: [(&str, &str); 6] = [
    (
        "merge",
        "no node merges: name the values of both where they are used, or write `after: [a, b]` for whichever happens",
    ),
    (
        "join",
        "no node joins: name the values of both where they are used, or write `after: [a, b]` for whichever happens",
    ),
    (
        "parallel",
        "nodes that do not wait for each other run at the same time",
    ),
    (
        "try",
        "write `on_error: branch` at the node that may fail, and `after: NODE.failed` at the one that comes then",
    ),
    (
        "stop_and_error",
        "a node fails when its expression does; `switch` without a true case does",
    ),
    (
        "no_op",
        "leave the node out, or write `disabled: true` at one that is to be skipped",
    ),
];

impl Reader<'_> {
    pub(super) fn kind(
        &mut self,
        base: &str,
        section: &mut Section<'_>,
        node: &Entry,
        depth: usize,
    ) -> Option<NodeKind> {
        let found: Vec<(&'static str, Read, &Entry)> = KINDS
            .iter()
            .filter_map(|(kind, read)| section.get(kind).map(|entry| (*kind, *read, entry)))
            .collect();
        match found.as_slice() {
            [(kind, read, entry)] => {
                let path = join(base, kind);
                self.place(&path, Some(entry), &entry.node);
                // A node does one thing, so the other kinds are no keys of it any more.
                section.forget(|key| key != *kind && KINDS.iter().any(|(other, _)| *other == key));
                let mut at = At {
                    section,
                    base,
                    path,
                    entry,
                    depth,
                };
                read(self, &mut at)
            }
            [] => {
                self.no_kind(node);
                None
            }
            [(first, ..), (second, _, entry), ..] => {
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
        let keys: Vec<(&str, String)> = match &node.node.value {
            Value::Map(entries) => entries
                .iter()
                .map(|entry| (entry.key.as_str(), plain_word(&entry.key)))
                .collect(),
            _ => Vec::new(),
        };
        let listed = |table: &[(&'static str, &'static str)]| {
            keys.iter().find_map(|(key, plain)| {
                let entry = table.iter().find(|(word, _)| word == plain)?;
                Some((*key, entry.1))
            })
        };
        let near = || {
            let kinds = || KINDS.iter().map(|(kind, _)| *kind);
            keys.iter()
                .find_map(|(key, _)| nearest(key, kinds()).map(|kind| (*key, kind)))
        };
        let fix = if let Some((word, kind)) = listed(&SYNONYMS) {
            format!("`{word}` is called `{kind}` here")
        } else if let Some((_, instead)) = listed(&NO_NODE) {
            instead.to_owned()
        } else if let Some((word, kind)) = near() {
            format!("did you mean `{kind}` instead of `{word}`?")
        } else {
            let kinds: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
            format!("give it one of: {}", kinds.join(", "))
        };
        self.problem_fix(
            "FF-WF-004",
            node.key_span.start,
            format!("`{}` does nothing", node.key),
            fix,
        );
    }

    /// The body of a loop; nothing if loops are nested too deep.
    fn inner_nodes(&mut self, at: &mut At<'_, '_>, kind: &str, what: &str) -> Option<Vec<Node>> {
        if at.depth + 1 > MAX_LOOP_DEPTH {
            let message = format!("`{kind}` nested deeper than {MAX_LOOP_DEPTH} levels");
            self.problem("FF-WF-002", at.entry.key_span.start, message);
            return None;
        }
        Some(match at.section.get("do") {
            Some(entry) => {
                let path = join(at.base, "do");
                self.place(&path, Some(entry), &entry.node);
                self.body(entry, &path, at.depth + 1)
            }
            None => {
                self.missing(at.section, "do", what);
                Vec::new()
            }
        })
    }
}
