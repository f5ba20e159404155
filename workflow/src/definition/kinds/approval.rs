//! `approval`: a question to a person.

use serde_json::Value as Json;

use super::At;
use crate::definition::model::{Approval, NodeKind};
use crate::definition::reader::{Reader, if_given, join};
use crate::limits::MAX_WAIT_MS;

pub(super) fn read(reader: &mut Reader<'_>, at: &mut At<'_, '_>) -> Option<NodeKind> {
    let path = &at.path;
    let mut section = reader.section(path, &at.entry.node)?;
    let title = match section.get("title") {
        Some(entry) => {
            let title = reader.text(&join(path, "title"), entry);
            if title.as_ref().is_some_and(|title| title.trim().is_empty()) {
                let message = "`title` is empty: a person would be asked nothing";
                reader.problem("FF-WF-009", entry.node.span.start, message);
            }
            title
        }
        None => {
            let fix = "the question, for example `title: Send the report?`";
            reader.missing(&section, "title", fix);
            None
        }
    };
    let show = match section.get("show") {
        Some(entry) => {
            reader.place_all(&join(path, "show"), Some(entry), &entry.node);
            entry.node.to_json()
        }
        None => Json::Null,
    };
    let approvers = section
        .get("approvers")
        .and_then(|entry| reader.texts(&join(path, "approvers"), entry))
        .unwrap_or_default();
    let expires_ms = section
        .get("expires")
        .map(|entry| reader.duration(&join(path, "expires"), entry, MAX_WAIT_MS));
    reader.finish(section);
    Some(NodeKind::Approval(Approval {
        title: title?,
        show,
        approvers,
        expires_ms: if_given(expires_ms)?,
    }))
}
