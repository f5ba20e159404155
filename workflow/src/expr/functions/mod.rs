//! Every function that an expression can call: an allow-list.
//!
//! Owns the table of names, how many values each takes, what it gives and the code that does it. Invariant: each
//! function pays the meter for what it reads and for what it makes, before it makes it, and takes time in proportion
//! to what it paid. What is not in the table does not compile.

mod convert;
mod forms;
mod lists;
mod numbers;
mod table;
mod text;
mod time;

use std::cell::{Cell, RefCell};

use regex::Regex;

pub(super) use self::table::FUNCTIONS;
use super::fault::{Fault, kind};
use super::meter::Meter;
use super::value::{Text, Val};

pub(crate) use convert::moment_text;
pub(super) use convert::to_json;
pub(super) use forms::{EXAMPLE as FORM_EXAMPLE, parts as form_parts};
pub(super) use lists::{sorted, twice};
pub(super) use text::pay_search;
pub(super) use time::{found, moment};

/// A value, or why there is none.
pub(super) type Outcome<'v> = Result<Val<'v>, Box<Fault>>;

/// The code of a function; the number of values was checked.
pub(super) type Native = for<'v> fn(&Tools<'_>, &[Val<'v>]) -> Outcome<'v>;

/// What a function gives, as far as its name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gives {
    /// Nothing can be told.
    Any,
    Bool,
    Int,
    Double,
    Text,
    Moment,
    Length,
    Texts,
    /// The same as its first value, if that is a list.
    SameList,
    /// An element of its first value, or one of its values.
    Element,
    /// A number of the kind of the elements.
    Sum,
    /// `int`, or `double` with a second value.
    Rounded,
    /// A list of anything.
    List,
}

/// A function.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    /// How it is written.
    pub(super) form: &'static str,
    /// Fewest and most values, with what stands before the dot.
    pub(super) least: u8,
    pub(super) most: u8,
    pub(crate) gives: Gives,
    pub(super) call: Native,
}

/// What functions are given beside their values.
pub(super) struct Tools<'t> {
    pub(super) meter: Meter<'t>,
    /// What `uuid()` is derived from; absent where nothing records its value.
    pub(super) seed: Option<&'t str>,
    /// How often `uuid()` was called.
    pub(super) uuids: Cell<u32>,
    /// The last pattern that was not written out, compiled.
    pub(super) pattern: RefCell<Option<(String, Regex)>>,
}

/// Forms that are no functions: they look at an expression, not at its value.
const SPECIAL_FORMS: [(&str, &str); 13] = [
    ("has", "has(x.field)"),
    ("default", "default(x, y)"),
    ("now", "now()"),
    ("map", "list.map(x, value) or list.map(x, condition, value)"),
    ("filter", "list.filter(x, condition)"),
    ("all", "list.all(x, condition)"),
    ("exists", "list.exists(x, condition)"),
    ("exists_one", "list.exists_one(x, condition)"),
    ("count", "count(list) or list.count(x, condition)"),
    ("sort_by", "list.sort_by(x, key)"),
    ("sortBy", "list.sort_by(x, key)"),
    ("group_by", "list.group_by(x, key)"),
    (
        "to_map",
        "list.to_map(x, key), list.to_map(x, key, value) or pairs.to_map()",
    ),
];

/// How a form that is no function is written.
pub(super) fn special_form(name: &str) -> Option<&'static str> {
    SPECIAL_FORMS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, form)| *form)
}

/// The function of this name; those of a group have its name before a dot.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// Every name that can be called.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS
        .iter()
        .map(|function| function.name)
        .chain(SPECIAL_FORMS.iter().map(|(name, _)| *name))
}

/// The text that a value is.
fn text_of<'a>(function: &str, value: Option<&'a Val<'_>>, what: &str) -> Result<&'a str, Box<Fault>> {
    match value {
        Some(Val::Text(text)) => Ok(text.as_str()),
        Some(other) => {
            let found = kind(other);
            let hint = match other {
                Val::Int(_) | Val::Big(_) | Val::Double(_) | Val::Bool(_) => "; write string(x) around it",
                Val::Null | Val::Absent => "; write default(x, \"\") if it may be absent",
                Val::Optional(_) => "; write .orValue(\"\") behind the optional",
                _ => "",
            };
            Err(Fault::new(format!(
                "{what} of `{function}` must be text, not {found}{hint}"
            )))
        }
        None => Err(Fault::new(format!("`{function}` needs {what}"))),
    }
}

/// The whole number that a value is.
fn whole_of(function: &str, value: Option<&Val<'_>>, what: &str) -> Result<i64, Box<Fault>> {
    match value {
        Some(Val::Int(whole)) => Ok(*whole),
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 10^15")]
        Some(Val::Double(float)) if float.fract() == 0.0 && float.abs() < 1e15 => Ok(*float as i64),
        Some(other) => Err(Fault::new(format!(
            "{what} of `{function}` must be a whole number, not {}",
            kind(other)
        ))),
        None => Err(Fault::new(format!("`{function}` needs {what}"))),
    }
}

/// The length of the list that a value is.
fn list_of(function: &str, value: Option<&Val<'_>>) -> Result<usize, Box<Fault>> {
    match value {
        Some(list) => list.list_length().ok_or_else(|| {
            let hint = match list {
                Val::Null | Val::Absent => "; write default(x, []) if it may be absent",
                _ => "",
            };
            Fault::new(format!("`{function}` needs a list, not {}{hint}", kind(list)))
        }),
        None => Err(Fault::new(format!("`{function}` needs a list"))),
    }
}

/// The elements of the list that a value is, paid for as something that is walked over: who makes a list of them pays
/// for that.
fn elements<'v>(
    tools: &Tools<'_>,
    function: &str,
    value: Option<&Val<'v>>,
) -> Result<Vec<Val<'v>>, Box<Fault>> {
    let length = list_of(function, value)?;
    tools.meter.walk_parts(length)?;
    Ok((0..length)
        .filter_map(|index| value.and_then(|list| list.element(index)))
        .collect())
}

/// A text that was made, paid for before.
fn made<'v>(text: String) -> Outcome<'v> {
    Ok(Val::Text(Text::Made(text.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A function that nobody described would be found by chance only.
    #[test]
    fn every_function_stands_in_the_help_and_has_one_entry() {
        let help: String = super::super::expr_help()
            .iter()
            .map(|entry| format!("{} ", entry.form))
            .collect();
        let words: Vec<&str> = help
            .split(|c: char| !c.is_ascii_alphanumeric() && !"_.".contains(c))
            .flat_map(|word| [word, word.rsplit('.').next().unwrap_or_default()])
            .collect();
        for name in names() {
            assert!(
                words.contains(&name) || name == "sortBy",
                "{name} is not in the help"
            );
        }
        let mut seen = std::collections::BTreeSet::new();
        for function in &FUNCTIONS {
            assert!(seen.insert(function.name), "{} stands twice", function.name);
            assert!(function.least <= function.most);
        }
    }
}
