//! What becomes of the times of a time table, without a store and without a clock.

use flowforge_protocol::Digest;
use flowforge_workflow::model::{CatchUp, Timetable};
use flowforge_workflow::schedule::next_after;

/// A time that is seen later than this after it was due was missed, in milliseconds: a minute.
const LATE_MS: u64 = 60_000;
/// Missed times that are looked at, at most, in one go to find those that count.
const MAX_MISSED: usize = 10_000;
/// Times of one trigger that wait for their runs at most; of more the oldest start nothing.
pub(crate) const MAX_WAITING: usize = 100;
/// Stands for "never again".
pub(crate) const MAX_DUE_MS: u64 = 1 << 53;

/// What is to be done about times that have come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Due {
    /// Each of these starts a run, oldest first.
    pub(crate) fire: Vec<u64>,
    /// So many start nothing.
    pub(crate) skipped: u64,
    /// The first time that has not come.
    pub(crate) next_due_ms: u64,
}

/// The first time after this one. The lint checked the time table before it was signed.
pub(crate) fn next(table: &Timetable, after_ms: u64) -> Option<u64> {
    next_after(&table.cron, &table.time_zone, after_ms).ok().flatten()
}

/// What tells one time table from another.
pub(crate) fn fingerprint(table: &Timetable) -> String {
    let written = format!("{}\n{}", table.cron, table.time_zone);
    Digest::of(written.as_bytes()).hex()
}

/// The times from this one on that have come by now, at most [`MAX_MISSED`] of them, and the first one after these.
fn come(table: &Timetable, first_ms: Option<u64>, now_ms: u64) -> (Vec<u64>, Option<u64>) {
    let (mut come, mut at) = (Vec::new(), first_ms);
    while let Some(due_ms) = at.filter(|at| *at <= now_ms && come.len() < MAX_MISSED) {
        come.push(due_ms);
        at = next(table, due_ms);
    }
    (come, at)
}

/// The times from `first_ms` on that have come by now, by the policy for those that were missed.
pub(crate) fn due(table: &Timetable, first_ms: u64, now_ms: u64) -> Due {
    let mut skipped = 0;
    let (mut times, mut after) = come(table, Some(first_ms), now_ms);
    if let Some(beyond) = after.filter(|at| *at <= now_ms) {
        // The newest count: as far back from now as so many reached. What lies between nobody counts.
        skipped += times.len() as u64;
        let from_ms = now_ms.saturating_sub(beyond.saturating_sub(first_ms));
        (times, after) = come(table, next(table, from_ms), now_ms);
        after = after.filter(|at| *at > now_ms).or_else(|| next(table, now_ms));
    }
    let fire = match table.catch_up {
        CatchUp::Skip => times.partition_point(|due_ms| now_ms - due_ms > LATE_MS),
        CatchUp::One => times.len().saturating_sub(1),
        CatchUp::All => times.len().saturating_sub(MAX_WAITING),
    };
    skipped += fire as u64;
    Due {
        fire: times.split_off(fire),
        skipped,
        next_due_ms: after.unwrap_or(MAX_DUE_MS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn hourly(catch_up: CatchUp) -> Timetable {
        Timetable {
            cron: "0 * * * *".to_owned(),
            time_zone: "UTC".to_owned(),
            input: serde_json::Map::new(),
            catch_up,
            overlap: None,
        }
    }

    fn of(catch_up: CatchUp, first: u64, now: u64) -> (Vec<u64>, u64, u64) {
        let Due {
            fire,
            skipped,
            next_due_ms,
        } = due(&hourly(catch_up), first, now);
        (fire, skipped, next_due_ms)
    }

    #[test]
    fn a_time_that_is_seen_when_it_comes_starts_a_run_whatever_the_policy_is() {
        for policy in CatchUp::ALL {
            for late in [0, LATE_MS] {
                let seen = of(policy, 5 * HOUR, 5 * HOUR + late);
                assert_eq!(seen, (vec![5 * HOUR], 0, 6 * HOUR), "{policy:?}");
            }
            assert_eq!(of(policy, 5 * HOUR, 5 * HOUR - 1), (vec![], 0, 5 * HOUR));
        }
    }

    #[test]
    fn missed_times_go_by_the_policy() {
        let now = 8 * HOUR + LATE_MS + 1;
        assert_eq!(of(CatchUp::Skip, 5 * HOUR, now), (vec![], 4, 9 * HOUR));
        assert_eq!(of(CatchUp::One, 5 * HOUR, now), (vec![8 * HOUR], 3, 9 * HOUR));
        let all = vec![5 * HOUR, 6 * HOUR, 7 * HOUR, 8 * HOUR];
        assert_eq!(of(CatchUp::All, 5 * HOUR, now), (all, 0, 9 * HOUR));
        // The last of them has just come.
        assert_eq!(
            of(CatchUp::Skip, 5 * HOUR, 8 * HOUR),
            (vec![8 * HOUR], 3, 9 * HOUR)
        );
    }

    /// A plane that was away for a year makes up for a bounded number, the newest of them.
    #[test]
    fn what_is_made_up_for_is_bounded() {
        let (fire, skipped, next) = of(CatchUp::All, 0, 150 * HOUR);
        assert_eq!((fire.len(), fire.first(), skipped), (100, Some(&(51 * HOUR)), 51));
        assert_eq!(next, 151 * HOUR);
        let long = 20_000;
        let (fire, skipped, next) = of(CatchUp::All, 0, long * HOUR);
        assert_eq!(fire.first(), Some(&((long - 99) * HOUR)), "the newest");
        assert_eq!(fire.last(), Some(&(long * HOUR)));
        assert!(skipped > MAX_MISSED as u64 && skipped < long);
        assert_eq!(next, (long + 1) * HOUR, "and it goes on from now");
        let (last, ..) = of(CatchUp::One, 0, long * HOUR);
        assert_eq!(last, [long * HOUR]);
    }
}
