//! What the handles and the writer share.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, watch};

use crate::config::JournalConfig;
use crate::core::Request;
use crate::entry::Urgency;
use crate::error::Stopped;
use crate::queue::Queue;
use crate::reader::Reader;
use crate::recent::Recent;
use crate::state::State;
use crate::stats::CommitTimes;
use crate::ticket::Ticket;

/// How long the last reads may take when the journal closes.
const READERS_LEAVE: Duration = Duration::from_secs(5);

/// Room that every request takes in the queue besides its bytes.
const REQUEST_ROOM: usize = 256;

/// The meeting place of handles and writer.
pub(crate) struct Shared {
    pub(crate) config: JournalConfig,
    queue: Mutex<Queue>,
    wake: Condvar,
    room: Semaphore,
    progress: watch::Sender<Progress>,
    /// The end alone, for those whom no commit concerns: they are not woken by each.
    end: watch::Sender<Option<Stopped>>,
    reader: Mutex<Option<Reader>>,
    accounts: Mutex<Accounts>,
    recent: Mutex<Recent>,
    started: Instant,
}

/// How far the writer is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    /// Position of the last durable request.
    pub(crate) durable: u64,
    /// The position the next outbox item will have.
    pub(crate) outbox_end: u64,
    /// Set when the writer is gone and the file is closed.
    pub(crate) ended: Option<Stopped>,
}

/// What the last commit left, for limits and statistics.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    pub(crate) stored_bytes: u64,
    pub(crate) cells_bytes: u64,
    pub(crate) outbox_items: usize,
    pub(crate) outbox_bytes: u64,
    pub(crate) runs: usize,
    pub(crate) commits: u64,
    pub(crate) records: u64,
    pub(crate) times: CommitTimes,
}

impl Accounts {
    pub(crate) fn take(&mut self, state: &State) {
        self.stored_bytes = state.stored_bytes;
        self.cells_bytes = state.cells_bytes;
        self.outbox_items = state.outbox.len();
        self.outbox_bytes = state.outbox_bytes;
        self.runs = state.runs.len();
    }
}

/// Room in the queue; given back when it is dropped unused.
pub(crate) struct Room<'s> {
    shared: &'s Shared,
    weight: u32,
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.shared.give_room(usize::try_from(self.weight).unwrap_or(0));
    }
}

impl Shared {
    pub(crate) fn new(config: JournalConfig, state: &State, reader: Reader) -> Self {
        let room = usize::try_from(config.limits.queue_bytes).unwrap_or(Semaphore::MAX_PERMITS);
        let mut accounts = Accounts::default();
        accounts.take(state);
        Self {
            room: Semaphore::new(room.min(Semaphore::MAX_PERMITS)),
            config,
            queue: Mutex::new(Queue::resuming(state)),
            wake: Condvar::new(),
            progress: watch::Sender::new(Progress {
                outbox_end: state.next_place,
                ..Progress::default()
            }),
            end: watch::Sender::new(None),
            reader: Mutex::new(Some(reader)),
            accounts: Mutex::new(accounts),
            recent: Mutex::new(Recent::beginning(state.next_place)),
            started: Instant::now(),
        }
    }

    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    pub(crate) fn end(&self) -> watch::Receiver<Option<Stopped>> {
        self.end.subscribe()
    }

    pub(crate) fn reader(&self) -> Result<Reader, Stopped> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        reader.clone().ok_or_else(|| self.why_ended())
    }

    fn why_ended(&self) -> Stopped {
        self.queue().stopped.clone().unwrap_or_else(Stopped::gone)
    }

    pub(crate) fn begin_closing(&self) {
        let mut queue = self.queue();
        queue.pace.close();
        self.wake_writer(&mut queue);
    }

    /// Waits for room in the queue. This is how a full queue slows its callers down.
    pub(crate) async fn room_for(&self, bytes: usize) -> Result<Room<'_>, Stopped> {
        let wanted = u32::try_from(bytes.saturating_add(REQUEST_ROOM)).unwrap_or(u32::MAX);
        let weight = wanted.min(self.config.limits.queue_bytes);
        match self.room.acquire_many(weight).await {
            Ok(permit) => permit.forget(),
            Err(_) => return Err(self.why_ended()),
        }
        Ok(Room { shared: self, weight })
    }

    pub(crate) fn give_room(&self, weight: usize) {
        self.room.add_permits(weight);
    }

    /// Puts a request into the queue while its lock is held.
    pub(crate) fn enqueue(
        &self,
        queue: &mut Queue,
        request: Request,
        mut room: Room<'_>,
        urgency: Urgency,
    ) -> Ticket {
        let weight = std::mem::take(&mut room.weight);
        let position = queue.push(request, weight, urgency, self.now());
        self.wake_writer(queue);
        Ticket::new(position, self.progress())
    }

    /// A ticket for everything that was taken so far, which goes at once.
    pub(crate) fn hurry(&self, queue: &mut Queue) -> Ticket {
        queue.pace.hurry();
        self.wake_writer(queue);
        Ticket::new(queue.position(), self.progress())
    }

    /// Wakes the writer if it sleeps and what came is not to wait. Waking costs a system call, so it is not done in vain.
    fn wake_writer(&self, queue: &mut Queue) {
        if queue.pace.wakes(&self.config.batching, self.now()) {
            self.wake.notify_one();
        }
    }

    /// Waits, in the writer's thread, until it is woken or the time from `now` on is over.
    pub(crate) fn wait<'q>(
        &self,
        mut queue: MutexGuard<'q, Queue>,
        time: Option<Duration>,
        now: Duration,
    ) -> MutexGuard<'q, Queue> {
        queue.pace.sleeps(time, now);
        let mut queue = match time {
            None => self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner),
            Some(time) => {
                self.wake
                    .wait_timeout(queue, time)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
        };
        queue.pace.woke();
        queue
    }

    /// Says how far the writer is.
    pub(crate) fn advance(&self, durable: u64, outbox_end: u64) {
        self.progress.send_modify(|progress| {
            progress.durable = durable;
            progress.outbox_end = outbox_end;
        });
    }

    /// The writer is gone: closes the file, and answers what it is to be told when that is done.
    pub(crate) fn close_file(&self) -> Stopped {
        let unexpected = || Stopped::because("its writer ended unexpectedly");
        let stopped = self.queue().stopped.get_or_insert_with(unexpected).clone();
        self.room.close();
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Reader(file)) = reader {
            // A read that is under way holds the file open for its few pages; whoever waits for the end may open it
            // again at once.
            let began = Instant::now();
            while Arc::strong_count(&file) > 1 && began.elapsed() < READERS_LEAVE {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        stopped
    }

    pub(crate) fn announce_end(&self, stopped: Stopped) {
        self.progress
            .send_modify(|progress| progress.ended = Some(stopped.clone()));
        self.end.send_replace(Some(stopped));
    }
}

/// Refuses when the writer will take nothing any more.
pub(crate) fn still_open(queue: &Queue) -> Result<(), Stopped> {
    match &queue.stopped {
        Some(stopped) => Err(stopped.clone()),
        None if queue.pace.is_closing() => Err(Stopped::because("it is being closed")),
        None => Ok(()),
    }
}
