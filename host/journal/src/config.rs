//! What can be set, with its default and its bounds.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Reads the wall clock: milliseconds since 1970 UTC.
pub type WallClock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Limits of what the journal holds and takes. Every one has a typed refusal.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest record, in bytes with its line end. Default 2 MiB.
    pub record_bytes: u64,
    /// Largest sum of a run's records, in bytes. Default 50 MiB.
    pub run_bytes: u64,
    /// Unfinished runs. Default 10,000.
    pub open_runs: usize,
    /// Stored bytes above which no run is accepted; the rest is for finishing. Default 410 MiB.
    pub accept_below_bytes: u64,
    /// Stored bytes above which only last records are taken. Default 512 MiB.
    pub journal_bytes: u64,
    /// Bytes that wait for the writer; callers wait when it is full. Default 16 MiB.
    pub queue_bytes: u32,
    /// Remembered job ids; the oldest are forgotten first (the replay window still refuses them). Default 16,384.
    pub remembered_jobs: usize,
    /// Largest value in a cell, in bytes. Default 4 MiB.
    pub cell_bytes: usize,
    /// Sum of all cells, in bytes. Default 64 MiB.
    pub cells_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            record_bytes: 2 << 20,
            run_bytes: 50 << 20,
            open_runs: 10_000,
            accept_below_bytes: 410 << 20,
            journal_bytes: 512 << 20,
            queue_bytes: 16 << 20,
            remembered_jobs: 16_384,
            cell_bytes: 4 << 20,
            cells_bytes: 64 << 20,
        }
    }
}

/// How long runs stay that have ended and of which everything is acknowledged.
#[derive(Debug, Clone)]
pub struct Retention {
    /// The newest so many stay. Default 256.
    pub runs: usize,
    /// None stays longer than this after its end. Default 24 h.
    pub age: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            runs: 256,
            age: Duration::from_hours(24),
        }
    }
}

/// When the writer commits.
#[derive(Debug, Clone)]
pub struct Batching {
    /// Longest time a lazy entry waits. Default 50 ms.
    pub flush_after: Duration,
    /// Longest time that urgent entries wait for those who were answered by the last commit and are about to come back; in
    /// any case an eighth of that commit's time, and not at all for a lone caller. Default 2 ms.
    pub gather: Duration,
    /// Most entries in one commit. Default 1,024.
    pub entries: usize,
    /// Most bytes in one commit, unless a single entry is larger. Default 4 MiB.
    pub bytes: usize,
}

impl Default for Batching {
    fn default() -> Self {
        Self {
            flush_after: Duration::from_millis(50),
            gather: Duration::from_millis(2),
            entries: 1024,
            bytes: 4 << 20,
        }
    }
}

/// Where the journal is and how it works.
#[derive(Clone)]
pub struct JournalConfig {
    /// The file; its folder is made if it is missing.
    pub path: PathBuf,
    /// What it holds and takes.
    pub limits: Limits,
    /// What stays after its end.
    pub retention: Retention,
    /// When it commits.
    pub batching: Batching,
    /// Memory for pages, in bytes. Default 8 MiB.
    pub cache_bytes: usize,
    /// The wall clock, for retention and forgetting only. Default: the system's.
    pub clock: WallClock,
}

impl JournalConfig {
    /// The defaults for a journal in this file.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            limits: Limits::default(),
            retention: Retention::default(),
            batching: Batching::default(),
            cache_bytes: 8 << 20,
            clock: Arc::new(system_ms),
        }
    }
}

impl std::fmt::Debug for JournalConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JournalConfig")
            .field("path", &self.path)
            .field("limits", &self.limits)
            .field("retention", &self.retention)
            .field("batching", &self.batching)
            .field("cache_bytes", &self.cache_bytes)
            .finish_non_exhaustive()
    }
}

fn system_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
