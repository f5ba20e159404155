//! A folder for one journal.

use flowforge_journal::JournalConfig;
use tempfile::TempDir;

/// A journal in a folder of its own; the folder goes when the first value is dropped.
pub(crate) fn config() -> (TempDir, JournalConfig) {
    let folder = TempDir::new().unwrap();
    let config = JournalConfig::at(folder.path().join("journal.redb"), [8; 16]);
    (folder, config)
}
