//! The nodes of a definition: what every node may say, whatever its kind. The kinds are in [`super::kinds`].

use std::collections::BTreeMap;

use flowforge_protocol::NodeId;

use super::model::{After, Call, Fallback, Node, OnError};
use super::reader::{Reader, Section, join};
use crate::limits::{MAX_AFTER, MAX_NODES};
use crate::names;
use crate::yaml::{Entry, Value};

impl Reader<'_> {
    pub(super) fn nodes(&mut self, entry: &Entry) -> Vec<Node> {
        let nodes = self.body(entry, "nodes", 0);
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        count(&nodes, &mut |id| *seen.entry(id.to_string()).or_insert(0) += 1);
        let total: usize = seen.values().sum();
        let repeated: Vec<&String> = seen
            .iter()
            .filter(|(_, times)| **times > 1)
            .map(|(id, _)| id)
            .collect();
        for id in repeated {
            let at = self.places.key_at(&join("nodes", id));
            let fix = "ids are unique in a workflow, also inside `do`";
            self.problem_fix("FF-WF-006", at, format!("two nodes are called `{id}`"), fix);
        }
        let mut inner_names = Vec::new();
        loop_names(&nodes, &mut inner_names);
        for (id, name) in inner_names {
            if seen.contains_key(&name) {
                self.name_taken_by_loop(&id, &name);
            }
        }
        if total > MAX_NODES {
            let message = format!("{total} nodes, above the limit of {MAX_NODES}");
            self.problem("FF-WF-002", entry.key_span.start, message);
        }
        nodes
    }

    fn name_taken_by_loop(&mut self, id: &NodeId, name: &str) {
        if name == names::ROUND {
            let at = self.places.key_at(&join("nodes", name));
            let message = format!("`{name}` is the number of the round inside the loop `{id}`");
            self.problem_fix("FF-WF-007", at, message, "call the node something else");
        } else {
            let at = self.places.value_at(&format!("nodes.{id}.as"));
            let message = format!("`{name}` is the name of a node already");
            self.problem_fix("FF-WF-007", at, message, "call the element something else");
        }
    }

    /// The nodes of the workflow or of a loop.
    pub(super) fn body(&mut self, entry: &Entry, path: &str, depth: usize) -> Vec<Node> {
        let Some(entries) = self.entries(path, &entry.node) else {
            return Vec::new();
        };
        if entries.is_empty() {
            let fix = "write at least one node below, for example `first: { set: { x: 1 } }`";
            self.problem_fix("FF-WF-004", entry.key_span.start, "there is no node here", fix);
        }
        entries
            .iter()
            .filter_map(|entry| self.node(entry, depth))
            .collect()
    }

    fn node(&mut self, entry: &Entry, depth: usize) -> Option<Node> {
        self.snake_name(entry, "a node");
        self.check_reserved(&entry.key, entry.key_span.start, "a node");
        let path = join("nodes", &entry.key);
        self.place(&path, Some(entry), &entry.node);
        let id: Option<NodeId> = entry.key.parse().ok();
        let mut section = self.section(&path, &entry.node)?;
        let after = section
            .get("after")
            .map(|entry| self.after(&join(&path, "after"), entry))
            .unwrap_or_default();
        let kind = self.kind(&path, &mut section, entry, depth);
        let on_error = section.get("on_error").map_or(OnError::Stop, |entry| {
            self.on_error(&join(&path, "on_error"), entry)
        });
        let fallback = section
            .get("fallback")
            .and_then(|entry| self.fallback(&join(&path, "fallback"), entry));
        let undo = section
            .get("undo")
            .and_then(|entry| self.undo(&format!("{path}~undo"), entry));
        let disabled = section
            .get("disabled")
            .is_some_and(|entry| self.flag(&join(&path, "disabled"), entry));
        if kind.is_some() {
            self.finish_node(section);
        }
        Some(Node {
            id: id?,
            after,
            on_error,
            fallback,
            undo: undo.map(Box::new),
            disabled,
            kind: kind?,
        })
    }

    pub(super) fn check_reserved(&mut self, name: &str, at: usize, what: &str) {
        if let Some(reason) = names::reserved(name) {
            let word = if what == "a node" { "step" } else { "item" };
            let fix = format!("choose another, for example `{name}_{word}`");
            let message = format!("`{name}` cannot be the name of {what}: {reason}");
            self.problem_fix("FF-WF-007", at, message, fix);
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
            let parsed = text.parse::<After>().ok();
            match parsed.filter(|after| !after.node.is_undo()) {
                Some(after) => out.push(after),
                None => {
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

    fn on_error(&mut self, path: &str, entry: &Entry) -> OnError {
        match self.text(path, entry).as_deref() {
            Some("branch") => OnError::Branch,
            Some("stop") | None => OnError::Stop,
            Some(other) => {
                let message = format!("`on_error` is `stop` or `branch`, not `{other}`");
                let fix =
                    "stop: the run fails; branch: it goes on, with the nodes that have `after: NODE.failed`";
                self.problem_fix("FF-WF-009", entry.node.span.start, message, fix);
                OnError::Stop
            }
        }
    }

    fn fallback(&mut self, path: &str, entry: &Entry) -> Option<Fallback> {
        self.place_all(path, Some(entry), &entry.node);
        let mut section = self.section(path, &entry.node)?;
        let value = section.get("value");
        let node = section.get("node");
        let fallback = match (value, node) {
            (Some(value), None) => Some(Fallback::Value(value.node.to_json())),
            (None, Some(node)) => {
                let text = self.text(&join(path, "node"), node)?;
                let id = text.parse::<NodeId>().ok().filter(|id| !id.is_undo());
                if id.is_none() {
                    let message = format!("`{text}` is not the name of a node");
                    self.problem("FF-WF-021", node.node.span.start, message);
                }
                id.map(Fallback::Node)
            }
            _ => {
                let fix = "`value: <what stands in>`, `node: <the node that stands in>`";
                self.not_one_of(&section, &["value", "node"], fix);
                None
            }
        };
        self.finish(section);
        fallback
    }

    /// The places of what takes an effect back stand under the id of its step: `nodes.pay~undo`.
    fn undo(&mut self, path: &str, entry: &Entry) -> Option<Call> {
        self.place(path, Some(entry), &entry.node);
        let mut section = self.section(path, &entry.node)?;
        let Some(entry) = section.get("call") else {
            let fix = "the operation that takes the effect back, for example `call: acme:pay/refund`";
            self.missing(&section, "call", fix);
            return None;
        };
        let call = self.call(&mut section, entry, path);
        self.finish(section);
        call
    }

    fn finish_node(&mut self, section: Section<'_>) {
        /// What another product says, the key that it stands for here, and what to write.
        const SYNONYMS: [(&str, &str, &str); 11] = [
            ("continue_on_fail", "on_error", "write `on_error: branch`"),
            ("continue_on_error", "on_error", "write `on_error: branch`"),
            ("ignore_errors", "on_error", "write `on_error: branch`"),
            (
                "catch",
                "on_error",
                "write `on_error: branch`, and `after: NODE.failed` at the node that comes then",
            ),
            ("retry_on_fail", "retry", "write `retry: { attempts: 3 }`"),
            ("max_tries", "retry", "write `retry: { attempts: 3 }`"),
            ("retries", "retry", "write `retry: { attempts: 3 }`"),
            ("compensate", "undo", "write `undo: { call: … }`"),
            ("rollback", "undo", "write `undo: { call: … }`"),
            ("depends_on", "after", "write `after: NODE`"),
            (
                "needs",
                "after",
                "write `after: NODE`; a node waits for what its expressions name without that",
            ),
        ];
        const OF_CALLS: [&str; 5] = ["allow", "secrets", "retry", "timeout", "idle_timeout"];
        const ONLY_CALLS: &str =
            "only a `call` is tried again, limited in time, or given destinations and secrets";
        let words = SYNONYMS.map(|(word, key, instead)| {
            let is_here = section.knows(key);
            (word, if is_here { instead } else { ONLY_CALLS })
        });
        let elsewhere = OF_CALLS.into_iter().filter(|key| !section.knows(key));
        let words: Vec<(&str, &str)> = words
            .into_iter()
            .chain(elsewhere.map(|key| (key, ONLY_CALLS)))
            .collect();
        self.finish_with(section, &words);
    }
}

fn count(nodes: &[Node], add: &mut impl FnMut(&NodeId)) {
    for node in nodes {
        add(&node.id);
        if let Some(body) = node.body() {
            count(body, add);
        }
    }
}

/// The loops with the names that their bodies know besides nodes.
fn loop_names(nodes: &[Node], out: &mut Vec<(NodeId, String)>) {
    for node in nodes {
        if let Some(name) = node.kind.inner_name() {
            out.push((node.id.clone(), name.to_owned()));
        }
        loop_names(node.body().unwrap_or_default(), out);
    }
}
