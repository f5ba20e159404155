//! Functions over text. Positions are counted in characters.

use std::fmt::Write as _;

use super::convert::written;
use super::{Outcome, Tools, elements, made, text_of, whole_of};
use crate::expr::fault::{Fault, kind};
use crate::expr::parser::pattern;
use crate::expr::value::Val;

/// The text and the part that a function looks for in it, paid for.
fn two<'a>(tools: &Tools<'_>, function: &str, args: &'a [Val<'_>]) -> Result<(&'a str, &'a str), Box<Fault>> {
    let text = text_of(function, args.first(), "the first value")?;
    let part = text_of(function, args.get(1), "the second value")?;
    tools.meter.read(text.len())?;
    tools.meter.read(part.len())?;
    Ok((text, part))
}

/// The text, and the right to make one as large.
fn one<'a>(tools: &Tools<'_>, function: &str, args: &'a [Val<'_>]) -> Result<&'a str, Box<Fault>> {
    let text = text_of(function, args.first(), "the first value")?;
    tools.meter.make(text.len())?;
    Ok(text)
}

pub(super) fn contains<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let (text, part) = two(tools, "contains", args)?;
    Ok(Val::Bool(text.contains(part)))
}

pub(super) fn starts_with<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let (text, part) = two(tools, "startsWith", args)?;
    Ok(Val::Bool(text.starts_with(part)))
}

pub(super) fn ends_with<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let (text, part) = two(tools, "endsWith", args)?;
    Ok(Val::Bool(text.ends_with(part)))
}

/// Work of compiling a pattern that is not written out.
const PATTERN_WORK: usize = 4096;

/// Pays for looking for a pattern of this length in a text of that one: the search may look at each character once
/// for each part of the pattern.
pub(in crate::expr) fn pay_search(tools: &Tools<'_>, text: usize, pattern: usize) -> Result<(), Box<Fault>> {
    tools.meter.read(text.saturating_mul(pattern / 8 + 1))
}

pub(super) fn matches<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let (text, source) = two(tools, "matches", args)?;
    pay_search(tools, text.len(), source.len())?;
    if let Some((known, regex)) = tools.pattern.borrow().as_ref()
        && known == source
    {
        return Ok(Val::Bool(regex.is_match(text)));
    }
    tools.meter.work(PATTERN_WORK.saturating_add(source.len()))?;
    let regex = pattern(source).map_err(Fault::new)?;
    let found = regex.is_match(text);
    *tools.pattern.borrow_mut() = Some((source.to_owned(), regex));
    Ok(Val::Bool(found))
}

pub(super) fn lower<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let text = text_of("lower", args.first(), "the first value")?;
    cased(tools, text, char::to_lowercase, str::to_lowercase)
}

pub(super) fn upper<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let text = text_of("upper", args.first(), "the first value")?;
    cased(tools, text, char::to_uppercase, str::to_uppercase)
}

/// A text in another case, whose size is found before it is made.
fn cased<'v, C: Iterator<Item = char>>(
    tools: &Tools<'_>,
    text: &str,
    letter: impl Fn(char) -> C,
    whole: impl Fn(&str) -> String,
) -> Outcome<'v> {
    tools.meter.work(text.len() / 8)?;
    let size = text.chars().flat_map(letter).map(char::len_utf8).sum();
    tools.meter.make(size)?;
    made(whole(text))
}

pub(super) fn lower_ascii<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    made(one(tools, "lowerAscii", args)?.to_ascii_lowercase())
}

pub(super) fn upper_ascii<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    made(one(tools, "upperAscii", args)?.to_ascii_uppercase())
}

pub(super) fn trim<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    made(one(tools, "trim", args)?.trim().to_owned())
}

pub(super) fn replace<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let (text, from) = two(tools, "replace", args)?;
    let to = text_of("replace", args.get(2), "the third value")?;
    let times = match args.get(3) {
        None => usize::MAX,
        times => match usize::try_from(whole_of("replace", times, "the number of times")?) {
            Ok(times) => times,
            Err(_) => usize::MAX,
        },
    };
    // The size of the result is known before it is made.
    let found = text.matches(from).take(times).count();
    tools.meter.work(found)?;
    let grown = found.saturating_mul(to.len());
    let size = text
        .len()
        .saturating_sub(found.saturating_mul(from.len()))
        .saturating_add(grown);
    tools.meter.make(size)?;
    made(text.replacen(from, to, times))
}

pub(super) fn split<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let (text, separator) = two(tools, "split", args)?;
    let most = match args.get(2) {
        None => usize::MAX,
        parts => match usize::try_from(whole_of("split", parts, "the number of parts")?) {
            Ok(0) => return Ok(Val::list(Vec::new())),
            Ok(parts) => parts,
            Err(_) => usize::MAX,
        },
    };
    let count = if separator.is_empty() {
        text.chars().count()
    } else {
        text.matches(separator).count() + 1
    };
    tools.meter.make_parts(count.min(most))?;
    tools.meter.make(text.len())?;
    let own = |part: &str| Val::text(part.to_owned());
    if !separator.is_empty() {
        return Ok(Val::list(text.splitn(most, separator).map(own).collect()));
    }
    let mut out = Vec::with_capacity(count.min(most));
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if out.len() + 1 == most {
            break;
        }
        let (part, after) = rest.split_at(first.len_utf8());
        out.push(own(part));
        rest = after;
    }
    if !rest.is_empty() {
        out.push(own(rest));
    }
    Ok(Val::list(out))
}

