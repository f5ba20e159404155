//! The host's journal: accepted runs, their records, inboxes and what waits to be sent, in one redb file.
//!
//! Owns: what is durable and in which order, recovery, retention, the memory of orders against replay, one upload cursor
//! for each run. Leaves to others: what a record says, when a run goes on, who is told. Never calls a guest, never talks
//! to a network, never holds an opened secret.
//!
//! A run's way: [`Journal::accept`] gives its [`RunLog`]; [`RunLog::append`] adds records, a [`Snapshot`] and what it
//! waits for; a run that waits lets its log go and is a small head in memory until [`Journal::due_before`] or a message
//! ([`Journal::deliver`]) wakes it and [`Journal::load`] reads it again. [`Journal::uploads`] hands out what is durable,
//! [`Journal::acknowledge`] moves the cursor, [`Journal::rewind`] and [`Journal::park`] are for what went wrong there. When
//! it ended and everything is acknowledged it goes by size, number or age, and a tombstone stays, at least as long as an
//! order for it may come.
//!
//! Invariants: what a [`Ticket`] confirmed survives a power cut; records of a run are durable in their order; an entry is
//! durable as a whole or not at all, with what it sends, the messages it consumed and the order that caused it; a value
//! that is not what was written is never served, and stops no run but its own; what was confirmed and is missing is told;
//! a run that goes on elsewhere under a higher fencing number is written to no more; after a storage error nothing is
//! confirmed any more.
//!
//! One writer thread owns the write side ([`Journal`] is its handle); it commits what has come while it was busy, so
//! records of many runs share one commit. Lazy entries wait for the next commit, at most `flush_after`; acknowledgements
//! and marks of attempts ride along and never cause one.

mod cell_index;
mod cells;
mod chain_point;
mod classify;
mod codec;
mod config;
mod core;
mod entry;
mod error;
mod file;
mod fill;
mod flights;
mod handle;
mod identity;
mod inbox;
mod inbox_index;
mod journal;
mod key;
mod lines;
mod load;
mod lock;
mod outbox;
mod overlay;
mod pace;
mod queue;
mod read_side;
mod reader;
mod recent;
mod records_row;
mod recovered;
mod replay;
mod rows;
mod run_log;
mod shared;
mod state;
mod stats;
mod tables;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod ticket;
mod tombstones;
mod uploads;
mod value_index;
mod work;
mod writer;

pub use cells::PutError;
pub use chain_point::ChainPoint;
pub use config::{Batching, CellLimits, InboxLimits, JournalConfig, Limits, Retention, WallClock};
pub use entry::{ABOUT_BYTES_MAX, Entry, NewRun, Snapshot, Space, Standing, Upload, Urgency};
pub use error::{
    AcceptError, AppendError, Counted, Damage, DeliverError, Full, InboxOwner, JobRefused, LoadError,
    OpenError, ReadError, Stopped, WaitsFor,
};
pub use file::quarantine;
pub use flights::CrashedStep;
pub use identity::{Identity, LostCommits};
pub use inbox::{Delivered, Message};
pub use journal::{Accepted, Journal};
pub use recovered::{DamagedRun, Head, HeadState, OpenRun, Recovered};
pub use replay::{JobEntry, REPLAY_WINDOW, SCHEDULER_KEYS_MAX};
pub use run_log::RunLog;
pub use stats::JournalStats;
pub use ticket::Ticket;
pub use uploads::{Ack, Park, RunUploads};
