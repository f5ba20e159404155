//! Which runs are here, and what each is doing.
//!
//! A run is awake: it has a task, which is reached by its mailbox. Or it is asleep: it waits, its state is in the journal
//! alone, and a few words about it are here. Sleeping runs take no place of those that run.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flowforge_protocol::RunId;
use flowforge_protocol::sync::RestingRun;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

use super::mailbox::RunMessage;
use super::quota::KeptQuota;
use super::wait::Wait;
use crate::health::{RunCounts, StandingRun};

/// Most waiting runs that stay in memory for a while, so that an answer that comes at once finds them there.
const IDLE_MAX: usize = 256;

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

struct Awake {
    sender: mpsc::Sender<RunMessage>,
    epoch: u64,
    phase: PhaseCell,
    /// As it was when the run had no task.
    quota: KeptQuota,
}

struct Asleep {
    epoch: u64,
    /// Absent until it was read from the journal.
    wait: Option<Wait>,
    quota: KeptQuota,
}

/// How a run is reached.
pub(super) enum Reach {
    /// By its mailbox.
    Awake(mpsc::Sender<RunMessage>),
    /// It must be woken.
    Asleep,
}

/// The runs of this host.
pub(super) struct Registry {
    runs: Mutex<Runs>,
    idle: Arc<Semaphore>,
    /// Told when a place became free.
    freed: Notify,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            runs: Mutex::default(),
            idle: Arc::new(Semaphore::new(IDLE_MAX)),
            freed: Notify::new(),
        }
    }
}

