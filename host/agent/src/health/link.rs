//! What is known about the connection: never more than was heard.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flowforge_protocol::RunId;
use flowforge_protocol::sync::Silence;

use super::status::ParkedRun;
use crate::clock::Clock;

/// Calls fail for so long before a silence is worth telling, in milliseconds.
const SILENCE_MS_MIN: u64 = 5_000;
/// Runs that went to another host and are remembered for people, since the start.
const MOVED_MAX: usize = 20;

/// When the control plane was last heard, and since when it is not.
///
/// A cheap handle: the two sync loops write it, the status reads it. An answer of any kind counts as heard only if it is
/// the control plane's own success; a refusal says that something answers, not that the work arrives. Whether that was
/// lately is judged by the clock that nobody can set.
#[derive(Clone)]
pub struct LinkHealth {
    clock: Arc<dyn Clock>,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    last: Option<Moment>,
    offline: Option<Offline>,
    /// Said with the next call.
    silence: Option<Silence>,
    /// Runs whose uploads are parked, each with the control plane's code and reason.
    parked: BTreeMap<RunId, (String, String)>,
    /// The last runs that went to another host.
    moved: VecDeque<ParkedRun>,
}

#[derive(Debug, Clone, Copy)]
struct Moment {
    wall_ms: u64,
    monotonic_ms: u64,
}

#[derive(Debug, Clone)]
struct Offline {
    since_ms: u64,
    reason: String,
    /// Trying again changes nothing: somebody must act.
    permanent: bool,
}

/// A moment's view of [`LinkHealth`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkView {
    /// When it was last heard, milliseconds since 1970 UTC; absent if never.
    pub last_ms: Option<u64>,
    /// How long ago that was, milliseconds.
    pub silent_for_ms: Option<u64>,
    /// Since when calls fail; absent while they succeed.
    pub offline_since_ms: Option<u64>,
    /// Why the last call failed; absent while they succeed.
    pub reason: Option<String>,
    /// Whether trying again changes nothing.
    pub permanent: bool,
}

impl LinkHealth {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            known: Arc::default(),
        }
    }

    fn now(&self) -> Moment {
        Moment {
            wall_ms: self.clock.now_ms(),
            monotonic_ms: self.clock.monotonic_ms(),
        }
    }

    /// A call succeeded.
    pub fn succeeded(&self) {
        let now = self.now();
        let mut known = self.lock();
        if known.offline.take().is_some()
            && let Some(last) = known.last
            && now.monotonic_ms.saturating_sub(last.monotonic_ms) >= SILENCE_MS_MIN
        {
            known.silence = Some(Silence {
                from_ms: last.wall_ms,
                to_ms: now.wall_ms,
            });
        }
        known.last = Some(now);
    }

    /// A call failed. True for the first failure after a success, so that it is logged once.
    pub fn failed(&self, reason: &str, permanent: bool) -> bool {
        let now = self.now();
        let mut known = self.lock();
        let since_ms = known.last.map_or(now.wall_ms, |last| last.wall_ms);
        let is_news = known.offline.is_none();
        let since_ms = known
            .offline
            .as_ref()
            .map_or(since_ms, |offline| offline.since_ms);
        known.offline = Some(Offline {
            since_ms,
            reason: reason.to_owned(),
            permanent,
        });
        is_news
    }

    /// The control plane does not store what was sent of a run.
    pub fn parked(&self, run: &RunId, code: String, reason: String) {
        self.lock().parked.insert(run.clone(), (code, reason));
    }

    /// Another host has the run, as the control plane says.
    pub fn let_go(&self, run: &RunId, code: String, reason: String) {
        let (mut known, run) = (self.lock(), run.to_string());
        known.moved.retain(|moved| moved.run != run);
        if known.moved.len() >= MOVED_MAX {
            known.moved.pop_front();
        }
        known.moved.push_back(ParkedRun { run, code, reason });
    }

    /// The last runs that went to another host, oldest first.
    #[must_use]
    pub fn moved_runs(&self) -> Vec<ParkedRun> {
        self.lock().moved.iter().cloned().collect()
    }

    /// Whether uploads of any run are parked.
    #[must_use]
    pub fn has_parked(&self) -> bool {
        !self.lock().parked.is_empty()
    }

    /// The runs whose uploads are parked; they are offered again.
    #[must_use]
    pub fn take_parked(&self) -> Vec<RunId> {
        std::mem::take(&mut self.lock().parked).into_keys().collect()
    }

    /// Up to `most` runs whose uploads are parked, for people.
    #[must_use]
    pub fn parked_runs(&self, most: usize) -> Vec<ParkedRun> {
        let known = self.lock();
        let parked = known.parked.iter().take(most);
        parked
            .map(|(run, (code, reason))| ParkedRun {
                run: run.to_string(),
                code: code.clone(),
                reason: reason.clone(),
            })
            .collect()
    }

    /// The last time without an answer, if it was not told yet.
    #[must_use]
    pub fn take_silence(&self) -> Option<Silence> {
        self.lock().silence.take()
    }

    /// It could not be told.
    pub fn put_back(&self, silence: Option<Silence>) {
        let mut known = self.lock();
        known.silence = known.silence.or(silence);
    }

    /// What is known now.
    #[must_use]
    pub fn view(&self) -> LinkView {
        let now = self.now();
        let known = self.lock();
        let offline = known.offline.as_ref();
        LinkView {
            last_ms: known.last.map(|last| last.wall_ms),
            silent_for_ms: known
                .last
                .map(|last| now.monotonic_ms.saturating_sub(last.monotonic_ms)),
            offline_since_ms: offline.map(|offline| offline.since_ms),
            reason: offline.map(|offline| offline.reason.clone()),
            permanent: offline.is_some_and(|offline| offline.permanent),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn offline_is_counted_from_the_last_time_the_server_was_heard() {
        let clock = ManualClock::at(5);
        let health = LinkHealth::new(Arc::new(clock.clone()));
        assert!(health.failed("connection refused", false));
        assert_eq!(
            health.view().offline_since_ms,
            Some(5),
            "never heard: since the first try"
        );
        clock.advance(Duration::from_millis(5));
        health.succeeded();
        assert_eq!(health.take_silence(), None, "it was never heard before");
        let view = health.view();
        assert_eq!(
            (view.last_ms, view.offline_since_ms, view.reason),
            (Some(10), None, None)
        );
        clock.advance(Duration::from_mins(1));
        assert!(health.failed("timed out", false));
        assert!(
            !health.failed("the body is too large", true),
            "only the first failure is news"
        );
        let view = health.view();
        assert_eq!((view.last_ms, view.offline_since_ms), (Some(10), Some(10)));
        assert_eq!(view.reason.as_deref(), Some("the body is too large"));
        assert!(view.permanent);
        health.succeeded();
        let silence = health.take_silence().expect("a minute");
        assert_eq!((silence.from_ms, silence.to_ms), (10, 60_010));
        assert_eq!(health.take_silence(), None, "said once");
        health.put_back(Some(silence));
        assert_eq!(health.take_silence(), Some(silence));
    }

    /// A clock that was set back by an hour showed a dead line as connected for an hour.
    #[test]
    fn how_long_ago_does_not_depend_on_the_time_of_day() {
        let clock = ManualClock::at(10_000_000);
        let health = LinkHealth::new(Arc::new(clock.clone()));
        health.succeeded();
        clock.advance(Duration::from_mins(2));
        clock.set(1);
        assert_eq!(health.view().silent_for_ms, Some(120_000));
    }
}
