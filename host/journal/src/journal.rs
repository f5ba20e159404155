//! The handle: takes requests from any task, answers when they are durable.

use std::collections::BTreeMap;
use std::sync::Arc;

use flowforge_failpoints::{FailPoints, Point};
use flowforge_protocol::chain::chain_start;
use flowforge_protocol::{JobId, RunId};

use crate::config::JournalConfig;
use crate::core::JournalCore;
use crate::entry::{NewRun, Urgency};
use crate::error::{AcceptError, AppendError, JobRefused, OpenError, Stopped};
use crate::file::{Opened, disk_bytes};
use crate::fill::Purpose;
use crate::handle::Handle;
use crate::identity::Identity;
use crate::key::{self, RunKey};
use crate::load::Loaded;
use crate::lock::FileLock;
use crate::queue::{Known, Queue};
use crate::reader::Reader;
use crate::recovered::{DamagedRun, Head, HeadState, Recovered};
use crate::replay::{JobEntry, Seen};
use crate::rows::{NO_TIME, Phase, RunRow};
use crate::run_log::{self, Hold, RunLog};
use crate::shared::{Beginning, Shared, still_open};
use crate::stats::JournalStats;
use crate::ticket::Ticket;
use crate::work::Request;
use crate::writer::Writer;

/// The journal. Cheap to clone; it closes when the last clone and the last [`RunLog`] are gone.
#[derive(Clone)]
pub struct Journal {
    pub(crate) shared: Handle,
}

/// The answer to an order that starts a run.
#[derive(Debug)]
pub enum Accepted {
    /// The run is new; `received` may be said when the ticket is durable. Messages for it may have come before it.
    New(RunLog, Ticket),
    /// The very same order was accepted before; `received` may be said again when the ticket is durable.
    Again(Ticket),
    /// The run is here by another order, or was here and is over: nothing begins. The order is remembered; `received` may
    /// be said when the ticket is durable.
    AlreadyHere(Ticket),
}

