//! A run as people see it.

use std::sync::Arc;

use flowforge_protocol::record::{Outcome, Source};
use flowforge_protocol::{ApprovalId, NodeId, RunId, StepKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ending::Ending;
use super::state::{RunState, ViewOnly};
use super::steps::{Asked, Phase, Step, StepRef, Waited, Waiting};
use super::{kinds, summary};
use crate::expr::moment_text;
use crate::plan::{PlanKind, PlanNode};

/// A run at one moment. It follows from the records alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunView {
    /// The run.
    pub run: RunId,
    /// Its workflow.
    pub workflow: String,
    /// Where it stands.
    pub phase: RunPhase,
    /// When it was accepted, milliseconds since 1970 UTC; 0 before that.
    pub started_at_ms: u64,
    /// When the newest record was made.
    pub updated_at_ms: u64,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at_ms: Option<u64>,
    /// The nodes of the workflow, in the order of the file; loops stand for what is inside them.
    pub nodes: Vec<NodeRow>,
    /// Questions that wait for a person.
    pub waiting: Vec<WaitingApproval>,
    /// Everything that is waited for, the questions among it.
    pub waits: Vec<OpenWait>,
    /// Who paused it and why, while it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
    /// How it ended: as its record, with the output itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Value>,
    /// Why it can only be shown, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view_only: Option<String>,
    /// Sums.
    pub totals: Totals,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunPhase {
    /// It has no record yet.
    Accepted,
    /// Something runs or can run.
    Running,
    /// Nothing runs; it waits for a person, a time, a signal or another run.
    Waiting,
    /// A step needs a person to look at it before the run goes on.
    NeedsReview,
    /// Somebody paused it.
    Paused,
    /// Done.
    Done,
    /// A step failed.
    Failed,
    /// A person said no.
    Rejected,
    /// Nobody answered in time.
    Expired,
    /// Somebody stopped it.
    Cancelled,
}

impl RunPhase {
    /// The word for it: `running`, `waiting`, ….
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::NeedsReview => "needs_review",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(
            self,
            Self::Done | Self::Failed | Self::Rejected | Self::Expired | Self::Cancelled
        )
    }
}

/// One node of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRow {
    /// Its id.
    pub node: NodeId,
    /// Its kind: `call`, `set`, `switch`, `foreach`, `wait`, `approval`, `workflow`, `repeat`, `respond`; `undo`
    /// for the steps that take effects back, which come last.
    pub kind: String,
    /// Where it stands.
    pub state: NodeState,
    /// What came of it, or what it is at, in a few words.
    pub what: String,
    /// Attempts, those inside a loop counted; absent for a node that makes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tries: Option<u64>,
    /// When it could start, milliseconds since 1970 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at_ms: Option<u64>,
    /// How long it took from then to its end, milliseconds; absent until it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_ms: Option<u64>,
}

/// Where a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// Waits for other nodes.
    Pending,
    /// At work.
    Running,
    /// Tries again later.
    Retrying,
    /// Waits for a person, a time, a signal or another run.
    Waiting,
    /// Waits for a person to look at it.
    NeedsReview,
    /// Done.
    Done,
    /// Did not run, because what it comes after did not happen.
    Skipped,
    /// Failed.
    Failed,
    /// A person said no.
    Rejected,
    /// Nobody answered in time.
    Expired,
    /// The run ended while it was at work or waited.
    Stopped,
    /// The run ended before it could start.
    NotRun,
}

impl NodeState {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Waiting => "waiting",
            Self::NeedsReview => "needs review",
            Self::Done => "done",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Stopped => "stopped",
            Self::NotRun => "not run",
        }
    }
}

/// A question that waits for a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WaitingApproval {
    /// Its id.
    pub approval: ApprovalId,
    /// The step that asks.
    pub step: StepKey,
    /// The question.
    pub title: String,
    /// What the person sees with it.
    pub show: Value,
    /// Who may answer; empty: anybody.
    pub approvers: Vec<String>,
    /// Since when, milliseconds since 1970 UTC.
    pub asked_at_ms: u64,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<u64>,
}

/// Something that is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenWait {
    /// The step that waits.
    pub step: StepKey,
    /// `time`, `retry`, `approval`, `signal`, `child` or `review`.
    pub kind: String,
    /// For what, in a few words: a signal's name, a question, a run.
    pub what: String,
    /// Since when, milliseconds since 1970 UTC.
    pub since_ms: u64,
    /// Until when in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_ms: Option<u64>,
}

