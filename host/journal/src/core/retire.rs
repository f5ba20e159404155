//! What is old goes: finished runs, and in the end what is remembered of them.

use std::collections::BTreeMap;

use super::Failure;
use super::apply::Apply;
use crate::key;
use crate::rows::{NoteKind, RunRow};
use crate::tombstones::{Gone, Tombstones};
use crate::work::Dropped;

/// Runs above the number that stays go in groups of at least so many, so that few commits carry the work,
const GROUP: usize = 64;
/// and of at most so many, so that no commit carries much of it.
const GROUP_MAX: usize = 512;

impl Apply<'_, '_> {
    /// Drops finished runs above the bytes, the number or the age that retention allows, and all that is needed when the
    /// journal is so full that no run is accepted.
    pub(super) fn retire(&mut self, accept_below_bytes: u64) -> Result<(), Failure> {
        let (state, retention) = (&self.state, self.retention);
        let age_ms = u64::try_from(retention.age.as_millis()).unwrap_or(u64::MAX);
        let excess_runs = state.finished.len().saturating_sub(retention.runs);
        let excess_runs = if excess_runs < GROUP { 0 } else { excess_runs };
        // Somewhat more than must go, so that not every commit has to.
        let some_less = |bytes: u64, limit: u64| if bytes > limit { bytes - limit / 4 * 3 } else { 0 };
        let excess_bytes = some_less(state.finished_bytes(), retention.bytes)
            .max(some_less(state.stored_bytes(), accept_below_bytes));
        let (mut going, mut freed, mut leaving) = (Vec::new(), 0, BTreeMap::new());
        for (ended_at_ms, number) in state.finished.iter().take(GROUP_MAX) {
            let is_old = ended_at_ms.saturating_add(age_ms) <= self.now_ms;
            if going.len() >= excess_runs && freed >= excess_bytes && !is_old {
                break;
            }
            freed += state.heads.get(number).map_or(0, |head| head.bytes);
            freed += state.values.freed(*number, &mut leaving);
            going.push(*number);
        }
        for number in going {
            if let Some(head) = self.state.heads.get(&number) {
                let gone = Gone {
                    run: head.run,
                    epoch: head.epoch,
                    ended: true,
                };
                self.drop_run(number, gone)?;
            }
        }
        self.write_tombstones()?;
        self.clear_tombstones()
    }

    /// Removes a run with everything that belongs to it, and remembers that it was here.
    pub(super) fn drop_run(&mut self, number: u64, gone: Gone) -> Result<(), Failure> {
        self.state.unsettle(number);
        let Some(head) = self.state.heads.remove(&number) else {
            return Ok(());
        };
        self.changed.remove(&number);
        self.state.run_bytes = self.state.run_bytes.saturating_sub(head.bytes);
        let key = key::number_key(number);
        if let Some(row) = self.tables.runs()?.remove(&key[..])?
            && head.is_open()
            && let Ok(row) = RunRow::open(&key, row.value())
        {
            self.committed.released.extend(row.documents);
        }
        self.tables.heads()?.remove(&key[..])?;
        let (first, last) = (key::record_key(number, 0), key::record_key(number, u64::MAX));
        self.tables
            .records()?
            .retain_in::<&[u8], _>(&first[..]..=&last[..], |_, _| false)?;
        self.tables.snapshots()?.remove(&key[..])?;
        for kind in [NoteKind::Standing, NoteKind::Park] {
            self.tables.notes()?.remove(&kind.key(number)[..])?;
        }
        self.release_values(number)?;
        self.clear_flights(number)?;
        let gone = Gone {
            run: head.run,
            epoch: gone.epoch.max(head.epoch),
            ended: gone.ended,
        };
        self.bury(Some(number), gone);
        Ok(())
    }

    pub(super) fn clear_flights(&mut self, number: u64) -> Result<(), Failure> {
        let (first, last) = (key::number_key(number), key::number_key(number.saturating_add(1)));
        self.tables
            .flights()?
            .retain_in::<&[u8], _>(&first[..]..&last[..], |_, _| false)?;
        Ok(())
    }

    /// It is remembered that this run was here.
    pub(super) fn bury(&mut self, number: Option<u64>, gone: Gone) {
        let at_ms = self.now_ms;
        self.committed.dropped.push(Dropped { number, gone, at_ms });
        self.gone.push(gone);
    }

    /// Those that go with this commit are remembered in one row.
    fn write_tombstones(&mut self) -> Result<(), Failure> {
        if self.gone.is_empty() {
            return Ok(());
        }
        let row = Tombstones {
            at_ms: self.now_ms,
            runs: std::mem::take(&mut self.gone),
        };
        let place = self.state.graves.next_place();
        let key = key::number_key(place);
        self.tables.tombstones()?.insert(&key[..], &row.seal(&key)[..])?;
        self.state.graves.add(place, &row);
        Ok(())
    }

    /// Forgets runs of which no order can come any more.
    fn clear_tombstones(&mut self) -> Result<(), Failure> {
        for grave in self.state.graves.take_old(self.now_ms, self.retention, GROUP) {
            let key = key::number_key(grave.place);
            self.tables.tombstones()?.remove(&key[..])?;
            let runs = grave.runs.iter().map(|run| (*run, grave.at_ms));
            self.committed.forgotten.extend(runs);
        }
        Ok(())
    }
}
