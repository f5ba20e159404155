//! The names an expression of a step knows.

use serde_json::Value;

use super::state::RunState;
use super::steps::{Phase, Step};
use crate::expr::{Meaning, Scope};
use crate::names::ROUND;
use crate::plan::PlanKind;

/// The names at one place of a run.
pub(super) struct Names<'s> {
    pub(super) state: &'s RunState,
    /// The rounds around the step.
    pub(super) path: &'s [(usize, u32)],
}

impl Scope for Names<'_> {
    fn lookup(&self, name: &str) -> Option<Meaning<'_>> {
        for (depth, (number, round)) in self.path.iter().enumerate().rev() {
            let node = self.state.plan.node(*number)?;
            match &node.kind {
                PlanKind::Foreach(each) if each.item == name => {}
                PlanKind::Repeat(_) if name == ROUND => {}
                _ => continue,
            }
            let outside = self.path.get(..depth)?;
            let rounds = self.state.scope(outside)?.steps.get(node.slot)?.rounds.as_ref()?;
            return rounds
                .items
                .get(usize::try_from(*round).ok()?)
                .map(Meaning::Value);
        }
        if let Some(number) = self.state.plan.by_id.get(name) {
            return self.node(*number);
        }
        let special: &Value = match name {
            "input" => &self.state.input,
            "config" => &self.state.plan.config,
            "trigger" => &self.state.trigger,
            "run" => &self.state.about,
            _ => return None,
        };
        Some(Meaning::Value(special))
    }
}

impl<'s> Names<'s> {
    fn node(&self, number: usize) -> Option<Meaning<'s>> {
        let state: &'s RunState = self.state;
        let node = state.plan.node(number)?;
        // In reach are the nodes of the bodies around the step, from the inside out.
        let around = self.path.get(..node.loops.len())?;
        if around
            .iter()
            .zip(&node.loops)
            .any(|((number, _), wanted)| number != wanted)
        {
            return None;
        }
        let step = state.scope(around)?.steps.get(node.slot)?;
        meaning(step)
    }
}

/// What the step is worth to an expression; `None` while it is not settled.
fn meaning(step: &Step) -> Option<Meaning<'_>> {
    match (&step.phase, &step.output) {
        (Phase::Done(_) | Phase::Rejected | Phase::Expired | Phase::Failed(true), Some(output)) => {
            Some(Meaning::Value(output))
        }
        (Phase::Skipped(_) | Phase::Failed(_), _) => Some(Meaning::Absent),
        _ => None,
    }
}
