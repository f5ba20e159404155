//! The writing end of one run.

use std::collections::BTreeMap;

use flowforge_protocol::chain::chain_start;
use flowforge_protocol::{Digest, RunId, StepKey};

use crate::chain_point::ChainPoint;
use crate::config::Limits;
use crate::entry::{ABOUT_BYTES_MAX, Entry, Standing, Upload};
use crate::error::{AppendError, Stopped};
use crate::fill::Purpose;
use crate::handle::Handle;
use crate::key::RunKey;
use crate::queue::{Known, Queue};
use crate::rows::{NO_TIME, RunHead, RunRow};
use crate::shared::still_open;
use crate::ticket::Ticket;
use crate::work::{Append, Request};

/// The writing end of one run: there is one at a time, and only its holder adds records, so their order is the order of
/// the calls. The chain is computed here, in the caller's thread. Dropping it adds nothing and loses nothing: the run can
/// be loaded again.
#[derive(Debug)]
pub struct RunLog {
    hold: Hold,
    run: RunId,
    epoch: u64,
    next_seq: u64,
    chain: Digest,
    bytes: u64,
    /// The values that the run holds, by their plain digests, with their sizes in bytes.
    values: BTreeMap<Digest, u64>,
    ended: bool,
}

/// The right to write to a run; given back when it is dropped.
pub(crate) struct Hold {
    shared: Handle,
    pub(crate) number: u64,
}

impl Hold {
    /// Takes it, if nobody has it.
    pub(crate) fn take(shared: &Handle, queue: &mut Queue, number: u64) -> Option<Self> {
        queue.loaded.insert(number).then(|| Self {
            shared: shared.clone(),
            number,
        })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.shared.queue().loaded.remove(&self.number);
    }
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hold({})", self.number)
    }
}

impl RunLog {
    pub(crate) fn begin(hold: Hold, run: RunId, epoch: u64) -> Self {
        let chain = chain_start(&run);
        Self {
            hold,
            run,
            epoch,
            next_seq: 0,
            chain,
            bytes: 0,
            values: BTreeMap::new(),
            ended: false,
        }
    }

    /// Goes on behind what is stored, where the run holds these values.
    pub(crate) fn resumed(hold: Hold, head: &RunHead, values: BTreeMap<Digest, u64>) -> Self {
        Self {
            hold,
            run: head.run.id(),
            epoch: head.epoch,
            next_seq: head.next_seq,
            chain: head.chain,
            bytes: head.bytes + head.value_bytes,
            values,
            ended: !head.is_open(),
        }
    }

    /// The run.
    #[must_use]
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// The fencing number that the next records carry; an entry with another one changes it.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The `seq` of the next record.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Whether the run holds this value, by its plain digest.
    #[must_use]
    pub fn holds(&self, value: &Digest) -> bool {
        self.values.contains_key(value)
    }

    /// The chain value after the last record.
    #[must_use]
    pub fn chain(&self) -> Digest {
        self.chain
    }

    /// The chain behind these lines, if they were added now: for the receipt that goes with the last record. Give the
    /// answer with the entry that holds them ([`Entry::chained`]), so that they are not walked again.
    ///
    /// # Errors
    /// [`AppendError::Lines`]: they are not the next records.
    pub fn chain_after(&self, lines: &[u8]) -> Result<ChainPoint, AppendError> {
        let size_of = |digest: &Digest| self.values.get(digest).copied().unwrap_or(0);
        Ok(ChainPoint::of(lines, self.next_seq, self.chain, size_of)?)
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
        let checked = self.check(&entry)?;
        self.check_size(&entry, &checked)?;
        self.add(entry, checked).await
    }

    /// As [`RunLog::append`], but waits while the journal has no room: a run is parked then, and not failed.
    ///
    /// # Errors
    /// By variant; nothing was added then.
    ///
    /// # Cancel safety
    /// Safe: it waits before it adds anything.
    pub async fn append_when_room(&mut self, entry: Entry) -> Result<Ticket, AppendError> {
        let checked = self.check(&entry)?;
        loop {
            match self.check_size(&entry, &checked) {
                Err(AppendError::Full(full)) => self.hold.shared.space(&full).await?,
                has_room => break has_room?,
            }
        }
        self.add(entry, checked).await
    }

    fn check(&self, entry: &Entry) -> Result<ChainPoint, AppendError> {
        if self.ended {
            return Err(AppendError::Ended(self.run.clone()));
        }
        let limits = &self.hold.shared.config.limits;
        check(entry, self.next_seq, self.chain, &self.values, limits)
    }

