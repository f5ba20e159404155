//! The names an expression of a step knows.

use std::sync::Arc;

use serde_json::Value;

use super::state::RunState;
use super::steps::{Phase, Step};
use crate::expr::{Meaning, Scope};
use crate::names::ROUND;
use crate::order::Wanted;
use crate::plan::{PlanKind, PlanNode};

/// The names at one place of a run.
pub(super) struct Names<'s> {
    pub(super) state: &'s RunState,
    /// The rounds around the step.
    pub(super) path: &'s [(usize, u32)],
    /// Number of the node whose value it is; none for the output, and for the condition of a loop.
    pub(super) of: Option<usize>,
}

impl Scope for Names<'_> {
    fn lookup(&self, name: &str) -> Option<Meaning<'_>> {
        for (depth, (number, round)) in self.path.iter().enumerate().rev() {
            let node = self.state.plan.node(*number)?;
            let element = match &node.kind {
                PlanKind::Foreach(each) if each.item == name => usize::try_from(*round).ok()?,
                PlanKind::Repeat(_) if name == ROUND => 0,
                _ => continue,
            };
            let outside = self.path.get(..depth)?;
            let rounds = self.state.scope(outside)?.steps.get(node.slot)?.rounds.as_ref()?;
            return rounds.items.get(element).map(Meaning::Value);
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
    /// What a name of the rounds around the step stands for, to be kept beyond them: nothing for a node that did not run.
    /// `None` for a name that has its meaning outside rounds too, or has none here.
    pub(super) fn of_round(&self, name: &str) -> Option<Option<Arc<Value>>> {
        let outside = |node: &PlanNode| node.loops.is_empty();
        let node = self
            .state
            .plan
            .by_id
            .get(name)
            .and_then(|number| self.state.plan.node(*number));
        if ["input", "config", "trigger", "run"].contains(&name) || node.is_some_and(outside) {
            return None;
        }
        let Meaning::Value(value) = self.lookup(name)? else {
            return Some(None);
        };
        let output = node.and_then(|node| {
            let around = self.path.get(..node.loops.len())?;
            self.state.scope(around)?.steps.get(node.slot)?.output.clone()
        });
        Some(Some(output.unwrap_or_else(|| Arc::new(value.clone()))))
    }

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
        self.meaning(node, step)
    }

    /// What a step is worth to an expression; `None` while it is not settled.
    fn meaning(&self, node: &PlanNode, step: &'s Step) -> Option<Meaning<'s>> {
        let output = match (&step.phase, &step.output) {
            (Phase::Done(_) | Phase::Rejected, Some(output)) => Some(output),
            (Phase::Expired, Some(output)) if !hides_expiry(&node.kind) => Some(output),
            (Phase::Expired, Some(output)) => self.comes_after(node, Wanted::Expired).then_some(output),
            (Phase::Failed(true), Some(output)) => self.comes_after(node, Wanted::Failed).then_some(output),
            (phase, _) if phase.is_settled() => None,
            _ => return None,
        };
        Some(output.map_or(Meaning::Absent, |output| Meaning::Value(output)))
    }

    /// Whether the node whose value this is, or a loop around it, comes after this outcome of a node.
    fn comes_after(&self, node: &PlanNode, outcome: Wanted) -> bool {
        let beside = match self.path.get(node.loops.len()) {
            Some((around, _)) => Some(*around),
            None => self.of,
        };
        let reader = beside.and_then(|number| self.state.plan.node(number));
        reader.is_some_and(|reader| reader.comes_after(node.slot, outcome))
    }
}

/// Whether the value after an expiry is seen only by nodes that come after it: elsewhere a payload is expected.
pub(super) fn hides_expiry(kind: &PlanKind) -> bool {
    matches!(kind, PlanKind::Wait(_))
}
