//! A run as people see it.

use std::sync::Arc;

use flowforge_ports::Effect;
use flowforge_protocol::StepKey;
use flowforge_protocol::record::Outcome;
use serde_json::Value;

use super::ending::Ending;
use super::shown::{NodeRow, NodeState, OpenWait, RunPhase, RunView, Totals, WaitingApproval};
use super::state::{RunState, ViewOnly};
use super::steps::{Asked, Phase, Step, StepRef, Waited};
use super::words::{waited_for, waited_name};
use super::{kinds, summary};
use crate::plan::{PlanKind, PlanNode};

impl RunState {
    /// The run as people see it.
    #[must_use]
    pub fn view(&self) -> RunView {
        let nodes: Vec<NodeRow> = self
            .plan
            .top
            .nodes
            .iter()
            .filter_map(|number| self.row(*number))
            .chain(self.undo_rows())
            .collect();
        RunView {
            run: self.run.clone(),
            workflow: self.plan.workflow.clone(),
            phase: self.phase(),
            started_at_ms: self.started_at_ms,
            updated_at_ms: self.last_at_ms,
            ended_at_ms: self.outcome.as_ref().map(|_| self.ended_at_ms),
            nodes,
            waiting: self.waiting(),
            waits: self.waits(),
            paused: self.paused.clone().filter(|_| self.outcome.is_none()),
            outcome: self.outcome.as_ref().map(Outcome::shown),
            view_only: self.view_only.as_ref().map(ViewOnly::to_string),
            totals: self.totals(),
        }
    }

    /// Where the run stands.
    #[must_use]
    pub fn phase(&self) -> RunPhase {
        match &self.outcome {
            Some(Outcome::Done { .. }) => RunPhase::Done,
            Some(Outcome::Failed { .. }) => RunPhase::Failed,
            Some(Outcome::Rejected { .. }) => RunPhase::Rejected,
            Some(Outcome::Expired { .. }) => RunPhase::Expired,
            Some(Outcome::Cancelled { .. }) => RunPhase::Cancelled,
            None if self.next_seq == 0 => RunPhase::Accepted,
            None => {
                let (mut busy, mut idle, mut review) = (false, false, false);
                self.each_open_step(|_, step| match &step.phase {
                    Phase::Waiting(waiting) => match waiting.awaits {
                        Waited::Review { .. } => review = true,
                        Waited::Retry { .. } => busy = true,
                        _ => idle = true,
                    },
                    Phase::Ready
                    | Phase::ToSkip(_)
                    | Phase::Working
                    | Phase::ToRetry(_)
                    | Phase::RoundOver(_)
                    | Phase::ToPause(_)
                    | Phase::ToFallBack => busy = true,
                    _ => {}
                });
                if self.is_held() {
                    RunPhase::Paused
                } else if review && !busy {
                    RunPhase::NeedsReview
                } else if idle && !busy {
                    RunPhase::Waiting
                } else {
                    RunPhase::Running
                }
            }
        }
    }

    /// The questions that wait for a person.
    #[must_use]
    pub fn waiting(&self) -> Vec<WaitingApproval> {
        if self.is_ending() {
            return Vec::new();
        }
        let mut out = Vec::new();
        self.each_step(|at, step| {
            let (Phase::Waiting(waiting), Some(question)) = (&step.phase, &step.question) else {
                return;
            };
            let Asked::Approval {
                approval,
                title,
                show,
                approvers,
            } = &question.what
            else {
                return;
            };
            let Some(key) = self.key(at) else { return };
            let Some(PlanKind::Approval(plan)) = self.plan_node(at).map(|node| &node.kind) else {
                return;
            };
            out.push(WaitingApproval {
                approval: approval.clone(),
                step: key,
                title: title.clone(),
                show: Value::clone(show),
                approvers: approvers.clone(),
                terms: plan.terms.clone(),
                asked_at_ms: question.asked_at_ms,
                expires_at_ms: waiting.due_ms,
            });
        });
        out
    }

