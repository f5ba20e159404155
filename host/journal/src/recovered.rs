//! What a file held when it was opened.

use crate::load::Timer;
use crate::run_log::RunLog;

/// What a file held when it was opened.
#[derive(Debug)]
pub struct Recovered {
    /// The unfinished runs, oldest first.
    pub runs: Vec<OpenRun>,
    /// Their timers, the earliest first.
    pub timers: Vec<Timer>,
    /// The newest sequence seen of each scheduler key.
    pub high_waters: Vec<(String, u64)>,
    /// Items that wait to be sent; read them with [`crate::Journal::outbox`].
    pub outbox_items: usize,
    /// Runs that ended and are still here.
    pub ended_runs: usize,
}

/// An unfinished run.
#[derive(Debug)]
pub struct OpenRun {
    /// To go on with it.
    pub log: RunLog,
    /// The signed envelope of the order that started it.
    pub envelope: Vec<u8>,
    /// When it was accepted, milliseconds since 1970 UTC.
    pub accepted_at_ms: u64,
    /// Its records, in order, each ended by a line feed. The chain was checked.
    pub lines: Vec<u8>,
}
