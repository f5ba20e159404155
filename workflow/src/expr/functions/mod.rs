//! Every function that an expression can call: an allow-list.
//!
//! Owns the table of names, how many values each takes, what it gives and the code that does it. Invariant: each
//! function pays the meter for what it reads and for what it makes, before it makes it, and takes time in proportion
//! to what it paid. What is not in the table does not compile.

mod convert;
mod lists;
mod numbers;
mod text;
mod time;

use std::cell::{Cell, RefCell};

use regex::Regex;

use super::fault::{Fault, kind};
use super::meter::Meter;
use super::value::{Text, Val};

pub(crate) use convert::moment_text;
pub(super) use convert::to_json;
pub(super) use lists::{sorted, twice};
pub(super) use text::pay_search;
pub(super) use time::moment;

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

/// Groups of functions, which stand before a dot and are no values.
pub(crate) const NAMESPACES: [&str; 3] = ["math", "lists", "optional"];

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

const fn function(
    form: &'static str,
    name: &'static str,
    arity: (u8, u8),
    gives: Gives,
    call: Native,
) -> Function {
    Function {
        name,
        form,
        least: arity.0,
        most: arity.1,
        gives,
        call,
    }
}

static FUNCTIONS: [Function; 83] = [
    // Values of any kind.
    function("size(x)", "size", (1, 1), Gives::Int, lists::size),
    function("type(x)", "type", (1, 1), Gives::Any, convert::type_of),
    function("dyn(x)", "dyn", (1, 1), Gives::Any, convert::same),
    function("string(x)", "string", (1, 1), Gives::Text, convert::string),
    function("int(x)", "int", (1, 1), Gives::Int, convert::int),
    function("uint(x)", "uint", (1, 1), Gives::Int, convert::uint),
    function("double(x)", "double", (1, 1), Gives::Double, convert::double),
    function("bool(x)", "bool", (1, 1), Gives::Bool, convert::bool),
    function("bytes(text)", "bytes", (1, 1), Gives::Text, convert::bytes),
    function("json(x)", "json", (1, 1), Gives::Any, convert::json),
    function(
        "parse_json(text)",
        "parse_json",
        (1, 1),
        Gives::Any,
        convert::parse_json,
    ),
    function(
        "parse_number(text)",
        "parse_number",
        (1, 1),
        Gives::Any,
        convert::parse_number,
    ),
    function("hash(x)", "hash", (1, 1), Gives::Text, convert::hash),
    function("uuid()", "uuid", (0, 0), Gives::Text, convert::uuid),
    // What may be absent.
    function(
        "optional.of(x)",
        "optional.of",
        (1, 1),
        Gives::Any,
        convert::optional_of,
    ),
    function(
        "optional.none()",
        "optional.none",
        (0, 0),
        Gives::Any,
        convert::optional_none,
    ),
    function(
        "x.?field.hasValue()",
        "hasValue",
        (1, 1),
        Gives::Bool,
        convert::has_value,
    ),
    function(
        "x.?field.value()",
        "value",
        (1, 1),
        Gives::Any,
        convert::optional_value,
    ),
    function(
        "x.?field.orValue(y)",
        "orValue",
        (2, 2),
        Gives::Any,
        convert::or_value,
    ),
    function("x.?field.or(y.?field)", "or", (2, 2), Gives::Any, convert::or),
    // Text.
    function(
        "text.contains(part)",
        "contains",
        (2, 2),
        Gives::Bool,
        text::contains,
    ),
    function(
        "text.startsWith(part)",
        "startsWith",
        (2, 2),
        Gives::Bool,
        text::starts_with,
    ),
    function(
        "text.endsWith(part)",
        "endsWith",
        (2, 2),
        Gives::Bool,
        text::ends_with,
    ),
    function(
        "text.matches(pattern)",
        "matches",
        (2, 2),
        Gives::Bool,
        text::matches,
    ),
    function("text.lower()", "lower", (1, 1), Gives::Text, text::lower),
    function("text.upper()", "upper", (1, 1), Gives::Text, text::upper),
    function(
        "text.lowerAscii()",
        "lowerAscii",
        (1, 1),
        Gives::Text,
        text::lower_ascii,
    ),
    function(
        "text.upperAscii()",
        "upperAscii",
        (1, 1),
        Gives::Text,
        text::upper_ascii,
    ),
    function("text.trim()", "trim", (1, 1), Gives::Text, text::trim),
    function(
        "text.replace(a, b), text.replace(a, b, times)",
        "replace",
        (3, 4),
        Gives::Text,
        text::replace,
    ),
    function(
        "text.split(separator), text.split(separator, parts)",
        "split",
        (2, 3),
        Gives::Texts,
        text::split,
    ),
    function(
        "text.substring(from), text.substring(from, to)",
        "substring",
        (2, 3),
        Gives::Text,
        text::substring,
    ),
    function("text.charAt(index)", "charAt", (2, 2), Gives::Text, text::char_at),
    function(
        "text.indexOf(part), text.indexOf(part, from)",
        "indexOf",
        (2, 3),
        Gives::Int,
        text::index_of,
    ),
    function(
        "text.lastIndexOf(part)",
        "lastIndexOf",
        (2, 2),
        Gives::Int,
        text::last_index_of,
    ),
    function("text.format(list)", "format", (2, 2), Gives::Text, text::format),
    // Lists.
    function(
        "list.join(), list.join(separator)",
        "join",
        (1, 2),
        Gives::Text,
        lists::join,
    ),
    function("count(list)", "count", (1, 1), Gives::Int, lists::count),
    function("sum(list)", "sum", (1, 1), Gives::Sum, numbers::sum),
    function("avg(list)", "avg", (1, 1), Gives::Double, numbers::avg),
    function(
        "min(list), min(a, b, …)",
        "min",
        (1, 8),
        Gives::Element,
        numbers::min,
    ),
    function(
        "max(list), max(a, b, …)",
        "max",
        (1, 8),
        Gives::Element,
        numbers::max,
    ),
    function("unique(list)", "unique", (1, 1), Gives::SameList, lists::unique),
    function(
        "list.distinct()",
        "distinct",
        (1, 1),
        Gives::SameList,
        lists::unique,
    ),
    function("first(list)", "first", (1, 1), Gives::Element, lists::first),
    function("last(list)", "last", (1, 1), Gives::Element, lists::last),
    function(
        "list.reverse()",
        "reverse",
        (1, 1),
        Gives::SameList,
        lists::reverse,
    ),
    function(
        "list.slice(from, to)",
        "slice",
        (3, 3),
        Gives::SameList,
        lists::slice,
    ),
    function("list.sort()", "sort", (1, 1), Gives::SameList, lists::sort),
    function(
        "list.flatten(), list.flatten(levels)",
        "flatten",
        (1, 2),
        Gives::List,
        lists::flatten,
    ),
    function("zip(a, b)", "zip", (2, 2), Gives::List, lists::zip),
    function("pairs.to_map()", "to_map", (1, 1), Gives::Any, lists::to_map),
    function("lists.range(n)", "lists.range", (1, 1), Gives::List, lists::range),
    // Numbers.
    function(
        "round(x), round(x, digits)",
        "round",
        (1, 2),
        Gives::Rounded,
        numbers::round,
    ),
    function("abs(x)", "abs", (1, 1), Gives::Any, numbers::abs),
    function("math.abs(x)", "math.abs", (1, 1), Gives::Any, numbers::abs),
    function("math.ceil(x)", "math.ceil", (1, 1), Gives::Double, numbers::ceil),
    function(
        "math.floor(x)",
        "math.floor",
        (1, 1),
        Gives::Double,
        numbers::floor,
    ),
    function(
        "math.round(x)",
        "math.round",
        (1, 1),
        Gives::Double,
        numbers::round_double,
    ),
    function(
        "math.trunc(x)",
        "math.trunc",
        (1, 1),
        Gives::Double,
        numbers::trunc,
    ),
    function("math.sign(x)", "math.sign", (1, 1), Gives::Any, numbers::sign),
    function("math.sqrt(x)", "math.sqrt", (1, 1), Gives::Double, numbers::sqrt),
    function(
        "math.isNaN(x)",
        "math.isNaN",
        (1, 1),
        Gives::Bool,
        numbers::is_nan,
    ),
    function(
        "math.isInf(x)",
        "math.isInf",
        (1, 1),
        Gives::Bool,
        numbers::is_inf,
    ),
    function(
        "math.isFinite(x)",
        "math.isFinite",
        (1, 1),
        Gives::Bool,
        numbers::is_finite,
    ),
    function(
        "math.greatest(a, b, …)",
        "math.greatest",
        (1, 8),
        Gives::Element,
        numbers::max,
    ),
    function(
        "math.least(a, b, …)",
        "math.least",
        (1, 8),
        Gives::Element,
        numbers::min,
    ),
    // Time.
    function(
        "timestamp(text)",
        "timestamp",
        (1, 1),
        Gives::Moment,
        time::timestamp,
    ),
    function(
        "duration(text)",
        "duration",
        (1, 1),
        Gives::Length,
        time::duration,
    ),
    function(
        "date(moment), date(moment, form)",
        "date",
        (1, 2),
        Gives::Text,
        time::date,
    ),
    function(
        "format_date(moment, form), format_date(moment, form, zone)",
        "format_date",
        (2, 3),
        Gives::Text,
        time::format_date,
    ),
    function(
        "parse_date(text), parse_date(text, form), parse_date(text, form, zone)",
        "parse_date",
        (1, 3),
        Gives::Moment,
        time::parse_date,
    ),
    function(
        "add_time(moment, duration), add_time(moment, n, unit), add_time(moment, n, unit, zone)",
        "add_time",
        (2, 4),
        Gives::Moment,
        time::add_time,
    ),
    function(
        "t.getFullYear(), t.getFullYear(zone)",
        "getFullYear",
        (1, 2),
        Gives::Int,
        time::full_year,
    ),
    function(
        "t.getMonth(), t.getMonth(zone)",
        "getMonth",
        (1, 2),
        Gives::Int,
        time::month,
    ),
    function(
        "t.getDate(), t.getDate(zone)",
        "getDate",
        (1, 2),
        Gives::Int,
        time::day,
    ),
    function(
        "t.getDayOfMonth(), t.getDayOfMonth(zone)",
        "getDayOfMonth",
        (1, 2),
        Gives::Int,
        time::day_of_month,
    ),
    function(
        "t.getDayOfWeek(), t.getDayOfWeek(zone)",
        "getDayOfWeek",
        (1, 2),
        Gives::Int,
        time::day_of_week,
    ),
    function(
        "t.getDayOfYear(), t.getDayOfYear(zone)",
        "getDayOfYear",
        (1, 2),
        Gives::Int,
        time::day_of_year,
    ),
    function(
        "t.getHours(), t.getHours(zone)",
        "getHours",
        (1, 2),
        Gives::Int,
        time::hours,
    ),
    function(
        "t.getMinutes(), t.getMinutes(zone)",
        "getMinutes",
        (1, 2),
        Gives::Int,
        time::minutes,
    ),
    function(
        "t.getSeconds(), t.getSeconds(zone)",
        "getSeconds",
        (1, 2),
        Gives::Int,
        time::seconds,
    ),
    function(
        "t.getMilliseconds(), t.getMilliseconds(zone)",
        "getMilliseconds",
        (1, 2),
        Gives::Int,
        time::milliseconds,
    ),
];

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