    /// Everything that is waited for now.
    #[must_use]
    pub fn waits(&self) -> Vec<OpenWait> {
        if self.outcome.is_some() {
            return Vec::new();
        }
        let mut out = Vec::new();
        self.each_open_step(|at, step| {
            let (Phase::Waiting(waiting), Some(step_key)) = (&step.phase, self.key(at)) else {
                return;
            };
            out.push(OpenWait {
                step: step_key,
                kind: waited_name(&waiting.awaits).to_owned(),
                what: waited_for(waiting, step),
                since_ms: waiting.since_ms,
                due_ms: waiting.due_ms,
            });
        });
        out
    }

    /// The output of a step that is done, if it still has one: those inside loops have not, once their round is over.
    #[must_use]
    pub fn output_of(&self, step: &StepKey) -> Option<Arc<Value>> {
        self.step(&self.locate(step)?)?.output.clone()
    }

    /// Whether a step does nothing outside: its operation is pure, or the host computes it itself.
    #[must_use]
    pub fn is_pure(&self, step: &StepKey) -> bool {
        let node = self.locate(step).and_then(|at| self.plan_node(&at));
        match node.map(|node| &node.kind) {
            Some(PlanKind::Call(call)) => call.effect == Effect::Pure,
            _ => true,
        }
    }

    fn totals(&self) -> Totals {
        let sum = |field: fn(&super::state::Counters) -> u64| self.counters.iter().map(field).sum();
        let mut person_ms = 0;
        self.each_step(|_, step| {
            if let Some(question) = &step.question
                && matches!(question.what, Asked::Approval { .. })
            {
                let end = if step.phase.is_settled() {
                    step.ended_at_ms
                } else {
                    self.last_at_ms
                };
                person_ms += end.saturating_sub(question.asked_at_ms);
            }
        });
        let elapsed_us: u64 = sum(|counters| counters.elapsed_us);
        Totals {
            steps_done: sum(|counters| counters.done),
            steps_skipped: sum(|counters| counters.skipped),
            tries: sum(|counters| counters.tries),
            work_ms: elapsed_us.div_ceil(1000),
            person_ms,
            records: self.next_seq,
        }
    }

    /// Every step about which something can still happen, in the order of the plan: while the run takes effects back,
    /// only the steps that do.
    fn each_open_step<'s>(&'s self, mut then: impl FnMut(&StepRef, &'s Step)) {
        let ends = self.ending.is_some();
        self.each_step(|at, step| {
            let undo = self.plan_node(at).is_some_and(|node| node.id.is_undo());
            if undo == ends {
                then(at, step);
            }
        });
    }

    /// Every step there is now, in the order of the plan.
    pub(super) fn each_step<'s>(&'s self, mut then: impl FnMut(&StepRef, &'s Step)) {
        fn walk<'s>(
            state: &'s RunState,
            path: &mut Vec<(usize, u32)>,
            body: &[usize],
            scope: &'s super::steps::Scope,
            then: &mut impl FnMut(&StepRef, &'s Step),
        ) {
            for (number, step) in body.iter().zip(&scope.steps) {
                then(
                    &StepRef {
                        path: path.clone(),
                        node: *number,
                    },
                    step,
                );
                let Some(body) = state.plan.node(*number).and_then(|node| node.kind.body()) else {
                    continue;
                };
                for (round, inner) in step.rounds.iter().flat_map(|rounds| &rounds.running) {
                    path.push((*number, *round));
                    walk(state, path, &body.nodes, inner, then);
                    path.pop();
                }
            }
        }
        walk(self, &mut Vec::new(), &self.plan.top.nodes, &self.root, &mut then);
        for (at, step) in self.undos.iter().filter(|_| self.ending.is_some()) {
            then(at, step);
        }
    }

    fn row(&self, number: usize) -> Option<NodeRow> {
        let node = self.plan.node(number)?;
        let step = self.root.steps.get(node.slot)?;
        let started = !matches!(step.phase, Phase::Blocked | Phase::ToSkip(_) | Phase::Skipped(_));
        Some(NodeRow {
            node: node.id.clone(),
            kind: kinds::name(&node.kind).to_owned(),
            state: self.state_of(number, step),
            what: self.what(number, node, step),
            tries: self.tries(number, node).filter(|_| started),
            started_at_ms: started.then_some(step.ready_at_ms),
            time_ms: (started && step.phase.is_settled())
                .then(|| step.ended_at_ms.saturating_sub(step.ready_at_ms)),
        })
    }

