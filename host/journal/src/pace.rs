//! When what waits is committed.
//!
//! Urgent entries go at once, lazy ones with them or after `flush_after`. Under load a commit that begins the moment the
//! last one ended would leave behind all who were just answered by that one and are about to come back: they would wait
//! for two commits instead of one. So they have a short time to come, and the commit begins when all are there. Pure: time
//! is a parameter.

use std::time::Duration;

use crate::config::Batching;
use crate::entry::Urgency;

/// The part of the last commit's time for which its company is waited for: one in so many.
const GATHER_PART: u32 = 8;

/// What the writer is to do now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Commit what waits.
    Commit,
    /// Look again when something comes that changes it, or after this time at the latest.
    Within(Duration),
    /// Look again when something comes.
    Idle,
    /// Nothing waits and nothing comes any more.
    Finished,
}

/// Whether the writer sleeps.
#[derive(Debug, Default, PartialEq, Eq)]
enum Sleep {
    #[default]
    Awake,
    UntilWoken,
    Until(Duration),
}

/// The state of the pace.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Everything that waits.
    waiting: usize,
    /// How much of it is urgent.
    urgent: usize,
    /// Whether it goes without waiting for company.
    hurried: bool,
    /// When the oldest lazy entry came.
    lazy_since: Option<Duration>,
    /// Urgent entries in the batch that is being committed.
    committing: usize,
    /// So many urgent entries are expected together,
    company: usize,
    /// until then.
    gather_until: Duration,
    /// Until then the writer looks by itself whether something came, so that nobody has to wake it for a lazy entry.
    look_until: Duration,
    closing: bool,
    sleep: Sleep,
}

impl Pace {
    pub(crate) fn came(&mut self, urgency: Urgency, now: Duration) {
        self.waiting += 1;
        match urgency {
            Urgency::Now => self.urgent += 1,
            Urgency::Lazy => {
                self.lazy_since.get_or_insert(now);
            }
        }
    }

    /// What waits goes as soon as the writer is free.
    pub(crate) fn hurry(&mut self) {
        self.hurried = self.waiting > 0;
    }

    pub(crate) fn close(&mut self) {
        self.closing = true;
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing
    }

    pub(crate) fn next(&self, batching: &Batching, now: Duration) -> Next {
        if self.waiting == 0 {
            return match self.look_until.checked_sub(now) {
                _ if self.closing => Next::Finished,
                None | Some(Duration::ZERO) => Next::Idle,
                Some(left) => Next::Within(left),
            };
        }
        if self.hurried || self.closing || self.waiting >= batching.entries {
            return Next::Commit;
        }
        let until = if self.urgent == 0 {
            self.lazy_since.unwrap_or(now) + batching.flush_after
        } else if self.urgent >= self.company {
            now
        } else {
            self.gather_until
        };
        match until.checked_sub(now) {
            None | Some(Duration::ZERO) => Next::Commit,
            Some(left) => Next::Within(left),
        }
    }

    /// A batch was taken; `left` stay, which go with the next commit, so that nothing waits longer because there is much.
    pub(crate) fn taken(&mut self, left: usize) {
        self.committing = self.urgent.saturating_sub(left);
        self.waiting = left;
        self.urgent = self.urgent.min(left);
        self.hurried = left > 0;
        self.lazy_since = None;
    }

    /// The batch is durable. Those who waited for it, and those who came meanwhile, are the next one's company.
    pub(crate) fn committed(&mut self, batching: &Batching, now: Duration, elapsed: Duration) {
        self.company = self.committing + self.urgent;
        self.gather_until = now + (elapsed / GATHER_PART).min(batching.gather);
        self.look_until = now + batching.flush_after;
    }

    /// The writer goes to sleep, as [`Pace::next`] said.
    pub(crate) fn sleeps(&mut self, time: Option<Duration>, now: Duration) {
        self.sleep = time.map_or(Sleep::UntilWoken, |time| Sleep::Until(now + time));
    }

    pub(crate) fn woke(&mut self) {
        self.sleep = Sleep::Awake;
    }

