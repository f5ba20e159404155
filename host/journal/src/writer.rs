//! The writer thread: takes what waits, commits it, says so.
//!
//! A thin shell around [`JournalCore`]: it knows when, the core knows what. While one commit syncs, the next batch
//! collects, so a lone caller waits for one commit and many callers share one, without a timer between.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::core::{Compacted, JournalCore};
use crate::error::{Counted, Stopped};
use crate::file::{disk_bytes, worth_rewriting};
use crate::fill::{self, Purpose, Shrinking};
use crate::lock::{FileLock, Note};
use crate::pace::Next;
use crate::queue::Batch;
use crate::reader::Reader;
use crate::shared::Shared;
use crate::work::{Committed, Dropped, Request, Sent};

/// Unused space is looked for when so many commits were made and nobody waits.
const COMPACT_AFTER_COMMITS: u32 = 256;
/// While somebody reads the file is not made smaller; then it is tried again after this time.
const READERS_PAUSE: Duration = Duration::from_millis(50);

/// The writer thread.
pub(crate) struct Writer {
    core: JournalCore,
    shared: Arc<Shared>,
    lock: Option<Arc<FileLock>>,
    /// Commits since unused space was looked for.
    since_compacting: u32,
    shrinking: Shrinking,
    /// The file is to be made smaller, from then on: somebody may be reading.
    shrink_at: Option<Duration>,
}

impl Writer {
    pub(crate) fn start(core: JournalCore, shared: Arc<Shared>, lock: Option<FileLock>) -> io::Result<()> {
        let lock = lock.map(Arc::new);
        let ending = Ending {
            shared: Arc::clone(&shared),
            lock: lock.clone(),
        };
        std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || {
                // Dropped last, also by a panic: nobody waits for a writer that is gone.
                let ending = ending;
                let stopped = Self {
                    core,
                    shared: Arc::clone(&ending.shared),
                    lock,
                    since_compacting: 0,
                    shrinking: Shrinking::default(),
                    shrink_at: None,
                }
                .run();
                ending.shared.queue().stopped.get_or_insert(stopped);
            })?;
        Ok(())
    }

    fn run(mut self) -> Stopped {
        self.note();
        let file_bytes = self.shared.accounts().file_bytes;
        self.look_at_file(file_bytes);
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
            if self.shrink_at.is_some_and(|at| at <= now) && !queue.pace.is_closing() {
                return Some(Step::Compact);
            }
            let shrink_in = self.shrink_at.map(|at| at.saturating_sub(now));
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
                Next::Idle => self.shared.wait(queue, shrink_in, now),
                Next::Within(time) => {
                    let time = shrink_in.map_or(time, |shrink_in| shrink_in.min(time));
                    self.shared.wait(queue, Some(time), now)
                }
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
        // Before anybody is told: what was confirmed is noted.
        self.note();
        self.since_compacting = self.since_compacting.saturating_add(1);
        let file_bytes = disk_bytes(&self.shared.config.path);
        self.committed(position, weight, committed, begun.elapsed(), file_bytes);
        self.look_at_file(file_bytes);
        Ok(())
    }

    /// Notes the last commit outside the file.
    fn note(&self) {
        if let Some(lock) = &self.lock {
            lock.note(Note {
                incarnation: self.shared.identity.incarnation,
                commit: self.core.state.commit,
            });
        }
    }

    /// Bytes of all that the file holds.
    fn content_bytes(&self) -> u64 {
        let queue = self.shared.queue();
        self.core.state.stored_bytes() + queue.cells.bytes() + queue.inbox.bytes()
    }

    /// Near the bound of the file: it is made smaller if that can help; if not, what may go is to go.
    fn look_at_file(&mut self, file_bytes: u64) {
        let limits = &self.shared.config.limits;
        let is_near = file_bytes > fill::bound(limits, Purpose::Run, Counted::File);
        let may_help = is_near && self.shrinking.may_help(limits, file_bytes, self.content_bytes());
        if !may_help {
            self.shrink_at = None;
        } else if self.shrink_at.is_none() {
            self.shrink_at = Some(self.shared.now());
        }
        self.core.wants_room = is_near && !may_help;
        if self.core.wants_room && !self.core.state.finished.is_empty() {
            // Nobody else may have anything to commit.
            self.shared.push(&mut self.shared.queue(), Request::Barrier);
        }
    }

    /// Gives unused space back, while nobody waits or because the file has no room.
    fn compact(&mut self) -> Result<(), Stopped> {
        let file_bytes = disk_bytes(&self.shared.config.path);
        let content = self.content_bytes();
        if self.shrink_at.is_none() && !worth_rewriting(file_bytes, content) {
            return Ok(());
        }
        let begun = Instant::now();
        let core = &mut self.core;
        let compacted = self.shared.without_readers(|| {
            let compacted = core.compact();
            let reader = Reader(Arc::clone(&core.db));
            (compacted, reader)
        })?;
        let now_bytes = disk_bytes(&self.shared.config.path);
        match compacted {
            Compacted::Done => {
                let elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                tracing::info!(
                    file_bytes,
                    now_bytes,
                    content_bytes = content,
                    elapsed_ms,
                    "journal gave back space"
                );
                self.shrinking.done(now_bytes, content);
                self.shared.resized(now_bytes);
                self.look_at_file(now_bytes);
            }
            Compacted::SomebodyReads => {
                self.shrink_at = self.shrink_at.map(|_| self.shared.now() + READERS_PAUSE);
            }
        }
        Ok(())
    }

    fn committed(
        &self,
        position: u64,
        weight: usize,
        committed: Committed,
        elapsed: Duration,
        file_bytes: u64,
    ) {
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
        let fill = {
            let mut accounts = self.shared.accounts();
            accounts.take(&self.core.state);
            accounts.file_bytes = file_bytes;
            accounts.commits += 1;
            accounts.records += records;
            accounts.times.add(elapsed);
            accounts.fill()
        };
        self.follow(sent, &dropped);
        // Before it is told that there is something to send: whoever comes for it finds here what is durable besides.
        self.shared.advance(position, fill);
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
            dropped
                .iter()
                .filter_map(|gone| gone.number)
                .for_each(|number| recent.forget(number));
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
        dropped
            .iter()
            .filter_map(|gone| gone.number)
            .for_each(|number| outbox.forget(number));
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
    lock: Option<Arc<FileLock>>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let stopped = self.shared.close_file();
        drop(self.lock.take());
        self.shared.announce_end(stopped);
    }
}
