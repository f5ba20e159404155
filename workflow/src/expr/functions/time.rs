//! Functions over moments and lengths of time.
//!
//! A zone is an IANA name (`Europe/Berlin`) or an offset (`+11:00`); without one it is UTC. A wall time that a clock
//! change repeats is the earlier of the two. One that it skips does not exist: a text that names it is refused, and
//! counting that leads there ends right after the gap, as a time table does.

use std::str::FromStr;

use chrono::format::ParseErrorKind;
use chrono::{
    DateTime, Datelike, FixedOffset, LocalResult, Months, NaiveDate, NaiveDateTime, NaiveTime, Offset,
    TimeDelta, TimeZone, Timelike, Utc,
};

use super::{Outcome, Tools, text_of, whole_of};
use crate::expr::fault::{Fault, kind};
use crate::expr::value::{Val, in_calendar};

/// The longest time that a clock change skips, in minutes: a day, where a country changed the side of the date line.
const GAP_MINUTES_MAX: i64 = 24 * 60;

pub(super) fn beyond_calendar() -> Box<Fault> {
    Fault::new("the moment is beyond the calendar")
}

/// A moment from a timestamp, from milliseconds since 1970, or from its text form.
pub(in crate::expr) fn moment(value: &Val<'_>) -> Option<DateTime<Utc>> {
    match value {
        Val::Moment(moment) => Some(*moment),
        Val::Text(text) => written(text.as_str()).and_then(in_calendar),
        Val::Int(ms) => DateTime::from_timestamp_millis(*ms).and_then(in_calendar),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "fractions of a millisecond are dropped"
        )]
        Val::Double(ms) if ms.abs() < 9e15 => {
            DateTime::from_timestamp_millis(*ms as i64).and_then(in_calendar)
        }
        _ => None,
    }
}

/// A moment as text: with its time and zone, or a day alone, which begins at midnight in UTC.
fn written(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.to_utc());
    }
    let day = NaiveDate::from_str(text.trim()).ok()?;
    Some(day.and_time(NaiveTime::MIN).and_utc())
}

/// What was found where a moment is needed, and what to do about it if it is text.
pub(in crate::expr) fn found(value: &Val<'_>) -> String {
    match value {
        Val::Text(text) => {
            let shown: String = text.as_str().chars().take(40).collect();
            if is_no_day(text.as_str()) {
                format!("`{shown}`, which is in no calendar")
            } else {
                format!("`{shown}`; for other forms write parse_date(text, form)")
            }
        }
        other => kind(other).to_owned(),
    }
}

/// Whether a text has the form of a moment and names none: the 30th of February, 25 o'clock.
fn is_no_day(text: &str) -> bool {
    let day = NaiveDate::from_str(text.trim()).map_err(|error| error.kind());
    let moment = DateTime::parse_from_rfc3339(text).map_err(|error| error.kind());
    day == Err(ParseErrorKind::OutOfRange) || moment == Err(ParseErrorKind::OutOfRange)
}

pub(super) fn moment_of(function: &str, value: Option<&Val<'_>>) -> Result<DateTime<Utc>, Box<Fault>> {
    value.and_then(moment).ok_or_else(|| {
        let found = value.map_or_else(|| "nothing".to_owned(), found);
        Fault::new(format!(
            "`{function}` needs a timestamp, milliseconds since 1970, or text like 2026-11-26 or \
             2026-11-26T09:14:00Z; found {found}"
        ))
    })
}

/// A time zone.
#[derive(Clone, Copy)]
pub(super) enum Zone {
    Named(chrono_tz::Tz),
    Offset(FixedOffset),
}

impl Zone {
    pub(super) fn read(function: &str, value: Option<&Val<'_>>) -> Result<Self, Box<Fault>> {
        let name = match value {
            None => return Ok(Self::Named(chrono_tz::UTC)),
            value => text_of(function, value, "the time zone")?,
        };
        if let Ok(zone) = chrono_tz::Tz::from_str(name) {
            return Ok(Self::Named(zone));
        }
        offset(name).map(Self::Offset).ok_or_else(|| {
            let name: String = name.chars().take(40).collect();
            Fault::new(format!(
                "`{name}` is not a time zone; for example Europe/Berlin, UTC or +11:00"
            ))
        })
    }

    pub(super) fn local(self, moment: DateTime<Utc>) -> DateTime<FixedOffset> {
        match self {
            Self::Named(zone) => {
                let local = moment.with_timezone(&zone);
                local.with_timezone(&local.offset().fix())
            }
            Self::Offset(offset) => moment.with_timezone(&offset),
        }
    }

