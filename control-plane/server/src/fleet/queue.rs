//! The jobs of one host that it has not confirmed: ready, delivered and waiting for a word, held back, or to be signed
//! anew.
//!
//! Delivered jobs come again when the answer that carried them was lost (the host says which answer it saw last), or
//! when nothing was heard of them for [`REDELIVER_AFTER_MS`]. A refused job is held back for a while. A job leaves only
//! when it is settled: one that has expired waits here for [`crate::reissue`]. At most [`MAX_IN_MEMORY`] are kept here;
//! the rest stays in the store, whose truth this is a picture of, and is read when there is room.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use flowforge_protocol::job::{CLOCK_TOLERANCE_MS, JOB_LIFE_MS};
use flowforge_protocol::sync::Lanes;
use flowforge_protocol::{JobId, RunId};
use flowforge_store::{JobKind, NewJob, OpenJob};

use super::words::ServerTag;

/// A delivered job of which nothing was heard for so long is delivered again.
pub(crate) const REDELIVER_AFTER_MS: u64 = 3_000;
/// Jobs kept in memory for one host.
pub(crate) const MAX_IN_MEMORY: usize = 4_096;
/// A job that expires within this time is written anew instead of being delivered.
pub(crate) const EXPIRY_MARGIN_MS: u64 = 60_000;
/// The first wait of a job that was refused, and of one that was written anew in vain several times; each one after it is
/// twice as long.
const HOLD_MS: u64 = 2_000;
/// Longest wait of a job that is held back.
const HOLD_MAX_MS: u64 = 300_000;
/// So often a job is written anew at once: more often than that, a clock must be wrong.
const ISSUES_AT_ONCE: u32 = 2;

/// How long a job waits before it is tried again, when it was tried in vain so often.
fn hold_ms(tries: u32) -> u64 {
    HOLD_MS
        .saturating_mul(1_u64.checked_shl(tries).unwrap_or(u64::MAX))
        .min(HOLD_MAX_MS)
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueuedJob {
    pub(crate) id: JobId,
    pub(crate) sequence: u64,
    pub(crate) run: RunId,
    pub(crate) kind: JobKind,
    pub(crate) document: Arc<str>,
    pub(crate) expires_at_ms: u64,
    pub(crate) issue: u32,
}

impl From<NewJob> for QueuedJob {
    fn from(job: NewJob) -> Self {
        Self {
            id: job.id,
            sequence: job.sequence,
            run: job.run,
            kind: job.kind,
            document: job.document.into(),
            expires_at_ms: job.expires_at_ms,
            issue: job.issue,
        }
    }
}

impl From<OpenJob> for QueuedJob {
    fn from(job: OpenJob) -> Self {
        Self {
            id: job.id,
            sequence: job.sequence,
            run: job.run,
            kind: job.kind,
            document: job.document.into(),
            expires_at_ms: job.expires_at_ms,
            issue: job.issue,
        }
    }
}

#[derive(Debug)]
struct Delivered {
    job: QueuedJob,
    delivery: u64,
    at_ms: u64,
}

#[derive(Debug)]
struct Held {
    job: QueuedJob,
    until_ms: u64,
}

/// The two times that a look at the queue needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// Of day: what jobs expire by.
    pub(crate) wall_ms: u64,
    /// Of the clock that nobody can set: what waits by.
    pub(crate) monotonic_ms: u64,
}

/// What one call takes away.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Orders that bring a run, by ascending sequence.
    pub(crate) starts: Vec<Arc<str>>,
    /// Orders for runs that are at the host, by ascending sequence.
    pub(crate) changes: Vec<Arc<str>>,
    /// Number of this delivery; 0 without jobs.
    pub(crate) delivery: u64,
}

impl Taken {
    /// True if there is nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.starts.is_empty() && self.changes.is_empty()
    }
}

