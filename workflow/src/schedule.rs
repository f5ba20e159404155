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

/// Checks the fields and the time zone.
///
/// # Errors
///
/// Which of the two is wrong, and why.
pub fn check(cron: &str, time_zone: &str) -> Result<(), ScheduleError> {
    parse_cron(cron)?;
    parse_zone(time_zone)?;
    Ok(())
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
}