impl Journal {
    /// Opens the journal, or makes it, and starts its writer thread. Blocks for the time of reading the file once.
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
        loaded: Loaded,
        lock: Option<FileLock>,
    ) -> Result<(Self, Recovered), OpenError> {
        let recovered = recovered_of(&loaded);
        let Loaded {
            state,
            queue,
            outbox,
            damaged,
            identity,
            plane,
            ..
        } = loaded;
        let beginning = Beginning {
            queue,
            outbox,
            damaged,
            identity,
            plane,
            file_bytes: disk_bytes(&config.path),
        };
        let shared = Arc::new(Shared::new(config, &state, beginning, Reader(Arc::clone(&db))));
        let core = JournalCore::new(db, state, &shared.config, failpoints);
        Writer::start(core, Arc::clone(&shared), lock).map_err(OpenError::Thread)?;
        let shared = Handle::new(shared);
        Ok((Self { shared }, recovered))
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
        let room = self
            .shared
            .room_for(new.envelope.len() + new.entry.weight())
            .await?;
        let NewRun {
            run,
            epoch,
            envelope,
            documents,
            acknowledged,
            values_stay,
            mut entry,
        } = new;
        let key = RunKey::of(&run);
        let limits = &self.shared.config.limits;
        let checked = run_log::check(&entry, 0, chain_start(&run), &BTreeMap::new(), limits)?;
        let now_ms = (self.shared.config.clock)();
        let mut queue = self.shared.queue();
        still_open(&queue)?;
        if queue.replay.check(&job)? == Seen::Before {
            return Ok(Accepted::Again(self.shared.hurry(&mut queue)));
        }
        let is_here = match queue.runs.get(&key) {
            None => false,
            Some(Known::Open { .. } | Known::Ended { .. }) => true,
            Some(Known::Gone {
                epoch: last, ended, ..
            }) => *ended || epoch <= *last,
        };
        if is_here {
            let job = queue.remember(job, now_ms, limits);
            let ticket = self
                .shared
                .enqueue(&mut queue, Request::Remember(job), room, Urgency::Lazy);
            return Ok(Accepted::AlreadyHere(ticket));
        }
        self.may_accept(&mut queue)?;
        let number = queue.next_number;
        let Some(hold) = Hold::take(&self.shared, &mut queue, number) else {
            return Err(AppendError::Contradiction("a new run's number is in use").into());
        };
        let mut log = RunLog::begin(hold, run, epoch);
        queue.begin_run(key, epoch);
        let documents: Vec<_> = documents
            .iter()
            .map(|(space, name)| key::cell_key(space.tag(), name))
            .collect();
        for document in &documents {
            queue.cells.need(document);
        }
        let row = RunRow {
            run: key,
            accepted_at_ms: now_ms,
            documents,
            envelope,
        };
        let urgency = entry.urgency;
        entry.points = entry.points.with(Point::B4);
        entry.job = Some(job);
        let append = log.advance(&mut queue, entry, checked, Some((row, acknowledged, values_stay)));
        let ticket = self
            .shared
            .enqueue(&mut queue, Request::Append(Box::new(append)), room, urgency);
        drop(queue);
        Ok(Accepted::New(log, ticket))
    }

    fn may_accept(&self, queue: &mut Queue) -> Result<(), AcceptError> {
        let limits = &self.shared.config.limits;
        if queue.open_runs >= limits.open_runs {
            return Err(AcceptError::Busy {
                open: queue.open_runs,
                limit: limits.open_runs,
            });
        }
        let remembered = self.shared.accounts().buried;
        if remembered >= limits.remembered_runs {
            if queue.len() == 0 {
                // Some may be forgotten by now, and a host that takes nothing commits nothing.
                self.shared.push(queue, Request::Barrier);
            }
            return Err(AcceptError::Remembered {
                runs: remembered,
                limit: limits.remembered_runs,
            });
        }
        self.shared.check_room(0, Purpose::Run).map_err(AcceptError::Full)
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

    /// Remembers an order that changes no run and waits for none.
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
        let job = queue.remember(job, (self.shared.config.clock)(), &self.shared.config.limits);
        Ok(self
            .shared
            .enqueue(&mut queue, Request::Remember(job), room, Urgency::Lazy))
    }

    /// Orders that are durable here, from this number on and oldest first: for these `received` may be said. Begin with
    /// [`Journal::told`] and go on behind the last one.
    #[must_use]
    pub fn orders_since(&self, number: u64, most: usize) -> Vec<(u64, JobId)> {
        let end = self.shared.accounts().next_job;
        self.shared.queue().replay.since(number, end, most)
    }

    /// The number of the first order of which the control plane was not told yet, as far as that was acknowledged.
    #[must_use]
    pub fn told(&self) -> u64 {
        self.shared.queue().told
    }

    /// Makes everything durable that was taken so far, also what only rides along.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn flush(&self) -> Result<(), Stopped> {
        self.shared
            .request(Request::Barrier, 0, Urgency::Now)
            .await?
            .durable()
            .await
    }

    /// Returns when a run that met this may try again.
    ///
    /// # Errors
    /// [`Stopped`].
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn space(&self, full: &crate::error::Full) -> Result<(), Stopped> {
        self.shared.space(full).await
    }

    /// Whether the run is here or was here: open, ended, or gone and remembered.
    #[must_use]
    pub fn knows(&self, run: &RunId) -> bool {
        self.known(run).is_some()
    }

    /// The fencing number under which something of a run is here, whether it goes on or has ended.
    #[must_use]
    pub fn epoch(&self, run: &RunId) -> Option<u64> {
        let known = self.known(run)?;
        known.number().map(|_| known.epoch())
    }

    pub(crate) fn known(&self, run: &RunId) -> Option<Known> {
        self.shared.queue().runs.get(&RunKey::of(run)).copied()
    }

    pub(crate) fn number(&self, run: &RunId) -> Option<u64> {
        self.known(run).and_then(Known::number)
    }

    /// Drops what is here of a run, sent or not, whatever state it is in: another host has it under this fencing number or
    /// a later one, or it is damaged and was seen to. A log of it that somebody holds adds nothing any more
    /// ([`AppendError::Fenced`]), and the run begins here again only by an order with a higher number, before and after a
    /// restart; a run that never was here, too. `None` if that is no news: it came back, or this was said before.
    ///
    /// # Errors
    /// [`Stopped`].
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn forget(&self, run: &RunId, epoch: u64) -> Result<Option<Ticket>, Stopped> {
        self.shared.forget(run, epoch).await
    }

    /// Which file this is.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.shared.identity
    }

    /// The incarnation of the control plane that was seen last.
    #[must_use]
    pub fn plane(&self) -> Option<Vec<u8>> {
        self.shared.plane().clone()
    }

    /// Keeps the incarnation of the control plane; opaque here.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn set_plane(&self, incarnation: Vec<u8>) -> Result<Ticket, Stopped> {
        self.shared.plane().replace(incarnation.clone());
        let bytes = incarnation.len();
        let request = Request::Plane(incarnation);
        self.shared.request(request, bytes, Urgency::Lazy).await
    }

    /// What the journal tells of itself.
    #[must_use]
    pub fn stats(&self) -> JournalStats {
        let (open_runs, waiting, stopped, cells_bytes, inbox_bytes) = {
            let queue = self.shared.queue();
            let stopped = queue.stopped.as_ref().map(|stopped| stopped.reason.to_string());
            (
                queue.open_runs,
                queue.len(),
                stopped,
                queue.cells.bytes(),
                queue.inbox.bytes(),
            )
        };
        let backlog = self.shared.outbox().backlog();
        let damaged_runs = self.shared.damaged().len();
        let accounts = self.shared.accounts();
        JournalStats {
            open_runs,
            ended_runs: accounts.runs.saturating_sub(open_runs),
            damaged_runs,
            outbox_items: backlog.rows,
            outbox_bytes: backlog.bytes,
            parked_runs: backlog.parked_runs,
            parked_bytes: backlog.parked_bytes,
            stored_bytes: accounts.stored_bytes,
            cells_bytes,
            inbox_bytes,
            limit_bytes: self.shared.config.limits.journal_bytes,
            file_bytes: accounts.file_bytes,
            file_limit_bytes: self.shared.config.limits.file_bytes,
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
        self.shared.outbox().backlog().bytes
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
    /// comes later is refused. Attempts that are under way now were stopped in an orderly way.
    pub async fn close(&self) {
        self.shared.begin_closing(true);
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

fn recovered_of(loaded: &Loaded) -> Recovered {
    let Loaded {
        state,
        queue,
        outbox,
        damaged,
        identity,
        lost,
        plane,
        ..
    } = loaded;
    let (mut runs, mut crashed) = (Vec::new(), Vec::new());
    let open = state
        .heads
        .iter()
        .filter(|(number, head)| head.is_open() && !damaged.contains_key(number));
    for (number, head) in open {
        let run = head.run.id();
        crashed.extend(queue.flights.crashed(*number, &run));
        runs.push(Head {
            run,
            epoch: head.epoch,
            next_seq: head.next_seq,
            chain: head.chain,
            state: match head.phase {
                Phase::Waiting => HeadState::Waiting {
                    due_ms: (head.at_ms != NO_TIME).then_some(head.at_ms),
                },
                Phase::Resting => HeadState::Resting,
                Phase::Running | Phase::Ended => HeadState::Running,
            },
            messages: queue.inbox.of(&head.run).len(),
        });
    }
    let parked = state.heads.values().filter(|head| head.parked);
    Recovered {
        identity: *identity,
        lost: *lost,
        plane: plane.clone(),
        runs,
        parked: parked.map(|head| head.run.id()).collect(),
        damaged: damaged_runs(
            state.heads.iter().map(|(number, head)| (*number, head.run)),
            damaged,
        ),
        crashed,
        outbox_items: outbox.backlog().rows,
        ended_runs: state.heads.len().saturating_sub(queue.open_runs),
    }
}

pub(crate) fn damaged_runs(
    runs: impl Iterator<Item = (u64, RunKey)>,
    damaged: &BTreeMap<u64, crate::error::Damage>,
) -> Vec<DamagedRun> {
    runs.filter_map(|(number, run)| {
        let damage = damaged.get(&number)?.clone();
        Some(DamagedRun {
            run: run.id(),
            damage,
        })
    })
    .collect()
}
