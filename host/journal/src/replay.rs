//! Which orders were taken before.
//!
//! Owns two memories. The *window* of a scheduler key says of the newest 16,384 sequences which were seen; an older one is
//! refused, so it alone makes a replay impossible. The *table* of job ids makes a redelivery harmless: the same order
//! again is answered as accepted, the same id with other content is an attack. Pure: no storage, no clock.

use std::collections::{BTreeMap, VecDeque};

use flowforge_protocol::{Digest, JobId};

use crate::codec::{BodyReader, BodyWriter};
use crate::error::{Damage, JobRefused};

/// How many sequences of a scheduler key are remembered. So many newer orders may overtake one that was lost on its way
/// and is sent again.
pub const REPLAY_WINDOW: u64 = 16_384;
/// How many scheduler keys are remembered: the current one, its successor and a history, with room to spare.
pub const SCHEDULER_KEYS_MAX: usize = 64;
/// Job ids are forgotten in groups of this size, so that few commits carry the work.
pub(crate) const FORGET_BATCH: usize = 64;
const WORDS: usize = 256;

/// An order as the anti-replay memory knows it. Signature, audience and expiry were checked by admission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobEntry {
    /// Its id.
    pub job_id: JobId,
    /// Digest of the signed payload bytes.
    pub digest: Digest,
    /// Id of the scheduler key that signed it.
    pub scheduler_key: String,
    /// Its sequence under that key.
    pub sequence: u64,
    /// When it expires, milliseconds since 1970 UTC: so long its id is remembered, if the table is not full.
    pub expires_at_ms: u64,
}

/// What the memory says of an order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Never,
    /// The very same order was taken before.
    Before,
}

/// The seen sequences of one scheduler key: a ring, in which a sequence has the bit of its remainder by the width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) high: u64,
    seen: [u64; WORDS],
}

impl Default for Window {
    fn default() -> Self {
        Self {
            high: 0,
            seen: [0; WORDS],
        }
    }
}

impl Window {
    /// The word of a sequence, and its bit in there.
    fn place(sequence: u64) -> (usize, u64) {
        let bit = sequence % REPLAY_WINDOW;
        (usize::try_from(bit / 64).unwrap_or(0), 1 << (bit % 64))
    }

    /// Whether this sequence, not older than the window, was seen.
    fn has(&self, sequence: u64) -> bool {
        let (word, bit) = Self::place(sequence);
        sequence <= self.high && self.seen.get(word).is_some_and(|seen| seen & bit != 0)
    }

    fn mark(&mut self, sequence: u64) {
        if sequence > self.high {
            if sequence - self.high >= REPLAY_WINDOW {
                self.seen = [0; WORDS];
            } else {
                (self.high + 1..sequence).for_each(|skipped| self.set(skipped, false));
            }
            self.high = sequence;
        }
        self.set(sequence, true);
    }

    fn set(&mut self, sequence: u64, seen: bool) {
        let (word, bit) = Self::place(sequence);
        if let Some(word) = self.seen.get_mut(word) {
            *word = if seen { *word | bit } else { *word & !bit };
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = BodyWriter::with_capacity(8 * (WORDS + 1));
        body.u64(self.high);
        for word in self.seen {
            body.u64(word);
        }
        body.finish()
    }

    pub(crate) fn decode(reader: &mut BodyReader<'_>) -> Result<Self, Damage> {
        let mut window = Self {
            high: reader.u64()?,
            seen: [0; WORDS],
        };
        for word in &mut window.seen {
            *word = reader.u64()?;
        }
        reader.end()?;
        Ok(window)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    digest: Digest,
}

/// An entry of the table, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remembered {
    /// Counts the orders taken; the key of the stored row.
    pub(crate) number: u64,
    pub(crate) job_id: JobId,
    pub(crate) expires_at_ms: u64,
}

/// The memory of orders.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReplayMemory {
    windows: BTreeMap<String, Window>,
    known: BTreeMap<JobId, Known>,
    order: VecDeque<Remembered>,
    next_number: u64,
}

impl ReplayMemory {
    /// Whether the order is new, the same as before, or not to be taken.
    pub(crate) fn check(&self, job: &JobEntry) -> Result<Seen, JobRefused> {
        if let Some(known) = self.known.get(&job.job_id) {
            return if known.digest == job.digest {
                Ok(Seen::Before)
            } else {
                Err(JobRefused::Conflict(job.job_id.clone()))
            };
        }
        let Some(window) = self.windows.get(&job.scheduler_key) else {
            return if self.windows.len() < SCHEDULER_KEYS_MAX {
                Ok(Seen::Never)
            } else {
                Err(JobRefused::TooManyKeys(self.windows.len()))
            };
        };
        let (scheduler_key, sequence, high) = (job.scheduler_key.clone(), job.sequence, window.high);
        match window.high.checked_sub(job.sequence) {
            Some(offset) if offset >= REPLAY_WINDOW => Err(JobRefused::TooOld {
                scheduler_key,
                sequence,
                high,
                window: REPLAY_WINDOW,
            }),
            Some(_) if window.has(job.sequence) => Err(JobRefused::Replayed {
                scheduler_key,
                sequence,
            }),
            _ => Ok(Seen::Never),
        }
    }

