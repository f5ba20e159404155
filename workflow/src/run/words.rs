//! The words of a view: what came of a node, or what it is at.

use flowforge_protocol::record::Source;

use super::state::RunState;
use super::steps::{Asked, Phase, Step, Waited, Waiting};
use super::summary;
use crate::expr::moment_text;
use crate::plan::{PlanKind, PlanNode};

impl RunState {
    /// What came of a node, or what it is at, in a few words.
    pub(super) fn what(&self, number: usize, node: &PlanNode, step: &Step) -> String {
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
            (PlanKind::Switch(cases), Some(_)) => match &step.phase {
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
            // That it is done is all that is to be said.
            _ => String::new(),
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

/// The word for a kind of wait.
pub(super) fn waited_name(waited: &Waited) -> &'static str {
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
pub(super) fn waited_for(waiting: &Waiting, step: &Step) -> String {
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
