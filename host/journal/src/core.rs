//! The synchronous journal: what one commit does.
//!
//! Owns the only redb write transaction. Takes work in order and makes all of it durable in one transaction, or stops.
//! Knows no thread, no queue and no clock, so that tests drive exactly the code that runs in production over any storage.
//! Invariants: a commit is one-phase, never another style; after the first error nothing is confirmed any more; the
//! in-memory state is what the file says after the last commit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowforge_failpoints::{FailPoints, Point, PointSet, Side};
use flowforge_protocol::Digest;
use redb::{Database, WriteTransaction};

use crate::config::{JournalConfig, Retention};
use crate::entry::{Entry, Standing};
use crate::error::Stopped;
use crate::file::classify;
use crate::flights::FlightChange;
use crate::key::RunKey;
use crate::lines::Piece;
use crate::outbox::{Pending, Row};
use crate::replay::{Forgotten, JobEntry};
use crate::rows::{MessageRow, Note, RecordsRow, RunRow};
use crate::state::State;
use crate::tables::Tables;

mod apply;
mod collect;
mod retire;
mod split;

/// Everything that goes into one commit.
#[derive(Debug, Default)]
pub(crate) struct Work {
    pub(crate) requests: Vec<Request>,
    /// Cursors that moved, by run number.
    pub(crate) acks: BTreeMap<u64, u64>,
    /// The control plane was told of every order before this one.
    pub(crate) told: Option<u64>,
    pub(crate) flights: Vec<FlightChange>,
}

/// One change, as the writer gets it. Everything was checked when it was taken.
#[derive(Debug)]
pub(crate) enum Request {
    /// Adds to a run.
    Append(Box<Append>),
    /// An order comes into an inbox.
    Deliver {
        key: Vec<u8>,
        row: MessageRow,
        job: JobRow,
    },
    /// Messages leave the inbox of a run.
    Consume { run: RunKey, messages: Vec<u64> },
    /// A run does something else from now on.
    Stand { number: u64, standing: Standing },
    /// A run's uploads begin again with this record.
    Rewind { number: u64, to_seq: u64 },
    /// A run's uploads wait for somebody, or no longer.
    Park { number: u64, why: Option<Note> },
    /// Stores a cell under its stored key, in place of others.
    Put {
        key: Vec<u8>,
        value: Vec<u8>,
        leaving: Vec<Vec<u8>>,
    },
    /// Removes a cell.
    Remove { key: Vec<u8> },
    /// An order that changes nothing else: only remembered.
    Remember(JobRow),
    /// Drops a run with everything that belongs to it: another host has it.
    Forget { number: u64, messages: Vec<u64> },
    /// The control plane's incarnation.
    Plane(Vec<u8>),
    /// Nothing; whoever waits for it waits for all before it.
    Barrier,
}

impl Request {
    fn points(&self) -> PointSet {
        match self {
            Self::Append(append) => append.entry.points,
            Self::Remember(_) | Self::Deliver { .. } => PointSet::of(Point::B12),
            _ => PointSet::EMPTY,
        }
    }
}

/// An order to be remembered.
#[derive(Debug)]
pub(crate) struct JobRow {
    pub(crate) number: u64,
    pub(crate) job: JobEntry,
    /// Orders that leave the memory for it.
    pub(crate) forgotten: Option<Forgotten>,
}

/// An addition to a run, with what the caller's side computed.
#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) number: u64,
    pub(crate) epoch: u64,
    pub(crate) first_seq: u64,
    pub(crate) count: u32,
    /// Chain value after the last record.
    pub(crate) chain: Digest,
    pub(crate) entry: Entry,
    /// Where the lines are cut into rows; empty if they are one.
    pub(crate) pieces: Vec<Piece>,
    /// The order that came with it.
    pub(crate) job: Option<JobRow>,
    /// Messages that leave the inbox because the run ended.
    pub(crate) dropped_messages: Vec<u64>,
    /// Set for the first one of a run, with how many records the control plane has already.
    pub(crate) new: Option<(RunRow, u64)>,
}

