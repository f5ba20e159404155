//! Retry from a step: a new generation of a run, which takes results from the one before.
//!
//! Says what would happen before it happens: which results are reused, which steps run again, and which completed effects
//! are thereby repeated on purpose, under a key of their own.

use std::collections::BTreeMap;

use flowforge_protocol::record::{Lineage, Source};
use flowforge_protocol::used::Used;
use flowforge_protocol::{NodeId, RunId, StepKey};
use serde::Serialize;

use super::scope::hides_expiry;
use super::state::RunState;
use super::steps::{Phase, Step, StepRef};
use crate::plan::PlanKind;

/// What a retry from a step would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ForkPlan {
    /// Steps whose results are taken from the generation before, in the order of the file.
    pub reused: Vec<StepKey>,
    /// Nodes that run again, in the order of the file.
    pub runs_again: Vec<NodeId>,
    /// Completed effects that happen again.
    pub repeated: Vec<RepeatedEffect>,
    /// Where the new run comes from: goes into its order.
    pub lineage: Lineage,
}

/// A completed step that had an effect and runs again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RepeatedEffect {
    /// Its node.
    pub node: NodeId,
    /// What it used outside, in all its steps; empty for a node that orders another run.
    pub used: Vec<Used>,
}

/// Why a run cannot be retried from a step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForkError {
    /// The run has not ended: what is under way would happen twice.
    #[error("run {0} has not ended; cancel it first, or wait")]
    NotEnded(RunId),
    /// The workflow has no such node outside loops.
    #[error("there is no node `{0}` to retry from; there are: {1}")]
    NoNode(NodeId, String),
    /// It runs inside a loop, which is reused as a whole or runs again as a whole.
    #[error("`{0}` runs inside `{1}`, which runs again as a whole: retry from `{1}`")]
    InLoop(NodeId, NodeId),
    /// It can only be shown.
    #[error("{0}")]
    ViewOnly(super::ViewOnly),
}

impl RunState {
    /// What a retry from this node would do. `again` is this run after it ended.
    ///
    /// The node and everything that comes after it run again; so does whatever has no result. Everything else is reused.
    /// A loop is reused as a whole or runs again as a whole.
    ///
    /// # Errors
    /// [`ForkError`].
    pub fn fork_from(&self, from: &NodeId) -> Result<ForkPlan, ForkError> {
        self.fork_from_each(std::slice::from_ref(from))
    }

    /// As [`RunState::fork_from`], from several nodes at once.
    ///
    /// # Errors
    /// [`ForkError`].
    pub fn fork_from_each(&self, from: &[NodeId]) -> Result<ForkPlan, ForkError> {
        if let Some(why) = &self.view_only {
            return Err(ForkError::ViewOnly(why.clone()));
        }
        if self.outcome.is_none() {
            return Err(ForkError::NotEnded(self.run.clone()));
        }
        let start = |from: &NodeId| {
            let number = self.plan.by_id.get(from.as_str());
            let node = number.and_then(|number| self.plan.node(*number));
            let Some(node) = node.filter(|node| !node.id.is_undo()) else {
                return Err(ForkError::NoNode(from.clone(), self.nodes_outside_loops()));
            };
            match node.loops.first().and_then(|number| self.plan.node(*number)) {
                Some(around) => Err(ForkError::InLoop(from.clone(), around.id.clone())),
                None => Ok(node.slot),
            }
        };
        let again = self.slots_that_run_again(from.iter().map(start).collect::<Result<_, _>>()?);
        let (mut reused, mut runs_again) = (Vec::new(), Vec::new());
        let mut repeats = self.repeats_so_far();
        let mut repeated = Vec::new();
        for (slot, number) in self.plan.top.nodes.iter().enumerate() {
            let Some(node) = self.plan.node(*number) else {
                continue;
            };
            if !again.contains(&slot) {
                reused.push(StepKey::top(node.id.clone()));
                continue;
            }
            runs_again.push(node.id.clone());
            self.count_repeats(*number, &mut repeats, &mut repeated);
        }
        let before = self
            .facts
            .accepted()
            .and_then(|accepted| accepted.lineage.as_deref());
        Ok(ForkPlan {
            reused,
            runs_again,
            repeated,
            lineage: Lineage {
                root: self.effect_root().clone(),
                predecessor: Some(self.run.clone()),
                generation: before.map_or(1, |lineage| lineage.generation).saturating_add(1),
                parent: before.and_then(|lineage| lineage.parent.clone()),
                repeats,
            },
        })
    }

