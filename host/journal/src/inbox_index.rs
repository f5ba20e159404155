//! Which messages wait for which run, without their bytes.
//!
//! Decides what is taken and in which order, before anything is stored. A message of a run that is not here is kept too,
//! because an order may overtake the one that it refers to; there it is bounded by number, bytes and time. Pure: no
//! storage, no clock.

use std::collections::BTreeMap;

use crate::config::InboxLimits;
use crate::error::{DeliverError, InboxOwner};
use crate::key::RunKey;

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Its number; messages of all runs are counted together.
    pub(crate) message: u64,
    pub(crate) bytes: u32,
    pub(crate) keep_until_ms: u64,
    /// The request that stores it; 0 if the file holds it.
    pub(crate) position: u64,
}

/// Every message that waits.
#[derive(Debug, Default)]
pub(crate) struct InboxIndex {
    runs: BTreeMap<RunKey, Vec<Slot>>,
    next: u64,
    bytes: u64,
}

impl InboxIndex {
    /// A message that the file holds.
    pub(crate) fn restore(&mut self, run: RunKey, slot: Slot) {
        self.next = self.next.max(slot.message + 1);
        self.bytes += u64::from(slot.bytes);
        self.runs.entry(run).or_default().push(slot);
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The messages of a run, in their order.
    pub(crate) fn of(&self, run: &RunKey) -> &[Slot] {
        self.runs.get(run).map_or(&[], Vec::as_slice)
    }

    /// Runs that have messages.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &RunKey> {
        self.runs.keys()
    }

    /// Whether one more message may come. `is_here` says of a run whether it is open here.
    pub(crate) fn check(
        &self,
        run: &RunKey,
        bytes: usize,
        limits: &InboxLimits,
        is_here: impl Fn(&RunKey) -> bool,
    ) -> Result<(), DeliverError> {
        if bytes > limits.message_bytes {
            return Err(DeliverError::TooLarge {
                actual_bytes: bytes,
                limit_bytes: limits.message_bytes,
            });
        }
        let full = |messages: usize, bytes: u64, whose| {
            Err(DeliverError::Full {
                messages,
                bytes,
                whose,
            })
        };
        let new = u64::try_from(bytes).unwrap_or(u64::MAX);
        let own = self.of(run);
        if own.len() >= limits.run_messages {
            return full(own.len(), sum(own), InboxOwner::Run);
        }
        if self.bytes.saturating_add(new) > limits.bytes {
            let messages = self.runs.values().map(Vec::len).sum();
            return full(messages, self.bytes, InboxOwner::All);
        }
        if is_here(run) {
            return Ok(());
        }
        let unknown = self.runs.iter().filter(|(run, _)| !is_here(run));
        let (messages, held) = unknown.fold((0, 0), |(messages, bytes), (_, slots)| {
            (messages + slots.len(), bytes + sum(slots))
        });
        if messages >= limits.unknown_messages || held.saturating_add(new) > limits.unknown_bytes {
            return full(messages, held, InboxOwner::Unknown);
        }
        Ok(())
    }

    /// Takes a message; answers its number.
    pub(crate) fn add(&mut self, run: RunKey, bytes: usize, keep_until_ms: u64, position: u64) -> u64 {
        let message = self.next;
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.restore(
            run,
            Slot {
                message,
                bytes,
                keep_until_ms,
                position,
            },
        );
        message
    }

    /// Takes a message out; answers whether it was there.
    pub(crate) fn remove(&mut self, run: &RunKey, message: u64) -> bool {
        let Some(slots) = self.runs.get_mut(run) else {
            return false;
        };
        let Some(index) = slots.iter().position(|slot| slot.message == message) else {
            return false;
        };
        let slot = slots.remove(index);
        self.bytes = self.bytes.saturating_sub(u64::from(slot.bytes));
        if slots.is_empty() {
            self.runs.remove(run);
        }
        true
    }

    /// Takes all messages of a run out; answers their numbers.
    pub(crate) fn remove_run(&mut self, run: &RunKey) -> Vec<u64> {
        let slots = self.runs.remove(run).unwrap_or_default();
        self.bytes = self.bytes.saturating_sub(sum(&slots));
        slots.into_iter().map(|slot| slot.message).collect()
    }

    /// Takes out what was kept long enough for a run that is not here.
    pub(crate) fn expire(
        &mut self,
        now_ms: u64,
        is_here: impl Fn(&RunKey) -> bool,
    ) -> Vec<(RunKey, Vec<u64>)> {
        let old: Vec<(RunKey, Vec<u64>)> = self
            .runs
            .iter()
            .filter(|(run, _)| !is_here(run))
            .map(|(run, slots)| {
                let old = slots.iter().filter(|slot| slot.keep_until_ms <= now_ms);
                (*run, old.map(|slot| slot.message).collect::<Vec<_>>())
            })
            .filter(|(_, messages)| !messages.is_empty())
            .collect();
        for (run, messages) in &old {
            for message in messages {
                self.remove(run, *message);
            }
        }
        old
    }
}

fn sum(slots: &[Slot]) -> u64 {
    slots.iter().map(|slot| u64::from(slot.bytes)).sum()
}

#[cfg(test)]
mod tests {
    use flowforge_protocol::RunId;

    use super::*;

    fn run(n: u8) -> RunKey {
        RunKey::of(&RunId::from_entropy([n; 16]))
    }

    #[test]
    fn it_is_bounded_for_each_run_for_unknown_ones_and_in_all() {
        let limits = InboxLimits {
            message_bytes: 10,
            run_messages: 3,
            bytes: 60,
            unknown_messages: 2,
            unknown_bytes: 15,
            ..InboxLimits::default()
        };
        let here = |key: &RunKey| *key == run(1) || *key == run(4);
        let mut inbox = InboxIndex::default();
        let take = |inbox: &mut InboxIndex, of: u8, bytes: usize| {
            inbox.check(&run(of), bytes, &limits, here)?;
            Ok(inbox.add(run(of), bytes, 5, 0))
        };
        assert!(matches!(
            take(&mut inbox, 1, 11),
            Err(DeliverError::TooLarge { .. })
        ));
        for n in 0..3 {
            assert_eq!(take(&mut inbox, 1, 10), Ok(n));
        }
        let full = |whose| Err::<u64, _>(whose);
        let whose = |result: Result<u64, DeliverError>| match result {
            Err(DeliverError::Full { whose, .. }) => full(whose),
            other => panic!("{other:?}"),
        };
        assert_eq!(whose(take(&mut inbox, 1, 1)), full(InboxOwner::Run));
        assert_eq!(take(&mut inbox, 2, 10), Ok(3));
        assert_eq!(whose(take(&mut inbox, 3, 6)), full(InboxOwner::Unknown));
        assert_eq!(take(&mut inbox, 3, 5), Ok(4));
        assert_eq!(whose(take(&mut inbox, 2, 0)), full(InboxOwner::Unknown));
        assert_eq!(take(&mut inbox, 4, 10), Ok(5));
        assert_eq!(whose(take(&mut inbox, 4, 10)), full(InboxOwner::All));
        assert!(inbox.remove(&run(1), 1) && !inbox.remove(&run(1), 1));
        let order: Vec<_> = inbox.of(&run(1)).iter().map(|slot| slot.message).collect();
        assert_eq!(order, [0, 2]);
        assert_eq!(inbox.expire(4, here), []);
        assert_eq!(inbox.expire(5, here), [(run(2), vec![3]), (run(3), vec![4])]);
        assert_eq!(inbox.remove_run(&run(1)), [0, 2]);
        assert_eq!((inbox.bytes(), inbox.runs().count()), (10, 1));
    }
}