#[derive(Default)]
struct Runs {
    awake: HashMap<RunId, Awake>,
    asleep: HashMap<RunId, Asleep>,
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
        (self.taken(&runs) < most).then(|| {
            runs.reserved += 1;
            Place(self)
        })
    }

    /// A run that has a task from now on.
    pub(super) fn insert(&self, run: RunId, epoch: u64, sender: mpsc::Sender<RunMessage>) -> PhaseCell {
        let phase = PhaseCell::default();
        phase.set(Phase::Running);
        let awake = Awake {
            sender,
            epoch,
            phase: phase.clone(),
            quota: KeptQuota::Unknown,
        };
        self.lock().awake.insert(run, awake);
        phase
    }

    /// A run that waits in the journal; for what is said later.
    pub(super) fn insert_asleep(&self, run: RunId, epoch: u64) {
        let asleep = Asleep {
            epoch,
            wait: None,
            quota: KeptQuota::Unknown,
        };
        self.lock().asleep.insert(run, asleep);
    }

    /// The run is over, or is another host's.
    pub(super) fn remove(&self, run: &RunId) {
        let mut runs = self.lock();
        runs.awake.remove(run);
        runs.asleep.remove(run);
        drop(runs);
        self.freed.notify_one();
    }

    /// The task of a run is over, but the run is not.
    pub(super) fn rest(&self, run: &RunId, reason: String) {
        if let Some(known) = self.lock().awake.get(run) {
            known.phase.set_about(Phase::Resting, reason);
        }
    }

    /// What a run that leaves memory has taken of its quota.
    pub(super) fn keep_quota(&self, run: &RunId, quota: KeptQuota) {
        if let Some(known) = self.lock().awake.get_mut(run) {
            known.quota = quota;
        }
    }

    /// What is known of the quota of a run that is read again.
    pub(super) fn quota(&self, run: &RunId) -> KeptQuota {
        let runs = self.lock();
        runs.awake
            .get(run)
            .map(|known| known.quota.clone())
            .unwrap_or_default()
    }

    /// The task of a run is over, and the run waits in the journal.
    pub(super) fn sleep(&self, run: &RunId, wait: Wait) {
        let mut runs = self.lock();
        if let Some(Awake { epoch, quota, .. }) = runs.awake.remove(run) {
            let wait = Some(wait);
            runs.asleep.insert(run.clone(), Asleep { epoch, wait, quota });
        }
        drop(runs);
        self.freed.notify_one();
    }

    /// A sleeping run has a task from now on; `None` if it does not sleep.
    pub(super) fn wake(&self, run: &RunId, sender: mpsc::Sender<RunMessage>) -> Option<PhaseCell> {
        let mut runs = self.lock();
        let Asleep { epoch, quota, .. } = runs.asleep.remove(run)?;
        let phase = PhaseCell::default();
        let awake = Awake {
            sender,
            epoch,
            phase: phase.clone(),
            quota,
        };
        runs.awake.insert(run.clone(), awake);
        Some(phase)
    }

    /// A run that rests without a task has one from now on; `None` if that is not how it is.
    pub(super) fn revive(&self, run: &RunId, sender: mpsc::Sender<RunMessage>) -> Option<PhaseCell> {
        let mut runs = self.lock();
        let known = runs.awake.get_mut(run)?;
        if known.phase.phase() != Phase::Resting || !known.sender.is_closed() {
            return None;
        }
        known.sender = sender;
        known.phase.set(Phase::Loading);
        Some(known.phase.clone())
    }

    /// How to reach a run, and its fencing number.
    pub(super) fn find(&self, run: &RunId) -> Option<(Reach, u64)> {
        let runs = self.lock();
        let awake = runs.awake.get(run);
        let awake = awake.map(|known| (Reach::Awake(known.sender.clone()), known.epoch));
        awake.or_else(|| Some((Reach::Asleep, runs.asleep.get(run)?.epoch)))
    }

    /// Sleeping runs of which it is not known what they wait for.
    pub(super) fn undescribed(&self) -> Vec<RunId> {
        let runs = self.lock();
        let unknown = runs.asleep.iter().filter(|(_, known)| known.wait.is_none());
        unknown.map(|(run, _)| run.clone()).collect()
    }

    /// Whether a run sleeps because it may not go on without a lease, as far as that is known.
    pub(super) fn waits_for_lease(&self, run: &RunId) -> bool {
        let runs = self.lock();
        let asleep = runs.asleep.get(run);
        asleep.is_some_and(|known| known.wait.as_ref().is_none_or(Wait::is_of_lease))
    }

    /// What a sleeping run waits for.
    pub(super) fn describe(&self, run: &RunId, wait: Wait) {
        if let Some(known) = self.lock().asleep.get_mut(run) {
            known.wait.get_or_insert(wait);
        }
    }

    /// Leave for a waiting run to stay in memory for a while; `None` if enough others do.
    pub(super) fn stay(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.idle).try_acquire_owned().ok()
    }

    /// Places that are taken: runs that have a task and are not merely waiting in memory, and those about to begin.
    pub(super) fn places_taken(&self) -> usize {
        self.taken(&self.lock())
    }

    fn taken(&self, runs: &Runs) -> usize {
        let idle = IDLE_MAX.saturating_sub(self.idle.available_permits());
        (runs.awake.len() + runs.reserved).saturating_sub(idle)
    }

    /// Returns when a place became free since it was last asked, for one caller.
    ///
    /// # Cancel safety
    /// Safe.
    pub(super) async fn freed(&self) {
        self.freed.notified().await;
    }

    /// Whether a run sleeps.
    pub(super) fn is_asleep(&self, run: &RunId) -> bool {
        self.lock().asleep.contains_key(run)
    }

    /// Sleeping runs.
    pub(super) fn sleepers(&self) -> usize {
        self.lock().asleep.len()
    }

    pub(super) fn counts(&self) -> RunCounts {
        let runs = self.lock();
        let mut counts = RunCounts {
            asleep: u64::try_from(runs.asleep.len()).unwrap_or(u64::MAX),
            ..RunCounts::default()
        };
        let awake = runs.awake.values().map(|known| known.phase.phase());
        let asleep = runs.asleep.values();
        let asleep = asleep.map(|known| known.wait.as_ref().map_or(Phase::Timer, Wait::phase));
        for phase in awake.chain(asleep) {
            let count = match phase {
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
            runs.awake.iter().filter_map(move |(run, known)| {
                let phase = known.phase.phase();
                wanted(phase).then(|| StandingRun {
                    run: run.to_string(),
                    rests: phase == Phase::Resting,
                    about: known.phase.about().clone().unwrap_or_default(),
                })
            })
        };
        let rest = of(|phase| phase == Phase::Resting);
        let wait = of(|phase| matches!(phase, Phase::Timer | Phase::Approval | Phase::Loading));
        let asleep = runs.asleep.iter().map(|(run, known)| StandingRun {
            run: run.to_string(),
            rests: false,
            about: known
                .wait
                .as_ref()
                .map(|wait| wait.about.to_string())
                .unwrap_or_default(),
        });
        rest.chain(wait).chain(asleep).take(most).collect()
    }

    /// Every run that rests, with the reason.
    pub(super) fn resting(&self) -> Vec<RestingRun> {
        let runs = self.lock();
        let mut resting: Vec<RestingRun> = runs
            .awake
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

    fn wait(about: &str) -> Wait {
        Wait {
            is_for_person: true,
            about: about.into(),
            due_ms: None,
            lease_ms: None,
        }
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
        assert_eq!(registry.places_taken(), 2);
        drop(second);
        assert!(registry.reserve(2).is_some());
        registry.remove(&run(1));
        assert_eq!(registry.places_taken(), 0);
    }

    /// Runs that waited took the places of runs that could have gone on.
    #[test]
    fn what_waits_takes_no_place() {
        let registry = Registry::default();
        registry.insert(run(1), 3, mpsc::channel(1).0);
        registry.insert(run(2), 1, mpsc::channel(1).0);
        assert!(registry.reserve(2).is_none());
        let stays = registry.stay().expect("few do");
        assert_eq!(registry.places_taken(), 1, "one of them waits in memory");
        drop(stays);
        registry.sleep(&run(1), wait("approval of step confirm"));
        assert_eq!((registry.places_taken(), registry.sleepers()), (1, 1));
        assert_eq!(registry.counts().waiting_approval, 1);
        assert!(matches!(registry.find(&run(1)), Some((Reach::Asleep, 3))));
        assert!(registry.wake(&run(1), mpsc::channel(1).0).is_some());
        assert!(registry.wake(&run(1), mpsc::channel(1).0).is_none(), "once");
        assert!(matches!(registry.find(&run(1)), Some((Reach::Awake(_), 3))));
    }

    #[test]
    fn what_stands_says_why_and_what_rests_comes_first() {
        let registry = Registry::default();
        let waiting = registry.insert(run(1), 1, mpsc::channel(1).0);
        waiting.set_about(Phase::Approval, "approval of step confirm".to_owned());
        registry.insert(run(2), 1, mpsc::channel(1).0);
        registry.rest(&run(2), "its release cannot be loaded".to_owned());
        registry.insert(run(3), 1, mpsc::channel(1).0);
        registry.insert_asleep(run(4), 1);
        assert_eq!(registry.undescribed(), [run(4)]);
        registry.describe(&run(4), wait("signal paid at step a"));
        assert!(registry.undescribed().is_empty());
        let standing = registry.standing(9);
        let abouts: Vec<&str> = standing.iter().map(|run| run.about.as_str()).collect();
        assert_eq!(
            abouts,
            [
                "its release cannot be loaded",
                "approval of step confirm",
                "signal paid at step a"
            ]
        );
        assert_eq!(registry.standing(1).len(), 1);
        assert_eq!(registry.resting().len(), 1);
        let counts = registry.counts();
        assert_eq!(
            (counts.running, counts.waiting_approval, counts.resting),
            (1, 2, 1)
        );
        waiting.set(Phase::Running);
        assert_eq!(registry.standing(9).len(), 2);
    }
}
