//! Hosts as this process knows them: sessions, last word, and their queues.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use flowforge_core::Scope;
use flowforge_protocol::progress::StepProgress;
use flowforge_protocol::sync::SyncRequest;
use flowforge_protocol::{Digest, HostId, RunId};
use flowforge_store::{Heard, Host};
use tokio::sync::Notify;

use super::queue::JobQueue;
use super::words::ServerTag;

/// A host that was heard so recently counts as connected between two standing calls. One call follows the other at once,
/// so this covers a slow line and little more: a host that has stopped must not get runs that another could do.
pub(crate) const CONNECTED_MS: u64 = 5_000;
/// The stored time of the last word is at most this old.
pub(crate) const HEARD_WRITE_MS: u64 = 10_000;
/// A host that another server has heard is shown as connected for so long: the store learns of its words at most every
/// [`HEARD_WRITE_MS`], and is looked at about as often.
const CONNECTED_ELSEWHERE_MS: u64 = 25_000;
/// A host that was silent for so long, without a standing call, has a gap that is kept.
const GAP_MS: u64 = 15_000;
/// The same across a start of this process: the stored time of the last word may be older than the last word.
const GAP_ACROSS_START_MS: u64 = 60_000;

/// One registered host.
#[derive(Debug)]
pub(crate) struct HostEntry {
    pub(crate) id: HostId,
    /// Whose runs it does.
    pub(crate) scope: Scope,
    /// Woken when there may be something to deliver.
    pub(crate) wake: Notify,
    state: Mutex<HostState>,
}

/// What changes about a host.
#[derive(Debug)]
pub(crate) struct HostState {
    pub(crate) host: Host,
    pub(crate) queue: JobQueue,
    pub(crate) busy: bool,
    /// Why runs rest at the host, as it said last.
    resting: HashMap<RunId, String>,
    /// It gets no new runs: somebody said so.
    closed: bool,
    /// It did not renew its leases, and was not heard since.
    stands_still: bool,
    /// As of which news about waiting runs there is none for it.
    nothing_waits: Option<u64>,
    /// How far attempts are at the host, as it said last.
    progress: Vec<StepProgress>,
    standing: u32,
    /// By the clock that nobody can set.
    heard_at: Option<u64>,
    /// The same, of the last word that the store knows.
    heard_written_at: Option<u64>,
    /// The same, of the last word that another server has heard.
    heard_elsewhere_at: Option<u64>,
}

impl HostState {
    /// Whether it calls this server. `monotonic_ms`: see [`crate::Clock::monotonic_ms`].
    pub(crate) fn is_here(&self, monotonic_ms: u64) -> bool {
        self.standing > 0
            || self
                .heard_at
                .is_some_and(|at| at.saturating_add(CONNECTED_MS) > monotonic_ms)
    }

    /// Whether it calls this server or another one.
    pub(crate) fn connected(&self, monotonic_ms: u64) -> bool {
        let elsewhere = self.heard_elsewhere_at;
        self.is_here(monotonic_ms)
            || elsewhere.is_some_and(|at| at.saturating_add(CONNECTED_ELSEWHERE_MS) > monotonic_ms)
    }

    /// What the store knows of the host now, which other servers have written, too.
    fn is_known_as(&mut self, host: Host, monotonic_ms: u64) {
        if host.last_heard_ms > self.host.last_heard_ms {
            self.heard_elsewhere_at = Some(monotonic_ms);
        }
        if host.labels != self.host.labels {
            self.nothing_waits = None;
        }
        self.host = Host {
            last_heard_ms: host.last_heard_ms.max(self.host.last_heard_ms),
            ..host
        };
    }

    /// Whether it may be given runs that nobody has yet: it did not say that it is busy, nobody drained it, and it does not stand
    /// still behind a call that is open.
    pub(crate) fn takes_new(&self) -> bool {
        !self.busy && !self.closed && !self.stands_still
    }

    /// It did not renew its leases, or it calls again.
    pub(crate) fn stands_still(&mut self, so: bool) {
        self.stands_still = so;
    }

    /// Whether it has every one of these words.
    pub(crate) fn has(&self, words: &[String]) -> bool {
        words.iter().all(|word| self.host.labels.contains(word))
    }