/// What a commit changed in what waits to be sent.
#[derive(Debug)]
pub(crate) enum Sent {
    /// A row of records is durable.
    Row {
        number: u64,
        run: RunKey,
        cursor: u64,
        row: Row,
        content: Arc<RecordsRow>,
    },
    /// A run's part is this from now on.
    Reset { number: u64, pending: Pending },
    /// A run is parked, or no longer.
    Parked { number: u64, run: RunKey, parked: bool },
}

/// A run that is no longer here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) number: u64,
    pub(crate) run: RunKey,
    pub(crate) epoch: u64,
    pub(crate) ended: bool,
}

/// What a commit changed besides what was asked for.
#[derive(Debug, Default)]
pub(crate) struct Committed {
    /// Records stored.
    pub(crate) records: u64,
    /// In the order in which it happened.
    pub(crate) sent: Vec<Sent>,
    pub(crate) dropped: Vec<Dropped>,
    /// Cells that one run less needs.
    pub(crate) released: Vec<Vec<u8>>,
    /// Runs of which nothing is known any more.
    pub(crate) forgotten: Vec<RunKey>,
}

/// The synchronous journal.
pub(crate) struct JournalCore {
    pub(crate) db: Arc<Database>,
    pub(crate) state: State,
    path: PathBuf,
    retention: Retention,
    accept_below_bytes: u64,
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
            retention: config.retention.clone(),
            accept_below_bytes: config.limits.accept_below_bytes,
            failpoints,
            stopped: None,
        }
    }

    /// Makes all work durable, in order, or stops for ever.
    pub(crate) fn commit(&mut self, work: Work, now_ms: u64) -> Result<Committed, Stopped> {
        self.unless_stopped(|core| core.try_commit(work, now_ms))
    }

    fn unless_stopped<T>(&mut self, act: impl FnOnce(&mut Self) -> Result<T, Failure>) -> Result<T, Stopped> {
        if let Some(stopped) = &self.stopped {
            return Err(stopped.clone());
        }
        act(self).map_err(|failure| {
            let stopped = Stopped::because(failure.at(&self.path));
            self.stopped = Some(stopped.clone());
            stopped
        })
    }

    fn try_commit(&mut self, work: Work, now_ms: u64) -> Result<Committed, Failure> {
        let mut points: Vec<PointSet> = work
            .requests
            .iter()
            .map(Request::points)
            .filter(|points| !points.is_empty())
            .collect();
        if !work.acks.is_empty() {
            points.push(PointSet::of(Point::B10));
        }
        for &crossed in &points {
            self.failpoints.hit_all(crossed, Side::Before)?;
        }
        let txn = begin(&self.db)?;
        let committed = {
            let mut apply = apply::Apply::new(Tables::of(&txn), &mut self.state, &self.retention, now_ms);
            apply.work(work)?;
            apply.finish()?;
            apply.retire(self.accept_below_bytes)?;
            apply.write_heads()?;
            apply.committed
        };
        txn.commit()?;
        for &crossed in &points {
            self.failpoints.hit_all(crossed, Side::After)?;
        }
        Ok(committed)
    }

    /// Gives the file's unused space back. Does nothing while somebody reads.
    pub(crate) fn compact(&mut self) -> Result<bool, Stopped> {
        self.unless_stopped(|core| {
            let Some(db) = Arc::get_mut(&mut core.db) else {
                return Ok(false);
            };
            match db.compact() {
                Ok(compacted) => Ok(compacted),
                Err(redb::CompactionError::Storage(error)) => Err(error.into()),
                Err(_) => Ok(false),
            }
        })
    }
}

/// The one way this crate begins to write: one phase, which costs one sync. A torn commit never counts, because the
/// database finds it by its checksums and falls back to the commit before; that takes a walk through the file after a
/// crash, so the file is kept small.
pub(crate) fn begin(db: &Database) -> Result<WriteTransaction, redb::TransactionError> {
    db.begin_write()
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
