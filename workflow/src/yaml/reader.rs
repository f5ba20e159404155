//! From YAML events to the tree.

use std::collections::HashSet;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use super::{Entry, Node, Style, Text, Value, mistakes, scalar};
use crate::diagnostic::{Diagnostic, Source, Span};
use crate::limits::{MAX_SOURCE_BYTES, MAX_YAML_DEPTH, MAX_YAML_VALUES};

/// The byte order mark with which some editors begin a file.
pub(super) const MARK: char = '\u{feff}';

/// Reads one document.
///
/// # Errors
///
/// Everything that stops the reading (`FF-WF-001`, `-002`, `-008`, `-011`, `-012`), or all duplicate keys
/// (`FF-WF-006`).
pub(crate) fn read(source: &Source) -> Result<Node, Vec<Diagnostic>> {
    if source.text().len() > MAX_SOURCE_BYTES {
        let message = format!(
            "the file has {} bytes, above the limit of {MAX_SOURCE_BYTES}",
            source.text().len()
        );
        return Err(vec![source.error("FF-WF-002", 0, message)]);
    }
    if let Some(found) = mistakes::unprintable(source) {
        return Err(vec![found]);
    }
    let mut builder = Builder {
        source,
        stack: Vec::new(),
        root: None,
        values: 0,
        problems: Vec::new(),
    };
    let mut documents = 0;
    // A mark at the very beginning says how the file is encoded, and is no part of it.
    let text = source.text().strip_prefix(MARK).unwrap_or(source.text());
    let mut offsets = Offsets {
        source,
        marked: text.len() < source.text().len(),
        line: 0,
        characters: Vec::new(),
    };
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                return Err(vec![mistakes::explain(
                    source,
                    offsets.of(error.marker()),
                    &error,
                )]);
            }
        };
        let start = offsets.of(&span.start);
        let end = offsets.of(&span.end).max(start);
        if matches!(event, Event::DocumentStart(_)) {
            documents += 1;
            if documents > 1 {
                let message = "a file holds one workflow, here begins a second document";
                return Err(vec![source.error("FF-WF-008", start, message)]);
            }
        }
        if let Err(problem) = builder.take(event, Span { start, end }) {
            return Err(vec![*problem]);
        }
    }
    if !builder.problems.is_empty() {
        return Err(builder.problems);
    }
    builder
        .root
        .ok_or_else(|| vec![source.error("FF-WF-001", 0, "the file is empty")])
}

/// The bytes at which the parser's places stand. It counts lines and characters; the characters of the last line asked for
/// are remembered, so that many values on one line cost no more than on many.
struct Offsets<'s> {
    source: &'s Source,
    marked: bool,
    line: usize,
    /// The byte of each of its characters, and its end.
    characters: Vec<usize>,
}

impl Offsets<'_> {
    fn of(&mut self, marker: &Marker) -> usize {
        if self.line != marker.line() {
            self.line = marker.line();
            let start = self.source.line_start(self.line);
            let rest = self.source.text().get(start..).unwrap_or_default();
            let line = rest.split('\n').next().unwrap_or_default();
            self.characters.clear();
            self.characters
                .extend(line.char_indices().map(|(at, _)| start + at));
            self.characters.push(start + line.len());
        }
        let column = marker.col() + usize::from(self.marked && self.line == 1);
        let last = self.characters.last().copied().unwrap_or_default();
        self.characters.get(column).copied().unwrap_or(last)
    }
}

/// A collection that is still open.
enum Open {
    List(Vec<Node>, usize),
    Map {
        entries: Vec<Entry>,
        keys: HashSet<String>,
        pending: Option<(String, Span)>,
        start: usize,
    },
}

struct Builder<'s> {
    source: &'s Source,
    stack: Vec<Open>,
    root: Option<Node>,
    values: usize,
    problems: Vec<Diagnostic>,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Box<Diagnostic>> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_extras(anchor, tag.is_some(), span)?;
                self.scalar(&text, style, span)
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_extras(anchor, tag.is_some(), span)?;
                self.open(Open::List(Vec::new(), span.start), span)
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_extras(anchor, tag.is_some(), span)?;
                let keys = HashSet::new();
                let open = Open::Map {
                    entries: Vec::new(),
                    keys,
                    pending: None,
                    start: span.start,
                };
                self.open(open, span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(_) => Err(self.extra("an alias (`*name`)", span)),
            _ => Ok(()),
        }
    }

    fn extra(&self, what: &str, span: Span) -> Box<Diagnostic> {
        let message = format!("{what} is not part of the workflow language");
        Box::new(
            self.source
                .error("FF-WF-008", span.start, message)
                .with_fix("write the value out"),
        )
    }

    fn refuse_extras(&self, anchor: usize, tag: bool, span: Span) -> Result<(), Box<Diagnostic>> {
        if anchor != 0 {
            return Err(self.extra("an anchor (`&name`)", span));
        }
        if tag {
            return Err(self.extra("a tag (`!name`)", span));
        }
        Ok(())
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, span: Span) -> Result<(), Box<Diagnostic>> {
        if let Some(Open::Map {
            pending: pending @ None,
            keys,
            ..
        }) = self.stack.last_mut()
        {
            if text.contains(MARK) {
                return Err(Box::new(mistakes::stray_mark(self.source, span.start)));
            }
            if !keys.insert(text.to_owned()) {
                let message = format!("`{}` stands here a second time", shorten(text));
                let fix = "keep one of them";
                self.problems
                    .push(self.source.error("FF-WF-006", span.start, message).with_fix(fix));
            }
            *pending = Some((text.to_owned(), span));
            return Ok(());
        }
        let quoted = |style| {
            Ok(Value::Text(Text {
                text: text.to_owned(),
                style,
            }))
        };
        let value = match style {
            ScalarStyle::Plain => scalar::plain(text),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => quoted(Style::Quoted),
            ScalarStyle::Literal | ScalarStyle::Folded => quoted(Style::Block),
        };
        let value = value.map_err(|reason| Box::new(self.source.error("FF-WF-009", span.start, reason)))?;
        self.add(Node { value, span })
    }

    fn open(&mut self, open: Open, span: Span) -> Result<(), Box<Diagnostic>> {
        if let Some(Open::Map { pending: None, .. }) = self.stack.last() {
            return Err(Box::new(mistakes::collection_as_key(self.source, span)));
        }
        if self.stack.len() >= MAX_YAML_DEPTH {
            let message = format!("nested deeper than {MAX_YAML_DEPTH} levels");
            return Err(Box::new(self.source.error("FF-WF-002", span.start, message)));
        }
        self.stack.push(open);
        Ok(())
    }

    fn close(&mut self, span: Span) -> Result<(), Box<Diagnostic>> {
        let (value, start) = match self.stack.pop() {
            Some(Open::List(items, start)) => (Value::List(items), start),
            Some(Open::Map { entries, start, .. }) => (Value::Map(entries), start),
            None => return Ok(()),
        };
        self.add(Node {
            value,
            span: Span {
                start,
                end: span.end.max(start),
            },
        })
    }

    fn add(&mut self, node: Node) -> Result<(), Box<Diagnostic>> {
        self.values += 1;
        if self.values > MAX_YAML_VALUES {
            let message = format!("more than {MAX_YAML_VALUES} values");
            return Err(Box::new(self.source.error("FF-WF-002", node.span.start, message)));
        }
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Open::List(items, _)) => items.push(node),
            Some(Open::Map { entries, pending, .. }) => {
                if let Some((key, key_span)) = pending.take() {
                    entries.push(Entry { key, key_span, node });
                }
            }
        }
        Ok(())
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(60).collect()
}
