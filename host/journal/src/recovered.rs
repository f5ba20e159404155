//! What a file held when it was opened, and what loading one run gives.

use std::collections::HashMap;

use flowforge_protocol::{Digest, RunId};

use crate::entry::Snapshot;
use crate::error::Damage;
use crate::flights::CrashedStep;
use crate::identity::{Identity, LostCommits};
use crate::run_log::RunLog;

/// What a file held when it was opened. No records: [`crate::Journal::load`] reads those of one run.
#[derive(Debug)]
pub struct Recovered {
    /// Which file it is.
    pub identity: Identity,
    /// The file had confirmed more than it holds: it was damaged in its last commits, or put back from an older copy. It is
    /// another incarnation then, so that the control plane can tell.
    pub lost: Option<LostCommits>,
    /// The incarnation of the control plane that was seen last; see [`crate::Journal::set_plane`].
    pub plane: Option<Vec<u8>>,
    /// The unfinished runs, oldest first.
    pub runs: Vec<Head>,
    /// Runs whose uploads wait for somebody, those that ended among them.
    pub parked: Vec<RunId>,
    /// Runs of which something is not what was written: they rest, with all that is left of them.
    pub damaged: Vec<DamagedRun>,
    /// Steps during which the host died.
    pub crashed: Vec<CrashedStep>,
    /// Rows and receipts that wait to be sent.
    pub outbox_items: usize,
    /// Runs that ended and are still here.
    pub ended_runs: usize,
}

/// The head of an unfinished run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The run.
    pub run: RunId,
    /// Fencing number of its last record.
    pub epoch: u64,
    /// The `seq` of its next record.
    pub next_seq: u64,
    /// Chain value after its last record.
    pub chain: Digest,
    /// What it is doing.
    pub state: HeadState,
    /// Messages in its inbox.
    pub messages: usize,
}

/// What a run is doing, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadState {
    /// It has something to do.
    Running,
    /// It waits, and is to be looked at when its time comes or a message does.
    Waiting {
        /// When, milliseconds since 1970 UTC; `None` if no time ends it.
        due_ms: Option<u64>,
    },
    /// It cannot go on.
    Resting,
}

/// A run of which something is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedRun {
    /// The run.
    pub run: RunId,
    /// What was found first.
    pub damage: Damage,
}

/// An unfinished run, ready to go on.
#[derive(Debug)]
pub struct OpenRun {
    /// To go on with it.
    pub log: RunLog,
    /// The signed envelope of the order that started it.
    pub envelope: Vec<u8>,
    /// When it was accepted, milliseconds since 1970 UTC.
    pub accepted_at_ms: u64,
    /// Its newest state, if it was made by the same rules.
    pub snapshot: Option<Snapshot>,
    /// The `seq` of the first of `lines`: that of the snapshot, or 0.
    pub first_seq: u64,
    /// Its records behind the snapshot, in order, each ended by a line feed. The chain was checked.
    pub lines: Vec<u8>,
    /// The bytes of the values that these records hold by their plain digest.
    pub values: HashMap<Digest, Vec<u8>>,
    /// Its steps during which the host died.
    pub crashed: Vec<CrashedStep>,
    /// Messages in its inbox.
    pub messages: usize,
}