/// The byte at which a character stands; the end of the text for the number of its characters.
fn byte_at(text: &str, index: i64) -> Option<usize> {
    let index = usize::try_from(index).ok()?;
    text.char_indices()
        .map(|(at, _)| at)
        .chain(std::iter::once(text.len()))
        .nth(index)
}

pub(super) fn substring<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let text = one(tools, "substring", args)?;
    let from = whole_of("substring", args.get(1), "the first position")?;
    let start = byte_at(text, from);
    let (to, end) = match args.get(2) {
        None => (from, Some(text.len())),
        to => {
            let to = whole_of("substring", to, "the last position")?;
            (to, byte_at(text, to))
        }
    };
    let part = start
        .zip(end)
        .filter(|(start, end)| start <= end)
        .and_then(|(start, end)| text.get(start..end));
    match part {
        Some(part) => made(part.to_owned()),
        None => Err(Fault::new(format!(
            "the text has {} characters, no part of it goes from {from} to {to}",
            text.chars().count()
        ))),
    }
}

pub(super) fn char_at<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let text = text_of("charAt", args.first(), "the first value")?;
    tools.meter.read(text.len())?;
    let index = whole_of("charAt", args.get(1), "the position")?;
    match byte_at(text, index) {
        Some(at) => made(
            text.get(at..)
                .and_then(|rest| rest.chars().next())
                .map(String::from)
                .unwrap_or_default(),
        ),
        None => Err(Fault::new(format!(
            "the text has no character {index}; the first one is 0"
        ))),
    }
}

fn characters_before<'v>(text: &str, at: Option<usize>) -> Outcome<'v> {
    let found = at
        .and_then(|at| text.get(..at))
        .map(|before| before.chars().count());
    Ok(Val::Int(
        found.map_or(-1, |count| i64::try_from(count).unwrap_or(i64::MAX)),
    ))
}

pub(super) fn index_of<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let (text, part) = two(tools, "indexOf", args)?;
    let from = match args.get(2) {
        None => Some(0),
        from => byte_at(text, whole_of("indexOf", from, "the first position")?),
    };
    let found = from.and_then(|from| {
        text.get(from..)
            .and_then(|rest| rest.find(part))
            .map(|at| from + at)
    });
    characters_before(text, found)
}

pub(super) fn last_index_of<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let (text, part) = two(tools, "lastIndexOf", args)?;
    characters_before(text, text.rfind(part))
}

/// `"%s is %.1f".format([name, value])`: `%s` any value, `%d` a whole number, `%f` and `%.2f` a number, `%%` a `%`.
pub(super) fn format<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let form = text_of("format", args.first(), "the first value")?;
    let values = elements(tools, "format", args.get(1))?;
    let mut values = values.iter();
    let mut out = String::new();
    let mut rest = form;
    let wrong = || Fault::new("`format` knows %s, %d, %f, %.2f and %%");
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let end = after.find(['s', 'd', 'f']).ok_or_else(wrong)?;
        let (digits, verb) = after.split_at(end);
        let (verb, after) = verb.split_at(1);
        let value = values
            .next()
            .ok_or_else(|| Fault::new("`format` has more places than values"))?;
        match (verb, digits, value) {
            ("s", "", value) => {
                let part = written(value, &tools.meter)?;
                tools.meter.make(out.len() + part.len())?;
                out.push_str(part.as_ref());
            }
            ("d", "", Val::Int(_) | Val::Big(_)) => out.push_str(written(value, &tools.meter)?.as_ref()),
            ("f", digits, value) => {
                let places = match digits.strip_prefix('.') {
                    None if digits.is_empty() => 6,
                    None => return Err(wrong()),
                    Some(places) => places
                        .parse::<usize>()
                        .ok()
                        .filter(|p| *p <= 15)
                        .ok_or_else(wrong)?,
                };
                let number = value.number().ok_or_else(|| {
                    Fault::new(format!("`%f` of `format` needs a number, not {}", kind(value)))
                })?;
                // Writing to a string cannot fail.
                let _ = write!(out, "{:.places$}", number.as_double());
            }
            ("d", "", value) => {
                return Err(Fault::new(format!(
                    "`%d` of `format` needs a whole number, not {}",
                    kind(value)
                )));
            }
            _ => return Err(wrong()),
        }
        tools.meter.read(out.len())?;
        rest = after;
    }
    out.push_str(rest);
    if values.next().is_some() {
        return Err(Fault::new("`format` has more values than places"));
    }
    tools.meter.make(out.len())?;
    made(out)
}
