//! What the handles and the writer share.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, watch};

use crate::config::JournalConfig;
use crate::entry::Urgency;
use crate::error::{Damage, Full, Stopped, WaitsFor};
use crate::fill::{self, Fill, Purpose};
use crate::identity::Identity;
use crate::outbox::{Outbox, Ready};
use crate::queue::Queue;
use crate::reader::Reader;
use crate::recent::Recent;
use crate::state::State;
use crate::stats::CommitTimes;
use crate::ticket::{Progress, Ticket};
use crate::work::Request;

/// How long the last reads may take when the journal closes.
const READERS_LEAVE: Duration = Duration::from_secs(5);

/// Room that every request takes in the queue besides its bytes.
const REQUEST_ROOM: usize = 256;

/// The meeting place of handles and writer. Locks are taken in the order of the fields, and never two of the later ones
/// at once.
pub(crate) struct Shared {
    pub(crate) config: JournalConfig,
    pub(crate) identity: Identity,
    queue: Mutex<Queue>,
    wake: Condvar,
    room: Semaphore,
    progress: watch::Sender<Progress>,
    /// The end alone, for those whom no commit concerns: they are not woken by each.
    end: watch::Sender<Option<Stopped>>,
    /// Whether something can be sent.
    ready: watch::Sender<Ready>,
    reader: Mutex<Option<Reader>>,
    /// Runs of which something is not what was written, by number.
    damaged: Mutex<BTreeMap<u64, Damage>>,
    accounts: Mutex<Accounts>,
    outbox: Mutex<Outbox>,
    recent: Mutex<Recent>,
    plane: Mutex<Option<Vec<u8>>>,
    started: Instant,
}

/// What a file held, as far as handles need it.
pub(crate) struct Beginning {
    pub(crate) queue: Queue,
    pub(crate) outbox: Outbox,
    pub(crate) damaged: BTreeMap<u64, Damage>,
    pub(crate) identity: Identity,
    pub(crate) plane: Option<Vec<u8>>,
    /// What the file takes on the disk.
    pub(crate) file_bytes: u64,
}

/// What the last commit left, for limits and statistics.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    pub(crate) stored_bytes: u64,
    /// Of these, bytes that go as soon as room is wanted.
    finished_bytes: u64,
    pub(crate) file_bytes: u64,
    pub(crate) runs: usize,
    /// Runs that are gone and remembered.
    pub(crate) buried: usize,
    /// Number of the next order that is stored.
    pub(crate) next_job: u64,
    pub(crate) commits: u64,
    pub(crate) records: u64,
    pub(crate) times: CommitTimes,
}

impl Accounts {
    pub(crate) fn take(&mut self, state: &State) {
        self.stored_bytes = state.stored_bytes();
        self.finished_bytes = state.finished_bytes();
        self.runs = state.heads.len();
        self.buried = state.graves.runs();
        self.next_job = state.next_job;
    }

    pub(crate) fn fill(&self) -> Fill {
        Fill {
            used_bytes: self.stored_bytes.saturating_sub(self.finished_bytes),
            file_bytes: self.file_bytes,
        }
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

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new(config: JournalConfig, state: &State, beginning: Beginning, reader: Reader) -> Self {
        let room = usize::try_from(config.limits.queue_bytes).unwrap_or(Semaphore::MAX_PERMITS);
        let mut accounts = Accounts::default();
        accounts.take(state);
        accounts.file_bytes = beginning.file_bytes;
        Self {
            room: Semaphore::new(room.min(Semaphore::MAX_PERMITS)),
            config,
            identity: beginning.identity,
            queue: Mutex::new(beginning.queue),
            wake: Condvar::new(),
            progress: watch::Sender::new(Progress {
                fill: accounts.fill(),
                ..Progress::default()
            }),
            end: watch::Sender::new(None),
            ready: watch::Sender::new(beginning.outbox.ready()),
            reader: Mutex::new(Some(reader)),
            damaged: Mutex::new(beginning.damaged),
            accounts: Mutex::new(accounts),
            outbox: Mutex::new(beginning.outbox),
            recent: Mutex::new(Recent::default()),
            plane: Mutex::new(beginning.plane),
            started: Instant::now(),
        }
    }

    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        locked(&self.queue)
    }

