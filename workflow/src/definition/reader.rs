//! Typed reading of the YAML tree, with a finding for everything that has the wrong shape.

use serde_json::{Map, Value as Json};

use super::duration::parse_duration_ms;
use super::places::{Place, Places};
use crate::diagnostic::{Diagnostic, Edit, Source, nearest};
use crate::names::to_snake;
use crate::yaml::{Entry, Node, Value};

/// Reads parts of the tree, remembers their places and collects the findings.
pub(super) struct Reader<'s> {
    pub(super) source: &'s Source,
    pub(super) places: Places,
    pub(super) problems: Vec<Diagnostic>,
}

/// A mapping that is being read: every key must be asked for, the rest is unknown.
pub(super) struct Section<'n> {
    path: String,
    at: usize,
    entries: &'n [Entry],
    known: Vec<&'static str>,
}

impl<'n> Section<'n> {
    /// Forgets keys that were asked for, but do not go with what was found.
    pub(super) fn forget(&mut self, is_forgotten: impl Fn(&str) -> bool) {
        self.known.retain(|key| !is_forgotten(key));
    }

    /// Whether a key was asked for.
    pub(super) fn knows(&self, key: &str) -> bool {
        self.known.contains(&key)
    }

    /// The entry of a key, if it is there.
    pub(super) fn get(&mut self, key: &'static str) -> Option<&'n Entry> {
        self.known.push(key);
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The path of a key.
    pub(super) fn path(&self, key: &str) -> String {
        join(&self.path, key)
    }
}

/// The path of a key below a path.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

impl<'s> Reader<'s> {
    pub(super) fn new(source: &'s Source) -> Self {
        Self {
            source,
            places: Places::default(),
            problems: Vec::new(),
        }
    }

    pub(super) fn problem(&mut self, code: &str, at: usize, message: impl Into<String>) {
        self.problems.push(self.source.error(code, at, message));
    }

    pub(super) fn problem_fix(
        &mut self,
        code: &str,
        at: usize,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.problems
            .push(self.source.error(code, at, message).with_fix(fix));
    }

    pub(super) fn wrong_kind(&mut self, node: &Node, path: &str, wanted: &str) {
        let what = match last(path) {
            "" => "the workflow".to_owned(),
            name => format!("`{name}`"),
        };
        let message = format!("{what} must be {wanted}, not {}", node.kind());
        let found = self.source.error("FF-WF-005", node.span.start, message);
        self.problems.push(match shape(path) {
            Some(shape) => found.with_fix(format!("for example `{shape}`")),
            None => found,
        });
    }

    /// Remembers where a value stands.
    pub(super) fn place(&mut self, path: &str, key: Option<&Entry>, node: &Node) {
        let style = match &node.value {
            Value::Text(text) => Some(text.style),
            _ => None,
        };
        self.places.add(
            path,
            Place {
                key: key.map(|entry| entry.key_span),
                value: node.span,
                style,
            },
        );
    }

    /// Remembers where a value and everything in it stands.
    pub(super) fn place_all(&mut self, path: &str, key: Option<&Entry>, node: &Node) {
        self.place(path, key, node);
        match &node.value {
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.place_all(&format!("{path}[{index}]"), None, item);
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    self.place_all(&join(path, &entry.key), Some(entry), &entry.node);
                }
            }
            _ => {}
        }
    }

