//! The functions as they are offered to somebody who writes an expression: by name, by what they are called on.

use std::sync::OnceLock;

use super::help::{HelpEntry, expr_help};
use crate::names::NAMESPACES;

/// What a function is called on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receiver {
    /// Nothing: `sum(list)`, `math.abs(x)`.
    Nothing,
    /// A list.
    List,
    /// A text.
    Text,
    /// A moment.
    Moment,
    /// Something that may be absent.
    Optional,
    /// A text, a list or an object.
    Sized,
}

/// One way to write a function.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer {
    /// Its name, with its group: `join`, `math.abs`.
    pub(crate) name: &'static str,
    /// What it is called on.
    pub(crate) receiver: Receiver,
    /// How it is written.
    pub(crate) form: &'static str,
    /// What is said of it.
    pub(crate) entry: &'static HelpEntry,
}

/// Every function, in the order in which they are taught; one that is written in several ways stands there for each.
pub(crate) fn offers() -> &'static [Offer] {
    static OFFERS: OnceLock<Vec<Offer>> = OnceLock::new();
    OFFERS.get_or_init(|| {
        let mut out: Vec<Offer> = Vec::new();
        for entry in expr_help() {
            let mut before = Receiver::Nothing;
            for form in forms(entry.form) {
                let Some((name, receiver)) = read(form, before) else {
                    continue;
                };
                before = receiver;
                if !out
                    .iter()
                    .any(|known| known.name == name && known.receiver == receiver)
                {
                    out.push(Offer {
                        name,
                        receiver,
                        form,
                        entry,
                    });
                }
            }
        }
        out
    })
}

/// The ways that a help entry names, separated by commas outside brackets.
fn forms(text: &'static str) -> Vec<&'static str> {
    let mut out = Vec::new();
    let (mut depth, mut from) = (0_usize, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                out.extend(text.get(from..at));
                from = at + 1;
            }
            _ => {}
        }
    }
    out.extend(text.get(from..));
    out.into_iter().map(str::trim).collect()
}

/// The name in one way to write a function, and what it is called on; nothing if it is no function.
fn read(form: &'static str, before: Receiver) -> Option<(&'static str, Receiver)> {
    let head = form.get(..form.find('(')?)?;
    let word = head.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let name = head.get(word.map_or(0, |at| at + 1)..)?;
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let Some(on) = head.strip_suffix(name)?.strip_suffix('.') else {
        return (head == name).then_some((name, Receiver::Nothing));
    };
    let receiver = match on {
        "" => before,
        group if NAMESPACES.contains(&group) => return Some((head, Receiver::Nothing)),
        "list" | "pairs" => Receiver::List,
        "text" | "\"text\"" => Receiver::Text,
        "t" => Receiver::Moment,
        optional if optional.contains('?') => Receiver::Optional,
        _ => Receiver::Sized,
    };
    Some((name, receiver))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::functions::FUNCTIONS;

    fn receivers(name: &str) -> Vec<Receiver> {
        let found = offers().iter().filter(|offer| offer.name == name);
        found.map(|offer| offer.receiver).collect()
    }

    #[test]
    fn a_function_is_offered_on_what_it_is_called_on() {
        for (name, expected) in [
            ("sum", &[Receiver::Nothing][..]),
            ("math.abs", &[Receiver::Nothing]),
            ("size", &[Receiver::Nothing, Receiver::Sized]),
            ("map", &[Receiver::List]),
            ("reverse", &[Receiver::List, Receiver::Text]),
            ("lastIndexOf", &[Receiver::Text]),
            ("getSeconds", &[Receiver::Moment]),
            ("orValue", &[Receiver::Optional]),
            ("hasValue", &[Receiver::Optional]),
            ("default", &[Receiver::Nothing]),
        ] {
            assert_eq!(receivers(name), expected, "{name}");
        }
    }

    #[test]
    fn every_function_of_the_table_is_offered() {
        let missing: Vec<&str> = FUNCTIONS
            .iter()
            .map(|function| function.name)
            .filter(|name| receivers(name).is_empty())
            .collect();
        assert_eq!(missing, Vec::<&str>::new());
    }
}