    /// Whether a sleeping writer is to be woken by what just came.
    pub(crate) fn wakes(&mut self, batching: &Batching, now: Duration) -> bool {
        let wakes = match (&self.sleep, self.next(batching, now)) {
            (Sleep::Awake, _) | (_, Next::Idle) => false,
            (Sleep::UntilWoken, _) | (Sleep::Until(_), Next::Commit | Next::Finished) => true,
            (Sleep::Until(until), Next::Within(left)) => now + left < *until,
        };
        if wakes {
            self.sleep = Sleep::Awake;
        }
        wakes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const START: Duration = Duration::ZERO;

    fn batching() -> Batching {
        Batching {
            entries: 100,
            flush_after: Duration::from_millis(50),
            ..Batching::default()
        }
    }

    fn lazy(pace: &mut Pace, at: u32) {
        pace.came(Urgency::Lazy, at * MS);
    }

    fn urgent(pace: &mut Pace, count: usize) {
        (0..count).for_each(|_| pace.came(Urgency::Now, START));
    }

    #[test]
    fn a_lazy_entry_waits_for_the_bound_and_no_longer() {
        let mut pace = Pace::default();
        assert_eq!(pace.next(&batching(), START), Next::Idle);
        lazy(&mut pace, 10);
        lazy(&mut pace, 40);
        assert_eq!(pace.next(&batching(), 40 * MS), Next::Within(20 * MS));
        assert_eq!(pace.next(&batching(), 59 * MS), Next::Within(MS));
        assert_eq!(pace.next(&batching(), 60 * MS), Next::Commit);
        pace.taken(0);
        assert_eq!(pace.next(&batching(), 60 * MS), Next::Idle);
        lazy(&mut pace, 70);
        assert_eq!(pace.next(&batching(), 70 * MS), Next::Within(50 * MS));
    }

    #[test]
    fn an_urgent_entry_goes_at_once_and_so_do_many_lazy_ones() {
        let mut pace = Pace::default();
        lazy(&mut pace, 0);
        urgent(&mut pace, 1);
        assert_eq!(pace.next(&batching(), START), Next::Commit);
        pace.taken(0);
        (0..100).for_each(|_| lazy(&mut pace, 0));
        assert_eq!(pace.next(&batching(), START), Next::Commit);
    }

    #[test]
    fn what_one_commit_could_not_take_goes_with_the_next() {
        let mut pace = Pace::default();
        (0..150).for_each(|_| lazy(&mut pace, 0));
        pace.taken(50);
        assert_eq!(pace.next(&batching(), START), Next::Commit);
    }

    #[test]
    fn a_lone_caller_never_waits_for_company() {
        let mut pace = Pace::default();
        for round in 1..5 {
            urgent(&mut pace, 1);
            assert_eq!(pace.next(&batching(), round * MS), Next::Commit);
            pace.taken(0);
            pace.committed(&batching(), round * MS, 8 * MS);
        }
    }

    #[test]
    fn those_who_were_answered_have_an_eighth_of_the_commit_to_come_back() {
        let mut pace = Pace::default();
        urgent(&mut pace, 30);
        pace.taken(0);
        urgent(&mut pace, 2);
        pace.committed(&batching(), 100 * MS, 8 * MS);
        assert_eq!(pace.next(&batching(), 100 * MS), Next::Within(MS));
        urgent(&mut pace, 29);
        assert_eq!(pace.next(&batching(), 100 * MS), Next::Within(MS));
        urgent(&mut pace, 1);
        assert_eq!(pace.next(&batching(), 100 * MS), Next::Commit, "all 32 are there");
        pace.taken(0);
        pace.committed(&batching(), 200 * MS, 800 * MS);
        urgent(&mut pace, 1);
        assert_eq!(
            pace.next(&batching(), 200 * MS),
            Next::Within(2 * MS),
            "however slow the disk"
        );
        assert_eq!(
            pace.next(&batching(), 202 * MS),
            Next::Commit,
            "they did not come"
        );
        pace.hurry();
        assert_eq!(pace.next(&batching(), 200 * MS), Next::Commit);
    }

    #[test]
    fn closing_flushes_and_then_ends() {
        let mut pace = Pace::default();
        lazy(&mut pace, 0);
        pace.close();
        assert_eq!(pace.next(&batching(), START), Next::Commit);
        pace.taken(0);
        assert_eq!(pace.next(&batching(), START), Next::Finished);
    }

    #[test]
    fn a_sleeping_writer_is_woken_once_and_only_when_it_changes_something() {
        let mut pace = Pace::default();
        lazy(&mut pace, 0);
        assert!(!pace.wakes(&batching(), START), "it is awake");
        pace.taken(0);
        pace.sleeps(None, START);
        lazy(&mut pace, 0);
        assert!(pace.wakes(&batching(), START), "it is to see the bound");
        assert!(!pace.wakes(&batching(), START));
        pace.sleeps(Some(50 * MS), START);
        lazy(&mut pace, 1);
        assert!(!pace.wakes(&batching(), MS), "it will look in time");
        urgent(&mut pace, 1);
        assert!(pace.wakes(&batching(), MS));
        pace.taken(0);
        pace.sleeps(None, START);
        assert!(!pace.wakes(&batching(), MS), "nothing came");
        pace.close();
        assert!(pace.wakes(&batching(), MS));
    }

    #[test]
    fn after_a_commit_a_lazy_entry_wakes_nobody_and_its_bound_holds() {
        let mut pace = Pace::default();
        urgent(&mut pace, 1);
        pace.taken(0);
        pace.committed(&batching(), 10 * MS, MS);
        assert_eq!(pace.next(&batching(), 10 * MS), Next::Within(50 * MS));
        pace.sleeps(Some(50 * MS), 10 * MS);
        lazy(&mut pace, 30);
        assert!(!pace.wakes(&batching(), 30 * MS), "it looks at 60 ms");
        lazy(&mut pace, 40);
        assert!(!pace.wakes(&batching(), 40 * MS));
        pace.woke();
        assert_eq!(pace.next(&batching(), 60 * MS), Next::Within(20 * MS));
        assert_eq!(pace.next(&batching(), 80 * MS), Next::Commit);
        pace.taken(0);
        pace.committed(&batching(), 80 * MS, MS);
        assert_eq!(pace.next(&batching(), 129 * MS), Next::Within(MS));
        assert_eq!(pace.next(&batching(), 130 * MS), Next::Idle, "then it sleeps");
    }
}