/// The queue of one host.
#[derive(Debug, Default)]
pub(crate) struct JobQueue {
    ready: BTreeMap<u64, QueuedJob>,
    delivered: BTreeMap<u64, Delivered>,
    held: BTreeMap<u64, Held>,
    /// To be written anew.
    expired: BTreeMap<u64, QueuedJob>,
    places: HashMap<JobId, u64>,
    /// How often the host refused a job that is kept.
    refusals: HashMap<JobId, u32>,
    deliveries: u64,
    /// True if the store may hold jobs that are not here.
    spilled: bool,
    /// True if the store may hold no more what is here.
    stale: bool,
}

/// A look into the store for the jobs of a host.
#[derive(Debug)]
pub(crate) struct Refill {
    /// Most jobs to be read.
    pub(crate) limit: usize,
    /// What was here before and may be over; nothing if the queue is no old picture.
    old: Vec<QueuedJob>,
    renews: bool,
}

/// Bits of a delivery's number that count; those above say which process has delivered. Together they stay below 2^53.
const DELIVERY_BITS: u32 = 32;

impl JobQueue {
    /// A queue whose jobs must be read from the store first. `tag` tells the deliveries of this process from those of
    /// others.
    pub(crate) fn unread(tag: ServerTag) -> Self {
        Self {
            spilled: true,
            deliveries: u64::from(tag.0) << DELIVERY_BITS,
            ..Self::default()
        }
    }

    /// Another server may have changed what waits for the host: the store is read before anything goes out.
    pub(crate) fn renew(&mut self) {
        self.stale = true;
    }

    /// The host says which delivery it got last. If that was one of another server, this queue is an old picture.
    pub(crate) fn hears_of(&mut self, seen: Option<u64>) {
        let of_others = |seen: u64| seen != 0 && seen >> DELIVERY_BITS != self.deliveries >> DELIVERY_BITS;
        if seen.is_some_and(of_others) {
            self.renew();
        }
    }

    /// The store may hold jobs that are not here: a caller that stored one went away before it could say so.
    pub(crate) fn reread(&mut self) {
        self.spilled = true;
    }

    pub(crate) fn push(&mut self, job: QueuedJob) {
        self.place(job, Self::make_ready);
    }

    /// A job that was written anew. After a few times it waits: the host, or this process, has a wrong clock.
    pub(crate) fn push_again(&mut self, job: QueuedJob, monotonic_ms: u64) {
        let tries = job.issue.checked_sub(ISSUES_AT_ONCE + 1);
        self.place(job, |queue, job| match tries {
            None => queue.make_ready(job),
            Some(tries) => queue.hold_back(job, monotonic_ms.saturating_add(hold_ms(tries))),
        });
    }

    fn place(&mut self, job: QueuedJob, put: impl FnOnce(&mut Self, QueuedJob)) {
        if self.places.contains_key(&job.id) {
            return;
        }
        // What ends a run or lets it go on always finds a place beside those that wait to begin.
        let places = if job.kind.brings_a_run() {
            MAX_IN_MEMORY
        } else {
            2 * MAX_IN_MEMORY
        };
        if self.spilled || self.places.len() >= places {
            self.spilled = true;
            return;
        }
        self.places.insert(job.id.clone(), job.sequence);
        put(self, job);
    }

    fn make_ready(&mut self, job: QueuedJob) {
        self.ready.insert(job.sequence, job);
    }

    fn hold_back(&mut self, job: QueuedJob, until_ms: u64) {
        self.held.insert(job.sequence, Held { job, until_ms });
    }

    /// True if the store should be read: this is an old picture, or nothing is ready here and more is there.
    pub(crate) fn wants_refill(&self) -> bool {
        self.stale || self.spilled && self.ready.is_empty()
    }

    /// The store is about to be read. What is pushed from now on stays here, so that no job falls between the reading and
    /// its result; of an old picture nothing goes out any more.
    pub(crate) fn begin_refill(&mut self) -> Refill {
        self.spilled = false;
        let renews = std::mem::take(&mut self.stale);
        let mut old = Vec::new();
        if renews {
            for job in std::mem::take(&mut self.ready).into_values() {
                self.places.remove(&job.id);
            }
            let delivered = self.delivered.values().map(|delivered| &delivered.job);
            let held = self.held.values().map(|held| &held.job);
            old.extend(delivered.chain(held).chain(self.expired.values()).cloned());
        }
        Refill {
            // The jobs that are known here are read again, and there must be room for others.
            limit: self.places.len() + MAX_IN_MEMORY,
            old,
            renews,
        }
    }

