//! The writer thread: takes what waits, commits it, says so.
//!
//! A thin shell around [`JournalCore`]: it knows when, the core knows what. While one commit syncs, the next batch
//! collects, so a lone caller waits for one commit and many callers share one, without a timer between.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::core::{Committed, JournalCore};
use crate::error::Stopped;
use crate::file::FileLock;

use crate::pace::Next;
use crate::queue::Batch;
use crate::shared::Shared;

/// The writer thread.
pub(crate) struct Writer {
    core: JournalCore,
    shared: Arc<Shared>,
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
                }
                .run();
                ending.shared.queue().stopped.get_or_insert(stopped);
            })?;
        Ok(())
    }

    fn run(mut self) -> Stopped {
        while let Some(batch) = self.next_batch() {
            let begun = Instant::now();
            let (position, weight) = (batch.position, batch.weight);
            match self.core.commit(batch.requests, (self.shared.config.clock)()) {
                Ok(committed) => self.committed(position, weight, committed, begun.elapsed()),
                Err(stopped) => {
                    tracing::error!(error = %stopped.reason, "journal stopped");
                    return stopped;
                }
            }
        }
        Stopped::because("it was closed")
    }

    fn next_batch(&self) -> Option<Batch> {
        let mut queue = self.shared.queue();
        loop {
            let now = self.shared.now();
            queue = match queue.pace.next(&self.shared.config.batching, now) {
                Next::Commit => return Some(queue.drain(&self.shared.config.batching)),
                Next::Finished => return None,
                Next::Idle => self.shared.wait(queue, None, now),
                Next::Within(time) => self.shared.wait(queue, Some(time), now),
            };
        }
    }

    fn committed(&self, position: u64, weight: usize, committed: Committed, elapsed: Duration) {
        {
            let mut queue = self.shared.queue();
            queue.dropped(&committed.dropped);
            queue
                .pace
                .committed(&self.shared.config.batching, self.shared.now(), elapsed);
        }
        {
            let mut accounts = self.shared.accounts();
            accounts.take(&self.core.state);
            accounts.commits += 1;
            accounts.records += committed.records;
            accounts.times.add(elapsed);
        }
        // Before it is told that there is more: whoever comes for it finds it here.
        self.shared.recent().follow(committed.sent, &committed.trimmed);
        self.shared.advance(position, self.core.state.next_place);
        self.shared.give_room(weight);
    }
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
