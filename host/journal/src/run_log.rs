//! The writing end of one run.

use std::sync::Arc;

use flowforge_protocol::record::{chain_next, chain_start};
use flowforge_protocol::{Digest, RunId};

use crate::core::{Append, Request};
use crate::entry::{Entry, Urgency};
use crate::error::{AppendError, Stopped};
use crate::journal::Journal;
use crate::shared::still_open;
use crate::state::RunHead;
use crate::tables::RunRow;
use crate::ticket::Ticket;

/// The writing end of one run: whoever holds it is the only one who adds records to it, so their order is the order of
/// the calls. The chain is computed here, in the caller's thread.
#[derive(Debug)]
pub struct RunLog {
    journal: Journal,
    number: u64,
    run: RunId,
    epoch: u64,
    next_seq: u64,
    chain: Digest,
    bytes: u64,
    ended: bool,
}

/// Lines that were checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CheckedLines {
    count: u32,
    chain: Digest,
}

/// Counts the lines and continues the chain over them.
pub(crate) fn check_lines(
    lines: &[u8],
    limit_bytes: u64,
    chain: Digest,
) -> Result<CheckedLines, AppendError> {
    let mut checked = CheckedLines { count: 0, chain };
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let Some(record) = line.strip_suffix(b"\n") else {
            return Err(AppendError::NotLines("the last line has no line feed"));
        };
        if record.is_empty() {
            return Err(AppendError::NotLines("a line is empty"));
        }
        let actual_bytes = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if actual_bytes > limit_bytes {
            return Err(AppendError::RecordTooLarge {
                actual_bytes,
                limit_bytes,
            });
        }
        checked.chain = chain_next(&checked.chain, record);
        checked.count += 1;
    }
    Ok(checked)
}

impl RunLog {
    pub(crate) fn begin(journal: Journal, number: u64, run: RunId, epoch: u64) -> Self {
        let chain = chain_start(&run);
        Self {
            journal,
            number,
            run,
            epoch,
            next_seq: 0,
            chain,
            bytes: 0,
            ended: false,
        }
    }

    pub(crate) fn resumed(journal: Journal, number: u64, head: &RunHead) -> Self {
        Self {
            journal,
            number,
            run: head.run.clone(),
            epoch: head.epoch,
            next_seq: head.next_seq,
            chain: head.chain,
            bytes: head.bytes,
            ended: head.ended_at_ms.is_some(),
        }
    }

    /// The run.
    #[must_use]
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// The fencing number that the next records carry.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The next records carry this fencing number; a lower one than before is ignored.
    pub fn raise_epoch(&mut self, epoch: u64) {
        self.epoch = self.epoch.max(epoch);
    }

    /// The `seq` of the next record.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The chain value after the last record.
    #[must_use]
    pub fn chain(&self) -> Digest {
        self.chain
    }

    /// The chain value after these lines, if they were added now; for the receipt that goes with the last record.
    #[must_use]
    pub fn chain_after(&self, lines: &[u8]) -> Digest {
        lines
            .split_inclusive(|byte| *byte == b'\n')
            .fold(self.chain, |chain, line| {
                chain_next(&chain, line.strip_suffix(b"\n").unwrap_or(line))
            })
    }

    /// Adds to the run. Waits only while the queue is full; the ticket says when it is durable, and with it
    /// everything added before.
    ///
    /// # Errors
    /// By variant; nothing was added then.
    ///
    /// # Cancel safety
    /// Safe: it waits before it adds anything.
    pub async fn append(&mut self, entry: Entry) -> Result<Ticket, AppendError> {
        if self.ended {
            return Err(AppendError::Ended(self.run.clone()));
        }
        let limits = &self.journal.shared.config.limits;
        let checked = check_lines(&entry.lines, limits.record_bytes, self.chain)?;
        let weight = entry.weight();
        self.check_size(&entry, u64::try_from(weight).unwrap_or(u64::MAX))?;
        let shared = Arc::clone(&self.journal.shared);
        let room = shared.room_for(weight).await?;
        let mut queue = shared.queue();
        still_open(&queue)?;
        if let Some(job) = &entry.job {
            queue.check_new(job)?;
            queue.remember(job, (shared.config.clock)(), shared.config.limits.remembered_jobs);
        }
        if entry.ended {
            queue.open_runs = queue.open_runs.saturating_sub(1);
        }
        let urgency = entry.urgency;
        let append = self.advance(entry, checked, None);
        Ok(shared.enqueue(&mut queue, Request::Append(Box::new(append)), room, urgency))
    }

    /// A run that ends is always let through: it frees room.
    fn check_size(&self, entry: &Entry, weight: u64) -> Result<(), AppendError> {
        if entry.ended {
            return Ok(());
        }
        let limits = &self.journal.shared.config.limits;
        let actual_bytes = self.bytes + weight;
        if actual_bytes > limits.run_bytes {
            return Err(AppendError::RunTooLarge {
                actual_bytes,
                limit_bytes: limits.run_bytes,
            });
        }
        let actual_bytes = self.journal.shared.accounts().stored_bytes + weight;
        if actual_bytes > limits.journal_bytes {
            return Err(AppendError::JournalFull {
                actual_bytes,
                limit_bytes: limits.journal_bytes,
            });
        }
        Ok(())
    }

    /// Moves the head over an entry and makes the request of it.
    pub(crate) fn advance(&mut self, entry: Entry, checked: CheckedLines, new: Option<RunRow>) -> Append {
        let first_seq = self.next_seq;
        self.next_seq += u64::from(checked.count);
        self.chain = checked.chain;
        self.bytes += u64::try_from(entry.weight()).unwrap_or(u64::MAX);
        self.ended = entry.ended;
        Append {
            number: self.number,
            epoch: self.epoch,
            first_seq,
            count: checked.count,
            chain: checked.chain,
            entry,
            new,
        }
    }

    /// Drops the run with everything that belongs to it, sent or not: the control plane gave it to another host.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn forget(self) -> Result<Ticket, Stopped> {
        let room = self.journal.shared.room_for(0).await?;
        let mut queue = self.journal.shared.queue();
        still_open(&queue)?;
        if !self.ended {
            queue.open_runs = queue.open_runs.saturating_sub(1);
        }
        let request = Request::Forget(self.number);
        Ok(self
            .journal
            .shared
            .enqueue(&mut queue, request, room, Urgency::Now))
    }
}