    /// Jobs read from the store: first those for runs that the host has, then those that bring one.
    pub(crate) fn refill(&mut self, refill: &Refill, jobs: Vec<QueuedJob>) {
        let complete = jobs.len() < refill.limit;
        let has_all_changes = complete || jobs.iter().any(|job| job.kind.brings_a_run());
        let found: HashSet<&JobId> = jobs.iter().map(|job| &job.id).collect();
        for old in &refill.old {
            let would_be_there = complete || has_all_changes && !old.kind.brings_a_run();
            if would_be_there && !found.contains(&old.id) {
                self.remove(&old.id);
            }
        }
        drop(found);
        for job in jobs {
            self.push(job);
        }
        self.spilled |= !complete;
    }

    /// The store could not be read.
    pub(crate) fn refill_failed(&mut self, refill: &Refill) {
        self.spilled = true;
        self.stale |= refill.renews;
    }

    /// These are over.
    pub(crate) fn settle<'a>(&mut self, jobs: impl IntoIterator<Item = &'a JobId>) {
        for job in jobs {
            self.remove(job);
            self.refusals.remove(job);
        }
    }

    fn remove(&mut self, job: &JobId) -> Option<QueuedJob> {
        let sequence = self.places.remove(job)?;
        let ready = self.ready.remove(&sequence);
        let delivered = || self.delivered.remove(&sequence).map(|delivered| delivered.job);
        let found = ready.or_else(delivered);
        let found = found.or_else(|| self.held.remove(&sequence).map(|held| held.job));
        found.or_else(|| self.expired.remove(&sequence))
    }

    /// Nothing that was delivered is believed to have arrived, and a host that begins anew may take what it refused.
    pub(crate) fn redeliver_all(&mut self) {
        let delivered = std::mem::take(&mut self.delivered).into_values();
        let held = std::mem::take(&mut self.held).into_values();
        for job in delivered.map(|d| d.job).chain(held.map(|h| h.job)) {
            self.make_ready(job);
        }
        self.refusals.clear();
    }

    /// The host says that a job is not of its time: it is to be written anew. Returns it if it is known here.
    pub(crate) fn expire(&mut self, job: &JobId) -> Option<QueuedJob> {
        let job = self.remove(job)?;
        self.places.insert(job.id.clone(), job.sequence);
        self.expired.insert(job.sequence, job.clone());
        Some(job)
    }

    /// The host refused a job that is kept: it is tried again later.
    pub(crate) fn hold(&mut self, job: &JobId, monotonic_ms: u64) {
        let Some(job) = self.remove(job) else { return };
        let refusals = self.refusals.entry(job.id.clone()).or_insert(0);
        let until_ms = monotonic_ms.saturating_add(hold_ms(*refusals));
        *refusals = refusals.saturating_add(1);
        self.places.insert(job.id.clone(), job.sequence);
        self.hold_back(job, until_ms);
    }

    /// Up to `max` jobs that are to be written anew. They stay here until they are settled.
    pub(crate) fn expired(&self, max: usize) -> Vec<QueuedJob> {
        self.expired.values().take(max).cloned().collect()
    }

    /// Orders that bring a run, were delivered and are not settled.
    pub(crate) fn delivered(&self) -> impl Iterator<Item = Arc<str>> {
        let jobs = self.delivered.values().map(|delivered| &delivered.job);
        jobs.filter(|job| job.kind.brings_a_run())
            .map(|job| Arc::clone(&job.document))
    }

    /// True if there are jobs to be written anew.
    pub(crate) fn has_expired(&self) -> bool {
        !self.expired.is_empty()
    }

    /// The runs of the starts that were delivered and not confirmed: their host may have begun them.
    pub(crate) fn delivered_runs(&self) -> Vec<RunId> {
        let jobs = self.delivered.values().map(|delivered| &delivered.job);
        let starts = jobs.filter(|job| job.kind.brings_a_run());
        starts.map(|job| job.run.clone()).collect()
    }

    /// Takes jobs of each lane up to its number, of together about `max_bytes`, one in any case. `seen` is the last delivery
    /// that the host says it got.
    pub(crate) fn take(&mut self, lanes: Lanes, max_bytes: usize, seen: Option<u64>, now: Now) -> Taken {
        self.bring_back(seen, now.monotonic_ms);
        let mut taken = Taken::default();
        let mut bytes = 0;
        for is_start in [false, true] {
            let most = if is_start { lanes.starts } else { lanes.changes };
            for sequence in self.ready_of(is_start, most, now.wall_ms) {
                if bytes >= max_bytes {
                    break;
                }
                let Some(job) = self.ready.remove(&sequence) else {
                    continue;
                };
                if taken.delivery == 0 {
                    self.deliveries += 1;
                    taken.delivery = self.deliveries;
                }
                // As many as the envelope around it will hold.
                bytes += job.document.len().div_ceil(3) * 4;
                let lane = if is_start {
                    &mut taken.starts
                } else {
                    &mut taken.changes
                };
                lane.push(Arc::clone(&job.document));
                let delivered = Delivered {
                    job,
                    delivery: taken.delivery,
                    at_ms: now.monotonic_ms,
                };
                self.delivered.insert(sequence, delivered);
            }
        }
        taken
    }

    /// The places of up to `most` ready jobs of a lane. Those that are not of now are put aside to be written anew.
    fn ready_of(&mut self, is_start: bool, most: u32, wall_ms: u64) -> Vec<u64> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let (mut found, mut old) = (Vec::new(), Vec::new());
        for (sequence, job) in &self.ready {
            if found.len() >= most {
                break;
            }
            if job.kind.brings_a_run() != is_start {
                continue;
            }
            if is_of_now(job, wall_ms) {
                found.push(*sequence);
            } else {
                old.push(*sequence);
            }
        }
        for sequence in old {
            if let Some(job) = self.ready.remove(&sequence) {
                self.expired.insert(sequence, job);
            }
        }
        found
    }

    /// Makes ready what was lost on its way, and what was held back for long enough.
    fn bring_back(&mut self, seen: Option<u64>, monotonic_ms: u64) {
        let lost = |delivered: &Delivered| {
            let unseen = seen.is_some_and(|seen| delivered.delivery > seen);
            unseen || delivered.at_ms.saturating_add(REDELIVER_AFTER_MS) <= monotonic_ms
        };
        let again: Vec<QueuedJob> = self
            .delivered
            .extract_if(.., |_, delivered| lost(delivered))
            .map(|(_, delivered)| delivered.job)
            .collect();
        let due: Vec<QueuedJob> = self
            .held
            .extract_if(.., |_, held| held.until_ms <= monotonic_ms)
            .map(|(_, held)| held.job)
            .collect();
        for job in again.into_iter().chain(due) {
            self.make_ready(job);
        }
    }

    /// When the earliest delivered or held job comes again, if nothing is heard of it.
    pub(crate) fn next_turn_ms(&self) -> Option<u64> {
        let delivered = self
            .delivered
            .values()
            .map(|delivered| delivered.at_ms.saturating_add(REDELIVER_AFTER_MS));
        delivered
            .chain(self.held.values().map(|held| held.until_ms))
            .min()
    }
}

/// True if a host with a right clock takes the job: it has not expired, and it is not from a future that a wrong clock of
/// this machine saw.
fn is_of_now(job: &QueuedJob, wall_ms: u64) -> bool {
    let latest = wall_ms
        .saturating_add(JOB_LIFE_MS)
        .saturating_add(CLOCK_TOLERANCE_MS);
    job.expires_at_ms > wall_ms.saturating_add(EXPIRY_MARGIN_MS) && job.expires_at_ms <= latest
}

#[cfg(test)]
mod tests;
