//! The handle: takes requests from any task, answers when they are durable.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use flowforge_failpoints::{FailPoints, Point};
use flowforge_protocol::RunId;
use flowforge_protocol::record::{RecordBatch, chain_start};
use tokio::sync::{Semaphore, watch};

use crate::config::JournalConfig;
use crate::core::{JournalCore, Request};
use crate::entry::{Ack, NewRun, OutboxItem, Space, Urgency};
use crate::error::{AcceptError, AppendError, JobRefused, OpenError, ReadError, Stopped};
use crate::load::Timer;
use crate::queue::Queue;
use crate::reader::{Reader, Verified};
use crate::replay::{JobEntry, Seen};
use crate::run_log::{self, RunLog};
use crate::state::State;
use crate::stats::{CommitTimes, JournalStats};
use crate::tables::{self, RunRow};
use crate::writer::Writer;

/// Room that every request takes in the queue besides its bytes.
const REQUEST_ROOM: usize = 256;

/// The journal. Cheap to clone; it closes when the last clone and the last [`RunLog`] are gone.
#[derive(Clone)]
pub struct Journal {
    pub(crate) shared: Arc<Shared>,
    _closer: Arc<Closer>,
}

/// What handle and writer share.
pub(crate) struct Shared {
    pub(crate) config: JournalConfig,
    pub(crate) queue: Mutex<Queue>,
    pub(crate) wake: Condvar,
    pub(crate) room: Semaphore,
    pub(crate) progress: watch::Sender<Progress>,
    pub(crate) reader: Mutex<Option<Reader>>,
    pub(crate) accounts: Mutex<Accounts>,
    pub(crate) started: Instant,
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

/// What a file held when it was opened.
#[derive(Debug)]
pub struct Recovered {
    /// The unfinished runs, oldest first.
    pub runs: Vec<OpenRun>,
    /// Their timers, the earliest first.
    pub timers: Vec<Timer>,
    /// The newest sequence seen of each scheduler key.
    pub high_waters: Vec<(String, u64)>,
    /// Items that wait to be sent; read them with [`Journal::outbox`].
    pub outbox_items: usize,
    /// Runs that ended and are still here.
    pub ended_runs: usize,
}

/// An unfinished run.
#[derive(Debug)]
pub struct OpenRun {
    /// To go on with it.
    pub log: RunLog,
    /// The signed envelope of the order that started it.
    pub envelope: Vec<u8>,
    /// When it was accepted, milliseconds since 1970 UTC.
    pub accepted_at_ms: u64,
    /// Its records, in order, each ended by a line feed. The chain was checked.
    pub lines: Vec<u8>,
}

/// The answer to an order.
#[derive(Debug)]
pub enum Accepted {
    /// The run is new; `received` may be said when the ticket is durable.
    New(RunLog, Ticket),
    /// The very same order was accepted before; `received` may be said again when the ticket is durable.
    Again(Ticket),
}

/// Waits for durability. Dropping it changes nothing.
#[derive(Debug, Clone)]
pub struct Ticket {
    position: u64,
    progress: watch::Receiver<Progress>,
}

impl Ticket {
    /// Returns when this entry, and everything that was taken before it, survives a power cut.
    ///
    /// # Errors
    /// [`Stopped`]: the outcome is unknown; it shows when the journal is opened again.
    ///
    /// # Cancel safety
    /// Safe: the entry is stored whether or not anybody waits.
    pub async fn durable(&mut self) -> Result<(), Stopped> {
        let position = self.position;
        let reached = |progress: &Progress| progress.durable >= position || progress.ended.is_some();
        match self.progress.wait_for(reached).await {
            Ok(progress) if progress.durable >= position => Ok(()),
            Ok(progress) => Err(progress.ended.clone().unwrap_or_else(gone)),
            Err(_) => Err(gone()),
        }
    }

    /// Whether it is durable already.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.progress.borrow().durable >= self.position
    }
}

fn gone() -> Stopped {
    Stopped::because("its writer is gone")
}

/// Tells the writer to finish when the last handle is gone.
struct Closer(Arc<Shared>);

