//! Time tables: five cron fields read in a time zone.

use std::str::FromStr;

use chrono::{DateTime, TimeZone, Utc};
use croner::Cron;

/// Why a time table is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The five fields.
    #[error("{0}")]
    Cron(String),
    /// The name of the time zone.
    #[error("{0}")]
    TimeZone(String),
}

/// Checks the fields and the time zone, and that the time table names a moment at all.
///
/// # Errors
///
/// Which of the two is wrong, and why.
pub fn check(cron: &str, time_zone: &str) -> Result<(), ScheduleError> {
    let parsed = parse_cron(cron)?;
    parse_zone(time_zone)?;
    // Whether there is such a day does not depend on where the search begins.
    let year_2000 = DateTime::<Utc>::from_timestamp_millis(946_684_800_000);
    let comes = year_2000.is_none_or(|from| parsed.find_next_occurrence(&from, true).is_ok());
    if comes {
        Ok(())
    } else {
        Err(ScheduleError::Cron(format!(
            "`{cron}` never comes: none of its months has such a day"
        )))
    }
}

/// The first moment after `after_ms` that the time table names, milliseconds since 1970 UTC; `None` if it names none.
///
/// A moment that a clock change skips is taken right after the gap, one that it repeats is taken once.
///
/// # Errors
///
/// As [`check`].
pub fn next_after(cron: &str, time_zone: &str, after_ms: u64) -> Result<Option<u64>, ScheduleError> {
    let cron = parse_cron(cron)?;
    let zone = parse_zone(time_zone)?;
    let after = i64::try_from(after_ms)
        .ok()
        .and_then(DateTime::<Utc>::from_timestamp_millis);
    let Some(after) = after else { return Ok(None) };
    let next = cron
        .find_next_occurrence(&zone.from_utc_datetime(&after.naive_utc()), false)
        .ok();
    Ok(next.and_then(|moment| u64::try_from(moment.timestamp_millis()).ok()))
}

fn parse_cron(cron: &str) -> Result<Cron, ScheduleError> {
    let fields = cron.split_whitespace().count();
    if fields != 5 {
        return Err(ScheduleError::Cron(format!(
            "`{cron}` has {fields} fields, expected 5: minute, hour, day of month, month, day of week"
        )));
    }
    for (field, text) in FIELDS.iter().zip(cron.split_whitespace()) {
        if let Some(problem) = field.problem(text) {
            return Err(ScheduleError::Cron(format!("`{cron}`: {problem}")));
        }
    }
    // What the fields say alone is right by now, or of the rarer forms.
    Cron::from_str(cron).map_err(|_| {
        ScheduleError::Cron(format!(
            "`{cron}` is not a time table; for example `30 2 * * MON-FRI`: half past two on working days"
        ))
    })
}

/// One of the five fields.
struct Field {
    name: &'static str,
    from: u8,
    to: u8,
    words: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field::of("minute", 0, 59, &[]),
    Field::of("hour", 0, 23, &[]),
    Field::of("day of the month", 1, 31, &[]),
    Field::of(
        "month",
        1,
        12,
        &[
            "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
        ],
    ),
    Field::of(
        "day of the week",
        0,
        7,
        &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
    ),
];