    /// The steps that take effects back, in the order in which they run, once the run does so: one row for all the
    /// rounds of a loop.
    fn undo_rows(&self) -> Vec<NodeRow> {
        let mut rows: Vec<(NodeRow, u64, u64)> = Vec::new();
        for (at, step) in self.undos.iter().filter(|_| self.ending.is_some()) {
            let Some(node) = self.plan_node(at) else { continue };
            let done = u64::from(matches!(step.phase, Phase::Done(_)));
            let state = match step.phase {
                Phase::Ready if self.current_undo() != Some(at) => NodeState::Pending,
                _ => self.state_of(at.node, step),
            };
            if let Some((row, all, all_done)) = rows.iter_mut().find(|(row, ..)| row.node == node.id) {
                *all += 1;
                *all_done += done;
                row.what = format!("{} of {}", summary::grouped(*all_done), summary::grouped(*all));
                if row.state == NodeState::Done {
                    row.state = state;
                }
                continue;
            }
            let row = NodeRow {
                node: node.id.clone(),
                kind: "undo".to_owned(),
                state,
                what: self.what(at.node, node, step),
                tries: self.tries(at.node, node),
                started_at_ms: None,
                time_ms: None,
            };
            rows.push((row, 1, done));
        }
        rows.into_iter().map(|(row, ..)| row).collect()
    }

    fn state_of(&self, number: usize, step: &Step) -> NodeState {
        let over = self.outcome.is_some();
        match step.phase {
            Phase::Blocked | Phase::ToSkip(_) | Phase::Ready if over => NodeState::NotRun,
            Phase::Looping | Phase::RoundOver(_) if self.failed_inside(number) => NodeState::Failed,
            Phase::Working
            | Phase::ToRetry(_)
            | Phase::Waiting(_)
            | Phase::Looping
            | Phase::RoundOver(_)
            | Phase::ToPause(_)
            | Phase::ToFallBack
            | Phase::StandIn
                if over =>
            {
                NodeState::Stopped
            }
            Phase::Blocked | Phase::ToSkip(_) => NodeState::Pending,
            // It has not begun, and does not before the run goes on.
            Phase::Ready if self.is_held() => NodeState::Pending,
            Phase::Ready
            | Phase::Working
            | Phase::Looping
            | Phase::RoundOver(_)
            | Phase::ToFallBack
            | Phase::StandIn => NodeState::Running,
            Phase::ToRetry(_) => NodeState::Retrying,
            Phase::ToPause(_) => NodeState::Waiting,
            Phase::Waiting(ref waiting) => match waiting.awaits {
                Waited::Retry { .. } => NodeState::Retrying,
                Waited::Review { .. } => NodeState::NeedsReview,
                _ => NodeState::Waiting,
            },
            Phase::Done(_) => NodeState::Done,
            Phase::Skipped(_) => NodeState::Skipped,
            Phase::Failed(_) => NodeState::Failed,
            Phase::Rejected => NodeState::Rejected,
            Phase::Expired => NodeState::Expired,
        }
    }

    /// Attempts of a call, or of the calls inside a loop.
    fn tries(&self, number: usize, node: &PlanNode) -> Option<u64> {
        match &node.kind {
            PlanKind::Call(_) => self.counters.get(number).map(|counters| counters.tries),
            PlanKind::Foreach(_) | PlanKind::Repeat(_) => {
                let inside = node
                    .kind
                    .body()?
                    .nodes
                    .iter()
                    .filter_map(|n| self.tries(*n, self.plan.node(*n)?));
                Some(inside.sum())
            }
            _ => None,
        }
    }

    /// Whether a loop failed because of a step inside it: the run, or the loop, ends for that.
    pub(super) fn failed_inside(&self, number: usize) -> bool {
        let ends_run = match &self.ending {
            Some(Ending::Failed { node, .. }) => {
                let failed = self.plan.by_id.get(node.as_str());
                let failed = failed.and_then(|failed| self.plan.node(*failed));
                failed.is_some_and(|node| node.loops.contains(&number))
            }
            _ => false,
        };
        ends_run || self.failing.iter().any(|at| at.node == number)
    }
}
