//! `wait`: for a time, or for a signal.

use super::At;
use crate::definition::model::{NodeKind, SignalWait, Wait};
use crate::definition::reader::{Reader, Section, if_given, join};
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
            let fix = "`for: 10m`, `until: <expression of a moment>`, `signal: its_name`";
            reader.not_one_of(&section, &["for", "until", "signal"], fix);
            return None;
        }
    };
    let goes_with_signal = [
        ("timeout", "only what waits for a signal has a `timeout`"),
        ("correlate", "only what waits for a signal has a `correlate`"),
    ];
    reader.finish_with(section, if signal.is_some() { &[] } else { &goes_with_signal });
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
    let correlate = section
        .get("correlate")
        .map(|entry| reader.text(&join(path, "correlate"), entry));
    let timeout_ms = section
        .get("timeout")
        .map(|entry| reader.duration(&join(path, "timeout"), entry, MAX_WAIT_MS));
    Some(SignalWait {
        name: name?,
        correlate: if_given(correlate)?,
        timeout_ms: if_given(timeout_ms)?,
    })
}