impl Field {
    const fn of(name: &'static str, from: u8, to: u8, words: &'static [&'static str]) -> Self {
        Self {
            name,
            from,
            to,
            words,
        }
    }

    /// What is wrong with what stands in it: one part, or several with commas between them.
    fn problem(&self, text: &str) -> Option<String> {
        text.split(',').find_map(|part| self.problem_of_part(part))
    }

    /// `*`, `5`, `MON-FRI`, `*/15`, `10-40/10`
    fn problem_of_part(&self, part: &str) -> Option<String> {
        let (range, step) = part
            .split_once('/')
            .map_or((part, None), |(range, step)| (range, Some(step)));
        if let Some(step) = step
            && !step.parse::<u8>().is_ok_and(|step| step > 0)
        {
            return Some(format!(
                "the step of `{part}` must be a whole number from 1, as in `*/15`"
            ));
        }
        if range == "*" {
            return None;
        }
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        match (self.number(first), self.number(last)) {
            (Ok(first), Ok(last)) if first > last => Some(format!(
                "`{range}` begins after its end; write two parts with a comma between them"
            )),
            (Ok(_), Ok(_)) => None,
            (Err(problem), _) | (_, Err(problem)) => problem,
        }
    }

    /// The number that a text names here. Of the rarer forms, `L`, `15W` and `5#2`, nothing is said.
    fn number(&self, text: &str) -> Result<u8, Option<String>> {
        if let Ok(number) = text.parse::<u32>() {
            let fits = (u32::from(self.from)..=u32::from(self.to)).contains(&number);
            return u8::try_from(number).ok().filter(|_| fits).ok_or_else(|| {
                Some(format!(
                    "the {} is {} to {}, found {number}",
                    self.name, self.from, self.to
                ))
            });
        }
        let word = text.to_ascii_uppercase();
        if let Some(at) = self.words.iter().position(|known| *known == word) {
            return u8::try_from(at).map(|at| at + self.from).map_err(|_| None);
        }
        let is_day = self.name.starts_with("day");
        if is_day && text.contains(['L', 'l', 'W', 'w', '#']) {
            return Err(None);
        }
        if text == "?" {
            return Err(Some(format!("for any {} write `*`, not `?`", self.name)));
        }
        let names = match self.words {
            [] => String::new(),
            words => format!(", or one of {}", words.join(", ")),
        };
        Err(Some(format!(
            "`{text}` is no {}: it is a number from {} to {}{names}",
            self.name, self.from, self.to
        )))
    }
}

fn parse_zone(name: &str) -> Result<chrono_tz::Tz, ScheduleError> {
    chrono_tz::Tz::from_str(name).map_err(|_| {
        ScheduleError::TimeZone(format!(
            "`{name}` is not a time zone; for example Europe/Berlin or UTC"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_table_is_read_in_its_zone() {
        // 2026-11-23 04:00 UTC is 05:00 in Berlin.
        let after = 1_795_406_400_000;
        let next = next_after("0 7 * * *", "Europe/Berlin", after)
            .expect("right")
            .expect("there is one");
        assert_eq!(next, after + 2 * 60 * 60 * 1000);
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(matches!(check("* * * *", "UTC"), Err(ScheduleError::Cron(m)) if m.contains("4 fields")));
        // The words of the library that reads them stood in the finding: `Component error: Number out of bounds.`
        for (cron, problem) in [
            ("60 * * * *", "the minute is 0 to 59, found 60"),
            ("* 24 * * *", "the hour is 0 to 23, found 24"),
            ("* * 0 * *", "the day of the month is 1 to 31, found 0"),
            ("* * * * 8", "the day of the week is 0 to 7, found 8"),
            (
                "5-1 * * * *",
                "`5-1` begins after its end; write two parts with a comma between them",
            ),
            (
                "0 0 * * FRI-MON",
                "`FRI-MON` begins after its end; write two parts with a comma between them",
            ),
            (
                "*/0 * * * *",
                "the step of `*/0` must be a whole number from 1, as in `*/15`",
            ),
            ("0,x * * * *", "`x` is no minute: it is a number from 0 to 59"),
            ("0 ? * * *", "for any hour write `*`, not `?`"),
        ] {
            let expected = ScheduleError::Cron(format!("`{cron}`: {problem}"));
            assert_eq!(check(cron, "UTC"), Err(expected));
        }
        let month = check("0 0 1 MAI *", "UTC").expect_err("no month").to_string();
        assert!(
            month.contains("`MAI` is no month") && month.contains("MAY"),
            "{month}"
        );
        for right in [
            "0 0 * JAN,MAR-JUN mon-fri",
            "0-30/10,45 0-23/2 1 * 7",
            "0 0 L * *",
            "0 0 15W * *",
        ] {
            assert_eq!(check(right, "UTC"), Ok(()), "{right}");
        }
        assert!(check("0 0 LL * *", "UTC").is_err_and(|e| e.to_string().contains("is not a time table")));
        assert!(matches!(
            check("* * * * *", "Mars/Base"),
            Err(ScheduleError::TimeZone(_))
        ));
    }

    /// The moments that a time table names between two others, as `MM-DDTHH:MM` in UTC.
    fn moments(cron: &str, zone: &str, from: &str, to: &str) -> Vec<String> {
        let ms = |text: &str| {
            let moment = DateTime::parse_from_rfc3339(text).expect("a moment");
            u64::try_from(moment.timestamp_millis()).expect("after 1970")
        };
        let (mut at, end) = (ms(from), ms(to));
        let mut out = Vec::new();
        while let Some(next) = next_after(cron, zone, at).expect("a time table") {
            if next > end || out.len() > 100 {
                break;
            }
            let moment = DateTime::<Utc>::from_timestamp_millis(i64::try_from(next).expect("soon"));
            out.push(moment.expect("a moment").format("%m-%dT%H:%M").to_string());
            at = next;
        }
        out
    }

    /// A time table for the 30th of February kept a server busy for ever; here it is found when it is written, and asking
    /// for its next moment ends.
    #[test]
    fn a_time_table_that_never_comes_is_refused() {
        for never in ["0 0 30 2 *", "0 0 31 4,6,9,11 *"] {
            let found = check(never, "Europe/Berlin");
            assert!(
                matches!(&found, Err(ScheduleError::Cron(message)) if message.contains("never comes")),
                "{never}: {found:?}"
            );
            assert_eq!(next_after(never, "Europe/Berlin", 0), Ok(None));
        }
        // Every fourth year is often enough; with a day of the week, either is.
        assert_eq!(check("0 0 29 2 *", "UTC"), Ok(()));
        assert_eq!(check("0 0 30 2 1", "UTC"), Ok(()));
    }

    /// A daily run at 02:00 happened twice in the night in which the clocks go back.
    #[test]
    fn a_moment_that_a_clock_change_repeats_comes_once() {
        let autumn = |cron| {
            moments(
                cron,
                "Europe/Berlin",
                "2026-10-24T12:00:00Z",
                "2026-10-25T12:00:00Z",
            )
        };
        assert_eq!(autumn("0 2 * * *"), ["10-25T00:00"]);
        assert_eq!(autumn("30 2 * * *"), ["10-25T00:30"]);
        assert_eq!(autumn("0 3 * * *"), ["10-25T02:00"]);
        // One that comes every hour does so in both.
        let night = moments(
            "0 * * * *",
            "Europe/Berlin",
            "2026-10-24T23:30:00Z",
            "2026-10-25T02:30:00Z",
        );
        assert_eq!(night, ["10-25T00:00", "10-25T01:00", "10-25T02:00"]);
    }

    /// A run at 02:30 happened not at all in the night in which the clocks go forward.
    #[test]
    fn a_moment_that_a_clock_change_skips_comes_right_after_it() {
        let spring = |cron| {
            moments(
                cron,
                "Europe/Berlin",
                "2026-03-28T12:00:00Z",
                "2026-03-29T12:00:00Z",
            )
        };
        assert_eq!(spring("30 2 * * *"), ["03-29T01:00"]);
        assert_eq!(spring("30 1 * * *"), ["03-29T00:30"]);
        assert_eq!(spring("0 3 * * *"), ["03-29T01:00"]);
    }

    #[test]
    fn the_last_day_and_the_second_friday_are_found() {
        let days = |cron| moments(cron, "UTC", "2026-01-01T12:00:00Z", "2026-04-01T12:00:00Z");
        assert_eq!(days("0 0 L * *"), ["01-31T00:00", "02-28T00:00", "03-31T00:00"]);
        assert_eq!(days("0 0 * * 5#2"), ["01-09T00:00", "02-13T00:00", "03-13T00:00"]);
        assert_eq!(days("0 0 * * 5L"), ["01-30T00:00", "02-27T00:00", "03-27T00:00"]);
    }

    /// Source: crontab(5): when both fields are given, either is enough.
    #[test]
    fn a_day_of_the_month_and_a_day_of_the_week_are_alternatives() {
        let found = moments(
            "0 0 13 * 5",
            "UTC",
            "2026-11-01T12:00:00Z",
            "2026-12-14T00:00:00Z",
        );
        assert_eq!(
            found,
            [
                "11-06T00:00",
                "11-13T00:00",
                "11-20T00:00",
                "11-27T00:00",
                "12-04T00:00",
                "12-11T00:00",
                "12-13T00:00"
            ]
        );
    }
}
