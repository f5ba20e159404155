//! `switch`: the first case that is true.

use super::At;
use crate::definition::model::{Case, NodeKind};
use crate::definition::reader::{Reader, join};

pub(super) fn read(reader: &mut Reader<'_>, at: &mut At<'_, '_>) -> Option<NodeKind> {
    let entries = reader.entries(&at.path, &at.entry.node)?;
    let mut cases = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let name = reader.snake_name(entry, "a case");
        let Some(when) = reader.text(&join(&at.path, &name), entry) else {
            continue;
        };
        let when = (when.trim() != "else").then_some(when);
        if when.is_none() && index + 1 != entries.len() {
            let message = format!("`{name}: else` must be the last case");
            reader.problem("FF-WF-009", entry.key_span.start, message);
        }
        cases.push(Case { name, when });
    }
    if cases.is_empty() {
        reader.problem("FF-WF-004", at.entry.node.span.start, "`switch` has no case");
    }
    Some(NodeKind::Switch { cases })
}
