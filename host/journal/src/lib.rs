//! The host's journal: accepted runs, their records, timers and outbox, in one redb file.
//!
//! Owns: what is durable and in which order, recovery, retention, the memory of orders against replay. Leaves to others:
//! what a record says, when a run goes on, who is told. Never calls a guest, never talks to a network, never holds an
//! opened secret.
//!
//! Invariants: what a [`Ticket`] confirmed survives a power cut; records of a run are durable in their order; an entry
//! is durable as a whole or not at all, with its outbox items, timers and the order that caused it; a value that is not
//! what was written is never served; after a storage error nothing is confirmed any more.
//!
//! One writer thread owns the write side ([`Journal`] is its handle); it commits what has come while it was busy, so
//! records of many runs share one commit. Lazy entries wait for the next commit, at most `flush_after`.

mod cells;
mod codec;
mod config;
mod core;
mod entry;
mod error;
mod file;
mod journal;
mod load;
mod overlay;
mod pace;
mod queue;
mod read_side;
mod reader;
mod recent;
mod recovered;
mod replay;
mod run_log;
mod shared;
mod state;
mod stats;
mod tables;
#[cfg(test)]
mod testing;
mod ticket;
mod writer;

pub use cells::PutError;
pub use config::{Batching, JournalConfig, Limits, Retention, WallClock};
pub use entry::{Ack, Entry, NewRun, OutboxBody, OutboxItem, Space, Upload, Urgency};
pub use error::{AcceptError, AppendError, Damage, JobRefused, OpenError, ReadError, Stopped};
pub use file::quarantine;
pub use journal::{Accepted, Journal};
pub use load::Timer;
pub use reader::Verified;
pub use recovered::{OpenRun, Recovered};
pub use replay::{JobEntry, REPLAY_WINDOW, SCHEDULER_KEYS_MAX};
pub use run_log::RunLog;
pub use stats::JournalStats;
pub use ticket::Ticket;
