//! `call`: an operation of a connector, for a node and for what takes its effect back.

use std::collections::BTreeMap;

use flowforge_protocol::FailureKind;
use serde_json::Map;

use super::At;
use crate::definition::model::{Call, Jitter, NodeKind, Retry};
use crate::definition::reader::{Reader, Section, if_given, join};
use crate::limits::{MAX_ATTEMPTS, MAX_TIMEOUT_MS, MAX_WAIT_MS};
use crate::names;
use crate::yaml::{Entry, Value};

/// Time limit of an attempt if the node sets none.
const DEFAULT_TIMEOUT_MS: u64 = 60_000;

/// The failures that an attempt can end with, as `retry: { on: … }` names them.
const FAILURES: [(&str, FailureKind); 8] = [
    ("throttled", FailureKind::Throttled),
    ("unavailable", FailureKind::Unavailable),
    ("timed_out", FailureKind::TimedOut),
    ("rejected", FailureKind::Rejected),
    ("denied", FailureKind::Denied),
    ("invalid", FailureKind::Invalid),
    ("internal", FailureKind::Internal),
    ("limit", FailureKind::Limit),
];

pub(super) fn read(reader: &mut Reader<'_>, at: &mut At<'_, '_>) -> Option<NodeKind> {
    let call = reader.call(at.section, at.entry, at.base)?;
    Some(NodeKind::Call(Box::new(call)))
}

impl Reader<'_> {
    /// The keys of a call, which stand in the section at `base`.
    pub(in crate::definition) fn call(
        &mut self,
        section: &mut Section<'_>,
        entry: &Entry,
        base: &str,
    ) -> Option<Call> {
        let target = self.text(&join(base, "call"), entry);
        let with = match section.get("with") {
            Some(entry) => self.free_map(&join(base, "with"), entry).unwrap_or_default(),
            None => Map::new(),
        };
        let allow = match section.get("allow") {
            Some(entry) => self.texts(&join(base, "allow"), entry).unwrap_or_default(),
            None => Vec::new(),
        };
        let secrets = match section.get("secrets") {
            Some(entry) => self.slots(&join(base, "secrets"), entry),
            None => BTreeMap::new(),
        };
        let retry = section.get("retry").map_or_else(
            || Some(Retry::default()),
            |entry| self.retry(&join(base, "retry"), entry),
        );
        let timeout_ms = match section.get("timeout") {
            Some(entry) => self.duration(&join(base, "timeout"), entry, MAX_TIMEOUT_MS),
            None => Some(DEFAULT_TIMEOUT_MS),
        };
        let idle_timeout_ms = section
            .get("idle_timeout")
            .map(|entry| self.idle_timeout(&join(base, "idle_timeout"), entry, timeout_ms));
        let target = target?;
        let Some((connector, operation)) = split_target(&target) else {
            let message = format!("`{target}` is not an operation");
            let fix = "write publisher:name/operation, for example flowforge:http/get";
            self.problem_fix("FF-WF-024", entry.node.span.start, message, fix);
            return None;
        };
        Some(Call {
            connector,
            operation,
            with,
            allow,
            secrets,
            retry: retry?,
            timeout_ms: timeout_ms?,
            idle_timeout_ms: if_given(idle_timeout_ms)?,
        })
    }

    fn idle_timeout(&mut self, path: &str, entry: &Entry, timeout_ms: Option<u64>) -> Option<u64> {
        let idle_ms = self.duration(path, entry, MAX_TIMEOUT_MS)?;
        if timeout_ms.is_some_and(|timeout_ms| idle_ms >= timeout_ms) {
            let message = "`idle_timeout` is not shorter than `timeout`, so it says nothing";
            let fix = "give a longer `timeout`, or leave it out";
            self.problem_fix("FF-WF-009", entry.node.span.start, message, fix);
        }
        Some(idle_ms)
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
        // All of it is read before anything is given up, so that every mistake in it is found at once.
        let attempts = match section.get("attempts") {
            Some(entry) => self.whole(&join(path, "attempts"), entry, 1..=MAX_ATTEMPTS),
            None => Some(default.attempts),
        };
        let mut time = |section: &mut Section<'_>, key: &'static str| {
            let entry = section.get(key)?;
            Some(self.duration(&join(path, key), entry, MAX_WAIT_MS))
        };
        let first_delay_ms = time(&mut section, "first_delay").unwrap_or(Some(default.first_delay_ms));
        let max_delay_ms = time(&mut section, "max_delay");
        let within_ms = time(&mut section, "within");
        let jitter = match section.get("jitter") {
            Some(entry) => self.jitter(&join(path, "jitter"), entry),
            None => Some(default.jitter),
        };
        let on = match section.get("on") {
            Some(entry) => self.failures(&join(path, "on"), entry),
            None => Some(Vec::new()),
        };
        if let (Some(first), Some(Some(longest))) = (first_delay_ms, max_delay_ms)
            && first > longest
        {
            let at = self.places.value_at(&join(path, "max_delay"));
            let message = "`max_delay` is shorter than `first_delay`, the shortest wait";
            self.problem_fix("FF-WF-009", at, message, "give a longer one, or leave it out");
        }
        self.finish(section);
        let first_delay_ms = first_delay_ms?;
        Some(Retry {
            attempts: attempts?,
            first_delay_ms,
            max_delay_ms: max_delay_ms.unwrap_or(Some(default.max_delay_ms.max(first_delay_ms)))?,
            jitter: jitter?,
            within_ms: if_given(within_ms)?,
            on: on?,
        })
    }

    fn jitter(&mut self, path: &str, entry: &Entry) -> Option<Jitter> {
        match self.text(path, entry)?.as_str() {
            "half" => Some(Jitter::Half),
            "full" => Some(Jitter::Full),
            "none" => Some(Jitter::None),
            other => {
                let message = format!("`{other}` is not a jitter");
                let fix = "half: between a half and the whole of the wait; full: between nothing and the whole; none";
                self.problem_fix("FF-WF-009", entry.node.span.start, message, fix);
                None
            }
        }
    }

    fn failures(&mut self, path: &str, entry: &Entry) -> Option<Vec<FailureKind>> {
        let mut out = Vec::new();
        let names = self.texts(path, entry)?;
        if names.is_empty() {
            let message = "`on` names no failure, so nothing is tried again";
            let fix = "write `retry: never`, or leave `on` out for the usual ones";
            self.problem_fix("FF-WF-009", entry.node.span.start, message, fix);
        }
        for (index, name) in names.iter().enumerate() {
            match FAILURES.iter().find(|(word, _)| word == name) {
                Some((_, kind)) if out.contains(kind) => {}
                Some((_, kind)) => out.push(*kind),
                None => {
                    let words: Vec<&str> = FAILURES.iter().map(|(word, _)| *word).collect();
                    let at = self.places.value_at(&format!("{path}[{index}]"));
                    let message = format!("`{name}` is not a failure of an attempt");
                    self.problem_fix(
                        "FF-WF-009",
                        at,
                        message,
                        format!("they are: {}", words.join(", ")),
                    );
                }
            }
        }
        Some(out)
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