impl Drop for Closer {
    fn drop(&mut self) {
        self.0.begin_closing();
    }
}

impl Shared {
    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn reader(&self) -> Result<Reader, Stopped> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        reader.clone().ok_or_else(|| self.ended().unwrap_or_else(gone))
    }

    fn ended(&self) -> Option<Stopped> {
        self.queue().stopped.clone()
    }

    fn begin_closing(&self) {
        self.queue().closing = true;
        self.wake.notify_one();
    }

    /// Waits for room in the queue; answers how much to give back.
    pub(crate) async fn room_for(&self, bytes: usize) -> Result<u32, Stopped> {
        let wanted = u32::try_from(bytes.saturating_add(REQUEST_ROOM)).unwrap_or(u32::MAX);
        let weight = wanted.min(self.config.limits.queue_bytes);
        match self.room.acquire_many(weight).await {
            Ok(permit) => permit.forget(),
            Err(_) => return Err(self.ended().unwrap_or_else(gone)),
        }
        Ok(weight)
    }

    /// Puts a request into the queue while its lock is held.
    pub(crate) fn enqueue(
        &self,
        queue: &mut Queue,
        request: Request,
        weight: u32,
        urgency: Urgency,
    ) -> Ticket {
        let position = queue.push(request, weight, urgency, self.now());
        if urgency == Urgency::Now || queue.len() == 1 || queue.len() >= self.config.batching.entries {
            self.wake.notify_one();
        }
        self.ticket(position)
    }

    pub(crate) fn ticket(&self, position: u64) -> Ticket {
        Ticket {
            position,
            progress: self.progress.subscribe(),
        }
    }
}

/// Refuses when the writer will take nothing any more.
pub(crate) fn still_open(queue: &Queue) -> Result<(), Stopped> {
    match &queue.stopped {
        Some(stopped) => Err(stopped.clone()),
        None if queue.closing => Err(Stopped::because("it is being closed")),
        None => Ok(()),
    }
}

impl Journal {
    /// Opens the journal, or makes it, and starts its writer thread. Blocks for the time of reading what is unfinished.
    ///
    /// # Errors
    /// By variant; each says what to do. See [`OpenError`].
    pub fn open(config: JournalConfig, failpoints: FailPoints) -> Result<(Self, Recovered), OpenError> {
        let opened = crate::file::open(&config)?;
        let (limits, retention) = (config.limits.clone(), config.retention.clone());
        let loaded = opened.loaded;
        let state = loaded.state;
        let queue = Queue::resuming(&state);
        let mut accounts = Accounts::default();
        accounts.take(&state);
        let progress = Progress {
            outbox_end: state.next_place,
            ..Progress::default()
        };
        let heads: Vec<_> = loaded
            .runs
            .into_iter()
            .filter_map(|run| state.runs.get(&run.number).cloned().map(|head| (run, head)))
            .collect();
        let (high_waters, outbox_items) = (state.replay.high_waters(), state.outbox.len());
        let ended_runs = state.runs.len() - heads.len();
        let core = JournalCore::new(opened.db, state, limits, retention, failpoints);
        let shared = Arc::new(Shared {
            room: Semaphore::new(
                usize::try_from(config.limits.queue_bytes).unwrap_or(Semaphore::MAX_PERMITS),
            ),
            config,
            queue: Mutex::new(queue),
            wake: Condvar::new(),
            progress: watch::Sender::new(progress),
            reader: Mutex::new(Some(Reader(Arc::clone(core.database())))),
            accounts: Mutex::new(accounts),
            started: Instant::now(),
        });
        Writer::start(core, Arc::clone(&shared), opened.lock).map_err(OpenError::Thread)?;
        let journal = Self {
            _closer: Arc::new(Closer(Arc::clone(&shared))),
            shared,
        };
        let runs = heads
            .into_iter()
            .map(|(run, head)| OpenRun {
                log: RunLog::resumed(journal.clone(), run.number, &head),
                envelope: run.row.envelope,
                accepted_at_ms: run.row.accepted_at_ms,
                lines: run.lines,
            })
            .collect();
        let recovered = Recovered {
            runs,
            timers: loaded.timers,
            high_waters,
            outbox_items,
            ended_runs,
        };
        Ok((journal, recovered))
    }

