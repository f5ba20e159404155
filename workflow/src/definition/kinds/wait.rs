//! `wait`: for a time, or for a signal.

use super::At;
use crate::definition::model::{NodeKind, SignalWait, Wait};
use crate::definition::reader::{Reader, Section, join};
use crate::limits::MAX_WAIT_MS;
use crate::yaml::Entry;

pub(super) fn read(reader: &mut Reader<'_>, at: &mut At<'_, '_>) -> Option<NodeKind> {
    let mut section = reader.section(&at.path, &at.entry.node)?;
    let nothing = Wait {
        for_ms: None,
        until: None,
        signal: None,
    };
    let (length, moment, signal) = (section.get("for"), section.get("until"), section.get("signal"));
    let wait = match (length, moment, signal) {
        (Some(entry), None, None) => {
            let for_ms = reader.duration(&join(&at.path, "for"), entry, MAX_WAIT_MS);
            for_ms.map(|ms| Wait {
                for_ms: Some(ms),
                ..nothing
            })
        }
        (None, Some(entry), None) => {
            let until = reader.text(&join(&at.path, "until"), entry);
            until.map(|until| Wait {
                until: Some(until),
                ..nothing
            })
        }
        (None, None, Some(entry)) => signal_wait(reader, &at.path, entry, &mut section).map(|signal| Wait {
            signal: Some(signal),
            ..nothing
        }),
        _ => {
            let fix =
                "give exactly one of: `for: 10m`, `until: <expression of a moment>`, `signal: its_name`";
            reader.missing(&section, "for", fix);
            None
        }
    };
    reader.finish(section);
    wait.map(NodeKind::Wait)
}

fn signal_wait(
    reader: &mut Reader<'_>,
    path: &str,
    entry: &Entry,
    section: &mut Section<'_>,
) -> Option<SignalWait> {
    let name = reader.text(&join(path, "signal"), entry);
    if let Some(name) = &name {
        reader.check_snake(name, entry.node.span.start, "a signal");
    }
    let correlate = match section.get("correlate") {
        Some(entry) => Some(reader.text(&join(path, "correlate"), entry)?),
        None => None,
    };
    let timeout_ms = match section.get("timeout") {
        Some(entry) => Some(reader.duration(&join(path, "timeout"), entry, MAX_WAIT_MS)?),
        None => None,
    };
    Some(SignalWait {
        name: name?,
        correlate,
        timeout_ms,
    })
}