    async fn add(&mut self, entry: Entry, checked: ChainPoint) -> Result<Ticket, AppendError> {
        let shared = self.hold.shared.clone();
        let room = shared.room_for(entry.weight()).await?;
        let mut queue = shared.queue();
        still_open(&queue)?;
        if let Some(epoch) = queue.fence(&RunKey::of(&self.run), self.hold.number) {
            let run = self.run.clone();
            return Err(AppendError::Fenced { run, epoch });
        }
        if let Some(job) = &entry.job {
            queue.check_new(job)?;
        }
        let urgency = entry.urgency;
        let append = self.advance(&mut queue, entry, checked, None);
        Ok(shared.enqueue(&mut queue, Request::Append(Box::new(append)), room, urgency))
    }

    /// A run that ends is always let through: it frees room.
    fn check_size(&self, entry: &Entry, point: &ChainPoint) -> Result<(), AppendError> {
        if entry.ended {
            return Ok(());
        }
        let weight = u64::try_from(entry.weight()).unwrap_or(u64::MAX);
        let lasting = u64::try_from(entry.lasting_weight()).unwrap_or(u64::MAX);
        let limits = &self.hold.shared.config.limits;
        let actual_bytes = self.bytes + lasting + point.value_bytes;
        if actual_bytes > limits.run_bytes {
            return Err(AppendError::RunTooLarge {
                actual_bytes,
                limit_bytes: limits.run_bytes,
            });
        }
        self.hold.shared.check_room(weight, Purpose::Records)?;
        Ok(())
    }

    /// Moves the head over an entry and makes the request of it; what the queue decides by follows.
    pub(crate) fn advance(
        &mut self,
        queue: &mut Queue,
        mut entry: Entry,
        point: ChainPoint,
        new: Option<(RunRow, u64, bool)>,
    ) -> Append {
        let held = &mut self.values;
        let mut is_new = |digest: Digest, bytes: &[u8]| held.insert(digest, bytes_of(bytes)).is_none();
        entry.values.retain(|(digest, bytes)| is_new(*digest, bytes));
        let shared = &self.hold.shared;
        let (key, number) = (RunKey::of(&self.run), self.hold.number);
        let (first_seq, count, chain) = (self.next_seq, point.count(), point.chain());
        self.epoch = entry.epoch.map_or(self.epoch, |epoch| epoch.max(self.epoch));
        self.next_seq += u64::from(count);
        self.chain = chain;
        self.bytes += u64::try_from(entry.lasting_weight()).unwrap_or(u64::MAX) + point.value_bytes;
        self.ended = entry.ended;
        queue.raise(&key, self.epoch);
        let now_ms = (shared.config.clock)();
        let job = entry
            .job
            .take()
            .map(|job| queue.remember(job, now_ms, &shared.config.limits));
        entry
            .consumes
            .retain(|message| queue.inbox.remove(&key, *message));
        let mut dropped_messages = Vec::new();
        if entry.ended {
            let epoch = self.epoch;
            dropped_messages = queue.close_run(key, Some(number), Known::Ended { number, epoch });
        } else if let Some(standing) = &entry.standing {
            queue.set_due(&key, due_of(standing));
        } else if count > 0 {
            queue.set_due(&key, NO_TIME);
        }
        Append {
            number,
            epoch: self.epoch,
            first_seq,
            count,
            chain,
            entry,
            pieces: point.pieces,
            value_bytes: point.value_bytes,
            job,
            dropped_messages,
            new,
        }
    }

    /// An attempt of a step begins: should the host die before it ends, that is counted. Rides along with the next
    /// commit and causes none; before the guest can have run long, ask for one ([`Journal::flush`]).
    pub fn attempt_begins(&self, step: &StepKey, attempt: u32) {
        let mut queue = self.hold.shared.queue();
        if queue.fence(&RunKey::of(&self.run), self.hold.number).is_none() {
            queue.flights.begin(self.hold.number, step, attempt);
        }
    }

    /// The attempt of a step came to an end of its own, good or bad: nothing is counted against the step any more.
    pub fn attempt_ended(&self, step: &StepKey) {
        self.hold.shared.queue().flights.end(self.hold.number, step);
    }

    /// The attempt of a step was stopped in an orderly way: that is not counted, what was counted before stays.
    pub fn attempt_stopped(&self, step: &StepKey) {
        self.hold.shared.queue().flights.stop(self.hold.number, step);
    }

