//! Which runs are here, and what each is doing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flowforge_protocol::RunId;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::run::RunMessage;

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// Its release is being fetched or loaded.
    Loading = 0,
    /// A step is running.
    Running = 1,
    /// It waits for a time.
    Timer = 2,
    /// It waits for a person.
    Approval = 3,
    /// Its task is over, but the run is not: it goes on at the next start.
    Resting = 4,
}

/// What a run is doing, written by its task.
#[derive(Debug, Clone)]
pub(super) struct PhaseCell(Arc<AtomicU8>);

impl PhaseCell {
    pub(super) fn set(&self, phase: Phase) {
        self.0.store(phase as u8, Ordering::Relaxed);
    }
}

/// How many runs are doing what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunCounts {
    /// With a step under way.
    pub running: u64,
    /// Waiting for a time.
    pub waiting_timer: u64,
    /// Waiting for a person.
    pub waiting_approval: u64,
    /// Waiting for their release to be loaded.
    pub loading: u64,
    /// Stopped by trouble of this host; they go on at its next start.
    pub resting: u64,
}

impl RunCounts {
    /// All runs on this host.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.running + self.waiting_timer + self.waiting_approval + self.loading + self.resting
    }
}

struct Known {
    sender: mpsc::Sender<RunMessage>,
    epoch: u64,
    phase: PhaseCell,
}

/// The runs that have a task.
#[derive(Default)]
pub(super) struct RunTable {
    runs: Mutex<HashMap<RunId, Known>>,
}

impl RunTable {
    pub(super) fn insert(&self, run: RunId, epoch: u64, sender: mpsc::Sender<RunMessage>) -> PhaseCell {
        let phase = PhaseCell(Arc::new(AtomicU8::new(Phase::Running as u8)));
        let known = Known {
            sender,
            epoch,
            phase: phase.clone(),
        };
        self.lock().insert(run, known);
        phase
    }

    pub(super) fn remove(&self, run: &RunId) {
        self.lock().remove(run);
    }

    /// The task of a run is over, but the run is not.
    pub(super) fn rest(&self, run: &RunId) {
        if let Some(known) = self.lock().get(run) {
            known.phase.set(Phase::Resting);
        }
    }

    /// How to reach a run, and its fencing number.
    pub(super) fn find(&self, run: &RunId) -> Option<(mpsc::Sender<RunMessage>, u64)> {
        self.lock()
            .get(run)
            .map(|known| (known.sender.clone(), known.epoch))
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    pub(super) fn counts(&self) -> RunCounts {
        let mut counts = RunCounts::default();
        for known in self.lock().values() {
            let count = match known.phase.0.load(Ordering::Relaxed) {
                phase if phase == Phase::Loading as u8 => &mut counts.loading,
                phase if phase == Phase::Timer as u8 => &mut counts.waiting_timer,
                phase if phase == Phase::Approval as u8 => &mut counts.waiting_approval,
                phase if phase == Phase::Resting as u8 => &mut counts.resting,
                _ => &mut counts.running,
            };
            *count += 1;
        }
        counts
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RunId, Known>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
