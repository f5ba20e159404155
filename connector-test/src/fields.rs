//! Typed reading of a test file: every key is asked for, and what is wrong is told with its line and a mend.

use flowforge_connector_build::{Diagnostic, position};
use flowforge_workflow::parse_duration_ms;
use flowforge_workflow::yaml_tree::{Entry, Node, Value};

/// Collects what is wrong with one file.
pub(crate) struct Reader<'t> {
    file: &'t str,
    text: &'t str,
    pub(crate) found: Vec<Diagnostic>,
}

impl<'t> Reader<'t> {
    pub(crate) fn new(file: &'t str, text: &'t str) -> Self {
        Self {
            file,
            text,
            found: Vec::new(),
        }
    }

    /// Line and column, from 1, of a byte offset.
    pub(crate) fn place(&self, at: usize) -> (usize, usize) {
        position(self.text, at)
    }

    pub(crate) fn wrong(
        &mut self,
        at: usize,
        code: &str,
        message: impl Into<String>,
        mend: impl Into<String>,
    ) {
        let (line, column) = self.place(at);
        self.found.push(Diagnostic {
            file: self.file.to_owned(),
            line,
            column,
            code: Some(code.to_owned()),
            message: message.into(),
            mend: Some(mend.into()),
        });
    }

    fn wrong_kind(&mut self, node: &Node, key: &str, wanted: &str) {
        self.wrong(
            node.span.start,
            "FF-TST-002",
            format!("`{key}` must be {wanted}, not {}", node.kind()),
            format!("write {wanted}"),
        );
    }

    /// The keys of a mapping.
    pub(crate) fn fields<'n>(&mut self, node: &'n Node, what: &str) -> Option<Fields<'n>> {
        match &node.value {
            Value::Map(entries) => Some(Fields {
                at: node.span.start,
                entries,
                known: Vec::new(),
            }),
            _ => {
                self.wrong_kind(node, what, "a mapping");
                None
            }
        }
    }

    pub(crate) fn list<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match &node.value {
            Value::List(items) => items,
            _ => {
                self.wrong_kind(node, what, "a list");
                &[]
            }
        }
    }

    pub(crate) fn text(&mut self, node: &Node, key: &str) -> Option<String> {
        match &node.value {
            Value::Text(text) => Some(text.text.clone()),
            _ => {
                self.wrong_kind(node, key, "text");
                None
            }
        }
    }

    /// A whole number from `least` on.
    pub(crate) fn number(&mut self, node: &Node, key: &str, least: u32) -> Option<u32> {
        let number = match &node.value {
            Value::Int(number) => u32::try_from(*number).ok().filter(|number| *number >= least),
            _ => None,
        };
        if number.is_none() {
            self.wrong_kind(node, key, &format!("a whole number from {least}"));
        }
        number
    }

    /// A length of time in milliseconds, as workflows write it.
    pub(crate) fn duration_ms(&mut self, node: &Node, key: &str) -> Option<u64> {
        let text = self.text(node, key)?;
        match parse_duration_ms(&text) {
            Ok(ms) => Some(ms),
            Err(reason) => {
                self.wrong(
                    node.span.start,
                    "FF-TST-002",
                    format!("`{key}`: {reason}"),
                    "such as 300ms or 2s",
                );
                None
            }
        }
    }

    /// Key and text of every entry of a mapping.
    pub(crate) fn texts(&mut self, node: &Node, key: &str) -> Vec<(String, String)> {
        let Value::Map(entries) = &node.value else {
            self.wrong_kind(node, key, "a mapping");
            return Vec::new();
        };
        entries
            .iter()
            .filter_map(|entry| Some((entry.key.clone(), self.text(&entry.node, &entry.key)?)))
            .collect()
    }
}

/// A mapping that is being read.
pub(crate) struct Fields<'n> {
    pub(crate) at: usize,
    entries: &'n [Entry],
    known: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    pub(crate) fn get(&mut self, key: &'static str) -> Option<&'n Node> {
        self.known.push(key);
        self.entries
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.node)
    }

    /// The value of a key that must be there.
    pub(crate) fn need(
        &mut self,
        key: &'static str,
        example: &str,
        reader: &mut Reader<'_>,
    ) -> Option<&'n Node> {
        let found = self.get(key);
        if found.is_none() {
            reader.wrong(
                self.at,
                "FF-TST-003",
                format!("`{key}` is missing"),
                format!("add `{key}: {example}`"),
            );
        }
        found
    }

    /// Tells every key that was not asked for.
    pub(crate) fn finish(self, reader: &mut Reader<'_>) {
        for entry in self
            .entries
            .iter()
            .filter(|entry| !self.known.contains(&entry.key.as_str()))
        {
            reader.wrong(
                entry.key_span.start,
                "FF-TST-001",
                format!("there is no key `{}` here", entry.key),
                format!("use one of {}", self.known.join(", ")),
            );
        }
    }
}
