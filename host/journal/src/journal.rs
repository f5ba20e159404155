//! The handle: takes requests from any task, answers when they are durable.

use std::sync::{Arc, MutexGuard};

use flowforge_failpoints::{FailPoints, Point};
use flowforge_protocol::RunId;
use flowforge_protocol::record::chain_start;

use crate::config::JournalConfig;
use crate::core::{JournalCore, Request};
use crate::entry::{Ack, NewRun, Urgency};
use crate::error::{AcceptError, AppendError, JobRefused, OpenError, Stopped};
use crate::file::{FileLock, Opened};
use crate::queue::Queue;
use crate::reader::Reader;
use crate::recovered::{OpenRun, Recovered};
use crate::replay::{JobEntry, Seen};
use crate::run_log::{self, RunLog};
use crate::shared::{Shared, still_open};
use crate::stats::JournalStats;
use crate::tables::RunRow;
use crate::ticket::Ticket;
use crate::writer::Writer;

/// The journal. Cheap to clone; it closes when the last clone and the last [`RunLog`] are gone.
#[derive(Clone)]
pub struct Journal {
    pub(crate) shared: Arc<Shared>,
    _closer: Arc<Closer>,
}

/// The answer to an order.
#[derive(Debug)]
pub enum Accepted {
    /// The run is new; `received` may be said when the ticket is durable.
    New(RunLog, Ticket),
    /// The very same order was accepted before; `received` may be said again when the ticket is durable.
    Again(Ticket),
}

/// Tells the writer to finish when the last handle is gone.
struct Closer(Arc<Shared>);

impl Drop for Closer {
    fn drop(&mut self) {
        self.0.begin_closing();
    }
}

impl Journal {
    /// Opens the journal, or makes it, and starts its writer thread. Blocks for the time of reading what is unfinished.
    ///
    /// # Errors
    /// By variant; each says what to do. See [`OpenError`].
    pub fn open(config: JournalConfig, failpoints: FailPoints) -> Result<(Self, Recovered), OpenError> {
        let Opened { db, loaded, lock } = crate::file::open(&config)?;
        Self::start(config, failpoints, db, loaded, Some(lock))
    }

    /// Starts a journal on what was loaded.
    pub(crate) fn start(
        config: JournalConfig,
        failpoints: FailPoints,
        db: Arc<redb::Database>,
        loaded: crate::load::Loaded,
        lock: Option<FileLock>,
    ) -> Result<(Self, Recovered), OpenError> {
        let state = loaded.state;
        let found: Vec<_> = loaded
            .runs
            .into_iter()
            .filter_map(|run| state.runs.get(&run.number).cloned().map(|head| (run, head)))
            .collect();
        let (high_waters, outbox_items) = (state.replay.high_waters(), state.outbox.len());
        let ended_runs = state.runs.len() - found.len();
        let shared = Arc::new(Shared::new(config, &state, Reader(Arc::clone(&db))));
        let core = JournalCore::new(db, state, &shared.config, failpoints);
        Writer::start(core, Arc::clone(&shared), lock).map_err(OpenError::Thread)?;
        let journal = Self {
            _closer: Arc::new(Closer(Arc::clone(&shared))),
            shared,
        };
        let runs = found
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

    /// Accepts a run: the order, the anti-replay memory and the first records in one commit (B4).
    ///
    /// A lazy entry waits for the run's first urgent one, at most `flush_after`: a run that does nothing outside then
    /// takes a single commit. `received` waits for the ticket in any case. Waits while the queue is full.
    ///
    /// # Errors
    /// By variant: busy (offer it again later), a refused order (never), or [`Stopped`].
    ///
    /// # Cancel safety
    /// Safe: it waits for room before it takes anything.
    pub async fn accept(&self, job: JobEntry, new: NewRun) -> Result<Accepted, AcceptError> {
        let limits = &self.shared.config.limits;
        let checked = run_log::check_lines(&new.entry.lines, limits.record_bytes, chain_start(&new.run))?;
        let room = self
            .shared
            .room_for(new.envelope.len() + new.entry.weight())
            .await?;
        let mut queue = self.shared.queue();
        if self.may_accept(&queue, &job, &new.run)? == Seen::Before {
            return Ok(Accepted::Again(self.shared.hurry(&mut queue)));
        }
        let now_ms = (self.shared.config.clock)();
        queue.remember(&job, now_ms, limits.remembered_jobs);
        let number = queue.begin_run(&new.run, new.entry.ended);
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
            .enqueue(&mut queue, Request::Append(Box::new(append)), room, urgency);
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
            Seen::Before => Ok(Some(self.shared.hurry(&mut queue))),
        }
    }

    /// Remembers an order that changes no run, such as a decision for a run that has ended.
    ///
    /// # Errors
    /// [`AppendError::Job`] or [`AppendError::Stopped`].
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn remember(&self, job: JobEntry) -> Result<Ticket, AppendError> {
        let room = self.shared.room_for(0).await?;
        let mut queue = self.shared.queue();
        still_open(&queue)?;
        queue.check_new(&job)?;
        queue.remember(
            &job,
            (self.shared.config.clock)(),
            self.shared.config.limits.remembered_jobs,
        );
        Ok(self
            .shared
            .enqueue(&mut queue, Request::Remember(job), room, Urgency::Now))
    }

    /// Puts a request that needs no check into the queue.
    pub(crate) async fn request(
        &self,
        request: Request,
        bytes: usize,
        urgency: Urgency,
    ) -> Result<Ticket, Stopped> {
        let room = self.shared.room_for(bytes).await?;
        let mut queue = self.shared.queue();
        still_open(&queue)?;
        Ok(self.shared.enqueue(&mut queue, request, room, urgency))
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

    /// Whether the run is here, ended or not.
    #[must_use]
    pub fn knows(&self, run: &RunId) -> bool {
        self.number(run).is_some()
    }

    pub(crate) fn number(&self, run: &RunId) -> Option<u64> {
        self.shared.queue().runs.get(run).copied()
    }

    /// What the journal tells of itself.
    #[must_use]
    pub fn stats(&self) -> JournalStats {
        let told = |queue: MutexGuard<'_, Queue>| {
            let stopped = queue.stopped.as_ref().map(|stopped| stopped.reason.to_string());
            (queue.open_runs, queue.len(), stopped)
        };
        let (open_runs, waiting, stopped) = told(self.shared.queue());
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

    /// Bytes that wait in the outbox. The part of [`Journal::stats`] that is asked for often, without the rest's cost.
    #[must_use]
    pub fn outbox_bytes(&self) -> u64 {
        self.shared.accounts().outbox_bytes
    }

    /// Returns when the journal stops, with the reason. For the task that ends the process then.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn stopped(&self) -> Stopped {
        let mut end = self.shared.end();
        match end.wait_for(Option::is_some).await {
            Ok(stopped) => stopped.clone().unwrap_or_else(Stopped::gone),
            Err(_) => Stopped::gone(),
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
