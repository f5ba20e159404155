//! What is known of hosts besides their work: what was decided about them, and their certificates. In memory, as the store
//! has it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError, RwLock};

use flowforge_protocol::{Digest, HostId};
use flowforge_store::{HostStanding, Standing, StoredCertificate};

/// Calls for a certificate that may fail in [`FAILURES_WITHIN_MS`]; from then on they are not looked at.
const FAILURES_MAX: u32 = 60;
/// The time in which failures are counted, milliseconds: a minute.
const FAILURES_WITHIN_MS: u64 = 60_000;

/// Who speaks on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A program on this machine, over the listener that has no certificates.
    ThisMachine,
    /// Somebody on the hosts' line without a certificate.
    Stranger,
    /// The host whose certificate was shown.
    Host {
        host: HostId,
        /// The certificate.
        shown: Digest,
    },
    /// Somebody with a certificate that is not taken any more: why, with its code.
    Refused { code: &'static str, message: String },
}

/// The certificate that a host has now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) generation: u64,
    pub(crate) expires_at_ms: u64,
}

#[derive(Debug, Default)]
struct Table {
    standings: HashMap<HostId, HostStanding>,
    held: HashMap<HostId, Held>,
}

/// Failed calls of a time.
#[derive(Debug, Default)]
struct Failures {
    since_ms: u64,
    count: u32,
}

/// What is known of hosts besides their work.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    table: RwLock<Table>,
    failures: Mutex<Failures>,
}

impl Peers {
    pub(crate) fn new(standings: Vec<HostStanding>, newest: &[StoredCertificate]) -> Self {
        let peers = Self::default();
        for standing in standings {
            peers.decided(standing);
        }
        newest.iter().for_each(|certificate| peers.issued(certificate));
        peers
    }

    /// Something was decided about a host.
    pub(crate) fn decided(&self, standing: HostStanding) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        table.standings.insert(standing.host.clone(), standing);
    }

    /// A host got a certificate.
    pub(crate) fn issued(&self, certificate: &StoredCertificate) {
        let held = Held {
            generation: certificate.generation,
            expires_at_ms: certificate.expires_at_ms,
        };
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        table.held.insert(certificate.host.clone(), held);
    }

    /// What was decided about a host, if anything was.
    pub(crate) fn standing(&self, host: &HostId) -> Option<HostStanding> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.standings.get(host).cloned()
    }

    /// The certificate that a host has, if it came over the hosts' line.
    pub(crate) fn held(&self, host: &HostId) -> Option<Held> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.held.get(host).copied()
    }

    /// Why a host's calls are refused, if they are, for people.
    pub(crate) fn refusal(&self, host: &HostId) -> Option<String> {
        let decided = self.standing(host)?;
        let word = match decided.standing {
            Standing::Active | Standing::Draining => return None,
            Standing::Revoked => "this host was revoked",
            Standing::Cloned => "two machines showed this host's certificate",
            Standing::Left => "this host left",
        };
        Some(format!(
            "{word} ({}); to take it in again: flowforge host token --name NAME, then start it with --token-file",
            decided.reason
        ))
    }

    /// Whether a call for a certificate may be looked at: not so many failed of late.
    pub(crate) fn may_try(&self, now_ms: u64) -> bool {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        now_ms.abs_diff(failures.since_ms) >= FAILURES_WITHIN_MS || failures.count < FAILURES_MAX
    }

    /// A call for a certificate failed; true if it is the one from which on none is looked at.
    pub(crate) fn failed(&self, now_ms: u64) -> bool {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if now_ms.abs_diff(failures.since_ms) >= FAILURES_WITHIN_MS {
            *failures = Failures {
                since_ms: now_ms,
                count: 0,
            };
        }
        failures.count = failures.count.saturating_add(1);
        failures.count == FAILURES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(standing: Standing) -> HostStanding {
        HostStanding {
            host: HostId::from_entropy([1; 16]),
            standing,
            reason: "because".to_owned(),
            since_ms: 1,
        }
    }

    #[test]
    fn a_draining_host_is_heard_and_a_revoked_one_is_not() {
        let peers = Peers::default();
        let host = HostId::from_entropy([1; 16]);
        assert!(peers.refusal(&host).is_none());
        peers.decided(decided(Standing::Draining));
        assert!(peers.refusal(&host).is_none());
        peers.decided(decided(Standing::Revoked));
        let message = peers.refusal(&host).unwrap();
        assert!(
            message.contains("revoked (because)") && message.contains("host token"),
            "{message}"
        );
        peers.decided(decided(Standing::Active));
        assert!(peers.refusal(&host).is_none());
    }

    #[test]
    fn after_many_failures_no_call_is_looked_at_for_a_minute() {
        let peers = Peers::default();
        let at_ms = 1_000_000;
        let told: Vec<bool> = (0..FAILURES_MAX + 5).map(|_| peers.failed(at_ms)).collect();
        assert_eq!(told.iter().filter(|told| **told).count(), 1, "it is said once");
        assert!(!peers.may_try(at_ms + FAILURES_WITHIN_MS - 1));
        assert!(peers.may_try(at_ms + FAILURES_WITHIN_MS));
    }
}
