//! What can go wrong, shaped by what the caller does about it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use flowforge_protocol::RunId;
use flowforge_protocol::chain::ChainError;

/// A stored value that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("table `{table}`, key {key}: {what}")]
pub struct Damage {
    /// The table.
    pub table: &'static str,
    /// The key, in hexadecimal.
    pub key: String,
    /// What is wrong.
    pub what: &'static str,
}

impl Damage {
    pub(crate) fn new(table: &'static str, key: &[u8], what: &'static str) -> Self {
        use fmt::Write as _;
        let mut text = String::with_capacity(key.len() * 2);
        for byte in key {
            // Writing into a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self {
            table,
            key: text,
            what,
        }
    }

    /// Damage that shows below the tables.
    pub(crate) fn pages() -> Self {
        Self::new("", b"", "the pages of the file contradict each other")
    }
}

/// Why a journal could not be opened. Nothing in the file was changed, except by [`OpenError::Storage`].
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// FF-JRN-001. Another process works on this data folder; stop it, or use another folder.
    #[error("the journal {path} is already open{}; stop that process or use another data folder", holder(*.pid))]
    AlreadyOpen {
        /// The journal file.
        path: PathBuf,
        /// The process that holds it, if it could be read.
        pid: Option<u32>,
    },
    /// FF-JRN-002. The folder or file cannot be written; mend its permissions or the mount.
    #[error("the journal {path} cannot be written; make the folder and the file writable for this user")]
    ReadOnly {
        /// The journal file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// FF-JRN-003. The disk or the quota is full; free space and start again. Nothing is lost.
    #[error("no space is left for the journal {path}; free some and start again, nothing is lost")]
    Full {
        /// The journal file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// FF-JRN-004. The file is not what was written; see [`crate::quarantine`].
    #[error(
        "the journal {path} is damaged: {what}; move it away with `flowforge-host set-aside`, and let the control plane resume the \
         runs that it has records of"
    )]
    Damaged {
        /// The journal file.
        path: PathBuf,
        /// Where and how.
        what: String,
    },
    /// FF-JRN-005. A newer program wrote the file; start that one.
    #[error(
        "the journal {path} has format {found}, this program reads up to {supported}; start the newer program"
    )]
    NewerFormat {
        /// The journal file.
        path: PathBuf,
        /// The format of the file.
        found: u32,
        /// The newest format this program reads.
        supported: u32,
    },
    /// FF-JRN-008. Another program, or an older one, wrote the file in a way that this one never writes.
    #[error(
        "the journal {path} has the format `{found}`, this program reads `{expected}` only; move it away with \
         `flowforge-host set-aside`"
    )]
    OtherFormat {
        /// The journal file.
        path: PathBuf,
        /// The format of the file.
        found: String,
        /// The format of this program.
        expected: String,
    },
    /// FF-JRN-006. The storage failed in another way; mend it and start again.
    #[error("the journal {path} could not be read or written")]
    Storage {
        /// The journal file.
        path: PathBuf,
        /// What the storage said.
        #[source]
        source: Box<redb::Error>,
    },
    /// FF-JRN-007. The writer thread could not be started: the system is out of threads or memory.
    #[error("the journal's writer thread could not be started")]
    Thread(#[source] io::Error),
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" in process {pid}"))
}

/// The journal stopped: a storage error, an injected failure, or its closing.
///
/// What was not confirmed before may or may not be stored. Nothing is accepted or confirmed any more; open the
/// journal again, best in a new process.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the journal has stopped: {reason}")]
pub struct Stopped {
    /// What is wrong, for people.
    pub reason: Arc<str>,
}

impl Stopped {
    pub(crate) fn because(reason: impl fmt::Display) -> Self {
        Self {
            reason: reason.to_string().into(),
        }
    }

    pub(crate) fn gone() -> Self {
        Self::because("its writer is gone")
    }
}

/// The journal is full: nothing is lost, and what was refused can be given again when there is room. A run that meets
/// this is parked, not failed: wait for [`crate::Journal::space`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{counted} {actual_bytes} bytes, its limit is {limit_bytes}; it waits for {waits_for}")]
pub struct Full {
    /// What is counted.
    pub counted: Counted,
    /// How much there is.
    pub actual_bytes: u64,
    /// What was to be added.
    pub wanted_bytes: u64,
    /// The limit.
    pub limit_bytes: u64,
    /// What makes room.
    pub waits_for: WaitsFor,
}

/// What a limit on the journal's size counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Counted {
    /// The bytes of all runs, but for those that go as soon as room is wanted.
    #[error("the journal holds")]
    Held,
    /// What the file takes on the disk.
    #[error("the journal's file takes")]
    File,
}

/// What makes room in a full journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WaitsFor {
    /// Records of ended runs are not at the control plane yet.
    #[error("uploads to be acknowledged")]
    Uploads,
    /// All that could leave belongs to runs whose uploads are parked: somebody must look at them.
    #[error("somebody to see to the parked uploads")]
    Parked,
    /// Open runs hold it all.
    #[error("open runs to end")]
    OpenRuns,
}