    /// Drops the run with everything that belongs to it, sent or not: the control plane gave it to another host. It is
    /// remembered that it was here, under this fencing number; see [`crate::Journal::forget`].
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn forget(self) -> Result<Ticket, Stopped> {
        let shared = &self.hold.shared;
        match shared.forget(&self.run, self.epoch).await? {
            Some(ticket) => Ok(ticket),
            // Somebody said so before.
            None => Ok(shared.hurry(&mut shared.queue())),
        }
    }
}

/// When a run that stands like this is to be looked at again.
pub(crate) fn due_of(standing: &Standing) -> u64 {
    match standing {
        Standing::Waiting { due_ms, .. } => due_ms.unwrap_or(NO_TIME),
        Standing::Running | Standing::Resting { .. } => NO_TIME,
    }
}

/// Whether words for people are short enough.
pub(crate) fn check_standing(standing: &Standing) -> Result<(), AppendError> {
    let bytes = match standing {
        Standing::Running => 0,
        Standing::Waiting { about, .. } => about.len(),
        Standing::Resting { code, reason } => code.len() + reason.len(),
    };
    if bytes > ABOUT_BYTES_MAX {
        return Err(AppendError::Contradiction("the words about the run are too long"));
    }
    Ok(())
}

/// Whether the entry is one that can be stored behind so many records with this chain value.
pub(crate) fn check(
    entry: &Entry,
    next_seq: u64,
    chain: Digest,
    held: &BTreeMap<Digest, u64>,
    limits: &Limits,
) -> Result<ChainPoint, AppendError> {
    let known = entry
        .chained
        .clone()
        // What was walked before the values were given is cut without their sizes.
        .filter(|point| point.stored.is_empty())
        .filter(|point| (point.first_seq, point.before, point.bytes) == (next_seq, chain, entry.lines.len()));
    let mut point = match known {
        Some(point) => point,
        None => {
            let size_of = |digest: &Digest| size_of(entry, held, digest).unwrap_or(0);
            ChainPoint::of(&entry.lines, next_seq, chain, size_of)?
        }
    };
    let values = entry.values.iter().map(|(_, bytes)| bytes.len());
    let actual_bytes = u64::try_from(values.fold(point.largest, usize::max)).unwrap_or(u64::MAX);
    if actual_bytes > limits.record_bytes {
        return Err(AppendError::RecordTooLarge {
            actual_bytes,
            limit_bytes: limits.record_bytes,
        });
    }
    // Records and the values that they hold become durable together.
    point.value_bytes = value_bytes(entry, &point, held).ok_or(AppendError::Contradiction(
        "a value that a record holds comes with it, or came before",
    ))?;
    check_parts(entry, &point, limits.snapshot_bytes)?;
    Ok(point)
}

/// Bytes of the values that the records of an entry hold, each as often as they hold it; `None` if one is not here.
fn value_bytes(entry: &Entry, point: &ChainPoint, held: &BTreeMap<Digest, u64>) -> Option<u64> {
    let size = |digest| size_of(entry, held, digest);
    point.stored.iter().map(size).sum()
}

/// Bytes of a value that a run holds, or that comes with the entry.
fn size_of(entry: &Entry, held: &BTreeMap<Digest, u64>, wanted: &Digest) -> Option<u64> {
    let given = || {
        let found = entry.values.iter().find(|(digest, _)| digest == wanted);
        found.map(|(_, bytes)| bytes_of(bytes))
    };
    held.get(wanted).copied().or_else(given)
}

fn bytes_of(value: &[u8]) -> u64 {
    u64::try_from(value.len()).unwrap_or(u64::MAX)
}

fn check_parts(entry: &Entry, point: &ChainPoint, snapshot_bytes: usize) -> Result<(), AppendError> {
    let count = point.count();
    if count == 0 && (!entry.uploads.is_empty() || entry.ended) {
        return Err(AppendError::Contradiction(
            "what is sent, and the end, come with the record that says so",
        ));
    }
    let receipts = entry
        .uploads
        .iter()
        .filter(|upload| matches!(upload, Upload::Receipt { .. }))
        .count();
    if receipts > usize::from(entry.ended) {
        return Err(AppendError::Contradiction(
            "a receipt comes with the last record, and once",
        ));
    }
    if let Some(snapshot) = &entry.snapshot {
        if snapshot.seq != point.first_seq + u64::from(count) || snapshot.seq == 0 {
            return Err(AppendError::Contradiction(
                "a snapshot stands for the records up to the end of its entry",
            ));
        }
        if snapshot.bytes.len() > snapshot_bytes {
            return Err(AppendError::Contradiction("the snapshot is too large"));
        }
    }
    entry.standing.as_ref().map_or(Ok(()), check_standing)
}