    /// Whether runs may wait that it could have, as of this news about them.
    pub(crate) fn looks_for_runs(&self, news: u64) -> bool {
        self.takes_new() && self.nothing_waits != Some(news)
    }

    /// No run waits that it could have, as of this news; or that is to be looked at again.
    pub(crate) fn nothing_waits(&mut self, news: Option<u64>) {
        self.nothing_waits = news;
    }

    /// Why a run rests at the host, if it does.
    pub(crate) fn rests(&self, run: &RunId) -> Option<&str> {
        self.resting.get(run).map(String::as_str)
    }

    /// How far the attempts of a run are, as their connectors said last.
    pub(crate) fn progress(&self, run: &RunId) -> Vec<StepProgress> {
        let of_run = self.progress.iter().filter(|known| known.run == *run);
        of_run.cloned().collect()
    }

    /// Notes what the host says of itself; answers the runs of which it says something new about progress.
    pub(crate) fn says(&mut self, request: &SyncRequest) -> BTreeSet<RunId> {
        if let Some(resting) = &request.resting {
            self.resting = resting
                .iter()
                .map(|resting| (resting.run.clone(), resting.reason.clone()))
                .collect();
        }
        let Some(progress) = &request.progress else {
            return BTreeSet::new();
        };
        let before = std::mem::replace(&mut self.progress, progress.clone());
        let new = progress.iter().filter(|said| !before.contains(said));
        let gone = before.iter().filter(|said| !progress.contains(said));
        new.chain(gone).map(|said| said.run.clone()).collect()
    }

    /// What the store should learn about a host that calls now.
    pub(crate) fn to_write(&self, now_ms: u64, monotonic_ms: u64) -> Option<Heard> {
        let silent_since_ms = match self.heard_at {
            Some(_) if self.standing > 0 => None,
            Some(at) => {
                // What another server has heard is known here some time later.
                let (at, gap_ms) = match self.heard_elsewhere_at {
                    Some(elsewhere) if elsewhere > at => (elsewhere, GAP_ACROSS_START_MS),
                    _ => (at, GAP_MS),
                };
                let silence = monotonic_ms.saturating_sub(at);
                (silence > gap_ms).then(|| now_ms.saturating_sub(silence))
            }
            None => self
                .host
                .last_heard_ms
                .filter(|at| at.saturating_add(GAP_ACROSS_START_MS) < now_ms),
        };
        let due = self
            .heard_written_at
            .is_none_or(|at| monotonic_ms >= at.saturating_add(HEARD_WRITE_MS));
        (due || silent_since_ms.is_some()).then_some(Heard {
            at_ms: now_ms,
            silent_since_ms,
        })
    }

    /// The host was heard, and what it said could be done.
    pub(crate) fn heard(&mut self, now_ms: u64, monotonic_ms: u64, written: bool) {
        self.host.last_heard_ms = Some(now_ms);
        self.heard_at = Some(monotonic_ms);
        if written {
            self.heard_written_at = Some(monotonic_ms);
        }
    }
}