    /// A mapping whose keys are known.
    pub(super) fn section<'n>(&mut self, path: &str, node: &'n Node) -> Option<Section<'n>> {
        let entries = self.entries(path, node)?;
        Some(Section {
            path: path.to_owned(),
            at: node.span.start,
            entries,
            known: Vec::new(),
        })
    }

    /// The entries of a mapping whose keys are the author's.
    pub(super) fn entries<'n>(&mut self, path: &str, node: &'n Node) -> Option<&'n [Entry]> {
        match &node.value {
            Value::Map(entries) => Some(entries),
            _ => {
                self.wrong_kind(node, path, "a mapping");
                None
            }
        }
    }

    /// Reports every key that was not asked for.
    pub(super) fn finish(&mut self, section: Section<'_>) {
        self.finish_with(section, &[]);
    }

    /// As [`Self::finish`], with what to write instead of words that other products use.
    pub(super) fn finish_with(&mut self, section: Section<'_>, synonyms: &[(&str, &str)]) {
        for entry in section.entries {
            if section.known.contains(&entry.key.as_str()) {
                continue;
            }
            let message = if section.path.is_empty() {
                format!("`{}` is not a key of a workflow", entry.key)
            } else {
                format!("`{}` is not a key of `{}`", entry.key, last(&section.path))
            };
            let mut found = self.source.error("FF-WF-003", entry.key_span.start, message);
            let plain = plain_word(&entry.key);
            if let Some((_, instead)) = synonyms.iter().find(|(word, _)| *word == plain) {
                self.problems.push(found.with_fix(*instead));
                continue;
            }
            found = match nearest(&entry.key, section.known.iter().copied()) {
                Some(known) if section.entries.iter().any(|other| other.key == known) => {
                    found.with_fix(format!("`{known}` is there already"))
                }
                Some(known) => {
                    let edit = Edit {
                        start: entry.key_span.start,
                        end: entry.key_span.end,
                        text: known.to_owned(),
                    };
                    found
                        .with_fix(format!("did you mean `{known}`?"))
                        .with_correction(format!("renamed `{}` to `{known}`", entry.key), vec![edit])
                }
                None => found.with_fix(format!("the keys here are: {}", section.known.join(", "))),
            };
            self.problems.push(found);
        }
    }

    /// Reports a key that must be there.
    pub(super) fn missing(&mut self, section: &Section<'_>, key: &str, fix: &str) {
        let message = if section.path.is_empty() {
            format!("the workflow has no `{key}`")
        } else {
            format!("`{}` has no `{key}`", last(&section.path))
        };
        self.problem_fix("FF-WF-004", section.at, message, fix);
    }

    /// Reports that not exactly one of these keys is there.
    pub(super) fn not_one_of(&mut self, section: &Section<'_>, keys: &[&str], fix: &str) {
        let given: Vec<&Entry> = section
            .entries
            .iter()
            .filter(|entry| keys.contains(&entry.key.as_str()))
            .collect();
        let what = last(&section.path);
        let (at, message) = match given.as_slice() {
            [first, second, ..] => {
                let message = format!("`{what}` has both `{}` and `{}`", first.key, second.key);
                (second.key_span.start, message)
            }
            _ => {
                let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
                (section.at, format!("`{what}` has none of {}", keys.join(", ")))
            }
        };
        self.problem_fix("FF-WF-004", at, message, format!("give exactly one of: {fix}"));
    }

    pub(super) fn text(&mut self, path: &str, entry: &Entry) -> Option<String> {
        self.place(path, Some(entry), &entry.node);
        self.text_of(path, &entry.node)
    }

    pub(super) fn text_of(&mut self, path: &str, node: &Node) -> Option<String> {
        match &node.value {
            Value::Text(text) => Some(text.text.clone()),
            // A bare `true`, `5` or `null` where text or an expression is wanted is taken as it is written.
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => self
                .source
                .text()
                .get(node.span.start..node.span.end)
                .map(|text| text.trim().to_owned()),
            _ => {
                self.wrong_kind(node, path, "text");
                None
            }
        }
    }

    pub(super) fn texts(&mut self, path: &str, entry: &Entry) -> Option<Vec<String>> {
        self.place(path, Some(entry), &entry.node);
        match &entry.node.value {
            Value::List(items) => {
                let mut out = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    self.place(&path, None, item);
                    out.extend(self.text_of(&path, item));
                }
                Some(out)
            }
            Value::Null => Some(Vec::new()),
            _ => {
                self.wrong_kind(&entry.node, path, "a list");
                None
            }
        }
    }

    pub(super) fn whole(
        &mut self,
        path: &str,
        entry: &Entry,
        range: std::ops::RangeInclusive<u32>,
    ) -> Option<u32> {
        self.place(path, Some(entry), &entry.node);
        let found = match &entry.node.value {
            Value::Int(number) => u32::try_from(*number)
                .ok()
                .filter(|number| range.contains(number)),
            _ => {
                self.wrong_kind(&entry.node, path, "a whole number");
                return None;
            }
        };
        if found.is_none() {
            let message = format!("`{}` must be {} to {}", last(path), range.start(), range.end());
            self.problem("FF-WF-009", entry.node.span.start, message);
        }
        found
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, path: &str, entry: &Entry) -> bool {
        self.place(path, Some(entry), &entry.node);
        match &entry.node.value {
            Value::Bool(flag) => *flag,
            _ => {
                self.wrong_kind(&entry.node, path, "true or false");
                false
            }
        }
    }

    pub(super) fn duration(&mut self, path: &str, entry: &Entry, longest_ms: u64) -> Option<u64> {
        let text = self.text(path, entry)?;
        match parse_duration_ms(&text) {
            Ok(0) => {
                self.problem(
                    "FF-WF-009",
                    entry.node.span.start,
                    format!("`{}` must be longer than 0", last(path)),
                );
                None
            }
            Ok(ms) if ms <= longest_ms => Some(ms),
            Ok(_) => {
                let longest = super::duration::format_duration_ms(longest_ms);
                let message = format!("`{}` is longer than the limit of {longest}", last(path));
                self.problem("FF-WF-009", entry.node.span.start, message);
                None
            }
            Err(message) => {
                self.problem("FF-WF-009", entry.node.span.start, message);
                None
            }
        }
    }

    /// A mapping of free values, as JSON; everything in it keeps its place.
    pub(super) fn free_map(&mut self, path: &str, entry: &Entry) -> Option<Map<String, Json>> {
        self.place_all(path, Some(entry), &entry.node);
        if matches!(entry.node.value, Value::Null) {
            return Some(Map::new());
        }
        let entries = self.entries(path, &entry.node)?;
        Some(
            entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.node.to_json()))
                .collect(),
        )
    }
}

