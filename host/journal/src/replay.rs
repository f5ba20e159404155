//! Which orders were taken before.
//!
//! Owns two memories. The *window* of a scheduler key says of the newest 16,384 sequences which were seen; an older one is
//! refused, so it alone makes a replay impossible. The *table* of job ids makes a redelivery harmless: the same order
//! again is answered as accepted, the same id with other content is an attack. A stored window is as of the last time
//! that orders left the table; what the table holds was seen besides, so a commit writes the order alone. Pure: no storage,
//! no clock.

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
    /// The stored one is another.
    changed: bool,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            high: 0,
            seen: [0; WORDS],
            changed: false,
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

    /// Marks a sequence that is not older than the window; of an older one the window says nothing.
    fn mark(&mut self, sequence: u64) {
        if self.high.saturating_sub(sequence) >= REPLAY_WINDOW {
            return;
        }
        self.changed = true;
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
            changed: false,
        };
        for word in &mut window.seen {
            *word = reader.u64()?;
        }
        reader.end()?;
        Ok(window)
    }
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
    known: BTreeMap<JobId, Digest>,
    order: VecDeque<Remembered>,
    next_number: u64,
}

impl ReplayMemory {
    /// Whether the order is new, the same as before, or not to be taken.
    pub(crate) fn check(&self, job: &JobEntry) -> Result<Seen, JobRefused> {
        if let Some(known) = self.known.get(&job.job_id) {
            return if *known == job.digest {
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
        self.restore_job(number, job);
        number
    }

    pub(crate) fn restore_window(&mut self, scheduler_key: String, window: Window) {
        self.windows.insert(scheduler_key, window);
    }

    pub(crate) fn restore_job(&mut self, number: u64, job: &JobEntry) {
        self.windows
            .entry(job.scheduler_key.clone())
            .or_default()
            .mark(job.sequence);
        self.known.insert(job.job_id.clone(), job.digest);
        self.order.push_back(Remembered {
            number,
            job_id: job.job_id.clone(),
            expires_at_ms: job.expires_at_ms,
        });
        self.next_number = self.next_number.max(number + 1);
    }

    /// The number that the next order will have.
    pub(crate) fn next_number(&self) -> u64 {
        self.next_number
    }

    /// Orders from this number on and before `end`, oldest first.
    pub(crate) fn since(&self, number: u64, end: u64, most: usize) -> Vec<(u64, JobId)> {
        let first = self.order.partition_point(|entry| entry.number < number);
        self.order
            .iter()
            .skip(first)
            .take_while(|entry| entry.number < end)
            .take(most)
            .map(|entry| (entry.number, entry.job_id.clone()))
            .collect()
    }

    /// Forgets, oldest first, what has expired and what is above `limit`. Waits until `batch` can go at once, so that
    /// few commits carry the work.
    pub(crate) fn forget(&mut self, now_ms: u64, limit: usize, batch: usize) -> Option<Forgotten> {
        let excess = self.order.len().saturating_sub(limit);
        let expired = self
            .order
            .iter()
            .take_while(|entry| entry.expires_at_ms <= now_ms)
            .take(batch)
            .count();
        let count = excess.max(expired).min(self.order.len());
        if count < batch {
            return None;
        }
        let mut through = 0;
        for entry in self.order.drain(..count) {
            self.known.remove(&entry.job_id);
            through = entry.number;
        }
        let changed = self.windows.iter_mut().filter(|(_, window)| window.changed);
        let windows = changed
            .map(|(key, window)| {
                window.changed = false;
                (key.clone(), window.encode())
            })
            .collect();
        Some(Forgotten { through, windows })
    }
}

/// What leaves the table of orders, and the windows that remember their sequences from then on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Forgotten {
    /// Every order up to and including this number.
    pub(crate) through: u64,
    /// Scheduler keys and their windows, encoded.
    pub(crate) windows: Vec<(String, Vec<u8>)>,
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
        assert_eq!(memory.forget(99, 10, 1), None);
        let gone = memory.forget(100, 10, 1).unwrap();
        assert_eq!(gone.through, 0, "expired ones go a batch at a time");
        assert_eq!(gone.windows.len(), 1, "the window goes along, once");
        let gone = memory.forget(0, 4, 1).unwrap();
        assert_eq!((gone.through, gone.windows.len()), (5, 0), "the table is bounded");
        let left: Vec<_> = memory
            .since(7, 9, 9)
            .into_iter()
            .map(|(number, _)| number)
            .collect();
        assert_eq!((left, memory.next_number()), (vec![7, 8], 10));
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

    /// What a file holds: the window as of the last forgetting, and the orders that are still in the table.
    #[test]
    fn a_memory_comes_back_from_its_last_window_and_the_table() {
        let mut memory = ReplayMemory::default();
        let mut restored = ReplayMemory::default();
        for n in 0..40_u8 {
            memory.take(&job(n, n, u64::from(n) * 700 + 1));
            if n == 30 {
                let gone = memory.forget(0, 10, 1).unwrap();
                assert_eq!(gone.through, 20);
                let sealed = crate::codec::seal("t", b"k", &gone.windows[0].1);
                let mut reader = BodyReader::open("t", b"k", &sealed).unwrap();
                restored.restore_window("k".to_owned(), Window::decode(&mut reader).unwrap());
            }
        }
        for n in 21..40_u8 {
            restored.restore_job(u64::from(n), &job(n, n, u64::from(n) * 700 + 1));
        }
        for sequence in 0..28_800 {
            let mut other = job(200, 0, sequence);
            other.sequence = sequence;
            assert_eq!(restored.check(&other), memory.check(&other), "{sequence}");
        }
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