/// Sums over a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Steps that completed; a loop counts as one, besides those inside it.
    pub steps_done: u64,
    /// Steps that were skipped.
    pub steps_skipped: u64,
    /// Attempts.
    pub tries: u64,
    /// Time that attempts took, milliseconds; those at the same time add up.
    pub work_ms: u64,
    /// Time in which a person was asked, milliseconds.
    pub person_ms: u64,
    /// Records.
    pub records: u64,
}

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
            out.push(WaitingApproval {
                approval: approval.clone(),
                step: key,
                title: title.clone(),
                show: Value::clone(show),
                approvers: approvers.clone(),
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
    fn each_step<'s>(&'s self, mut then: impl FnMut(&StepRef, &'s Step)) {
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

    fn what(&self, number: usize, node: &PlanNode, step: &Step) -> String {
        let failure = step.last_failure.as_ref();
        match &step.phase {
            Phase::Failed(_) | Phase::ToFallBack | Phase::StandIn => {
                failure.map_or_else(String::new, |failure| failure.message.clone())
            }
            Phase::ToRetry(due) => retrying(step, *due),
            Phase::Skipped(reason) | Phase::ToSkip(reason) => reason.clone(),
            Phase::Waiting(waiting) => match (&waiting.awaits, waiting.due_ms) {
                (Waited::Retry { .. }, due) => retrying(step, due.unwrap_or_default()),
                _ => waited_for(waiting, step),
            },
            Phase::Looping | Phase::RoundOver(_) | Phase::ToPause(_) => self.rounds_text(number, node, step),
            Phase::Rejected => decided("rejected", step),
            Phase::Expired => match &node.kind {
                PlanKind::Wait(_) => "the signal did not come in time".to_owned(),
                _ => "nobody answered in time".to_owned(),
            },
            Phase::Done(_) => self.done_text(number, node, step),
            Phase::Blocked | Phase::Ready | Phase::Working => String::new(),
        }
    }

    /// Whether a loop failed because of a step inside it: the run, or the loop, ends for that.
    fn failed_inside(&self, number: usize) -> bool {
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

    fn rounds_text(&self, number: usize, node: &PlanNode, step: &Step) -> String {
        let (rounds, each) = match (&step.rounds, &node.kind) {
            (Some(rounds), PlanKind::Foreach(each)) => (rounds, each),
            (Some(rounds), PlanKind::Repeat(_)) => {
                return match rounds.finished {
                    1 => "1 round".to_owned(),
                    finished => format!("{} rounds", summary::grouped(finished.into())),
                };
            }
            _ => return String::new(),
        };
        let of = format!(
            "{} of {}",
            summary::grouped(rounds.finished.into()),
            summary::grouped(rounds.count.into())
        );
        let of = if each.parallel > 1 {
            format!("{of}, {} at a time", each.parallel)
        } else {
            of
        };
        if self.failed_inside(number) {
            format!("{of}, then one failed")
        } else {
            of
        }
    }

    fn done_text(&self, number: usize, node: &PlanNode, step: &Step) -> String {
        let text = match (&node.kind, &step.output) {
            (PlanKind::Foreach(_) | PlanKind::Repeat(_), _) => self.rounds_text(number, node, step),
            (PlanKind::Approval(_), _) => decided("approved", step),
            (PlanKind::Wait(_), _) => step
                .answer
                .as_ref()
                .map_or_else(String::new, |by| format!("signal by {by}")),
            (PlanKind::Workflow(child), _) => match &step.answer {
                Some(run) => format!("{} run {}", child.workflow, run.get(..6).unwrap_or(run)),
                None => format!("{} ordered", child.workflow),
            },
            (PlanKind::Respond(_), Some(output)) => output
                .get("status")
                .map_or_else(String::new, |status| format!("answered {status}")),
            (_, None) => String::new(),
            (PlanKind::Switch(cases), _) => match &step.phase {
                Phase::Done(Some(case)) => cases
                    .get(*case)
                    .map_or_else(String::new, |(name, _)| name.clone()),
                _ => String::new(),
            },
            (PlanKind::Set(_), Some(output)) => {
                step.summary.get_or_init(|| summary::of_fields(output)).clone()
            }
            (PlanKind::Call(_), Some(output)) => {
                let what = step.summary.get_or_init(|| summary::of_output(output)).clone();
                match summary::secrets(&step.used) {
                    Some(secrets) if what.is_empty() => secrets,
                    Some(secrets) => format!("{what} · {secrets}"),
                    None => what,
                }
            }
        };
        let from = match (step.source, &step.answer) {
            (Source::Step, _) => return text,
            (Source::Fallback, _) => "by its fallback".to_owned(),
            (Source::Reused, _) => "from the run before".to_owned(),
            (Source::Given, Some(by)) => format!("given by {by}"),
            (Source::Given, None) => "given with the order".to_owned(),
        };
        if text.is_empty() {
            from
        } else {
            format!("{text} · {from}")
        }
    }
}

fn retrying(step: &Step, due: u64) -> String {
    let why = step
        .last_failure
        .as_ref()
        .map_or("", |failure| failure.message.as_str());
    let when = moment_text(due).unwrap_or_default();
    format!("attempt {} failed: {why}; next at {when}", step.attempts)
}

fn waited_name(waited: &Waited) -> &'static str {
    match waited {
        Waited::Time => "time",
        Waited::Retry { .. } => "retry",
        Waited::Approval => "approval",
        Waited::Signal { .. } => "signal",
        Waited::Child => "child",
        Waited::Review { .. } => "review",
    }
}

/// What is waited for, in a few words.
fn waited_for(waiting: &Waiting, step: &Step) -> String {
    match (
        &waiting.awaits,
        step.question.as_deref().map(|question| &question.what),
    ) {
        (Waited::Approval, Some(Asked::Approval { title, .. })) => title.clone(),
        (
            Waited::Signal {
                name,
                correlation: Some(of),
            },
            _,
        ) => format!("signal {name} for {of}"),
        (Waited::Signal { name, .. }, _) => format!("signal {name}"),
        (Waited::Child, Some(Asked::Child(run))) => format!("run {}", run.short()),
        (Waited::Review { failure }, _) => failure.message.clone(),
        _ => match waiting.due_ms {
            Some(due) => format!("until {}", moment_text(due).unwrap_or_default()),
            None => String::new(),
        },
    }
}

fn decided(how: &str, step: &Step) -> String {
    step.answer
        .as_ref()
        .map_or_else(|| how.to_owned(), |answer| format!("{how} by {answer}"))
}
