//! What is old goes: finished runs, remembered orders.

use super::Failure;
use super::apply::Apply;
use crate::config::Retention;
use crate::replay::FORGET_BATCH;
use crate::tables;

/// Runs go in groups of at least so many, so that few commits carry the work,
const GROUP: usize = 64;
/// and of at most so many, so that no commit carries much of it.
const GROUP_MAX: usize = 512;

impl Apply<'_, '_> {
    /// Drops finished runs above the number or the age that retention allows.
    pub(super) fn retire(&mut self, retention: &Retention) -> Result<(), Failure> {
        let age_ms = u64::try_from(retention.age.as_millis()).unwrap_or(u64::MAX);
        let excess = self.state.finished.len().saturating_sub(retention.runs);
        let excess = if excess < GROUP { 0 } else { excess };
        let now_ms = self.now_ms;
        let old = self
            .state
            .finished
            .iter()
            .take_while(|(ended_at_ms, _)| ended_at_ms.saturating_add(age_ms) <= now_ms)
            .take(GROUP_MAX)
            .count();
        let count = excess.max(old).min(GROUP_MAX);
        let numbers: Vec<u64> = self
            .state
            .finished
            .iter()
            .take(count)
            .map(|(_, number)| *number)
            .collect();
        numbers.into_iter().try_for_each(|number| self.drop_run(number))
    }

    /// Removes a run with everything that belongs to it.
    pub(super) fn drop_run(&mut self, number: u64) -> Result<(), Failure> {
        let Some(head) = self.state.runs.get(&number) else {
            return Ok(());
        };
        let (places, timers) = (
            head.unsent.keys().copied().collect::<Vec<_>>(),
            head.timers.clone(),
        );
        for place in places {
            self.trim(place)?;
        }
        for step in &timers {
            self.disarm(number, step)?;
        }
        let key = tables::number_key(number);
        self.tables.runs.remove(&key[..])?;
        self.tables.ended.remove(&key[..])?;
        let (first, last) = (
            tables::record_key(number, 0),
            tables::record_key(number, u64::MAX),
        );
        self.tables
            .records
            .retain_in::<&[u8], _>(&first[..]..=&last[..], |_, _| false)?;
        if let Some(head) = self.state.runs.remove(&number) {
            self.state.stored_bytes = self.state.stored_bytes.saturating_sub(head.bytes);
            self.state.numbers.remove(&head.run);
            self.state
                .finished
                .remove(&(head.ended_at_ms.unwrap_or(0), number));
            self.committed.dropped.push(head.run);
        }
        Ok(())
    }

    /// Forgets the ids of expired orders and of the oldest above the limit.
    pub(super) fn forget_jobs(&mut self, limit: usize) -> Result<(), Failure> {
        let gone = self.state.replay.forget(self.now_ms, limit, FORGET_BATCH);
        let (Some(first), Some(last)) = (gone.first(), gone.last()) else {
            return Ok(());
        };
        let (first, last) = (tables::number_key(*first), tables::number_key(*last));
        self.tables
            .jobs
            .retain_in::<&[u8], _>(&first[..]..=&last[..], |_, _| false)?;
        Ok(())
    }
}
