//! `repeat`: a body again and again.

use super::At;
use crate::definition::model::{NodeKind, Repeat, RepeatCondition};
use crate::definition::reader::{Reader, join};
use crate::limits::{MAX_ROUNDS, MAX_WAIT_MS};

pub(super) fn read(reader: &mut Reader<'_>, at: &mut At<'_, '_>) -> Option<NodeKind> {
    let mut section = reader.section(&at.path, &at.entry.node)?;
    let until = section.get("until");
    let goes_on = section.get("while");
    let condition = match (until, goes_on) {
        (Some(entry), None) => reader
            .text(&join(&at.path, "until"), entry)
            .map(RepeatCondition::Until),
        (None, Some(entry)) => reader
            .text(&join(&at.path, "while"), entry)
            .map(RepeatCondition::While),
        _ => {
            let fix = "`until: <true when it is enough>`, `while: <true when there is more>`";
            reader.not_one_of(&section, &["until", "while"], fix);
            None
        }
    };
    let max_rounds = match section.get("max") {
        Some(entry) => reader.whole(&join(&at.path, "max"), entry, 1..=MAX_ROUNDS),
        None => {
            let fix = "the most rounds, for example `max: 50`; the node fails when they are over";
            reader.missing(&section, "max", fix);
            None
        }
    };
    let pause_ms = match section.get("every") {
        Some(entry) => reader.duration(&join(&at.path, "every"), entry, MAX_WAIT_MS),
        None => Some(0),
    };
    reader.finish(section);
    let body = reader.inner_nodes(at, "repeat", "the nodes to run in each round")?;
    Some(NodeKind::Repeat(Repeat {
        condition: condition?,
        max_rounds: max_rounds?,
        pause_ms: pause_ms?,
        body,
    }))
}