    /// Accepts a run: the order, the anti-replay memory and the first records in one commit (B4), as soon as the entry's
    /// urgency asks for: a short run that is accepted lazily shares the commit with its end.
    ///
    /// Waits while the queue is full.
    ///
    /// # Errors
    /// By variant: busy (offer it again later), a refused order (never), or [`Stopped`].
    ///
    /// # Cancel safety
    /// Safe while it waits for room; after that it does not wait.
    pub async fn accept(&self, job: JobEntry, new: NewRun) -> Result<Accepted, AcceptError> {
        let limits = &self.shared.config.limits;
        let checked = run_log::check_lines(&new.entry.lines, limits.record_bytes, chain_start(&new.run))?;
        let weight = self
            .shared
            .room_for(new.envelope.len() + new.entry.weight())
            .await?;
        let give_back = |queue: MutexGuard<'_, Queue>| {
            drop(queue);
            self.shared.room.add_permits(usize::try_from(weight).unwrap_or(0));
        };
        let mut queue = self.shared.queue();
        match self.may_accept(&queue, &job, &new.run) {
            Ok(Seen::Never) => {}
            Ok(Seen::Before) => {
                queue.hurry();
                let ticket = self.shared.ticket(queue.position());
                give_back(queue);
                self.shared.wake.notify_one();
                return Ok(Accepted::Again(ticket));
            }
            Err(error) => {
                give_back(queue);
                return Err(error);
            }
        }
        let now_ms = (self.shared.config.clock)();
        queue.replay.take(&job);
        let _ = queue.replay.forget(now_ms, limits.remembered_jobs, 64);
        let number = queue.next_number;
        queue.next_number += 1;
        queue.runs.insert(new.run.clone(), number);
        if !new.entry.ended {
            queue.open_runs += 1;
        }
        let NewRun {
            run,
            epoch,
            envelope,
            mut entry,
        } = new;
        let urgency = entry.urgency;
        entry.points = entry.points.with(Point::B4);
        entry.job = Some(job);
        let mut log = RunLog::begin(self.clone(), number, run.clone(), epoch);
        let row = RunRow {
            run,
            epoch,
            accepted_at_ms: now_ms,
            envelope,
        };
        let append = log.advance(entry, checked, Some(row));
        let ticket = self
            .shared
            .enqueue(&mut queue, Request::Append(Box::new(append)), weight, urgency);
        Ok(Accepted::New(log, ticket))
    }

    fn may_accept(&self, queue: &Queue, job: &JobEntry, run: &RunId) -> Result<Seen, AcceptError> {
        still_open(queue)?;
        let seen = queue.replay.check(job)?;
        if seen == Seen::Before {
            return Ok(seen);
        }
        if queue.runs.contains_key(run) {
            return Err(AcceptError::RunExists(run.clone()));
        }
        let limits = &self.shared.config.limits;
        if queue.open_runs >= limits.open_runs {
            return Err(AcceptError::Busy {
                open: queue.open_runs,
                limit: limits.open_runs,
            });
        }
        let actual_bytes = self.shared.accounts().stored_bytes;
        if actual_bytes >= limits.accept_below_bytes {
            return Err(AcceptError::BusyFull {
                actual_bytes,
                limit_bytes: limits.accept_below_bytes,
            });
        }
        Ok(seen)
    }

    /// Whether an order was taken before: `None` if it is new, a ticket if the very same was taken.
    ///
    /// # Errors
    /// [`JobRefused`]: it is a replay.
    pub fn seen(&self, job: &JobEntry) -> Result<Option<Ticket>, JobRefused> {
        let mut queue = self.shared.queue();
        match queue.replay.check(job)? {
            Seen::Never => Ok(None),
            Seen::Before => {
                queue.hurry();
                let ticket = self.shared.ticket(queue.position());
                self.shared.wake.notify_one();
                Ok(Some(ticket))
            }
        }
    }

    /// Remembers an order that changes no run, such as a decision for a run that has ended.
    ///
    /// # Errors
    /// [`AppendError::Job`] or [`AppendError::Stopped`].
    pub async fn remember(&self, job: JobEntry) -> Result<Ticket, AppendError> {
        let weight = self.shared.room_for(0).await?;
        let mut queue = self.shared.queue();
        let refused = match still_open(&queue)
            .map_err(AppendError::from)
            .and_then(|()| Ok(queue.replay.check(&job)?))
        {
            Ok(Seen::Never) => None,
            Ok(Seen::Before) => Some(JobRefused::Taken(job.job_id.clone()).into()),
            Err(error) => Some(error),
        };
        if let Some(error) = refused {
            drop(queue);
            self.shared.room.add_permits(usize::try_from(weight).unwrap_or(0));
            return Err(error);
        }
        queue.replay.take(&job);
        Ok(self
            .shared
            .enqueue(&mut queue, Request::Remember(job), weight, Urgency::Now))
    }

    async fn request(&self, request: Request, bytes: usize, urgency: Urgency) -> Result<Ticket, Stopped> {
        let weight = self.shared.room_for(bytes).await?;
        let mut queue = self.shared.queue();
        still_open(&queue)?;
        Ok(self.shared.enqueue(&mut queue, request, weight, urgency))
    }

    /// Makes everything durable that was taken so far.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn flush(&self) -> Result<(), Stopped> {
        self.request(Request::Barrier, 0, Urgency::Now)
            .await?
            .durable()
            .await
    }

    /// Trims the outbox by what the control plane has (B10). Lazy: a trim that is lost only repeats an upload.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn acknowledge(&self, acks: Vec<Ack>) -> Result<Ticket, Stopped> {
        let bytes = acks.len() * 64;
        self.request(Request::Ack(acks), bytes, Urgency::Lazy).await
    }

    /// Returns when there were durable outbox items at or behind this position: the position after the last of them,
    /// acknowledged or not.
    ///
    /// # Errors
    /// [`Stopped`].
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn outbox_reaches(&self, position: u64) -> Result<u64, Stopped> {
        let mut progress = self.shared.progress.subscribe();
        let reached = |progress: &Progress| progress.outbox_end > position || progress.ended.is_some();
        match progress.wait_for(reached).await {
            Ok(progress) if progress.ended.is_none() => Ok(progress.outbox_end),
            Ok(progress) => Err(progress.ended.clone().unwrap_or_else(gone)),
            Err(_) => Err(gone()),
        }
    }

    /// Durable outbox items from this position on, in order: at most `items`, and at most `bytes` unless the first alone
    /// is larger. Start with 0 and go on behind the last one read; after a failed upload start with 0 again.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn outbox(&self, from: u64, items: usize, bytes: usize) -> Result<Vec<OutboxItem>, ReadError> {
        self.read(move |reader| reader.outbox(from, items, bytes)).await
    }

    /// The durable records of a run, in the batches in which they were written; `None` if the run is not here.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn batches(&self, run: &RunId) -> Result<Option<Vec<RecordBatch>>, ReadError> {
        let Some(number) = self.number(run) else {
            return Ok(None);
        };
        let run = run.clone();
        Ok(Some(self.read(move |reader| reader.batches(number, &run)).await?))
    }

    /// The signed envelope of the order that started a run; `None` if the run is not here.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn envelope(&self, run: &RunId) -> Result<Option<Vec<u8>>, ReadError> {
        let Some(number) = self.number(run) else {
            return Ok(None);
        };
        self.read(move |reader| reader.envelope(number)).await
    }

    /// Whether the run is here, ended or not.
    #[must_use]
    pub fn knows(&self, run: &RunId) -> bool {
        self.number(run).is_some()
    }

    fn number(&self, run: &RunId) -> Option<u64> {
        self.shared.queue().runs.get(run).copied()
    }

    /// Stores a value under a key.
    ///
    /// # Errors
    /// [`PutError`].
    pub async fn put(
        &self,
        space: Space,
        key: &str,
        value: Vec<u8>,
        urgency: Urgency,
    ) -> Result<Ticket, PutError> {
        let limits = &self.shared.config.limits;
        if value.len() > limits.cell_bytes {
            return Err(PutError::TooLarge {
                actual_bytes: value.len(),
                limit_bytes: limits.cell_bytes,
            });
        }
        let held = self.shared.accounts().cells_bytes;
        if held >= limits.cells_bytes {
            return Err(PutError::Full {
                actual_bytes: held,
                limit_bytes: limits.cells_bytes,
            });
        }
        let bytes = key.len() + value.len();
        let request = Request::Put {
            key: tables::cell_key(space.tag(), key),
            value,
        };
        Ok(self.request(request, bytes, urgency).await?)
    }

    /// Removes a value; nothing happens if there is none.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn remove(&self, space: Space, key: &str) -> Result<Ticket, Stopped> {
        let key = tables::cell_key(space.tag(), key);
        self.request(Request::Remove { key }, 0, Urgency::Lazy).await
    }

    /// The durable value under a key.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn get(&self, space: Space, key: &str) -> Result<Option<Vec<u8>>, ReadError> {
        let key = tables::cell_key(space.tag(), key);
        self.read(move |reader| reader.cell(&key)).await
    }

    /// The keys of a space, in order.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn keys(&self, space: Space) -> Result<Vec<String>, ReadError> {
        self.read(move |reader| reader.cell_keys(space.tag())).await
    }

    /// Checks every durable value against its digest and every run against its chain.
    ///
    /// # Errors
    /// [`ReadError::Damaged`] names the first value that is not what was written.
    pub async fn verify(&self) -> Result<Verified, ReadError> {
        self.read(Reader::verify_owned).await
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(Reader) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let reader = self.shared.reader()?;
        match tokio::task::spawn_blocking(move || read(reader)).await {
            Ok(answer) => answer,
            Err(_) => Err(Stopped::because("the async runtime is shutting down").into()),
        }
    }

    /// What the journal tells of itself.
    #[must_use]
    pub fn stats(&self) -> JournalStats {
        let (open_runs, waiting, stopped) = {
            let queue = self.shared.queue();
            (
                queue.open_runs,
                queue.len(),
                queue.stopped.as_ref().map(|stopped| stopped.reason.to_string()),
            )
        };
        let accounts = self.shared.accounts();
        JournalStats {
            open_runs,
            ended_runs: accounts.runs.saturating_sub(open_runs),
            outbox_items: accounts.outbox_items,
            outbox_bytes: accounts.outbox_bytes,
            stored_bytes: accounts.stored_bytes,
            cells_bytes: accounts.cells_bytes,
            limit_bytes: self.shared.config.limits.journal_bytes,
            file_bytes: std::fs::metadata(&self.shared.config.path).map_or(0, |meta| meta.len()),
            waiting,
            commits: accounts.commits,
            records: accounts.records,
            commit_us_p50: accounts.times.percentile(50),
            commit_us_p99: accounts.times.percentile(99),
            stopped,
        }
    }

    /// Returns when the journal stops, with the reason. For the task that ends the process then.
    pub async fn stopped(&self) -> Stopped {
        let mut progress = self.shared.progress.subscribe();
        match progress.wait_for(|progress| progress.ended.is_some()).await {
            Ok(progress) => progress.ended.clone().unwrap_or_else(gone),
            Err(_) => gone(),
        }
    }

    /// Makes everything durable that was taken, closes the file and returns when another process may open it. Whatever
    /// comes later is refused.
    pub async fn close(&self) {
        self.shared.begin_closing();
        self.stopped().await;
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal")
            .field("path", &self.shared.config.path)
            .finish_non_exhaustive()
    }
}

/// Why a value was not stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    /// Never storable.
    #[error("the value is {actual_bytes} bytes, above the limit of {limit_bytes}")]
    TooLarge {
        /// Its size.
        actual_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// The caches are full: remove what is not needed.
    #[error("the cells hold {actual_bytes} bytes, the limit is {limit_bytes}")]
    Full {
        /// What they hold.
        actual_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// See there.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}
