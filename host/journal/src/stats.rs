//! What the journal tells of itself.

use std::time::Duration;

/// How many of the last commits the times are taken from.
const REMEMBERED: usize = 1024;

/// The state of a journal, for status pages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JournalStats {
    /// Accepted and not ended.
    pub open_runs: usize,
    /// Ended and not yet dropped.
    pub ended_runs: usize,
    /// Runs of which something is not what was written.
    pub damaged_runs: usize,
    /// Rows of records and receipts that wait to be sent or acknowledged, but for parked ones.
    pub outbox_items: usize,
    /// Their bytes.
    pub outbox_bytes: u64,
    /// Runs whose uploads wait for somebody.
    pub parked_runs: usize,
    /// The bytes of those.
    pub parked_bytes: u64,
    /// Bytes of all runs; what the size limits count.
    pub stored_bytes: u64,
    /// Bytes of all cells.
    pub cells_bytes: u64,
    /// Bytes of the messages in all inboxes.
    pub inbox_bytes: u64,
    /// The limit on `stored_bytes`.
    pub limit_bytes: u64,
    /// What the file takes on the disk, unused space counted.
    pub file_bytes: u64,
    /// The limit on `file_bytes`.
    pub file_limit_bytes: u64,
    /// Requests that wait for the writer.
    pub waiting: usize,
    /// Commits since the start.
    pub commits: u64,
    /// Records stored since the start.
    pub records: u64,
    /// Time of a commit, microseconds: the median of the last 1,024.
    pub commit_us_p50: u64,
    /// The 99th percentile of the same.
    pub commit_us_p99: u64,
    /// Why it stopped, if it did.
    pub stopped: Option<String>,
}

/// Times of the last commits.
#[derive(Debug, Default)]
pub(crate) struct CommitTimes {
    last_us: Vec<u64>,
    next: usize,
}

impl CommitTimes {
    pub(crate) fn add(&mut self, elapsed: Duration) {
        let us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        match self.last_us.get_mut(self.next) {
            Some(slot) => *slot = us,
            None => self.last_us.push(us),
        }
        self.next = (self.next + 1) % REMEMBERED;
    }

    /// The value below which this part, in hundredths, of the times lies.
    pub(crate) fn percentile(&self, hundredths: usize) -> u64 {
        let mut sorted = self.last_us.clone();
        sorted.sort_unstable();
        let index = (sorted.len() * hundredths / 100).min(sorted.len().saturating_sub(1));
        sorted.get(index).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_last_commits() {
        let mut times = CommitTimes::default();
        assert_eq!(times.percentile(50), 0);
        for us in 0..REMEMBERED {
            times.add(Duration::from_micros(us as u64));
        }
        assert_eq!((times.percentile(50), times.percentile(99)), (512, 1013));
        for _ in 0..REMEMBERED {
            times.add(Duration::from_micros(7));
        }
        assert_eq!(times.percentile(99), 7);
    }
}