    /// The moment of a wall time; nothing if a clock change skips it.
    fn existing(self, wall: NaiveDateTime) -> Option<DateTime<Utc>> {
        let found = match self {
            Self::Named(zone) => zone.from_local_datetime(&wall).map(|local| local.to_utc()),
            Self::Offset(offset) => offset.from_local_datetime(&wall).map(|local| local.to_utc()),
        };
        match found {
            LocalResult::Single(moment) | LocalResult::Ambiguous(moment, _) => Some(moment),
            LocalResult::None => None,
        }
    }

    /// The moment of a wall time that a text names.
    pub(super) fn moment(self, wall: NaiveDateTime) -> Result<DateTime<Utc>, Box<Fault>> {
        let moment = self.existing(wall).ok_or_else(|| {
            Fault::new(format!(
                "{wall} does not exist in this time zone: a clock change skips it"
            ))
        })?;
        in_calendar(moment).ok_or_else(beyond_calendar)
    }

    /// The moment of a wall time, or the first one after the gap into which it falls.
    fn moment_from(self, wall: NaiveDateTime) -> Result<DateTime<Utc>, Box<Fault>> {
        let minutes = (1..=GAP_MINUTES_MAX).map(|minute| {
            let whole = wall.with_second(0)?.with_nanosecond(0)?;
            whole.checked_add_signed(TimeDelta::minutes(minute))
        });
        let mut tried = std::iter::once(Some(wall)).chain(minutes).flatten();
        let moment = tried.find_map(|wall| self.existing(wall));
        moment.and_then(in_calendar).ok_or_else(beyond_calendar)
    }
}

/// `+11:00`, `-05:30`, `05:30`
fn offset(text: &str) -> Option<FixedOffset> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("-", rest) => (-1, rest),
        ("+", rest) => (1, rest),
        _ => (1, text),
    };
    let (hours, minutes) = digits.split_once(':')?;
    let number = |text: &str| {
        let plain = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| text.parse::<i32>().ok()).flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours < 24 && minutes < 60)
        .then(|| FixedOffset::east_opt(sign * (hours * 3600 + minutes * 60)))
        .flatten()
}

pub(super) fn timestamp<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    match args.first() {
        Some(moment @ Val::Moment(_)) => Ok(moment.clone()),
        Some(value @ Val::Text(text)) => {
            tools.meter.read(text.as_str().len())?;
            moment(value).map(Val::Moment).ok_or_else(|| {
                let text: String = text.as_str().chars().take(40).collect();
                Fault::new(format!(
                    "`{text}` is not a timestamp; for example 2026-11-26T09:14:00Z. For other forms write \
                     parse_date(text, form)"
                ))
            })
        }
        other => {
            let found = other.map_or("nothing", kind);
            Err(Fault::new(format!(
                "`timestamp` needs text, not {found}; for milliseconds since 1970 write parse_date(x)"
            )))
        }
    }
}

/// The units of a length of time in nanoseconds, the longer names first.
const UNITS: [(&str, i128); 7] = [
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("ns", 1),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
];

pub(super) fn duration<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let text = match args.first() {
        Some(length @ Val::Length(_)) => return Ok(length.clone()),
        text => text_of("duration", text, "the value")?,
    };
    tools.meter.read(text.len())?;
    length(text).map(Val::Length).ok_or_else(|| {
        let text: String = text.chars().take(40).collect();
        Fault::new(format!(
            "`{text}` is not a duration; for example 90s, 1h30m, 250ms"
        ))
    })
}

/// `1h30m`, `-1.5s`
fn length(text: &str) -> Option<TimeDelta> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(TimeDelta::zero());
    }
    if rest.is_empty() || rest.len() > 64 {
        return None;
    }
    let mut nanos = 0_i128;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let (unit, size) = UNITS.iter().find(|(unit, _)| after.starts_with(unit))?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.len() > 18 || whole.len() > 15 {
            return None;
        }
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let part: i128 = if fraction.is_empty() {
            0
        } else {
            fraction.parse().ok()?
        };
        let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        nanos = nanos
            .checked_add(whole.checked_mul(*size)?)?
            .checked_add(part.checked_mul(*size)? / scale)?;
        rest = after.get(unit.len()..)?;
    }
    let nanos = if negative { -nanos } else { nanos };
    let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).ok()?;
    let below = u32::try_from(nanos.rem_euclid(1_000_000_000)).ok()?;
    TimeDelta::new(seconds, below)
}

