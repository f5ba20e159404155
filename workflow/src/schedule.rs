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
    Cron::from_str(cron)
        .map_err(|error| ScheduleError::Cron(format!("`{cron}` is not a time table: {error}")))
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
        assert!(matches!(check("99 * * * *", "UTC"), Err(ScheduleError::Cron(_))));
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
