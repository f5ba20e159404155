//! What one commit is asked to do, and what it says that it changed.
//!
//! The words between those who ask (run logs, inboxes, uploads, cells), the queue that collects, and the synchronous
//! journal that commits. Everything here was checked when it was taken; nothing here decides anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use flowforge_failpoints::{Point, PointSet};
use flowforge_protocol::Digest;

use crate::entry::{Entry, Standing};
use crate::flights::FlightChange;
use crate::key::RunKey;
use crate::lines::Piece;
use crate::outbox::{Pending, Row};
use crate::records_row::RecordsRow;
use crate::replay::{Forgotten, JobEntry};
use crate::rows::{MessageRow, Note, RunRow};
use crate::tombstones::Gone;

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
    /// Drops what is here of a run, under its number, and remembers that it goes on elsewhere.
    Forget {
        number: Option<u64>,
        gone: Gone,
        messages: Vec<u64>,
    },
    /// The control plane's incarnation.
    Plane(Vec<u8>),
    /// Nothing; whoever waits for it waits for all before it.
    Barrier,
}

impl Request {
    /// The points of failure that the commit of it crosses.
    pub(crate) fn points(&self) -> PointSet {
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
    /// Bytes of the large values that the records hold, as often as they hold them.
    pub(crate) value_bytes: u64,
    /// The order that came with it.
    pub(crate) job: Option<JobRow>,
    /// Messages that leave the inbox because the run ended.
    pub(crate) dropped_messages: Vec<u64>,
    /// Set for the first one of a run, with how many records the control plane has already, and whether values stay here.
    pub(crate) new: Option<(RunRow, u64, bool)>,
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

/// A run went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dropped {
    /// The number that it had, if anything of it was here.
    pub(crate) number: Option<u64>,
    pub(crate) gone: Gone,
    pub(crate) at_ms: u64,
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
    /// Runs that are remembered no longer, and since when they were.
    pub(crate) forgotten: Vec<(RunKey, u64)>,
}
