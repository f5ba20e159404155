//! Retry from a step: a new generation of a run, which takes results from the one before.
//!
//! Says what would happen before it happens: which results are reused, which steps run again, and which completed effects
//! are thereby repeated on purpose, under a key of their own. A loop of which only some steps run again goes on: the other
//! steps of its rounds are reused. What was in rounds that are over leaves the state, so a run that is to be forked is
//! replayed into a state that remembers them: [`RunState::with_rounds`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flowforge_protocol::record::{Lineage, Source};
use flowforge_protocol::used::Used;
use flowforge_protocol::{Digest, NodeId, RunId, StepKey};
use serde::Serialize;
use serde_json::Value;

use super::given::Given;
use super::scope::hides_expiry;
use super::state::RunState;
use super::steps::{Phase, Step, StepRef};
use crate::plan::{Body, Plan, PlanKind, PlanNode};

/// What a retry from a step would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ForkPlan {
    /// Steps whose results are taken from the generation before, in the order of the file.
    pub reused: Vec<StepKey>,
    /// Loops that go on: they begin again, take the results of their rounds that are among the reused ones, and run the rest.
    pub continued: Vec<StepKey>,
    /// Steps that run again, in the order of the file; a loop stands for everything inside it.
    pub runs_again: Vec<StepKey>,
    /// Nodes of which completed effects happen again, in the order of the file.
    pub repeated: Vec<RepeatedEffect>,
    /// Where the new run comes from: goes into its order.
    pub lineage: Lineage,
}

/// A node with a completed effect that happens again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RepeatedEffect {
    /// The node.
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
    /// The workflow has no such node, or not in these loops.
    #[error("there is no node `{0}` to retry from; there are: {1}")]
    NoNode(StepKey, String),
    /// A loop around it had no such round.
    #[error("there was no step `{step}`: `{around}` had {rounds} rounds in this run, numbered from 0")]
    NoRound {
        /// The step.
        step: StepKey,
        /// The loop.
        around: StepKey,
        /// How many rounds of it began.
        rounds: u32,
    },
    /// It can only be shown.
    #[error("the run cannot be run again: {0}")]
    ViewOnly(super::ViewOnly),
}

/// What is remembered of rounds that are over.
#[derive(Debug, Clone, Default)]
pub(super) struct KeptRounds {
    steps: BTreeMap<StepRef, KeptStep>,
    loops: BTreeMap<StepRef, KeptLoop>,
}

/// A settled step of a round.
#[derive(Debug, Clone)]
struct KeptStep {
    had: Had,
    output: Option<Arc<Value>>,
}

/// A loop that started.
#[derive(Debug, Clone)]
struct KeptLoop {
    list: Digest,
    rounds: u32,
}

/// What a step came to, for a generation that might reuse it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Had {
    /// A result of its own, or one that was given.
    Result,
    /// It did not run, because of what others came to; so it does not run again unless these do.
    Skipped,
    /// Nothing: it runs again in any case.
    Nothing,
}

impl Had {
    fn of(step: &Step, kind: &PlanKind) -> Self {
        match step.phase {
            Phase::Skipped(_) => Self::Skipped,
            // What stood in for a result is none.
            _ if step.source == Source::Fallback => Self::Nothing,
            Phase::Done(_) | Phase::Rejected => Self::Result,
            // A signal that did not come may come now.
            Phase::Expired if !hides_expiry(kind) => Self::Result,
            _ => Self::Nothing,
        }
    }
}

impl RunState {
    /// As [`RunState::new`], for a run that is to be retried: it remembers the steps of all rounds.
    #[must_use]
    pub fn with_rounds(plan: Arc<Plan>, run: RunId) -> Self {
        Self {
            kept: Some(Box::default()),
            ..Self::new(plan, run)
        }
    }

    /// A loop started, over a list with this digest.
    pub(super) fn keep_loop(&mut self, at: &StepRef, list: Digest) {
        if let Some(kept) = &mut self.kept {
            kept.loops.insert(at.clone(), KeptLoop { list, rounds: 0 });
        }
    }

