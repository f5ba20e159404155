//! What a step of a path finds in a value: a field, an element, or the reason why there is none.

use super::fault::{Fault, kind};
use super::missing_field;
use super::value::{Key, Text, Val};

/// What a part of something may be: there, or absent with the reason.
pub(super) enum Part<'v> {
    Found(Val<'v>),
    Absent(Box<Fault>),
}

pub(super) fn no_key(found: &Val<'_>) -> Box<Fault> {
    Fault::new(format!(
        "a key must be text, a whole number or a bool, not {}",
        kind(found)
    ))
}

pub(super) fn field_of<'v>(value: &Val<'v>, field: &str, path: &str) -> Part<'v> {
    let key = Key::Text(Text::Lent(field));
    if value.field_count().is_some() {
        return value.get(&key).map_or_else(
            || {
                let keys: Vec<String> = value
                    .keys()
                    .iter()
                    .filter_map(Val::key)
                    .map(|key| key.name())
                    .collect();
                Part::Absent(placed(missing_field(
                    path,
                    field,
                    keys.iter().map(String::as_str),
                )))
            },
            Part::Found,
        );
    }
    Part::Absent(placed(match value {
        Val::Absent => format!("`{path}` did not run"),
        other => format!("`{path}` is {} and has no field `{field}`", kind(other)),
    }))
}

/// A fault whose message names the path it is about.
fn placed(message: String) -> Box<Fault> {
    let mut fault = Fault::new(message);
    fault.placed = true;
    fault
}

pub(super) fn element_of<'v>(value: &Val<'v>, index: &Val<'v>, path: &str) -> Part<'v> {
    if let Some(length) = value.list_length() {
        let wanted = match index {
            Val::Int(whole) => Some(*whole),
            #[expect(clippy::cast_possible_truncation, reason = "whole and below 10^15")]
            Val::Double(float) if float.fract() == 0.0 && float.abs() < 1e15 => Some(*float as i64),
            _ => None,
        };
        let Some(wanted) = wanted else {
            return Part::Absent(Fault::new(format!(
                "an element of a list is named by a whole number, not {}",
                kind(index)
            )));
        };
        return usize::try_from(wanted)
            .ok()
            .and_then(|at| value.element(at))
            .map_or_else(
                || {
                    Part::Absent(placed(format!(
                        "`{path}` has {length} elements and no element {wanted}; the first one is 0"
                    )))
                },
                Part::Found,
            );
    }
    if value.field_count().is_some() {
        let Some(key) = index.key() else {
            return Part::Absent(no_key(index));
        };
        return value.get(&key).map_or_else(
            || {
                let keys: Vec<String> = value
                    .keys()
                    .iter()
                    .filter_map(Val::key)
                    .map(|key| key.name())
                    .collect();
                let message = missing_field(path, &key.name(), keys.iter().map(String::as_str));
                Part::Absent(placed(message))
            },
            Part::Found,
        );
    }
    Part::Absent(placed(match value {
        Val::Absent => format!("`{path}` did not run"),
        other => format!("`{path}` is {} and has no elements", kind(other)),
    }))
}
