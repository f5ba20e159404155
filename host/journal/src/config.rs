//! What can be set, with its default and its bounds.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flowforge_protocol::job::{CLOCK_TOLERANCE_MS, JOB_LIFE_MS, MAX_JOB_LIFE_MS};

/// Reads the wall clock: milliseconds since 1970 UTC.
pub type WallClock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Limits of what the journal holds and takes. Every one has a typed refusal.
///
/// Most sizes count what is live. The file is about twice as large when it has been worked with for a while; it has a
/// bound of its own, because its size is what opening takes after a power cut (about 0.1 s for 128 MiB).
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest record with its values, in bytes with line ends. Default 2 MiB.
    pub record_bytes: u64,
    /// Largest sum of a run's records with their values, each as often as a record holds it, in bytes. Default 32 MiB.
    pub run_bytes: u64,
    /// Unfinished runs. Default 12,000.
    pub open_runs: usize,
    /// Stored bytes above which no run is accepted; the rest is for finishing. Ended runs of which everything is
    /// acknowledged do not count: they go when room is wanted. Default 40 MiB.
    pub accept_below_bytes: u64,
    /// Stored bytes above which records wait for room. Default 52 MiB.
    pub journal_bytes: u64,
    /// Bytes above `journal_bytes`, and below `file_bytes`, that are kept for the ends of runs and for their inboxes.
    /// Default 8 MiB.
    pub headroom_bytes: u64,
    /// Bytes that the file may take on the disk, unused space counted. At three quarters of it no run is accepted, at
    /// `headroom_bytes` below it records wait for room; then the file is made smaller as soon as that can help.
    /// Default 128 MiB.
    pub file_bytes: u64,
    /// Bytes that wait for the writer; callers wait when it is full. Default 8 MiB.
    pub queue_bytes: u32,
    /// Remembered job ids; the oldest are forgotten first (the replay window still refuses them). Default 16,384.
    pub remembered_jobs: usize,
    /// Runs that are gone and remembered, above which no run is accepted until some may be forgotten. Default 524,288.
    pub remembered_runs: usize,
    /// What waits in the inboxes of runs.
    pub inbox: InboxLimits,
    /// What is kept beside the runs.
    pub cells: CellLimits,
    /// Largest snapshot of a run's state, in bytes. Default 4 MiB.
    pub snapshot_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            record_bytes: 2 << 20,
            run_bytes: 32 << 20,
            open_runs: 12_000,
            accept_below_bytes: 40 << 20,
            journal_bytes: 52 << 20,
            headroom_bytes: 8 << 20,
            file_bytes: 128 << 20,
            queue_bytes: 8 << 20,
            remembered_jobs: 16_384,
            remembered_runs: 524_288,
            inbox: InboxLimits::default(),
            cells: CellLimits::default(),
            snapshot_bytes: 4 << 20,
        }
    }
}

/// Limits of the inboxes.
#[derive(Debug, Clone)]
pub struct InboxLimits {
    /// Largest message, in bytes. Default 256 KiB.
    pub message_bytes: usize,
    /// Messages that wait for one run. Default 256.
    pub run_messages: usize,
    /// Sum of all messages, in bytes. Default 4 MiB.
    pub bytes: u64,
    /// Messages for runs that are not here. Default 1,024.
    pub unknown_messages: usize,
    /// Their bytes. Default 1 MiB.
    pub unknown_bytes: u64,
    /// So long, and until the order expires, one is kept for a run that is not here. Default 24 h.
    pub unknown_age: Duration,
}

impl Default for InboxLimits {
    fn default() -> Self {
        Self {
            message_bytes: 256 << 10,
            run_messages: 256,
            bytes: 4 << 20,
            unknown_messages: 1024,
            unknown_bytes: 1 << 20,
            unknown_age: Duration::from_hours(24),
        }
    }
}

/// Limits of what is kept beside the runs, in bytes for each kind. What a kind has too much of leaves by the time of its
/// last use, except what an open run needs and what the host knows of itself.
#[derive(Debug, Clone)]
pub struct CellLimits {
    /// Largest value. Default 4 MiB.
    pub cell_bytes: usize,
    /// What the host knows of itself. Default 1 MiB.
    pub host_bytes: u64,
    /// Release envelopes. Default 16 MiB.
    pub release_bytes: u64,
    /// Grant set envelopes. Default 4 MiB.
    pub grants_bytes: u64,
    /// Sealed secrets. Default 2 MiB.
    pub secret_bytes: u64,
}

impl Default for CellLimits {
    fn default() -> Self {
        Self {
            cell_bytes: 4 << 20,
            host_bytes: 1 << 20,
            release_bytes: 16 << 20,
            grants_bytes: 4 << 20,
            secret_bytes: 2 << 20,
        }
    }
}

/// How long runs stay that have ended and of which everything is acknowledged.
#[derive(Debug, Clone)]
pub struct Retention {
    /// The newest that fit stay. Default 16 MiB.
    pub bytes: u64,
    /// The newest so many stay. Default 256.
    pub runs: usize,
    /// None stays longer than this after its end. Default 24 h.
    pub age: Duration,
    /// So long it is remembered of a run that is gone that it was here, so that a control plane that was restored to an
    /// earlier state starts it no second time. Default 72 h: as long as a job may live ([`MAX_JOB_LIFE_MS`]), whoever signed it.
    pub tombstone_age: Duration,
    /// Of those for which no order of the present control plane can come any more, the newest so many are remembered.
    /// Default 16,384.
    pub tombstones: usize,
    /// So long every run that is gone is remembered, however many there are: an order for it that the control plane signed
    /// before it had the last record may still come. Default 19 min: what the control plane gives a job ([`JOB_LIFE_MS`]),
    /// and how far its clock and this one may differ. The memory of orders refuses a copy of the same one in any case.
    pub order_life: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            bytes: 16 << 20,
            runs: 256,
            age: Duration::from_hours(24),
            tombstone_age: Duration::from_millis(MAX_JOB_LIFE_MS),
            tombstones: 16_384,
            order_life: Duration::from_millis(JOB_LIFE_MS + 2 * CLOCK_TOLERANCE_MS),
        }
    }
}

/// When the writer commits.
#[derive(Debug, Clone)]
pub struct Batching {
    /// Longest time a lazy entry waits. Default 20 ms.
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
            flush_after: Duration::from_millis(20),
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
    /// What a new file is called by: random, so that no two files are called the same. An existing file keeps its own.
    pub incarnation: [u8; 16],
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
    /// The defaults for a journal in this file; `incarnation` are 16 random bytes for the case that it is made now.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>, incarnation: [u8; 16]) -> Self {
        Self {
            path: path.into(),
            incarnation,
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
