//! Moments as text in forms that an author writes, and read from such text.
//!
//! Owns the forms: `%Y-%m-%d %H:%M`. A form without any part of a moment is refused, because whoever wrote `YYYY-MM-DD`
//! wants no text in which just that stands. Everything that a form names counts: a text with an hour is never read as its
//! day alone.

use chrono::format::{Item, Parsed, StrftimeItems, parse};
use chrono::{DateTime, FixedOffset, NaiveDateTime, NaiveTime, TimeZone as _};

use super::time::{Zone, beyond_calendar, moment_of};
use super::{Outcome, Tools, made, text_of};
use crate::expr::fault::Fault;
use crate::expr::value::{Val, in_calendar};

/// Longest form of a date, in bytes.
const MAX_FORM_BYTES: usize = 200;
/// Most bytes that one part of a form can become.
const FORM_PART_BYTES: usize = 64;

/// What a form looks like.
pub(in crate::expr) const EXAMPLE: &str = "for example %Y-%m-%d %H:%M, and %% for a percent sign";

/// The parts of a form, or what is wrong with it.
pub(in crate::expr) fn parts<'a>(function: &str, form: &'a str) -> Result<Vec<Item<'a>>, String> {
    let wrong = || format!("the form of `{function}` is wrong");
    if form.len() > MAX_FORM_BYTES {
        return Err(wrong());
    }
    let items: Vec<Item<'_>> = StrftimeItems::new(form).collect();
    if items.contains(&Item::Error) {
        return Err(wrong());
    }
    if !items
        .iter()
        .any(|item| matches!(item, Item::Numeric(..) | Item::Fixed(_)))
    {
        let shown: String = form.chars().take(40).collect();
        return Err(format!(
            "the form `{shown}` of `{function}` names no part of a moment"
        ));
    }
    Ok(items)
}

/// The parts of the form that a value is, paid for.
fn form<'a>(
    tools: &Tools<'_>,
    function: &str,
    value: Option<&'a Val<'_>>,
) -> Result<Vec<Item<'a>>, Box<Fault>> {
    let text = text_of(function, value, "the form")?;
    let items = parts(function, text).map_err(|wrong| Fault::new(format!("{wrong}; {EXAMPLE}")))?;
    tools.meter.make(items.len() * FORM_PART_BYTES + text.len())?;
    Ok(items)
}

fn formatted<'v>(local: DateTime<FixedOffset>, items: &[Item<'_>], function: &str) -> Outcome<'v> {
    let mut text = String::new();
    match std::fmt::write(
        &mut text,
        format_args!("{}", local.format_with_items(items.iter())),
    ) {
        Ok(()) => made(text),
        Err(_) => Err(Fault::new(format!(
            "the form of `{function}` cannot be written for this moment"
        ))),
    }
}

pub(super) fn date<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let moment = moment_of("date", args.first())?;
    if args.len() < 2 {
        return made(moment.format("%Y-%m-%d").to_string());
    }
    let items = form(tools, "date", args.get(1))?;
    formatted(moment.fixed_offset(), &items, "date")
}

pub(super) fn format_date<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let moment = moment_of("format_date", args.first())?;
    let items = form(tools, "format_date", args.get(1))?;
    let zone = Zone::read("format_date", args.get(2))?;
    formatted(zone.local(moment), &items, "format_date")
}

pub(super) fn parse_date<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    if args.len() < 2 {
        return moment_of("parse_date", args.first()).map(Val::Moment);
    }
    let text = text_of("parse_date", args.first(), "the first value")?;
    tools.meter.read(text.len())?;
    let items = form(tools, "parse_date", args.get(1))?;
    let zone = Zone::read("parse_date", args.get(2))?;
    let (wall, offset) = read(text, &items).map_err(|error| {
        let form = text_of("parse_date", args.get(1), "the form").unwrap_or_default();
        let text: String = text.chars().take(40).collect();
        Fault::new(format!("`{text}` does not have the form `{form}`: {error}"))
    })?;
    match offset {
        // The text itself says where its clock stands.
        Some(offset) => offset
            .from_local_datetime(&wall)
            .single()
            .and_then(|moment| in_calendar(moment.to_utc()))
            .map(Val::Moment)
            .ok_or_else(beyond_calendar),
        None => zone.moment(wall).map(Val::Moment),
    }
}

/// The wall time of a text, and its offset if it names one. A day alone begins at midnight, an hour at its first minute;
/// seconds since 1970 are those of UTC.
fn read(text: &str, items: &[Item<'_>]) -> chrono::ParseResult<(NaiveDateTime, Option<FixedOffset>)> {
    let mut found = Parsed::new();
    parse(&mut found, text, items.iter())?;
    if found.timestamp().is_some() && found.offset().is_none() {
        found.set_offset(0)?;
    }
    if found.hour_div_12().is_some() && found.hour_mod_12().is_some() && found.minute().is_none() {
        found.set_minute(0)?;
    }
    let names_a_time = [
        found.hour_div_12(),
        found.hour_mod_12(),
        found.minute(),
        found.second(),
        found.nanosecond(),
    ]
    .iter()
    .any(Option::is_some);
    let offset = found.offset();
    let wall = if names_a_time || found.timestamp().is_some() {
        found.to_naive_datetime_with_offset(offset.unwrap_or(0))?
    } else {
        found.to_naive_date()?.and_time(NaiveTime::MIN)
    };
    Ok((wall, offset.and_then(FixedOffset::east_opt)))
}
