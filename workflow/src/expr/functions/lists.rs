//! Functions over lists.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use super::convert::written;
use super::{Outcome, Tools, elements, list_of, made, text_of, whole_of};
use crate::expr::fault::{Fault, cannot, kind};
use crate::expr::value::{Val, fingerprint, order};
use crate::limits::{MAX_LIST, MAX_VALUE_BYTES};

pub(super) fn size<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let length = match args.first() {
        Some(Val::Text(text)) => {
            tools.meter.read(text.as_str().len())?;
            Some(text.as_str().chars().count())
        }
        Some(Val::Bytes(bytes)) => Some(bytes.len()),
        Some(other) => other.list_length().or_else(|| other.field_count()),
        None => None,
    };
    match (length, args.first()) {
        (Some(length), _) => Ok(Val::Int(i64::try_from(length).unwrap_or(i64::MAX))),
        (None, Some(other)) => Err(Fault::new(format!(
            "`size` needs a text, a list or an object, not {}",
            kind(other)
        ))),
        (None, None) => Err(Fault::new("`size` needs a value")),
    }
}

pub(super) fn count<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let length = list_of("count", args.first())?;
    Ok(Val::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

pub(super) fn join<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let separator = match args.get(1) {
        None => "",
        separator => text_of("join", separator, "the separator")?,
    };
    let mut out = String::new();
    for (index, item) in elements(tools, "join", args.first())?.iter().enumerate() {
        let part = written(item, &tools.meter)?;
        let part = part.as_ref();
        let between = if index > 0 { separator } else { "" };
        if out.len() + between.len() + part.len() > MAX_VALUE_BYTES {
            return Err(Fault::stop(format!(
                "the text would be larger than {MAX_VALUE_BYTES} bytes"
            )));
        }
        tools.meter.make(between.len() + part.len())?;
        out.push_str(between);
        out.push_str(part);
    }
    made(out)
}

pub(super) fn unique<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let mut seen: HashSet<String> = HashSet::new();
    let mut out = Vec::new();
    for item in elements(tools, "unique", args.first())? {
        let mut print = String::new();
        fingerprint(&item, &mut print, &tools.meter)?;
        if seen.insert(print) {
            tools.meter.make_parts(1)?;
            out.push(item);
        }
    }
    Ok(Val::list(out))
}

fn end<'v>(function: &str, args: &[Val<'v>], index: impl Fn(usize) -> Option<usize>) -> Outcome<'v> {
    let length = list_of(function, args.first())?;
    index(length)
        .and_then(|index| args.first().and_then(|list| list.element(index)))
        .ok_or_else(|| Fault::new(format!("`{function}` of an empty list; check size() before")))
}

pub(super) fn first<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    end("first", args, |_| Some(0))
}

pub(super) fn last<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    end("last", args, |length| length.checked_sub(1))
}

pub(super) fn reverse<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    if let Some(Val::Text(text)) = args.first() {
        tools.meter.make(text.as_str().len())?;
        return made(text.as_str().chars().rev().collect());
    }
    let mut items = elements(tools, "reverse", args.first())?;
    tools.meter.make_parts(items.len())?;
    items.reverse();
    Ok(Val::list(items))
}

pub(super) fn slice<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let length = list_of("slice", args.first())?;
    let from = whole_of("slice", args.get(1), "the first index")?;
    let to = whole_of("slice", args.get(2), "the last index")?;
    let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
    let Some((from, to)) = range.filter(|(from, to)| from <= to && *to <= length) else {
        return Err(Fault::new(format!(
            "the list has {length} elements, no part of it goes from {from} to {to}"
        )));
    };
    tools.meter.make_parts(to - from)?;
    let list = args.first();
    Ok(Val::list(
        (from..to)
            .filter_map(|index| list.and_then(|list| list.element(index)))
            .collect(),
    ))
}

pub(super) fn sort<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let items = elements(tools, "sort", args.first())?;
    tools.meter.make_parts(items.len())?;
    let keyed = items.into_iter().map(|item| (item.clone(), item)).collect();
    sorted(tools, "sort", keyed)
}