    /// The names of the nodes from which a run can be retried, for a message.
    fn nodes_outside_loops(&self) -> String {
        let nodes = self.plan.top.nodes.iter();
        let names: Vec<&str> = nodes
            .filter_map(|number| self.plan.node(*number))
            .map(|node| node.id.as_str())
            .collect();
        crate::names::some_of(&names)
    }

    fn slots_that_run_again(&self, start: Vec<usize>) -> std::collections::BTreeSet<usize> {
        let mut again = std::collections::BTreeSet::new();
        let mut to_visit = start;
        let without_result = self.root.steps.iter().enumerate().filter(|(_, step)| {
            // What stood in for a result is none.
            !matches!(step.phase, Phase::Done(_) | Phase::Rejected | Phase::Expired)
                || step.source == Source::Fallback
        });
        to_visit.extend(without_result.map(|(slot, _)| slot));
        to_visit.extend(self.slots_of_expired_waits());
        // A result that an effect was taken back from is none.
        to_visit.extend(self.slots_taken_back());
        while let Some(slot) = to_visit.pop() {
            if again.insert(slot)
                && let Some(node) = self.plan.top.nodes.get(slot).and_then(|n| self.plan.node(*n))
            {
                to_visit.extend(&node.dependents);
            }
        }
        again
    }

    /// Waits whose signal did not come: it may come now.
    fn slots_of_expired_waits(&self) -> Vec<usize> {
        let expired = |number: &usize| {
            let node = self.plan.node(*number)?;
            let step = self.root.steps.get(node.slot)?;
            (step.phase == Phase::Expired && hides_expiry(&node.kind)).then_some(node.slot)
        };
        self.plan.top.nodes.iter().filter_map(expired).collect()
    }

    /// The top-level slots of which an effect was taken back.
    fn slots_taken_back(&self) -> Vec<usize> {
        self.undos
            .iter()
            .filter(|(_, step)| matches!(step.phase, Phase::Done(_)))
            .filter_map(|(at, _)| self.plan.node(self.outermost(at)?).map(|node| node.slot))
            .collect()
    }

    /// The number of the node outside loops that a step belongs to: itself, the outermost loop around it, or the node
    /// whose effect it takes back.
    fn outermost(&self, at: &StepRef) -> Option<usize> {
        match at.path.first() {
            Some((number, _)) => Some(*number),
            None if self.plan_node(at)?.id.is_undo() => {
                self.plan.nodes.iter().position(|node| node.undo == Some(at.node))
            }
            None => Some(at.node),
        }
    }

    fn repeats_so_far(&self) -> BTreeMap<StepKey, u32> {
        let accepted = self.facts.accepted();
        accepted
            .and_then(|accepted| accepted.lineage.as_deref())
            .map(|lineage| lineage.repeats.clone())
            .unwrap_or_default()
    }

    /// Notes the completed effects of a node that runs again, and of everything inside it.
    fn count_repeats(
        &self,
        number: usize,
        repeats: &mut BTreeMap<StepKey, u32>,
        repeated: &mut Vec<RepeatedEffect>,
    ) {
        // A run that was ordered is not ordered again under the same name, however it ended.
        let effects = self.facts.completed_effects().iter();
        for step in effects.chain(self.ordered.iter()) {
            let Some(at) = self.locate(&step) else { continue };
            if self.outermost(&at) == Some(number) {
                *repeats.entry(step).or_default() += 1;
            }
        }
        let inside = |other: usize| {
            other == number
                || self
                    .plan
                    .node(other)
                    .is_some_and(|node| node.loops.first() == Some(&number) && !node.id.is_undo())
        };
        let nodes = (0..self.plan.nodes.len()).filter(|other| inside(*other));
        for node in nodes.filter_map(|other| self.plan.node(other)) {
            let used = match &node.kind {
                PlanKind::Call(_) => {
                    let mut uses = self.facts.used_by_node();
                    let uses = uses.find(|(used_by, _)| **used_by == node.id);
                    uses.map(|(_, used)| used)
                }
                PlanKind::Workflow(_) => {
                    let ordered = self.ordered.iter().any(|step| step.node == node.id);
                    ordered.then(Vec::new)
                }
                _ => None,
            };
            if let Some(used) = used {
                repeated.push(RepeatedEffect {
                    node: node.id.clone(),
                    used,
                });
            }
        }
    }

    /// The results that a retry takes from this run.
    #[must_use]
    pub fn results_of(&self, steps: &[StepKey]) -> super::Given {
        let result = |key: &StepKey| {
            let at = self.locate(key)?;
            let step: &Step = self.step(&at)?;
            let output = step.output.clone()?;
            Some((key.clone(), (output, Source::Reused)))
        };
        steps.iter().filter_map(result).collect()
    }
}