    /// A round of a loop began.
    pub(super) fn keep_round(&mut self, at: &StepRef, round: u32) {
        let found = self.kept.as_mut().and_then(|kept| kept.loops.get_mut(at));
        if let Some(found) = found {
            found.rounds = found.rounds.max(round.saturating_add(1));
        }
    }

    /// A step is settled.
    pub(super) fn keep_settled(&mut self, at: &StepRef) {
        if self.kept.is_none() || at.path.is_empty() {
            return;
        }
        let (Some(step), Some(node)) = (self.step(at), self.plan_node(at)) else {
            return;
        };
        let settled = KeptStep {
            had: Had::of(step, &node.kind),
            output: step.output.clone(),
        };
        if let Some(kept) = &mut self.kept {
            kept.steps.insert(at.clone(), settled);
        }
    }

    /// What a retry from these steps would do. This is the state of the run after it ended, made by
    /// [`RunState::with_rounds`]. A node of a loop without rounds stands for its steps in all rounds.
    ///
    /// The steps and everything that comes after them run again; so does whatever has no result. Everything else is reused.
    /// A loop runs again as a whole if it is named or comes after what runs again. One in which a step is named, or that has
    /// no result itself, goes on: it takes the results of its rounds, and after a round of a `repeat` in which something
    /// runs again all later ones run again.
    ///
    /// # Errors
    /// [`ForkError`].
    pub fn fork_from(&self, from: &[StepKey]) -> Result<ForkPlan, ForkError> {
        if let Some(why) = &self.view_only {
            return Err(ForkError::ViewOnly(why.clone()));
        }
        if self.outcome.is_none() {
            return Err(ForkError::NotEnded(self.run.clone()));
        }
        let mut starts = BTreeSet::new();
        for step in from {
            starts.extend(self.starts_at(step)?);
        }
        // A result that an effect was taken back from is none.
        let taken_back = self
            .undos
            .iter()
            .filter(|(_, step)| matches!(step.phase, Phase::Done(_)));
        starts.extend(taken_back.map(|(at, _)| self.owner(at)));
        let mut fork = Forking {
            state: self,
            starts,
            reused: BTreeSet::new(),
            continued: BTreeSet::new(),
            again: BTreeSet::new(),
        };
        fork.body(&[], &self.plan.top);
        Ok(fork.plan())
    }

    /// The steps that a person names: one, or those of a node in all rounds.
    fn starts_at(&self, from: &StepKey) -> Result<Vec<StepRef>, ForkError> {
        let number = self.plan.by_id.get(from.node.as_str()).copied();
        let node = number.and_then(|number| self.plan.node(number));
        let (Some(number), Some(node)) = (number, node.filter(|node| !node.id.is_undo())) else {
            return Err(ForkError::NoNode(from.clone(), self.names_of_nodes()));
        };
        if from.path.is_empty() {
            return Ok(self.in_all_rounds(number, &node.loops));
        }
        let at = self.locate(from);
        let at = at.ok_or_else(|| ForkError::NoNode(from.clone(), self.names_of_nodes()))?;
        let mut inner = at.clone();
        while let Some((around, round)) = inner.around() {
            let rounds = self.kept_loop(&around).map_or(0, |kept| kept.rounds);
            if round >= rounds {
                let around = self.key(&around).unwrap_or_else(|| from.clone());
                let step = from.clone();
                return Err(ForkError::NoRound { step, around, rounds });
            }
            inner = around;
        }
        Ok(vec![at])
    }

    fn in_all_rounds(&self, node: usize, loops: &[usize]) -> Vec<StepRef> {
        let mut paths = vec![Vec::new()];
        for number in loops {
            let rounds_at = |path: Vec<(usize, u32)>| {
                let around = StepRef {
                    path: path.clone(),
                    node: *number,
                };
                let rounds = self.kept_loop(&around).map_or(0, |kept| kept.rounds);
                (0..rounds).map(move |round| {
                    let mut path = path.clone();
                    path.push((*number, round));
                    path
                })
            };
            paths = paths.into_iter().flat_map(rounds_at).collect();
        }
        paths.into_iter().map(|path| StepRef { path, node }).collect()
    }

