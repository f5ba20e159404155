//! When steps began and whether they are over: what a trace of the run is made of.

use flowforge_protocol::StepKey;

use super::RunState;
use super::steps::Phase;

impl RunState {
    /// When the run began, milliseconds since 1970 UTC; 0 before its first record.
    #[must_use]
    pub fn started_at_ms(&self) -> u64 {
        self.started_at_ms
    }

    /// When a step could begin, milliseconds since 1970 UTC; `None` if it cannot yet, or its round is over.
    #[must_use]
    pub fn ready_since(&self, step: &StepKey) -> Option<u64> {
        let step = self.step(&self.locate(step)?)?;
        Some(step.ready_at_ms).filter(|at_ms| *at_ms > 0)
    }

    /// Whether nothing more happens at a step itself: it has an end, or another one stands in for it. Steps of a round that
    /// is over are over.
    #[must_use]
    pub fn is_step_over(&self, step: &StepKey) -> bool {
        let found = self.locate(step).and_then(|at| self.step(&at));
        found.is_none_or(|step| step.phase.is_settled() || step.phase == Phase::StandIn)
    }

    /// The steps that have begun and have no end yet, with the time since when each could begin, outer ones first.
    #[must_use]
    pub fn steps_under_way(&self) -> Vec<(StepKey, u64)> {
        let mut out = Vec::new();
        self.each_step(|at, step| {
            let has_begun = match step.phase {
                Phase::Blocked | Phase::Ready | Phase::ToSkip(_) | Phase::StandIn => false,
                _ => !step.phase.is_settled(),
            };
            if has_begun && let Some(key) = self.key(at) {
                out.push((key, step.ready_at_ms));
            }
        });
        out
    }
}
