//! The synchronous journal: what one commit does.
//!
//! Owns the only redb write transaction. Takes requests in order and makes all of them durable in one transaction, or
//! stops. Knows no thread, no queue and no clock, so that tests drive exactly the code that runs in production over any
//! storage. Invariants: a commit is two-phase with quick repair, never another style; after the first error nothing
//! is confirmed any more; the in-memory state is what the file says after the last commit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowforge_failpoints::{FailPoints, Point, PointSet, Side};
use flowforge_protocol::{Digest, RunId};
use redb::{Database, WriteTransaction};

use crate::config::{JournalConfig, Retention};
use crate::entry::{Ack, Entry, OutboxItem};
use crate::error::Stopped;
use crate::file::classify;
use crate::state::{RunHead, State};
use crate::tables::{RunRow, Tables, Waiting};

mod apply;
mod retire;

/// One change, as the writer gets it. Everything was checked when it was taken.
#[derive(Debug)]
pub(crate) enum Request {
    /// Adds to a run.
    Append(Box<Append>),
    /// The control plane has these.
    Ack(Vec<Ack>),
    /// Stores a cell; `key` is its stored form.
    Put { key: Vec<u8>, value: Vec<u8> },
    /// Removes a cell.
    Remove { key: Vec<u8> },
    /// An order for a run that is not here: only remembered.
    Remember(crate::replay::JobEntry),
    /// Drops a run with everything that belongs to it.
    Forget(u64),
    /// Nothing; whoever waits for it waits for all before it.
    Barrier,
}

impl Request {
    fn points(&self) -> PointSet {
        match self {
            Self::Append(append) => append.entry.points,
            Self::Ack(_) => PointSet::of(Point::B10),
            Self::Remember(_) => PointSet::of(Point::B12),
            Self::Put { .. } | Self::Remove { .. } | Self::Forget(_) | Self::Barrier => PointSet::EMPTY,
        }
    }
}

/// An addition to a run, with what the caller's side computed.
#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) number: u64,
    pub(crate) epoch: u64,
    pub(crate) first_seq: u64,
    pub(crate) count: u32,
    /// Chain value after the last line.
    pub(crate) chain: Digest,
    pub(crate) entry: Entry,
    /// Set for the first one of a run.
    pub(crate) new: Option<RunRow>,
}

/// What a commit changed besides what was asked for.
#[derive(Debug, Default)]
pub(crate) struct Committed {
    /// Runs that are no longer here.
    pub(crate) dropped: Vec<RunId>,
    /// Records stored.
    pub(crate) records: u64,
    /// Put into the outbox.
    pub(crate) sent: Vec<OutboxItem>,
    /// Positions taken out of the outbox, also some of `sent`.
    pub(crate) trimmed: Vec<u64>,
}

/// The synchronous journal.
pub(crate) struct JournalCore {
    db: Arc<Database>,
    pub(crate) state: State,
    path: PathBuf,
    remembered_jobs: usize,
    retention: Retention,
    failpoints: FailPoints,
    stopped: Option<Stopped>,
}

impl JournalCore {
    pub(crate) fn new(
        db: Arc<Database>,
        state: State,
        config: &JournalConfig,
        failpoints: FailPoints,
    ) -> Self {
        Self {
            db,
            state,
            path: config.path.clone(),
            remembered_jobs: config.limits.remembered_jobs,
            retention: config.retention.clone(),
            failpoints,
            stopped: None,
        }
    }

    /// Makes all requests durable, in order, or stops for ever.
    pub(crate) fn commit(&mut self, batch: Vec<Request>, now_ms: u64) -> Result<Committed, Stopped> {
        if let Some(stopped) = &self.stopped {
            return Err(stopped.clone());
        }
        self.try_commit(batch, now_ms).map_err(|failure| {
            let stopped = Stopped::because(failure.at(&self.path));
            self.stopped = Some(stopped.clone());
            stopped
        })
    }

    fn try_commit(&mut self, batch: Vec<Request>, now_ms: u64) -> Result<Committed, Failure> {
        let points: Vec<PointSet> = batch
            .iter()
            .map(Request::points)
            .filter(|points| !points.is_empty())
            .collect();
        for &crossed in &points {
            self.failpoints.hit_all(crossed, Side::Before)?;
        }
        let txn = begin(&self.db)?;
        let committed = {
            let mut apply = apply::Apply::new(Tables::open(&txn)?, &mut self.state, now_ms);
            for request in batch {
                apply.request(request)?;
            }
            apply.finish()?;
            apply.retire(&self.retention)?;
            apply.forget_jobs(self.remembered_jobs)?;
            apply.committed
        };
        txn.commit()?;
        for &crossed in &points {
            self.failpoints.hit_all(crossed, Side::After)?;
        }
        Ok(committed)
    }
}

/// The one way this crate begins to write: two phases, so that a torn write never counts, and with the allocator's
/// state saved, so that opening after a crash takes no walk through the file.
pub(crate) fn begin(db: &Database) -> Result<WriteTransaction, redb::TransactionError> {
    let mut txn = db.begin_write()?;
    txn.set_two_phase_commit(true);
    txn.set_quick_repair(true);
    Ok(txn)
}

/// Why a commit stopped the journal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Storage(Box<redb::Error>),
    #[error(transparent)]
    Injected(#[from] flowforge_failpoints::Injected),
    #[error("internal contradiction: {0}")]
    Contradiction(&'static str),
}

impl Failure {
    /// The same with the file's place and what can be done about it, for people.
    fn at(self, path: &Path) -> String {
        match self {
            Self::Storage(error) => {
                let error = classify(path, *error);
                match std::error::Error::source(&error) {
                    Some(cause) => format!("{error}: {cause}"),
                    None => error.to_string(),
                }
            }
            other => other.to_string(),
        }
    }
}

macro_rules! storage_into_failure {
    ($($source:ty),*) => {$(
        impl From<$source> for Failure {
            fn from(error: $source) -> Self {
                Self::Storage(Box::new(error.into()))
            }
        }
    )*};
}
storage_into_failure!(
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError
);

/// Rows of one run that are collected until the commit's end, so that its records become one row.
#[derive(Debug)]
struct Collected {
    epoch: u64,
    first_seq: u64,
    count: u32,
    chain: Digest,
    lines: Vec<u8>,
    artefacts: Vec<Waiting>,
    receipts: Vec<Waiting>,
}

type CollectedRuns = BTreeMap<u64, Collected>;

impl RunHead {
    fn new(row: &RunRow) -> Self {
        Self {
            run: row.run.clone(),
            epoch: row.epoch,
            next_seq: 0,
            chain: flowforge_protocol::record::chain_start(&row.run),
            bytes: 0,
            ended_at_ms: None,
            unsent: BTreeMap::new(),
            timers: std::collections::BTreeSet::new(),
        }
    }
}