    /// The names of the nodes from which a run can be retried, for a message.
    fn names_of_nodes(&self) -> String {
        let nodes = self.plan.nodes.iter().filter(|node| !node.id.is_undo());
        let names: Vec<&str> = nodes.map(|node| node.id.as_str()).collect();
        crate::names::some_of(&names)
    }

    fn kept_loop(&self, at: &StepRef) -> Option<&KeptLoop> {
        self.kept.as_ref()?.loops.get(at)
    }

    fn had(&self, at: &StepRef, node: &PlanNode) -> Had {
        if at.path.is_empty() {
            let step = self.root.steps.get(node.slot);
            return step.map_or(Had::Nothing, |step| Had::of(step, &node.kind));
        }
        let kept = self.kept.as_ref().and_then(|kept| kept.steps.get(at));
        kept.map_or(Had::Nothing, |step| step.had)
    }

    fn result(&self, at: &StepRef) -> Option<Arc<Value>> {
        if at.path.is_empty() {
            return self.step(at)?.output.clone();
        }
        self.kept.as_ref()?.steps.get(at)?.output.clone()
    }

    /// The step that a step belongs to: itself, or the one whose effect it takes back.
    fn owner(&self, at: &StepRef) -> StepRef {
        let takes_back = self.plan.nodes.iter().position(|node| node.undo == Some(at.node));
        StepRef {
            path: at.path.clone(),
            node: takes_back.unwrap_or(at.node),
        }
    }

    fn repeats_so_far(&self) -> BTreeMap<StepKey, u32> {
        let accepted = self.facts.accepted();
        accepted
            .and_then(|accepted| accepted.lineage.as_deref())
            .map(|lineage| lineage.repeats.clone())
            .unwrap_or_default()
    }

    /// What a retry takes from this run, whose state was made by [`RunState::with_rounds`]: the results of these steps, and
    /// over which lists the loops around them went.
    #[must_use]
    pub fn results_of(&self, steps: impl IntoIterator<Item = StepKey>) -> Given {
        let mut given = Given::new();
        for key in steps {
            let Some(at) = self.locate(&key) else { continue };
            let Some(output) = self.result(&at) else { continue };
            let mut inner = at;
            while let Some((around, _)) = inner.around() {
                if let (Some(kept), Some(key)) = (self.kept_loop(&around), self.key(&around)) {
                    given.expect_list(key, kept.list);
                }
                inner = around;
            }
            given.insert(key, output, Source::Reused);
        }
        given
    }
}

/// A fork in the making.
struct Forking<'s> {
    state: &'s RunState,
    /// Steps that run again for a reason of their own.
    starts: BTreeSet<StepRef>,
    reused: BTreeSet<StepRef>,
    continued: BTreeSet<StepRef>,
    again: BTreeSet<StepRef>,
}