/// What was read at a key that may be left out: `None` if it is there and wrong.
pub(super) fn if_given<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        Some(value) => value.map(Some),
        None => Some(None),
    }
}

/// A word as it is looked for among those of other products: capitals, spaces and hyphens do not count.
pub(super) fn plain_word(word: &str) -> String {
    to_snake(word).unwrap_or_else(|| word.to_lowercase())
}

/// How a part of a file looks that is easily written as one word.
fn shape(path: &str) -> Option<&'static str> {
    if let Some(field) = path.strip_prefix("input.") {
        return (!field.contains('.')).then_some("{ type: string }");
    }
    Some(match last(path) {
        "" => "workflow: its-name",
        "runs_on" => "runs_on: { labels: [gpu], placement: failover }",
        "retry" => "retry: { attempts: 5, first_delay: 1s }`, or `retry: never",
        "wait" => "wait: { for: 10m }`, or `wait: { signal: its_name }",
        "repeat" => "repeat: { until: check.body.ready, max: 50 }",
        "respond" => "respond: { status: 202, body: { request: \"${run.id}\" } }",
        "approval" => "approval: { title: \"Go on?\" }",
        "fallback" => "fallback: { value: 0 }`, or `fallback: { node: other }",
        "undo" => "undo: { call: acme:pay/refund, with: { … } }",
        "set" => "set: { total: \"${sum(input.prices)}\" }",
        "switch" => "switch: { large: input.amount > 1000, other: else }",
        "webhook" => "webhook: { path: orders, hmac: hook_key }",
        "poll" | "trigger" => "poll: { call: acme:feed/new_items, every: 1m }",
        "schedule" => "schedule: { cron: \"30 2 * * *\" }",
        "allow" => "allow: [\"https://shop.example.com\"]",
        "on" => "on: [throttled, unavailable]",
        _ => return None,
    })
}

/// The last part of a path, as the author knows it.
pub(super) fn last(path: &str) -> &str {
    let part = path.rsplit('.').next().unwrap_or(path);
    // What takes an effect back has the path of its step: `nodes.pay~undo`.
    part.split_once('~').map_or(part, |(_, word)| word)
}
