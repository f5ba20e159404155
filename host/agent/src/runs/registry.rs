//! Which runs are here, and what each is doing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flowforge_protocol::RunId;
use tokio::sync::mpsc;

use super::mailbox::RunMessage;
use crate::health::RunCounts;

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

struct Known {
    sender: mpsc::Sender<RunMessage>,
    epoch: u64,
    phase: PhaseCell,
}

/// The runs that have a task.
#[derive(Default)]
pub(super) struct Registry {
    runs: Mutex<HashMap<RunId, Known>>,
}

impl Registry {
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
