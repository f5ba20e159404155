//! The synchronous journal: what one commit does.
//!
//! Owns the only redb write transaction. Takes work in order and makes all of it durable in one transaction, or stops.
//! Knows no thread, no queue and no clock, so that tests drive exactly the code that runs in production over any storage.
//! Invariants: a commit is one-phase, never another style; after the first error nothing is confirmed any more; the
//! in-memory state is what the file says after the last commit; commits are numbered without a gap.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowforge_failpoints::{FailPoints, Point, PointSet, Side};
use redb::Database;

use crate::classify::classify;
use crate::config::{JournalConfig, Retention};
use crate::error::Stopped;
use crate::state::State;
use crate::tables::{Tables, begin};
use crate::work::{Committed, Request, Work};

mod apply;
mod collect;
mod retire;
mod split;
mod values;

/// The synchronous journal.
pub(crate) struct JournalCore {
    pub(crate) db: Arc<Database>,
    pub(crate) state: State,
    path: PathBuf,
    retention: Retention,
    accept_below_bytes: u64,
    failpoints: FailPoints,
    stopped: Option<Stopped>,
    /// Runs that may go are to go now: the file has no room.
    pub(crate) wants_room: bool,
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
            wants_room: false,
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
        let commit = self.state.commit + 1;
        let txn = begin(&self.db)?;
        let committed = {
            let mut apply = apply::Apply::new(Tables::of(&txn), &mut self.state, &self.retention, now_ms);
            apply.work(work)?;
            apply.finish()?;
            apply.retire(if self.wants_room {
                0
            } else {
                self.accept_below_bytes
            })?;
            apply.write_heads()?;
            apply.number(commit)?;
            apply.committed
        };
        txn.commit()?;
        self.state.commit = commit;
        for &crossed in &points {
            self.failpoints.hit_all(crossed, Side::After)?;
        }
        Ok(committed)
    }

    /// Gives the file's unused space back. Does nothing while somebody reads.
    pub(crate) fn compact(&mut self) -> Result<Compacted, Stopped> {
        self.unless_stopped(|core| {
            let Some(db) = Arc::get_mut(&mut core.db) else {
                return Ok(Compacted::SomebodyReads);
            };
            match db.compact() {
                Ok(_) => Ok(Compacted::Done),
                Err(redb::CompactionError::Storage(error)) => Err(error.into()),
                Err(_) => Ok(Compacted::SomebodyReads),
            }
        })
    }
}

/// What became of giving space back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compacted {
    /// All that can be given back was.
    Done,
    /// Somebody holds the file as it was.
    SomebodyReads,
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