/// A moment and a length of time, or so many units of the calendar, which are counted on the zone's wall clock.
pub(super) fn add_time<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    tools.meter.work(1)?;
    let start = moment_of("add_time", args.first())?;
    if args.len() == 2 {
        let length = match args.get(1) {
            Some(Val::Length(length)) => Some(*length),
            Some(Val::Text(text)) => length(text.as_str()),
            _ => None,
        };
        let Some(length) = length else {
            return Err(Fault::new(
                "`add_time` needs a duration like duration(\"1h\"), or a number and a unit: add_time(t, 2, \"days\")",
            ));
        };
        return start
            .checked_add_signed(length)
            .and_then(in_calendar)
            .map(Val::Moment)
            .ok_or_else(beyond_calendar);
    }
    let count = whole_of("add_time", args.get(1), "the number")?;
    let unit = text_of("add_time", args.get(2), "the unit")?;
    let zone = Zone::read("add_time", args.get(3))?;
    let clock = |size_ms: i64| {
        count
            .checked_mul(size_ms)
            .and_then(TimeDelta::try_milliseconds)
            .and_then(|length| start.checked_add_signed(length))
            .and_then(in_calendar)
    };
    let wall = zone.local(start).naive_local();
    let days = |each: i64| {
        count
            .checked_mul(each)
            .and_then(TimeDelta::try_days)
            .and_then(|length| wall.checked_add_signed(length))
    };
    let months = |each: i64| {
        let months = count.checked_mul(each)?;
        let size = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
        if months < 0 {
            wall.checked_sub_months(size)
        } else {
            wall.checked_add_months(size)
        }
    };
    let wall = match unit.strip_suffix('s').unwrap_or(unit) {
        "millisecond" => return clock(1).map(Val::Moment).ok_or_else(beyond_calendar),
        "second" => return clock(1000).map(Val::Moment).ok_or_else(beyond_calendar),
        "minute" => return clock(60_000).map(Val::Moment).ok_or_else(beyond_calendar),
        "hour" => return clock(3_600_000).map(Val::Moment).ok_or_else(beyond_calendar),
        "day" => days(1),
        "week" => days(7),
        "month" => months(1),
        "year" => months(12),
        _ => {
            return Err(Fault::new(
                "the unit of `add_time` is one of: milliseconds, seconds, minutes, hours, days, weeks, months, years",
            ));
        }
    };
    zone.moment_from(wall.ok_or_else(beyond_calendar)?)
        .map(Val::Moment)
}

/// A part of a moment in a zone.
fn part<'v>(function: &str, args: &[Val<'v>], then: impl Fn(DateTime<FixedOffset>) -> u32) -> Outcome<'v> {
    let moment = moment_of(function, args.first())?;
    let zone = Zone::read(function, args.get(1))?;
    Ok(Val::Int(i64::from(then(zone.local(moment)))))
}

pub(super) fn full_year<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let moment = moment_of("getFullYear", args.first())?;
    let zone = Zone::read("getFullYear", args.get(1))?;
    Ok(Val::Int(i64::from(zone.local(moment).year())))
}

pub(super) fn month<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    part("getMonth", args, |t| t.month0())
}

pub(super) fn day<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    part("getDate", args, |t| t.day())
}

pub(super) fn day_of_month<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    part("getDayOfMonth", args, |t| t.day0())
}

pub(super) fn day_of_week<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    part("getDayOfWeek", args, |t| t.weekday().num_days_from_sunday())
}

pub(super) fn day_of_year<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    part("getDayOfYear", args, |t| t.ordinal0())
}

/// A part of a moment's clock, or the whole of a length of time in a unit.
fn clock<'v>(
    function: &str,
    args: &[Val<'v>],
    of_length: impl Fn(&TimeDelta) -> i64,
    of_moment: impl Fn(DateTime<FixedOffset>) -> u32,
) -> Outcome<'v> {
    match args.first() {
        Some(Val::Length(length)) => Ok(Val::Int(of_length(length))),
        _ => part(function, args, of_moment),
    }
}

pub(super) fn hours<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    clock("getHours", args, TimeDelta::num_hours, |t| t.hour())
}

pub(super) fn minutes<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    clock("getMinutes", args, TimeDelta::num_minutes, |t| t.minute())
}

pub(super) fn seconds<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    clock("getSeconds", args, TimeDelta::num_seconds, |t| t.second())
}

pub(super) fn milliseconds<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    clock(
        "getMilliseconds",
        args,
        |length| length.num_milliseconds() % 1000,
        |t| t.timestamp_subsec_millis(),
    )
}
