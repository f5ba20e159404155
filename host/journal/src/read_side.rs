//! Reading by handle, off the async threads: one run to go on with, what runs are doing, which are due.

use std::collections::{BTreeSet, HashMap};

use flowforge_protocol::batch::RecordBatch;
use flowforge_protocol::{Digest, RunId};

use crate::entry::{Standing, Urgency};
use crate::error::{AppendError, Damage, LoadError, ReadError, Stopped};
use crate::journal::{Journal, damaged_runs};
use crate::key::RunKey;
use crate::queue::Known;
use crate::reader::Reader;
use crate::recovered::{DamagedRun, OpenRun};
use crate::run_log::{Hold, RunLog, check_standing, due_of};
use crate::shared::still_open;
use crate::ticket::Ticket;
use crate::uploads::Park;
use crate::work::Request;

impl Journal {
    /// Reads an unfinished run, to go on with it: its newest snapshot, if that was made by these rules (`semantics`), and
    /// the records behind it. What was added to it before is durable then.
    ///
    /// # Errors
    /// [`LoadError`], by variant. Damage concerns this run alone.
    pub async fn load(&self, run: &RunId, semantics: u32) -> Result<OpenRun, LoadError> {
        let key = RunKey::of(run);
        let (hold, ticket) = {
            let mut queue = self.shared.queue();
            still_open(&queue)?;
            let number = match queue.runs.get(&key) {
                Some(Known::Open { number, .. }) => *number,
                Some(Known::Ended { .. }) => return Err(LoadError::Ended(run.clone())),
                Some(Known::Gone { .. }) | None => return Err(LoadError::Unknown(run.clone())),
            };
            if let Some(damage) = self.shared.damaged().get(&number) {
                return Err(ReadError::from(damage.clone()).into());
            }
            let Some(hold) = Hold::take(&self.shared, &mut queue, number) else {
                return Err(LoadError::InUse(run.clone()));
            };
            let position = queue.position();
            (hold, self.shared.ticket_of(&mut queue, position))
        };
        if let Some(mut ticket) = ticket {
            ticket.durable().await?;
        }
        let number = hold.number;
        let stored = match self.read(move |reader| reader.run(number, semantics)).await {
            Ok(stored) => stored,
            Err(ReadError::Damaged(damage)) => {
                self.set_damaged(number, key, damage.clone()).await?;
                return Err(ReadError::from(damage).into());
            }
            Err(error) => return Err(error.into()),
        };
        let (crashed, messages) = {
            let queue = self.shared.queue();
            (queue.flights.crashed(number, run), queue.inbox.of(&key).len())
        };
        Ok(OpenRun {
            log: RunLog::resumed(hold, &stored.head, stored.values.held),
            envelope: stored.row.envelope,
            accepted_at_ms: stored.row.accepted_at_ms,
            snapshot: stored.snapshot,
            first_seq: stored.first_seq,
            lines: stored.lines,
            values: stored.values.bytes,
            crashed,
            messages,
        })
    }

    /// Says what a run is doing, without a record: why it rests, for instance. Lazy. Nothing happens if it is not open.
    ///
    /// # Errors
    /// [`AppendError::Contradiction`] if the words are too long, [`AppendError::Stopped`].
    pub async fn set_standing(&self, run: &RunId, standing: Standing) -> Result<Option<Ticket>, AppendError> {
        check_standing(&standing)?;
        let key = RunKey::of(run);
        let room = self.shared.room_for(0).await?;
        let mut queue = self.shared.queue();
        still_open(&queue)?;
        let Some(Known::Open { number, .. }) = queue.runs.get(&key).copied() else {
            return Ok(None);
        };
        if self.shared.damaged().contains_key(&number) {
            return Ok(None);
        }
        queue.set_due(&key, due_of(&standing));
        let request = Request::Stand { number, standing };
        Ok(Some(self.shared.enqueue(
            &mut queue,
            request,
            room,
            Urgency::Lazy,
        )))
    }

    /// The waiting runs whose time has come and of which nobody holds the log, the earliest first.
    #[must_use]
    pub fn due_before(&self, now_ms: u64) -> Vec<RunId> {
        let due = self.shared.queue().due_before(now_ms);
        due.into_iter().map(RunKey::id).collect()
    }

    /// When the next waiting run of which nobody holds the log is due, milliseconds since 1970 UTC.
    #[must_use]
    pub fn next_due_ms(&self) -> Option<u64> {
        self.shared.queue().next_due_ms()
    }

    /// What a run is doing, and why its uploads are parked, if they are: for people. `None` if it is not here.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn standing(&self, run: &RunId) -> Result<Option<(Standing, Option<Park>)>, ReadError> {
        let Some(number) = self.number(run) else {
            return Ok(None);
        };
        let found = self.read(move |reader| reader.standing(number)).await?;
        Ok(found.map(|(standing, park)| {
            let park = park.map(|note| Park {
                code: note.code,
                reason: String::from_utf8_lossy(&note.text).into_owned(),
            });
            (standing, park)
        }))
    }

    /// Runs of which something is not what was written. Each stays, with all that is left of it, until it is forgotten.
    #[must_use]
    pub fn damaged(&self) -> Vec<DamagedRun> {
        let queue = self.shared.queue();
        let damaged = self.shared.damaged();
        if damaged.is_empty() {
            return Vec::new();
        }
        let numbers = queue
            .runs
            .iter()
            .filter_map(|(run, known)| Some((known.number()?, *run)));
        damaged_runs(numbers, &damaged)
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

    /// All values that the records of a run hold by their plain digest; none if the run is not here.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn values(&self, run: &RunId) -> Result<HashMap<Digest, Vec<u8>>, ReadError> {
        match self.number(run) {
            Some(number) => self.read(move |reader| reader.values(number)).await,
            None => Ok(HashMap::new()),
        }
    }

    /// The bytes of a value that a run holds. `None` if they are not what was written, which sets the run aside, or if the
    /// run went meanwhile.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn value(&self, run: &RunId, digest: Digest) -> Result<Option<Vec<u8>>, ReadError> {
        match self.read(move |reader| reader.value(&digest)).await {
            Err(ReadError::Damaged(damage)) => {
                if let Some(number) = self.number(run) {
                    self.set_damaged(number, RunKey::of(run), damage).await?;
                }
                Ok(None)
            }
            found => found,
        }
    }

    /// The artefacts that may still be wanted here: those that records of open runs name, and those that records name which
    /// the control plane does not have yet. What was added before is durable then. Reads every record; call it rarely.
    ///
    /// # Errors
    /// [`ReadError`]. A row that is not what was written is left out: its run goes on no more.
    pub async fn artefacts(&self) -> Result<BTreeSet<Digest>, ReadError> {
        self.flush().await?;
        self.read(|reader| reader.artefacts()).await
    }

    /// The artefacts that all records of a run name. What was added before is durable then. Reads all of them.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn artefacts_of(&self, run: &RunId) -> Result<BTreeSet<Digest>, ReadError> {
        self.flush().await?;
        let Some(number) = self.number(run) else {
            return Ok(BTreeSet::new());
        };
        self.read(move |reader| reader.artefacts_of(number)).await
    }

    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(Reader) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let shared = self.shared.clone();
        // The reader is taken over there: while the file is compacted it has to be waited for.
        let reading = tokio::task::spawn_blocking(move || read(shared.reader()?));
        match reading.await {
            Ok(answer) => answer,
            Err(error) if error.is_panic() => Err(Damage::pages().into()),
            Err(_) => Err(Stopped::because("the async runtime is shutting down").into()),
        }
    }
}
