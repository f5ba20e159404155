//! Hosts as this process knows them: sessions, last word, and their queues.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use flowforge_protocol::{Digest, HostId};
use flowforge_store::Host;
use tokio::sync::Notify;

use crate::queue::JobQueue;

/// A host that was heard so recently counts as connected between two standing calls. One call follows the other at once,
/// so this covers a slow line and little more: a host that has stopped must not get runs that another could do.
pub(crate) const CONNECTED_MS: u64 = 5_000;
/// The stored time of the last word is at most this old.
pub(crate) const HEARD_WRITE_MS: u64 = 10_000;

/// One registered host.
#[derive(Debug)]
pub(crate) struct HostEntry {
    pub(crate) id: HostId,
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
    standing: u32,
    heard_written_ms: u64,
}

impl HostState {
    pub(crate) fn connected(&self, now_ms: u64) -> bool {
        self.standing > 0
            || self
                .host
                .last_heard_ms
                .is_some_and(|at| at.saturating_add(CONNECTED_MS) > now_ms)
    }

    /// Notes that the host spoke. Says whether the store should learn it now.
    pub(crate) fn heard(&mut self, now_ms: u64) -> bool {
        self.host.last_heard_ms = Some(now_ms);
        let write = now_ms >= self.heard_written_ms.saturating_add(HEARD_WRITE_MS);
        if write {
            self.heard_written_ms = now_ms;
        }
        write
    }
}

impl HostEntry {
    fn new(host: Host, heard_written_ms: u64) -> Self {
        Self {
            id: host.id.clone(),
            wake: Notify::new(),
            state: Mutex::new(HostState {
                host,
                queue: JobQueue::unread(),
                busy: false,
                standing: 0,
                heard_written_ms,
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
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    table: RwLock<Table>,
    next: std::sync::atomic::AtomicUsize,
}

impl Hosts {
    pub(crate) fn new(hosts: Vec<Host>) -> Self {
        let all = Self::default();
        for host in hosts {
            all.enter(host, 0);
        }
        all
    }

    fn enter(&self, host: Host, heard_written_ms: u64) -> Arc<HostEntry> {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        table.by_session.retain(|_, id| *id != host.id);
        table.by_session.insert(host.session_hash, host.id.clone());
        if let Some(entry) = table.by_id.get(&host.id) {
            let entry = Arc::clone(entry);
            drop(table);
            let mut state = entry.state();
            state.host = host;
            state.heard_written_ms = heard_written_ms;
            // A host that registers again has forgotten what it did not make durable.
            state.queue.redeliver_all();
            drop(state);
            entry.wake.notify_one();
            return entry;
        }
        let entry = Arc::new(HostEntry::new(host, heard_written_ms));
        table.turn.push(entry.id.clone());
        table.by_id.insert(entry.id.clone(), Arc::clone(&entry));
        entry
    }

    /// A host registered, or registered again.
    pub(crate) fn registered(&self, host: Host, now_ms: u64) -> Arc<HostEntry> {
        self.enter(host, now_ms)
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

    /// A host for a new run: connected, not busy, each in its turn. None if there is none.
    pub(crate) fn choose(&self, now_ms: u64) -> Option<Arc<HostEntry>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let count = table.turn.len();
        let first = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        (0..count).find_map(|step| {
            let id = table.turn.get((first.wrapping_add(step)) % count)?;
            let entry = table.by_id.get(id)?;
            let state = entry.state();
            (state.connected(now_ms) && !state.busy).then(|| Arc::clone(entry))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(n: u8, session: &str) -> Host {
        Host {
            id: HostId::from_entropy([n; 16]),
            name: format!("host-{n}"),
            identity_key: [n; 32],
            seal_key: [n; 32],
            session_hash: Digest::of(session.as_bytes()),
            registered_at_ms: 0,
            last_heard_ms: None,
        }
    }

    #[test]
    fn a_new_session_ends_the_one_before() {
        let hosts = Hosts::new(vec![host(1, "old")]);
        assert!(hosts.of_session("old").is_some());
        hosts.registered(host(1, "new"), 5);
        assert!(hosts.of_session("old").is_none());
        assert_eq!(hosts.of_session("new").unwrap().id, host(1, "").id);
        assert_eq!(hosts.all().len(), 1);
    }

    #[test]
    fn only_a_connected_host_with_room_is_chosen() {
        let hosts = Hosts::new(vec![host(1, "a"), host(2, "b")]);
        assert!(hosts.choose(1_000).is_none());
        let second = hosts.of_session("b").unwrap();
        second.state().heard(1_000);
        for _ in 0..3 {
            assert_eq!(hosts.choose(1_000).unwrap().id, second.id);
        }
        assert!(hosts.choose(1_000 + CONNECTED_MS).is_none());
        let standing = Standing::new(&second);
        assert!(hosts.choose(1_000 + CONNECTED_MS).is_some());
        second.state().busy = true;
        assert!(hosts.choose(1_000).is_none());
        drop(standing);
    }
}
