//! Which runs are here, and what each is doing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flowforge_protocol::RunId;
use flowforge_protocol::sync::RestingRun;
use tokio::sync::mpsc;

use super::mailbox::RunMessage;
use crate::health::{RunCounts, StandingRun};

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
    /// It does not go on until something is mended.
    Resting = 4,
}

/// What a run is doing, written by its task.
#[derive(Debug, Clone, Default)]
pub(super) struct PhaseCell(Arc<Cell>);

#[derive(Debug, Default)]
struct Cell {
    phase: AtomicU8,
    about: Mutex<Option<String>>,
}

impl PhaseCell {
    /// It is under way.
    pub(super) fn set(&self, phase: Phase) {
        if self.0.phase.swap(phase as u8, Ordering::Relaxed) != phase as u8 {
            *self.about() = None;
        }
    }

    /// It waits or rests; for what or why, in words for people.
    pub(super) fn set_about(&self, phase: Phase, about: String) {
        self.0.phase.store(phase as u8, Ordering::Relaxed);
        *self.about() = Some(about);
    }

    fn phase(&self) -> Phase {
        let phase = self.0.phase.load(Ordering::Relaxed);
        let all = [Phase::Loading, Phase::Running, Phase::Timer, Phase::Approval];
        all.into_iter()
            .find(|known| *known as u8 == phase)
            .unwrap_or(Phase::Resting)
    }

    fn about(&self) -> MutexGuard<'_, Option<String>> {
        self.0.about.lock().unwrap_or_else(PoisonError::into_inner)
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
    runs: Mutex<Runs>,
}

#[derive(Default)]
struct Runs {
    known: HashMap<RunId, Known>,
    /// Places of runs that are about to begin.
    reserved: usize,
}

/// A place for a run that is about to begin; given back when it is dropped.
pub(super) struct Place<'r>(&'r Registry);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut runs = self.0.lock();
        runs.reserved = runs.reserved.saturating_sub(1);
    }
}

impl Registry {
    /// A place for one more run, if there is one among so many.
    pub(super) fn reserve(&self, most: usize) -> Option<Place<'_>> {
        let mut runs = self.lock();
        (runs.known.len() + runs.reserved < most).then(|| {
            runs.reserved += 1;
            Place(self)
        })
    }

    pub(super) fn insert(&self, run: RunId, epoch: u64, sender: mpsc::Sender<RunMessage>) -> PhaseCell {
        let phase = PhaseCell::default();
        phase.set(Phase::Running);
        let known = Known {
            sender,
            epoch,
            phase: phase.clone(),
        };
        self.lock().known.insert(run, known);
        phase
    }

    pub(super) fn remove(&self, run: &RunId) {
        self.lock().known.remove(run);
    }

    /// The task of a run is over, but the run is not.
    pub(super) fn rest(&self, run: &RunId, reason: String) {
        if let Some(known) = self.lock().known.get(run) {
            known.phase.set_about(Phase::Resting, reason);
        }
    }

    /// How to reach a run, and its fencing number.
    pub(super) fn find(&self, run: &RunId) -> Option<(mpsc::Sender<RunMessage>, u64)> {
        self.lock()
            .known
            .get(run)
            .map(|known| (known.sender.clone(), known.epoch))
    }

    /// Runs that are here or about to be.
    pub(super) fn len(&self) -> usize {
        let runs = self.lock();
        runs.known.len() + runs.reserved
    }

    pub(super) fn counts(&self) -> RunCounts {
        let mut counts = RunCounts::default();
        for known in self.lock().known.values() {
            let count = match known.phase.phase() {
                Phase::Loading => &mut counts.loading,
                Phase::Timer => &mut counts.waiting_timer,
                Phase::Approval => &mut counts.waiting_approval,
                Phase::Resting => &mut counts.resting,
                Phase::Running => &mut counts.running,
            };
            *count += 1;
        }
        counts
    }

    /// Up to `most` runs that do not move, with the reason: those that rest first.
    pub(super) fn standing(&self, most: usize) -> Vec<StandingRun> {
        let runs = self.lock();
        let of = |wanted: fn(Phase) -> bool| {
            runs.known.iter().filter_map(move |(run, known)| {
                let phase = known.phase.phase();
                wanted(phase).then(|| StandingRun {
                    run: run.to_string(),
                    rests: phase == Phase::Resting,
                    about: known.phase.about().clone().unwrap_or_default(),
                })
            })
        };
        let rest = of(|phase| phase == Phase::Resting);
        rest.chain(of(|phase| {
            matches!(phase, Phase::Timer | Phase::Approval | Phase::Loading)
        }))
        .take(most)
        .collect()
    }

    /// Every run that rests, with the reason.
    pub(super) fn resting(&self) -> Vec<RestingRun> {
        let runs = self.lock();
        let mut resting: Vec<RestingRun> = runs
            .known
            .iter()
            .filter(|(_, known)| known.phase.phase() == Phase::Resting)
            .map(|(run, known)| RestingRun {
                run: run.clone(),
                reason: known.phase.about().clone().unwrap_or_default(),
            })
            .collect();
        resting.sort_by(|a, b| a.run.cmp(&b.run));
        resting
    }

    fn lock(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(n: u8) -> RunId {
        RunId::from_entropy([n; 16])
    }

    /// The number of runs was looked at when work was asked for, not when it came: a burst went over the limit.
    #[test]
    fn places_are_counted_before_runs_begin() {
        let registry = Registry::default();
        let first = registry.reserve(2).expect("room");
        let second = registry.reserve(2).expect("room");
        assert!(registry.reserve(2).is_none());
        registry.insert(run(1), 1, mpsc::channel(1).0);
        drop(first);
        assert_eq!(registry.len(), 2);
        drop(second);
        assert!(registry.reserve(2).is_some());
        registry.remove(&run(1));
        assert_eq!(registry.len(), 0);
    }

    #[test]
    fn what_stands_says_why_and_what_rests_comes_first() {
        let registry = Registry::default();
        let waiting = registry.insert(run(1), 1, mpsc::channel(1).0);
        waiting.set_about(Phase::Approval, "approval of step confirm".to_owned());
        registry.insert(run(2), 1, mpsc::channel(1).0);
        registry.rest(&run(2), "its release cannot be loaded".to_owned());
        registry.insert(run(3), 1, mpsc::channel(1).0);
        let standing = registry.standing(9);
        let abouts: Vec<&str> = standing.iter().map(|run| run.about.as_str()).collect();
        assert_eq!(
            abouts,
            ["its release cannot be loaded", "approval of step confirm"]
        );
        assert_eq!(registry.standing(1).len(), 1);
        assert_eq!(registry.resting().len(), 1);
        let counts = registry.counts();
        assert_eq!(
            (counts.running, counts.waiting_approval, counts.resting),
            (1, 1, 1)
        );
        waiting.set(Phase::Running);
        assert_eq!(registry.standing(9).len(), 1);
    }
}
