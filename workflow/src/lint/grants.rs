//! Grants: every destination that can be told from the file is allowed, and every `allow` is one (R6, R9).

use flowforge_ports::CapabilityKind;
use flowforge_protocol::NodeId;
use serde_json::Value;

use super::{Lint, call_of, named};
use crate::destination::{covers, destination};
use crate::diagnostic::{Diagnostic, Edit};
use crate::expr::{Piece, pieces};
use crate::grants::config_text;
use crate::model::Call;
use crate::yaml::quote;

/// A destination that a node needs.
struct Need {
    /// `scheme://name:port`.
    destination: String,
    /// How `allow` should name it: with the expression the author used.
    written: String,
    /// Where it is needed.
    path: String,
}

impl Lint<'_> {
    pub(super) fn grants(&mut self) {
        let definition = self.definition;
        for (node, call) in definition.model.calls() {
            let (allowed, mut found) = self.allowed(&node, call);
            found.extend(self.missing(&node, call, &allowed));
            self.findings.extend(found);
        }
    }

    fn allowed(&self, node: &NodeId, call: &Call) -> (Vec<String>, Vec<Diagnostic>) {
        let mut allowed = Vec::new();
        let mut found = Vec::new();
        for (index, source) in call.allow.iter().enumerate() {
            let path = format!("nodes.{node}.allow[{index}]");
            let text = config_text(source, &self.config);
            match text.and_then(|text| destination(&text).map_err(|problem| problem.to_string())) {
                Ok(destination) => allowed.push(destination),
                Err(message) => found.push(self.error_at_value("FF-WF-030", &path, message)),
            }
        }
        (allowed, found)
    }

    fn missing(&self, node: &NodeId, call: &Call, allowed: &[String]) -> Vec<Diagnostic> {
        let Some(connector) = self.connectors.get(&call.connector) else {
            return Vec::new();
        };
        if !connector.interface.has_capability(CapabilityKind::Http) {
            return self.useless(node, call);
        }
        let mut needs = Vec::new();
        for (port, value) in &call.with {
            self.needs_of(&format!("nodes.{node}.with.{port}"), value, &mut needs);
        }
        let suggested = connector
            .interface
            .meta
            .as_ref()
            .and_then(|meta| meta.needs.http.as_ref());
        for suggestion in suggested
            .iter()
            .flat_map(|http| &http.destinations)
            .filter(|d| !d.contains('*'))
        {
            if let Ok(found) = destination(suggestion) {
                let path = format!("nodes.{node}.call");
                needs.push(Need {
                    destination: found,
                    written: suggestion.clone(),
                    path,
                });
            }
        }
        let mut written: Vec<String> = Vec::new();
        let mut out: Vec<Diagnostic> = Vec::new();
        for need in needs {
            let covered = allowed.iter().any(|allowed| covers(allowed, &need.destination));
            if covered || written.contains(&need.written) {
                continue;
            }
            written.push(need.written.clone());
            let message = format!("{} may not reach {}", call_of(node), need.destination);
            out.push(self.error_at_value("FF-WF-031", &need.path, message));
        }
        if written.is_empty() && allowed.is_empty() && call.allow.is_empty() {
            let message = format!(
                "{} may reach nothing: `{}` makes requests",
                call_of(node),
                call.connector
            );
            let found = self.error_at_value("FF-WF-031", &format!("nodes.{node}.call"), message);
            return vec![found.with_fix("add the destinations it needs: allow: [\"https://…\"]")];
        }
        self.corrected(node, call, &written, out)
    }

    /// One edit that adds all that is missing, at the first finding; the words of the fix at each.
    fn corrected(
        &self,
        node: &NodeId,
        call: &Call,
        written: &[String],
        found: Vec<Diagnostic>,
    ) -> Vec<Diagnostic> {
        let all: Vec<String> = call
            .allow
            .iter()
            .chain(written)
            .map(|entry| quote(entry))
            .collect();
        let line = format!("allow: [{}]", all.join(", "));
        let edit = self.allow_edit(node, &line);
        let mut edit = edit.map(|edit| (format!("added  {line}  under {}", named(node)), vec![edit]));
        found
            .into_iter()
            .map(|found| {
                let found = found.with_fix(format!("add  {line}  under {}", named(node)));
                match edit.take() {
                    Some((title, edits)) => found.with_correction(title, edits),
                    None => found,
                }
            })
            .collect()
    }

    fn allow_edit(&self, node: &NodeId, line: &str) -> Option<Edit> {
        let places = &self.definition.places;
        let source = &self.definition.source;
        if let Some(place) = places.get(&format!("nodes.{node}.allow")) {
            return Some(Edit {
                start: place.key?.start,
                end: place.value.end,
                text: line.to_owned(),
            });
        }
        let call = places.get(&format!("nodes.{node}.call"))?.key?;
        let (line_number, column) = source.place(call.start);
        let before = source.line(usize::try_from(line_number).ok()?);
        let indent: String = before
            .chars()
            .take(usize::try_from(column).ok()?.saturating_sub(1))
            .collect();
        if !indent.trim().is_empty() {
            // The node is written in { … }: the new key goes in front of `call`.
            return Some(Edit {
                start: call.start,
                end: call.start,
                text: format!("{line}, "),
            });
        }
        let end = self.end_of_node(node, indent.len())?;
        let text = format!("{indent}{line}\n");
        let missing_end = source.text().get(..end).is_some_and(|text| !text.ends_with('\n'));
        Some(Edit {
            start: end,
            end,
            text: if missing_end { format!("\n{text}") } else { text },
        })
    }

    /// The byte after the last line of a node written as a block with this indentation.
    fn end_of_node(&self, node: &NodeId, indent: usize) -> Option<usize> {
        let source = &self.definition.source;
        let start = self.definition.places.get(&format!("nodes.{node}"))?.value.start;
        let (first, _) = source.place(start);
        let mut at = source.line_start(usize::try_from(first).ok()?);
        let mut end = at;
        for line in source.text().get(at..)?.split_inclusive('\n') {
            let depth = line.len() - line.trim_start_matches(' ').len();
            let blank = line.trim().is_empty() || line.trim_start().starts_with('#');
            if !blank && depth < indent {
                break;
            }
            at += line.len();
            if !blank {
                end = at;
            }
        }
        Some(end)
    }

    /// `allow` at a connector that makes no requests.
    fn useless(&self, node: &NodeId, call: &Call) -> Vec<Diagnostic> {
        if call.allow.is_empty() {
            return Vec::new();
        }
        let message = format!(
            "`{}` makes no requests, `allow` says nothing here",
            call.connector
        );
        vec![
            self.error_at_key("FF-WF-034", &format!("nodes.{node}.allow"), message)
                .into_warning()
                .with_fix("take it out"),
        ]
    }

    fn needs_of(&self, path: &str, value: &Value, needs: &mut Vec<Need>) {
        match value {
            Value::String(text) => needs.extend(self.need(path, text)),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.needs_of(&format!("{path}[{index}]"), item, needs);
                }
            }
            Value::Object(fields) => {
                for (name, field) in fields {
                    self.needs_of(&format!("{path}.{name}"), field, needs);
                }
            }
            _ => {}
        }
    }

    /// The destination of a text that begins like a URL, as far as the file tells it.
    fn need(&self, path: &str, text: &str) -> Option<Need> {
        let mut known = String::new();
        let mut written = String::new();
        let mut complete = true;
        for piece in pieces(text).ok()? {
            match piece {
                Piece::Literal(literal) => {
                    known.push_str(&literal);
                    written.push_str(&literal);
                }
                Piece::Expression(source, _) => {
                    let marked = format!("${{{source}}}");
                    let Ok(value) = config_text(&marked, &self.config) else {
                        complete = false;
                        break;
                    };
                    known.push_str(&value);
                    written.push_str(&marked);
                }
            }
        }
        let is_url = known.starts_with("http://") || known.starts_with("https://");
        // Up to an unknown part the name may still go on, unless a slash came before it.
        let told = complete
            || known
                .split_once("://")
                .is_some_and(|(_, rest)| rest.contains('/'));
        if !is_url || !told {
            return None;
        }
        let found = destination(&known).ok()?;
        Some(Need {
            written: shortest(&written, &known, &found),
            destination: found,
            path: path.to_owned(),
        })
    }
}

/// `${config.chat}` for `${config.chat}/hooks/duty`: what the author wrote, without the path.
fn shortest(written: &str, known: &str, destination: &str) -> String {
    if let Some(end) = written
        .strip_prefix("${")
        .and_then(|rest| rest.find('}'))
        .map(|at| at + 3)
    {
        let after = written.get(end..).unwrap_or_default();
        if after.is_empty() || after.starts_with('/') {
            return written.get(..end).unwrap_or(written).to_owned();
        }
        return destination.to_owned();
    }
    let path_at = known
        .find("://")
        .and_then(|at| known.get(at + 3..)?.find('/').map(|slash| at + 3 + slash));
    let origin = path_at.and_then(|at| known.get(..at)).unwrap_or(known);
    if written.starts_with(origin) {
        origin.to_owned()
    } else {
        destination.to_owned()
    }
}
