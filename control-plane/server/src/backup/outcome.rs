//! What backing up, restoring and rehearsing tell.

use std::path::PathBuf;

use flowforge_store::Contents;

use super::list::Engine;

/// A backup, or what was made of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackedUp {
    /// Its folder.
    pub folder: PathBuf,
    /// What kind of database it has.
    pub engine: Engine,
    /// Number of files, the database among them.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// When the backup was made, by the clock of the machine that made it.
    pub at_ms: u64,
}

/// What a rehearsal showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsed {
    /// What was restored, and is gone again.
    pub restored: BackedUp,
    /// What the control plane had that was started on it.
    pub contents: Contents,
    /// Secrets that opened with the key of the backup: all that can be used.
    pub secrets_opened: u64,
}

/// Is told now and then how many files and bytes are done.
pub type Progress<'a> = &'a mut (dyn FnMut(u64, u64) + Send);
