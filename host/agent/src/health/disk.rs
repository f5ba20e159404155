//! The space that is left for the data folder.
//!
//! A host that is out of space cannot write down what its runs did, so it has to stop. This keeps some space for
//! finishing: below the limit no new run is taken, and those that are here go on to their ends. Free space is what the
//! file system says now; nothing is reserved, because other programs write to the same disk.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::{info, warn};

use super::status::DiskStatus;

/// Watches the disk of one folder.
#[derive(Debug)]
pub(crate) struct Disk {
    folder: PathBuf,
    min_free_bytes: u64,
    was_low: AtomicBool,
}

impl Disk {
    /// Watches the disk that this folder is on.
    pub(crate) fn of(folder: &Path, min_free_bytes: u64) -> Self {
        Self {
            folder: folder.to_owned(),
            min_free_bytes,
            was_low: AtomicBool::new(false),
        }
    }

    /// How it is now.
    pub(crate) fn status(&self) -> DiskStatus {
        let free_bytes = free_bytes(&self.folder);
        DiskStatus {
            folder: self.folder.clone(),
            free_bytes,
            min_free_bytes: self.min_free_bytes,
            low: free_bytes.is_some_and(|free| free < self.min_free_bytes),
        }
    }

    /// Whether there is space for new work. The log hears of every change.
    pub(crate) fn has_room(&self) -> bool {
        let now = self.status();
        if self.was_low.swap(now.low, Ordering::Relaxed) != now.low {
            if now.low {
                warn!(
                    folder = %now.folder.display(),
                    free_bytes = now.free_bytes,
                    min_free_bytes = now.min_free_bytes,
                    "the disk of the data folder is nearly full: no new run is taken until there is more space; free some"
                );
            } else {
                info!(folder = %now.folder.display(), free_bytes = now.free_bytes, "there is space again: new runs are taken");
            }
        }
        !now.low
    }
}

/// Bytes that this user may still write. `None` where the file system does not say: then nothing is held back.
fn free_bytes(folder: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    (found.f_blocks > 0).then(|| found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_of_the_limit() {
        let folder = tempfile::tempdir().expect("folder");
        let free = free_bytes(folder.path()).expect("the file system says");
        assert!(free > 0);
        let at = |limit| Disk::of(folder.path(), limit);
        assert!(at(0).has_room());
        let full = at(u64::MAX);
        assert!(!full.has_room());
        let status = full.status();
        assert!(status.low, "{status:?}");
        assert_eq!(status.folder, folder.path());
    }

    #[test]
    fn a_folder_that_is_not_there_holds_nothing_back() {
        let folder = tempfile::tempdir().expect("folder");
        assert!(Disk::of(&folder.path().join("none"), u64::MAX).has_room());
    }
}
