//! How far attempts are that are under way, as their connectors say.
//!
//! Of each step the newest word only, in memory only, and of so many steps at most: it is shown while the step runs, and
//! belongs in no record.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use flowforge_protocol::progress::StepProgress;
use flowforge_protocol::{RunId, StepKey};
use tokio::sync::Notify;

/// Most steps whose progress is kept and told; above it, the one that said something longest ago gives way.
const STEPS_MAX: usize = flowforge_protocol::progress::MAX_PROGRESS;

/// What the steps of this host have said.
#[derive(Debug, Default)]
pub(super) struct Board {
    steps: Mutex<HashMap<(RunId, StepKey), StepProgress>>,
    /// Told when something has changed.
    news: Notify,
}

impl Board {
    /// An attempt says how far it is.
    pub(super) fn show(&self, said: StepProgress) {
        let mut steps = self.lock();
        let key = (said.run.clone(), said.step.clone());
        if steps.len() >= STEPS_MAX && !steps.contains_key(&key) {
            let oldest = steps.iter().min_by_key(|(_, known)| known.at_ms);
            let oldest = oldest.map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                steps.remove(&oldest);
            }
        }
        steps.insert(key, said);
        drop(steps);
        self.news.notify_one();
    }

    /// The attempt is over.
    pub(super) fn clear(&self, run: &RunId, step: &StepKey, attempt: u32) {
        let mut steps = self.lock();
        let key = (run.clone(), step.clone());
        if steps.get(&key).is_some_and(|known| known.attempt == attempt) {
            steps.remove(&key);
            drop(steps);
            self.news.notify_one();
        }
    }

    /// The newest word of each step, by run and step.
    pub(super) fn all(&self) -> Vec<StepProgress> {
        let mut all: Vec<StepProgress> = self.lock().values().cloned().collect();
        all.sort_by(|a, b| (&a.run, &a.step).cmp(&(&b.run, &b.step)));
        all
    }

    /// Returns when something has changed since it was last asked, for one caller.
    ///
    /// # Cancel safety
    /// Safe.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(RunId, StepKey), StepProgress>> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(n: usize, attempt: u32) -> StepProgress {
        StepProgress {
            run: RunId::from_entropy([1; 16]),
            step: format!("each[{n}].step").parse().expect("a step"),
            attempt,
            percent: Some(7),
            message: None,
            at_ms: u64::try_from(n).expect("small"),
        }
    }

    #[test]
    fn the_newest_word_of_so_many_steps_is_kept_and_goes_with_its_attempt() {
        let board = Board::default();
        for n in 0..STEPS_MAX + 5 {
            board.show(said(n, 1));
        }
        board.show(said(STEPS_MAX, 2));
        let all = board.all();
        assert_eq!(all.len(), STEPS_MAX);
        assert!(all.iter().all(|known| known.at_ms >= 5), "the oldest gave way");
        let last = said(STEPS_MAX, 2);
        board.clear(&last.run, &last.step, 1);
        assert_eq!(board.all().len(), STEPS_MAX, "that was an attempt before");
        board.clear(&last.run, &last.step, 2);
        assert_eq!(board.all().len(), STEPS_MAX - 1);
    }
}
