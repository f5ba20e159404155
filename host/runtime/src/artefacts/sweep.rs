//! What leaves a store that is well filled.

use std::time::Duration;

use flowforge_protocol::Digest;

use super::FileStore;

/// What a sweep removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Artefacts.
    pub artefacts: usize,
    /// Their bytes together.
    pub bytes: u64,
}

impl FileStore {
    /// How many bytes should be swept now: when three quarters of the limit are taken, down to five eighths; and what the
    /// disk lacks of twice the room that is to stay free.
    ///
    /// # Errors
    /// When the disk cannot be asked.
    pub fn surplus(&self) -> std::io::Result<u64> {
        let (bytes, limit) = (self.bytes(), self.shared.quota.limit());
        let crowded = if bytes > limit / 4 * 3 {
            bytes.saturating_sub(limit / 8 * 5)
        } else {
            0
        };
        let free_min = self.shared.free_bytes_min.saturating_mul(2);
        let lacking = free_min.saturating_sub(self.shared.free_bytes()?).min(bytes);
        Ok(crowded.max(lacking))
    }

    /// Removes artefacts that nobody holds and `is_wanted` does not name, those first that were written or opened longest
    /// ago, until at most `bytes_max` bytes are kept. One that was touched in the last `idle_min` stays: its step may not
    /// have recorded it yet. Reads the folder; call it off the async threads.
    ///
    /// # Errors
    /// When the folder cannot be read or a file cannot be removed; what was removed until then is gone.
    pub fn sweep(
        &self,
        bytes_max: u64,
        idle_min: Duration,
        is_wanted: impl Fn(&Digest) -> bool,
    ) -> std::io::Result<Swept> {
        let mut kept = self.shared.kept()?;
        kept.sort_by_key(|kept| kept.touched);
        let mut swept = Swept::default();
        for kept in kept {
            if self.bytes() <= bytes_max {
                break;
            }
            let is_idle = kept.touched.elapsed().is_ok_and(|idle| idle >= idle_min);
            if !is_idle || self.shared.is_held(&kept.digest) || is_wanted(&kept.digest) {
                continue;
            }
            if let Some(bytes) = self.shared.remove(&kept.digest)? {
                swept.artefacts = swept.artefacts.saturating_add(1);
                swept.bytes = swept.bytes.saturating_add(bytes);
            }
        }
        Ok(swept)
    }
}

#[cfg(test)]
mod tests {
    use super::super::StoreLimits;
    use super::super::files::tests::{store, write};
    use super::*;

    #[tokio::test]
    async fn a_sweep_takes_what_nobody_holds_or_wants() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path(), 100);
        let held = write(&store, b"held").await.unwrap();
        let wanted = write(&store, b"wanted").await.unwrap();
        let other = write(&store, b"other").await.unwrap();
        let hold = store.hold(held);
        let swept = store.sweep(100, Duration::ZERO, |_| false).unwrap();
        assert_eq!(swept, Swept::default(), "there is room");
        let young = store.sweep(0, Duration::from_hours(1), |_| false).unwrap();
        assert_eq!(
            young,
            Swept::default(),
            "their steps may not have recorded them yet"
        );
        let swept = store
            .sweep(0, Duration::ZERO, |digest| *digest == wanted)
            .unwrap();
        assert_eq!(
            swept,
            Swept {
                artefacts: 1,
                bytes: 5
            }
        );
        assert!(store.contains(&held) && store.contains(&wanted) && !store.contains(&other));
        drop(hold);
        store.sweep(0, Duration::ZERO, |_| false).unwrap();
        assert_eq!(store.bytes(), 0);
    }

    #[tokio::test]
    async fn a_store_that_is_well_filled_says_how_much_should_go() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path(), 80);
        write(&store, &[1; 60]).await.unwrap();
        assert_eq!(store.surplus().unwrap(), 0, "three quarters are well");
        let last = write(&store, &[2; 5]).await.unwrap();
        assert_eq!(store.surplus().unwrap(), 15);
        assert_eq!((store.size(&last), store.touch(&last)), (Some(5), true));
        let absent = Digest::of(b"absent");
        assert_eq!((store.size(&absent), store.touch(&absent)), (None, false));
        let full = StoreLimits {
            free_bytes_min: u64::MAX / 2,
            bytes_max: 1_000,
        };
        let crowded = FileStore::open_within(folder.path(), &full).unwrap();
        assert_eq!(
            crowded.surplus().unwrap(),
            65,
            "the disk is full: all that may go"
        );
    }
}
