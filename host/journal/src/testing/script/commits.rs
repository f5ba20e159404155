//! Commits, compactions and reboots of a script.

use std::sync::Arc;

use flowforge_failpoints::FailPoints;

use super::Script;
use crate::core::{Compacted, JournalCore};
use crate::reader::Reader;
use crate::testing::disk::Disk;
use crate::testing::model::{contents_of, difference, opened};

impl Script {
    pub(in crate::testing) fn commit(&mut self) -> Result<(), String> {
        self.commits += 1;
        if self.tell_early {
            self.disk.told(self.history.len());
        }
        let mut work = std::mem::take(&mut self.work);
        self.rewound.clear();
        work.flights = self.flights.drain();
        for change in &work.flights {
            let key = (change.number, change.step.to_string());
            match change.row {
                Some(row) => self
                    .model
                    .flights
                    .insert(key, (row.attempt, row.crashes + u32::from(row.live))),
                None => self.model.flights.remove(&key),
            };
        }
        self.model.flights.retain(|_, (_, crashes)| *crashes > 0);
        let committed = self
            .core
            .commit(work, self.commits)
            .map_err(|stopped| stopped.to_string())?;
        for dropped in committed.dropped {
            let id = dropped.gone.run.id();
            if let Some(run) = self.model.runs.remove(&id) {
                assert!(run.is_done(), "run {} was dropped before its time", run.number);
                self.model.gone.insert(id, (run.epoch, true));
            }
        }
        self.history.push(self.model.clone());
        self.numbers.push(self.core.state.commit);
        self.disk.told(self.history.len() - 1);
        Ok(())
    }

    pub(super) fn compact(&mut self) -> Result<(), String> {
        match self.core.compact() {
            Ok(compacted) => self.compactions += u64::from(compacted == Compacted::Done),
            Err(stopped) => return Err(stopped.to_string()),
        }
        Ok(())
    }

    pub(super) fn reboot(&mut self, clean: bool) -> Result<(), String> {
        if clean {
            self.flights.stop_all();
        }
        self.commit()?;
        // A killed process leaves what it wrote; a clean end also what closing writes.
        let killed = Disk::with(self.disk.image());
        let disk = if clean { self.disk.clone() } else { killed };
        let (empty, nothing) = opened(&Disk::default())?;
        self.core = JournalCore::new(empty, nothing.state, &self.config, FailPoints::inert());
        let (db, mut loaded) = opened(&disk)?;
        let found = contents_of(&mut loaded, &Reader(Arc::clone(&db)))?;
        if found != self.model {
            return Err(format!("after a reboot: {}", difference(&found, &self.model)));
        }
        self.replay = loaded.queue.replay;
        self.flights = loaded.queue.flights;
        self.core = JournalCore::new(db, loaded.state, &self.config, FailPoints::inert());
        self.disk = disk;
        Ok(())
    }
}