/// Values in the order of their keys; equal keys keep their order.
pub(in crate::expr) fn sorted<'v>(
    tools: &Tools<'_>,
    function: &str,
    mut keyed: Vec<(Val<'v>, Val<'v>)>,
) -> Outcome<'v> {
    let mut wrong: Option<Box<Fault>> = None;
    keyed.sort_by(|(a, _), (b, _)| {
        if wrong.is_some() {
            return Ordering::Equal;
        }
        match order(a, b, &tools.meter) {
            Ok(Some(found)) => found,
            Ok(None) => {
                let (a, b) = (kind(a), kind(b));
                wrong = Some(Fault::new(format!(
                    "`{function}` cannot compare {a} and {b}; give it keys of one kind"
                )));
                Ordering::Equal
            }
            Err(fault) => {
                wrong = Some(fault);
                Ordering::Equal
            }
        }
    });
    match wrong {
        Some(fault) => Err(fault),
        None => Ok(Val::list(keyed.into_iter().map(|(_, item)| item).collect())),
    }
}

pub(super) fn flatten<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let levels = match args.get(1) {
        None => 1,
        levels => whole_of("flatten", levels, "the number of levels")?,
    };
    if !(0..=8).contains(&levels) {
        return Err(Fault::new("the number of levels of `flatten` must be 0 to 8"));
    }
    let mut items = elements(tools, "flatten", args.first())?;
    for _ in 0..levels {
        let mut out = Vec::new();
        for item in items {
            if let Some(length) = item.list_length() {
                tools.meter.make_parts(length)?;
                out.extend(elements(tools, "flatten", Some(&item))?);
            } else {
                tools.meter.make_parts(1)?;
                out.push(item);
            }
        }
        items = out;
    }
    Ok(Val::list(items))
}

pub(super) fn zip<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let left = elements(tools, "zip", args.first())?;
    let right = elements(tools, "zip", args.get(1))?;
    tools
        .meter
        .make_parts(left.len().min(right.len()).saturating_mul(3))?;
    Ok(Val::list(
        left.into_iter()
            .zip(right)
            .map(|(a, b)| Val::list(vec![a, b]))
            .collect(),
    ))
}

/// Pairs of key and value as an object.
pub(super) fn to_map<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let mut out = BTreeMap::new();
    for pair in elements(tools, "to_map", args.first())? {
        tools.meter.make_parts(1)?;
        let parts = (pair.list_length() == Some(2)).then(|| (pair.element(0), pair.element(1)));
        let Some((Some(key), Some(value))) = parts else {
            return Err(Fault::new(format!(
                "`to_map` needs pairs [key, value], found {}; for other lists write list.to_map(x, key, value)",
                kind(&pair)
            )));
        };
        let Some(key) = key.key() else {
            return Err(Fault::new(format!(
                "a key must be text, a whole number or a bool, not {}",
                kind(&key)
            )));
        };
        let name = key.name();
        if out.insert(key, value).is_some() {
            return Err(twice(&name));
        }
    }
    Ok(Val::Map(Rc::new(out)))
}

/// Two elements with one key.
pub(in crate::expr) fn twice(name: &str) -> Box<Fault> {
    let name: String = name.chars().take(40).collect();
    Fault::new(format!(
        "two elements have the key `{name}`; write group_by(x, key) to keep them all"
    ))
}

pub(super) fn range<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let count = whole_of("lists.range", args.first(), "the count")?;
    let Some(length) = usize::try_from(count).ok().filter(|length| *length <= MAX_LIST) else {
        return Err(Fault::new(format!(
            "the count of `lists.range` must be 0 to {MAX_LIST}, not {count}"
        )));
    };
    tools.meter.make_parts(length)?;
    Ok(Val::list((0..count).map(Val::Int).collect()))
}

/// The numbers of a list, in order.
pub(super) fn numbers<'v>(
    tools: &Tools<'_>,
    function: &str,
    value: Option<&Val<'v>>,
) -> Result<Vec<Val<'v>>, Box<Fault>> {
    let items = elements(tools, function, value)?;
    match items.iter().find(|item| item.number().is_none()) {
        Some(other) => Err(Fault::new(format!(
            "`{function}` needs numbers, the list holds {}",
            kind(other)
        ))),
        None => Ok(items),
    }
}

/// The smallest or the largest.
pub(super) fn extreme<'v>(
    tools: &Tools<'_>,
    function: &str,
    args: &[Val<'v>],
    wanted: Ordering,
) -> Outcome<'v> {
    let items = match args {
        [list] => elements(tools, function, Some(list))?,
        several => several.to_vec(),
    };
    let mut items = items.into_iter();
    let mut best = items
        .next()
        .ok_or_else(|| Fault::new(format!("`{function}` of an empty list; check size() before")))?;
    for item in items {
        match order(&item, &best, &tools.meter)? {
            Some(found) if found == wanted => best = item,
            Some(_) => {}
            None => return Err(cannot("compare", &item, &best)),
        }
    }
    Ok(best)
}