impl HostEntry {
    fn new(host: Host, heard_at: Option<u64>, tag: ServerTag) -> Self {
        Self {
            id: host.id.clone(),
            scope: host.scope.clone(),
            wake: Notify::new(),
            state: Mutex::new(HostState {
                host,
                queue: JobQueue::unread(tag),
                busy: false,
                resting: HashMap::new(),
                closed: false,
                stands_still: false,
                nothing_waits: None,
                progress: Vec::new(),
                standing: 0,
                heard_at,
                heard_written_at: heard_at,
                heard_elsewhere_at: None,
            }),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, HostState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a standing call while it is open.
#[derive(Debug)]
pub(crate) struct Standing(Arc<HostEntry>);

impl Standing {
    pub(crate) fn new(entry: &Arc<HostEntry>) -> Self {
        entry.state().standing += 1;
        Self(Arc::clone(entry))
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.standing = state.standing.saturating_sub(1);
    }
}

#[derive(Debug, Default)]
struct Table {
    by_id: HashMap<HostId, Arc<HostEntry>>,
    by_session: HashMap<Digest, HostId>,
    turn: Vec<HostId>,
}

/// Every registered host.
#[derive(Debug)]
pub(crate) struct Hosts {
    table: RwLock<Table>,
    next: std::sync::atomic::AtomicUsize,
    tag: ServerTag,
}

impl Hosts {
    pub(crate) fn new(hosts: Vec<Host>, tag: ServerTag) -> Self {
        let all = Self {
            table: RwLock::default(),
            next: std::sync::atomic::AtomicUsize::default(),
            tag,
        };
        for host in hosts {
            all.enter(host, None);
        }
        all
    }

    /// A host as the store knows it now: another server may have admitted it, or given it a new session.
    pub(crate) fn known_as(&self, host: Host, monotonic_ms: u64) -> Arc<HostEntry> {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = table.by_id.get(&host.id).map(Arc::clone) else {
            drop(table);
            let entry = self.enter(host, None);
            // It registered at another server after this one started.
            entry.state().heard_elsewhere_at = Some(monotonic_ms);
            return entry;
        };
        let mut state = entry.state();
        let is_new_session = state.host.session_hash != host.session_hash;
        if is_new_session {
            table.by_session.retain(|_, id| *id != host.id);
            table.by_session.insert(host.session_hash, host.id.clone());
            // As when it registers here.
            state.queue.redeliver_all();
            state.queue.renew();
        }
        state.is_known_as(host, monotonic_ms);
        drop(state);
        drop(table);
        entry
    }

    fn enter(&self, host: Host, heard_at: Option<u64>) -> Arc<HostEntry> {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        table.by_session.retain(|_, id| *id != host.id);
        table.by_session.insert(host.session_hash, host.id.clone());
        if let Some(entry) = table.by_id.get(&host.id) {
            let entry = Arc::clone(entry);
            drop(table);
            let mut state = entry.state();
            state.host = host;
            state.nothing_waits = None;
            state.heard_at = heard_at;
            state.heard_written_at = heard_at;
            // A host that registers again has forgotten what it did not make durable.
            state.queue.redeliver_all();
            drop(state);
            entry.wake.notify_one();
            return entry;
        }
        let entry = Arc::new(HostEntry::new(host, heard_at, self.tag));
        table.turn.push(entry.id.clone());
        table.by_id.insert(entry.id.clone(), Arc::clone(&entry));
        entry
    }

    /// A host registered, or registered again.
    pub(crate) fn registered(&self, host: Host, monotonic_ms: u64) -> Arc<HostEntry> {
        self.enter(host, Some(monotonic_ms))
    }

    /// A host of another machine is known now, or known anew; it has no session yet.
    pub(crate) fn enrolled(&self, host: Host) {
        self.enter(host, None);
    }

    /// Whether a host gets no new runs.
    pub(crate) fn close(&self, host: &HostId, closed: bool) {
        if let Some(entry) = self.get(host) {
            entry.state().closed = closed;
        }
    }

    /// The host with this identity key.
    pub(crate) fn id_of_key(&self, identity_key: &[u8; 32]) -> Option<HostId> {
        let all = self.all();
        let found = all
            .iter()
            .find(|entry| entry.state().host.identity_key == *identity_key);
        found.map(|entry| entry.id.clone())
    }

    /// The host whose session this is.
    pub(crate) fn of_session(&self, session: &str) -> Option<Arc<HostEntry>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let id = table.by_session.get(&Digest::of(session.as_bytes()))?;
        table.by_id.get(id).cloned()
    }

    pub(crate) fn get(&self, id: &HostId) -> Option<Arc<HostEntry>> {
        self.table
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .by_id
            .get(id)
            .cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<HostEntry>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table
            .turn
            .iter()
            .filter_map(|id| table.by_id.get(id))
            .cloned()
            .collect()
    }

    /// A host for a new run: one that has these words and calls this server, not busy, each in its turn. None if there is
    /// none: then the run waits for one, here or at another server.
    pub(crate) fn choose(&self, words: &[String], monotonic_ms: u64) -> Option<Arc<HostEntry>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let count = table.turn.len();
        let first = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        (0..count).find_map(|step| {
            let id = table.turn.get((first.wrapping_add(step)) % count)?;
            let entry = table.by_id.get(id)?;
            let state = entry.state();
            (state.is_here(monotonic_ms) && state.takes_new() && state.has(words)).then(|| Arc::clone(entry))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: ServerTag = ServerTag(1);

    fn host(n: u8, session: &str) -> Host {
        Host {
            scope: Scope::default_of("dev"),
            id: HostId::from_entropy([n; 16]),
            name: format!("host-{n}"),
            identity_key: [n; 32],
            seal_key: [n; 32],
            session_hash: Digest::of(session.as_bytes()),
            registered_at_ms: 0,
            last_heard_ms: None,
            incarnation: None,
            labels: vec![format!("label-{n}")],
        }
    }

    #[test]
    fn a_new_session_ends_the_one_before() {
        let hosts = Hosts::new(vec![host(1, "old")], TAG);
        assert!(hosts.of_session("old").is_some());
        hosts.registered(host(1, "new"), 5);
        assert!(hosts.of_session("old").is_none());
        assert_eq!(hosts.of_session("new").unwrap().id, host(1, "").id);
        assert_eq!(hosts.all().len(), 1);
    }

    #[test]
    fn only_a_connected_host_with_room_is_chosen() {
        let hosts = Hosts::new(vec![host(1, "a"), host(2, "b")], TAG);
        assert!(hosts.choose(&[], 1_000).is_none());
        let second = hosts.of_session("b").unwrap();
        second.state().heard(99, 1_000, true);
        for _ in 0..3 {
            assert_eq!(hosts.choose(&[], 1_000).unwrap().id, second.id);
        }
        assert!(hosts.choose(&[], 1_000 + CONNECTED_MS).is_none());
        let standing = Standing::new(&second);
        assert!(hosts.choose(&[], 1_000 + CONNECTED_MS).is_some());
        let words = |n: u8| [format!("label-{n}")];
        assert!(hosts.choose(&words(2), 1_000).is_some());
        assert!(
            hosts.choose(&words(1), 1_000).is_none(),
            "the one that is so does not call"
        );
        second.state().busy = true;
        assert!(hosts.choose(&[], 1_000).is_none());
        drop(standing);
    }

    /// A host that was cut off for a quarter of an hour left no trace: a run's timeline could not show why it stood still.
    #[test]
    fn silence_is_noticed_and_a_clock_that_is_set_makes_none() {
        let hosts = Hosts::new(
            vec![Host {
                last_heard_ms: Some(5_000),
                ..host(1, "a")
            }],
            TAG,
        );
        let entry = hosts.of_session("a").unwrap();
        let mut state = entry.state();
        let first = state.to_write(700_000, 10).unwrap();
        assert_eq!(first.silent_since_ms, Some(5_000), "across a start");
        state.heard(700_000, 10, true);
        assert_eq!(state.to_write(700_500, 510), None, "nothing to write so soon");
        // The time of day is set back by a day; the host was never away.
        let after = state.to_write(1, 10 + HEARD_WRITE_MS).unwrap();
        assert_eq!((after.at_ms, after.silent_since_ms), (1, None));
        assert!(state.connected(11));
        let late = state.to_write(900_000, 10 + GAP_MS + 1).unwrap();
        assert_eq!(late.silent_since_ms, Some(900_000 - GAP_MS - 1));
        state.standing = 1;
        let standing = state.to_write(900_000, 10 + GAP_MS + 1).unwrap();
        assert_eq!(
            standing.silent_since_ms, None,
            "it stood at the door all the time"
        );
    }

    /// A host that another server hears is shown as connected, gets no run from here, and has no gap when it comes back.
    #[test]
    fn what_another_server_hears_counts_for_what_is_shown_alone() {
        let hosts = Hosts::new(vec![host(1, "a")], TAG);
        let entry = hosts.of_session("a").unwrap();
        entry.state().heard(1_000, 1_000, true);
        let late = 1_000 + 10 * GAP_ACROSS_START_MS;
        assert!(!entry.state().connected(late));
        let elsewhere = Host {
            last_heard_ms: Some(late),
            ..host(1, "a")
        };
        hosts.known_as(elsewhere, late);
        assert!(entry.state().connected(late) && !entry.state().is_here(late));
        assert!(hosts.choose(&[], late).is_none());
        assert_eq!(
            entry
                .state()
                .to_write(late + 1, late + 1)
                .unwrap()
                .silent_since_ms,
            None
        );
        let new_session = Host {
            last_heard_ms: Some(late),
            ..host(1, "b")
        };
        hosts.known_as(new_session, late);
        assert!(hosts.of_session("a").is_none() && hosts.of_session("b").is_some());
    }
}