impl Forking<'_> {
    /// Says of each step of a body what becomes of it. Returns whether nothing of it runs.
    fn body(&mut self, path: &[(usize, u32)], body: &Body) -> bool {
        let state = self.state;
        let (mut to_visit, mut parts) = (Vec::new(), BTreeSet::new());
        let mut nodes = Vec::with_capacity(body.nodes.len());
        for number in &body.nodes {
            let Some(node) = state.plan.node(*number) else {
                continue;
            };
            let at = StepRef {
                path: path.to_vec(),
                node: *number,
            };
            let had = state.had(&at, node);
            let inside = self.starts.iter().any(|start| start.is_inside(&at));
            if self.starts.contains(&at) {
                to_visit.push(node.slot);
            } else if inside || had == Had::Nothing {
                if state.kept_loop(&at).is_some() {
                    parts.insert(node.slot);
                    to_visit.extend(&node.dependents);
                } else {
                    to_visit.push(node.slot);
                }
            }
            nodes.push((node, at, had));
        }
        let mut again = BTreeSet::new();
        while let Some(slot) = to_visit.pop() {
            if again.insert(slot)
                && let Some((node, _, _)) = nodes.iter().find(|(node, _, _)| node.slot == slot)
            {
                to_visit.extend(&node.dependents);
            }
        }
        for (node, at, had) in nodes {
            if again.contains(&node.slot) {
                self.again.insert(at);
            } else if parts.contains(&node.slot) {
                self.continued.insert(at.clone());
                self.rounds(&at, &node.kind);
            } else if had == Had::Result {
                self.reused.insert(at);
            }
        }
        again.is_empty() && parts.is_empty()
    }

    /// Says it of the rounds of a loop that goes on.
    fn rounds(&mut self, at: &StepRef, kind: &PlanKind) {
        let Some(body) = kind.body() else { return };
        let one_after_the_other = matches!(kind, PlanKind::Repeat(_));
        let rounds = self.state.kept_loop(at).map_or(0, |kept| kept.rounds);
        let mut whole = false;
        for round in 0..rounds {
            let mut path = at.path.clone();
            path.push((at.node, round));
            if whole {
                let nodes = body.nodes.iter();
                self.again.extend(nodes.map(|node| StepRef {
                    path: path.clone(),
                    node: *node,
                }));
            } else {
                whole = !self.body(&path, body) && one_after_the_other;
            }
        }
    }

    /// Whether a step runs again, itself or with a loop around it.
    fn runs_again(&self, at: &StepRef) -> bool {
        let owner = self.state.owner(at);
        let around = owner.path.iter().enumerate().map(|(depth, (node, _))| StepRef {
            path: owner.path.get(..depth).unwrap_or_default().to_vec(),
            node: *node,
        });
        self.again.contains(&owner) || around.into_iter().any(|around| self.again.contains(&around))
    }

    fn plan(self) -> ForkPlan {
        let state = self.state;
        let mut repeats = state.repeats_so_far();
        let mut nodes = BTreeSet::new();
        // A run that was ordered is not ordered again under the same name, however it ended.
        let effects = state.facts.completed_effects().iter().chain(state.ordered.iter());
        for step in effects {
            if let Some(at) = state.locate(&step).filter(|at| self.runs_again(at)) {
                nodes.insert(at.node);
                *repeats.entry(step).or_default() += 1;
            }
        }
        let used = |id: &NodeId| {
            let mut uses = state.facts.used_by_node();
            uses.find(|(node, _)| *node == id).map(|(_, used)| used)
        };
        let repeated = nodes.into_iter().filter_map(|number| state.plan.node(number));
        let repeated = repeated.map(|node| RepeatedEffect {
            node: node.id.clone(),
            used: used(&node.id).unwrap_or_default(),
        });
        let before = state.facts.accepted();
        let before = before.and_then(|accepted| accepted.lineage.as_deref());
        ForkPlan {
            repeated: repeated.collect(),
            reused: in_order(state, &self.reused),
            continued: in_order(state, &self.continued),
            runs_again: in_order(state, &self.again),
            lineage: Lineage {
                root: state.effect_root().clone(),
                predecessor: Some(state.run.clone()),
                generation: before.map_or(1, |lineage| lineage.generation).saturating_add(1),
                parent: before.and_then(|lineage| lineage.parent.clone()),
                repeats,
            },
        }
    }
}

/// Steps by their nodes in the order of the file, those of one node by their rounds.
fn in_order(state: &RunState, steps: &BTreeSet<StepRef>) -> Vec<StepKey> {
    let mut steps: Vec<&StepRef> = steps.iter().collect();
    steps.sort_by_key(|at| (at.node, &at.path));
    steps.into_iter().filter_map(|at| state.key(at)).collect()
}
