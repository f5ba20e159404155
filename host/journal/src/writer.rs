//! The writer thread: takes what waits, commits it, says so.
//!
//! A thin shell around [`JournalCore`]: it knows when, the core knows what. While one commit syncs, the next batch
//! collects, so a lone caller waits for one commit and many callers share one, without a timer between.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::core::JournalCore;
use crate::error::Stopped;
use crate::file::{FileLock, worth_rewriting};
use crate::pace::Next;
use crate::queue::Batch;
use crate::reader::Reader;
use crate::shared::Shared;
use crate::work::{Committed, Dropped, Sent};

/// Unused space is looked for when so many commits were made and nobody waits.
const COMPACT_AFTER_COMMITS: u32 = 256;

/// The writer thread.
pub(crate) struct Writer {
    core: JournalCore,
    shared: Arc<Shared>,
    /// Commits since unused space was looked for.
    since_compacting: u32,
}

impl Writer {
    pub(crate) fn start(core: JournalCore, shared: Arc<Shared>, lock: Option<FileLock>) -> io::Result<()> {
        let ending = Ending {
            shared: Arc::clone(&shared),
            lock,
        };
        std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || {
                // Dropped last, also by a panic: nobody waits for a writer that is gone.
                let ending = ending;
                let stopped = Self {
                    core,
                    shared: Arc::clone(&ending.shared),
                    since_compacting: 0,
                }
                .run();
                ending.shared.queue().stopped.get_or_insert(stopped);
            })?;
        Ok(())
    }

    fn run(mut self) -> Stopped {
        while let Some(next) = self.next_step() {
            let done = match next {
                Step::Commit(batch) => self.commit(batch),
                Step::Compact => self.compact(),
            };
            if let Err(stopped) = done {
                tracing::error!(error = %stopped.reason, "journal stopped");
                return stopped;
            }
        }
        Stopped::because("it was closed")
    }

    fn next_step(&mut self) -> Option<Step> {
        let mut queue = self.shared.queue();
        loop {
            let now = self.shared.now();
            queue = match queue.pace.next(&self.shared.config.batching, now) {
                Next::Commit => return Some(Step::Commit(queue.drain(&self.shared.config.batching))),
                // What asks for no commit of its own still is not lost by an orderly end.
                Next::Finished if queue.has_riders() => {
                    return Some(Step::Commit(queue.drain(&self.shared.config.batching)));
                }
                Next::Finished => return None,
                Next::Idle if self.since_compacting >= COMPACT_AFTER_COMMITS => {
                    self.since_compacting = 0;
                    return Some(Step::Compact);
                }
                Next::Idle => self.shared.wait(queue, None, now),
                Next::Within(time) => self.shared.wait(queue, Some(time), now),
            };
        }
    }

    fn commit(&mut self, batch: Batch) -> Result<(), Stopped> {
        let begun = Instant::now();
        let Batch {
            work,
            weight,
            position,
        } = batch;
        let committed = self.core.commit(work, (self.shared.config.clock)())?;
        self.since_compacting = self.since_compacting.saturating_add(1);
        self.committed(position, weight, committed, begun.elapsed());
        Ok(())
    }

    /// Gives unused space back while nobody waits.
    fn compact(&mut self) -> Result<(), Stopped> {
        let file_bytes = std::fs::metadata(&self.shared.config.path).map_or(0, |meta| meta.len());
        let content = {
            let queue = self.shared.queue();
            self.core.state.stored_bytes + queue.cells.bytes() + queue.inbox.bytes()
        };
        if !worth_rewriting(file_bytes, content) {
            return Ok(());
        }
        let begun = Instant::now();
        let core = &mut self.core;
        let compacted = self.shared.without_readers(|| {
            let compacted = core.compact();
            (compacted, Reader(Arc::clone(&core.db)))
        })?;
        if compacted {
            let elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(
                file_bytes,
                content_bytes = content,
                elapsed_ms,
                "journal gave back space"
            );
        }
        Ok(())
    }

    fn committed(&self, position: u64, weight: usize, committed: Committed, elapsed: Duration) {
        let Committed {
            records,
            sent,
            dropped,
            released,
            forgotten,
        } = committed;
        {
            let mut queue = self.shared.queue();
            queue.gone(&dropped, &released, &forgotten);
            queue
                .pace
                .committed(&self.shared.config.batching, self.shared.now(), elapsed);
        }
        let used_bytes = {
            let mut accounts = self.shared.accounts();
            accounts.take(&self.core.state);
            accounts.commits += 1;
            accounts.records += records;
            accounts.times.add(elapsed);
            accounts.used_bytes()
        };
        self.follow(sent, &dropped);
        // Before it is told that there is something to send: whoever comes for it finds here what is durable besides.
        self.shared.advance(position, used_bytes);
        self.shared.tell_ready();
        self.shared.give_room(weight);
    }

    /// What is durable now can be sent.
    fn follow(&self, sent: Vec<Sent>, dropped: &[Dropped]) {
        if sent.is_empty() && dropped.is_empty() {
            return;
        }
        {
            // First the content: whoever is told of a row finds it here.
            let mut recent = self.shared.recent();
            for change in &sent {
                if let Sent::Row {
                    number, row, content, ..
                } = change
                {
                    recent.add(*number, row.first_seq, Arc::clone(content));
                }
            }
            for gone in dropped {
                recent.forget(gone.number);
            }
        }
        let mut outbox = self.shared.outbox();
        for change in sent {
            match change {
                Sent::Row {
                    number,
                    run,
                    cursor,
                    row,
                    content,
                } => outbox.add(number, run, cursor, row, content.receipt.is_some()),
                Sent::Reset { number, pending } => outbox.reset(number, pending),
                Sent::Parked { number, run, parked } => outbox.park(number, run, parked),
            }
        }
        for gone in dropped {
            outbox.forget(gone.number);
        }
    }
}

/// What the writer does next.
enum Step {
    Commit(Batch),
    Compact,
}

/// Whatever way the writer ends, the file is closed, then everybody who waits is told.
struct Ending {
    shared: Arc<Shared>,
    lock: Option<FileLock>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let stopped = self.shared.close_file();
        drop(self.lock.take());
        self.shared.announce_end(stopped);
    }
}