    pub(crate) fn damaged(&self) -> MutexGuard<'_, BTreeMap<u64, Damage>> {
        locked(&self.damaged)
    }

    pub(crate) fn accounts(&self) -> MutexGuard<'_, Accounts> {
        locked(&self.accounts)
    }

    pub(crate) fn outbox(&self) -> MutexGuard<'_, Outbox> {
        locked(&self.outbox)
    }

    pub(crate) fn recent(&self) -> MutexGuard<'_, Recent> {
        locked(&self.recent)
    }

    pub(crate) fn plane(&self) -> MutexGuard<'_, Option<Vec<u8>>> {
        locked(&self.plane)
    }

    /// Whether there is room for so many bytes more.
    pub(crate) fn check_room(&self, wanted_bytes: u64, purpose: Purpose) -> Result<(), Full> {
        let limits = &self.config.limits;
        let fill = self.accounts().fill();
        let Some(counted) = fill::broken(limits, fill, purpose, wanted_bytes) else {
            return Ok(());
        };
        let backlog = self.outbox().backlog();
        Err(Full {
            counted,
            actual_bytes: fill.of(counted),
            wanted_bytes,
            limit_bytes: fill::bound(limits, purpose, counted),
            waits_for: match (backlog.rows, backlog.parked_runs) {
                (0, 0) => WaitsFor::OpenRuns,
                (0, _) => WaitsFor::Parked,
                _ => WaitsFor::Uploads,
            },
        })
    }

    /// Changes what waits to be sent, and says so to whoever sends it.
    pub(crate) fn change_outbox<T>(&self, change: impl FnOnce(&mut Outbox) -> T) -> T {
        let answer = change(&mut self.outbox());
        self.tell_ready();
        answer
    }

    /// Says whether something can be sent.
    pub(crate) fn tell_ready(&self) {
        // Read while nobody else can say it: of two who say it, the later one would else say what was before, and what
        // came meanwhile would lie there until something else comes.
        self.ready.send_if_modified(|ready| {
            let now = self.outbox().ready();
            std::mem::replace(ready, now) != now
        });
    }

    pub(crate) fn ready(&self) -> watch::Receiver<Ready> {
        self.ready.subscribe()
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
        let reader = locked(&self.reader).clone();
        reader.ok_or_else(|| self.why_ended())
    }

    /// Keeps readers away while the writer does something with the database that nobody may look at.
    pub(crate) fn without_readers<T>(&self, act: impl FnOnce() -> (T, Reader)) -> T {
        let mut slot = locked(&self.reader);
        slot.take();
        let (answer, reader) = act();
        slot.replace(reader);
        answer
    }

    fn why_ended(&self) -> Stopped {
        self.queue().stopped.clone().unwrap_or_else(Stopped::gone)
    }

    /// Nothing is taken any more; `orderly` if what is under way was stopped by its host.
    pub(crate) fn begin_closing(&self, orderly: bool) {
        let mut queue = self.queue();
        if orderly {
            queue.flights.stop_all();
        }
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

    /// Puts a small request into the queue whose room nobody waits for, while its lock is held.
    pub(crate) fn push(&self, queue: &mut Queue, request: Request) {
        queue.push(request, 0, Urgency::Lazy, self.now());
        self.wake_writer(queue);
    }

    /// A ticket for this position, which goes at once; `None` if it is durable.
    pub(crate) fn ticket_of(&self, queue: &mut Queue, position: u64) -> Option<Ticket> {
        if self.progress.borrow().durable >= position {
            return None;
        }
        queue.pace.hurry();
        self.wake_writer(queue);
        Some(Ticket::new(position, self.progress()))
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
    pub(crate) fn advance(&self, durable: u64, fill: Fill) {
        self.progress.send_modify(|progress| {
            progress.durable = durable;
            progress.fill = fill;
        });
    }

    /// Says what the file takes now.
    pub(crate) fn resized(&self, file_bytes: u64) {
        let fill = {
            let mut accounts = self.accounts();
            accounts.file_bytes = file_bytes;
            accounts.fill()
        };
        self.progress.send_modify(|progress| progress.fill = fill);
    }

    /// The writer is gone: closes the file, and answers what it is to be told when that is done.
    pub(crate) fn close_file(&self) -> Stopped {
        let unexpected = || Stopped::because("its writer ended unexpectedly");
        let stopped = self.queue().stopped.get_or_insert_with(unexpected).clone();
        self.room.close();
        let reader = locked(&self.reader).take();
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

#[cfg(test)]
mod tests {
    use flowforge_failpoints::FailPoints;
    use flowforge_protocol::RunId;

    use super::*;
    use crate::journal::Journal;
    use crate::key::RunKey;
    use crate::outbox::Row;

    /// The end of a run became durable while the records before it were acknowledged. That nothing waits was found before,
    /// and said after it: the end lay there until another run had something to send.
    #[test]
    fn what_comes_while_something_is_acknowledged_is_told() {
        let folder = tempfile::tempdir().expect("folder");
        let config = JournalConfig::at(folder.path().join("journal.redb"), [1; 16]);
        let (journal, _) = Journal::open(config, FailPoints::inert()).expect("opens");
        let shared = &journal.shared;
        let run = RunKey::of(&RunId::from_entropy([1; 16]));
        let row = |first_seq| Row {
            first_seq,
            end: first_seq + 1,
            bytes: 10,
        };
        shared.change_outbox(|outbox| outbox.add(1, run, 0, row(0), false));
        let uploader = shared.ready();
        std::thread::scope(|threads| {
            // Nobody can say anything while somebody looks at what was said.
            let looks = uploader.borrow();
            let acknowledging = threads.spawn(|| shared.change_outbox(|outbox| outbox.acknowledge(1, 1)));
            while shared.outbox().ready() != Ready::Nothing {
                std::thread::yield_now();
            }
            // Whoever acknowledged goes on to say so, as far as that goes.
            std::thread::sleep(Duration::from_millis(50));
            shared.outbox().add(1, run, 1, row(1), false);
            drop(looks);
            acknowledging.join().expect("no panic");
        });
        assert_eq!(*uploader.borrow(), Ready::MayWait, "something waits");
    }
}