/// Why records were not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Never storable: the step that made it fails.
    #[error("a record is {actual_bytes} bytes, above the limit of {limit_bytes}")]
    RecordTooLarge {
        /// Its size.
        actual_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// The run has written too much: it fails. Its last records (`ended`) are still taken.
    #[error("the run's records would be {actual_bytes} bytes, above the limit of {limit_bytes}")]
    RunTooLarge {
        /// Their size with these.
        actual_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// The journal has reached its size; runs can still end. The run waits for [`crate::Journal::space`].
    #[error(transparent)]
    Full(#[from] Full),
    /// The lines are not the next records of the run.
    #[error(transparent)]
    Lines(#[from] ChainError),
    /// The entry contradicts itself: a mistake in the caller.
    #[error("the entry cannot be stored: {0}")]
    Contradiction(&'static str),
    /// The run has ended; nothing follows its last record.
    #[error("run {0} has ended")]
    Ended(RunId),
    /// The run was given away: it goes on elsewhere, and whoever holds its log here lets go of it.
    #[error("run {run} goes on elsewhere, under the fencing number {epoch} or a later one")]
    Fenced {
        /// The run.
        run: RunId,
        /// The highest number that is known of it.
        epoch: u64,
    },
    /// The order that came with the records is not to be taken.
    #[error(transparent)]
    Job(#[from] JobRefused),
    /// Nothing is taken any more.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Why an order was not taken, although its signature was right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobRefused {
    /// Another order with this sequence was taken before.
    #[error("sequence {sequence} of scheduler key {scheduler_key} was used before")]
    Replayed {
        /// The key.
        scheduler_key: String,
        /// The sequence.
        sequence: u64,
    },
    /// The sequence is so far behind the newest one that it cannot be told from a replay.
    #[error(
        "sequence {sequence} of scheduler key {scheduler_key} is too old: {high} was seen, and {window} are remembered"
    )]
    TooOld {
        /// The key.
        scheduler_key: String,
        /// The sequence.
        sequence: u64,
        /// The newest sequence.
        high: u64,
        /// How many are remembered.
        window: u64,
    },
    /// The same job id came before with other bytes.
    #[error("job {0} came before with other content")]
    Conflict(flowforge_protocol::JobId),
    /// This very order was taken before: nothing is added, it is to be answered as taken.
    #[error("job {0} was taken before")]
    Taken(flowforge_protocol::JobId),
    /// More scheduler keys than a host ever needs.
    #[error("{0} scheduler keys are in use, which is the limit")]
    TooManyKeys(usize),
}

/// Why a run was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// The host has as many unfinished runs as it may have; it is to be offered again later.
    #[error("busy: {open} unfinished runs, the limit is {limit}")]
    Busy {
        /// Unfinished runs.
        open: usize,
        /// The limit.
        limit: usize,
    },
    /// Runs that are gone are remembered as long as an order for them may come, and no more of them can be; it is to be
    /// offered again later.
    #[error(
        "busy: {runs} runs that are gone are remembered until no order for them can come, the limit is {limit}"
    )]
    Remembered {
        /// Runs that are gone.
        runs: usize,
        /// The limit.
        limit: usize,
    },
    /// The rest of the journal is kept for finishing what was accepted; the run is to be offered again later.
    #[error("busy: {0}")]
    Full(Full),
    /// The order or its first records are not to be taken.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// Why a message was not taken into an inbox.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliverError {
    /// Never storable.
    #[error("the message is {actual_bytes} bytes, above the limit of {limit_bytes}")]
    TooLarge {
        /// Its size.
        actual_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// As many messages wait as may; it is to be offered again later.
    #[error("busy: {messages} messages of {bytes} bytes wait {whose}")]
    Full {
        /// How many wait.
        messages: usize,
        /// Their bytes.
        bytes: u64,
        /// Whose inbox is full.
        whose: InboxOwner,
    },
    /// The order is not to be taken.
    #[error(transparent)]
    Job(#[from] JobRefused),
    /// Nothing is taken any more.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Whose inbox is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InboxOwner {
    /// The run's own.
    #[error("for this run")]
    Run,
    /// That of all runs that are not here.
    #[error("for runs that are not here")]
    Unknown,
    /// All of them together.
    #[error("for all runs")]
    All,
}

/// Why a run was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is not here.
    #[error("run {0} is not here")]
    Unknown(RunId),
    /// It has ended.
    #[error("run {0} has ended")]
    Ended(RunId),
    /// Somebody holds its log already.
    #[error("run {0} is already loaded")]
    InUse(RunId),
    /// What is stored of it is not what was written, or cannot be read. Damage concerns this run alone.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl From<Stopped> for LoadError {
    fn from(stopped: Stopped) -> Self {
        Self::Read(stopped.into())
    }
}

impl From<Stopped> for AcceptError {
    fn from(stopped: Stopped) -> Self {
        Self::Append(AppendError::Stopped(stopped))
    }
}

impl From<JobRefused> for AcceptError {
    fn from(refused: JobRefused) -> Self {
        Self::Append(AppendError::Job(refused))
    }
}

/// Why something stored could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The value is not what was written; it is not served.
    #[error("the journal is damaged")]
    Damaged(#[from] Damage),
    /// The storage failed.
    #[error("the journal could not be read")]
    Storage(#[from] Box<redb::Error>),
    /// Nothing is answered any more.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

macro_rules! storage_into_read_error {
    ($($source:ty),*) => {$(
        impl From<$source> for ReadError {
            fn from(error: $source) -> Self {
                Self::Storage(Box::new(error.into()))
            }
        }
    )*};
}
storage_into_read_error!(redb::StorageError, redb::TableError, redb::TransactionError);