    /// Remembers an order that [`ReplayMemory::check`] called new; answers its number.
    pub(crate) fn take(&mut self, job: &JobEntry) -> u64 {
        let number = self.next_number;
        self.windows
            .entry(job.scheduler_key.clone())
            .or_default()
            .mark(job.sequence);
        self.restore_job(number, job);
        number
    }

    pub(crate) fn restore_window(&mut self, scheduler_key: String, window: Window) {
        self.windows.insert(scheduler_key, window);
    }

    pub(crate) fn restore_job(&mut self, number: u64, job: &JobEntry) {
        self.known
            .insert(job.job_id.clone(), Known { digest: job.digest });
        self.order.push_back(Remembered {
            number,
            job_id: job.job_id.clone(),
            expires_at_ms: job.expires_at_ms,
        });
        self.next_number = self.next_number.max(number + 1);
    }

    pub(crate) fn window(&self, scheduler_key: &str) -> Option<&Window> {
        self.windows.get(scheduler_key)
    }

    pub(crate) fn high_waters(&self) -> Vec<(String, u64)> {
        self.windows
            .iter()
            .map(|(key, window)| (key.clone(), window.high))
            .collect()
    }

    /// Forgets, oldest first, what has expired and what is above `limit`; answers the numbers. Waits until `batch` can
    /// go at once, so that the stored rows are removed in few commits.
    pub(crate) fn forget(&mut self, now_ms: u64, limit: usize, batch: usize) -> Vec<u64> {
        let excess = self.order.len().saturating_sub(limit);
        let expired = self
            .order
            .iter()
            .take_while(|entry| entry.expires_at_ms <= now_ms)
            .take(batch)
            .count();
        if excess.max(expired) < batch {
            return Vec::new();
        }
        let gone: Vec<_> = self
            .order
            .drain(..excess.max(expired).min(self.order.len()))
            .collect();
        for entry in &gone {
            self.known.remove(&entry.job_id);
        }
        gone.into_iter().map(|entry| entry.number).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn job(id: u8, content: u8, sequence: u64) -> JobEntry {
        JobEntry {
            job_id: JobId::from_entropy([id; 16]),
            digest: Digest::of(&[content]),
            scheduler_key: "k".to_owned(),
            sequence,
            expires_at_ms: 100,
        }
    }

    #[test]
    fn the_same_order_is_known_and_another_with_its_id_or_sequence_is_refused() {
        let mut memory = ReplayMemory::default();
        assert_eq!(memory.check(&job(1, 1, 5)), Ok(Seen::Never));
        memory.take(&job(1, 1, 5));
        assert_eq!(memory.check(&job(1, 1, 5)), Ok(Seen::Before));
        assert!(matches!(
            memory.check(&job(1, 2, 6)),
            Err(JobRefused::Conflict(_))
        ));
        assert!(matches!(
            memory.check(&job(2, 1, 5)),
            Err(JobRefused::Replayed { .. })
        ));
        assert_eq!(memory.check(&job(2, 1, 4)), Ok(Seen::Never));
    }

    #[test]
    fn forgetting_a_job_id_never_lets_its_sequence_in_again() {
        let mut memory = ReplayMemory::default();
        for n in 0..10 {
            memory.take(&job(n, n, u64::from(n) + 1));
        }
        assert!(memory.forget(99, 10, 1).is_empty());
        assert_eq!(
            memory.forget(100, 10, 1).len(),
            1,
            "expired ones go a batch at a time"
        );
        assert_eq!(memory.forget(0, 4, 1).len(), 5, "the table is bounded");
        assert_eq!(memory.order.len(), 4);
        assert!(matches!(
            memory.check(&job(0, 0, 1)),
            Err(JobRefused::Replayed { .. })
        ));
        memory.take(&job(200, 0, 30_000));
        assert!(matches!(
            memory.check(&job(0, 0, 1)),
            Err(JobRefused::TooOld { high: 30_000, .. })
        ));
    }

    proptest! {
        /// The window answers as a set of all sequences would, inside its width.
        #[test]
        fn the_window_is_a_set(steps in prop::collection::vec((any::<bool>(), 0_u64..REPLAY_WINDOW + 99), 1..60)) {
            let mut window = Window::default();
            let mut set = BTreeSet::new();
            let mut high = 0_u64;
            for (forward, by) in steps {
                let sequence = if forward { high + by } else { high.saturating_sub(by) };
                if high.saturating_sub(sequence) < REPLAY_WINDOW {
                    window.mark(sequence);
                    set.insert(sequence);
                    high = high.max(sequence);
                }
                prop_assert_eq!(window.high, high);
            }
            for sequence in (high + 1).saturating_sub(REPLAY_WINDOW)..high + 99 {
                prop_assert_eq!(window.has(sequence), set.contains(&sequence), "{}", sequence);
            }
        }
    }
}
