//! Marks of what may take the host down, so that it is known for it.
//!
//! What is under way is marked in the journal, and a mark rides along with other commits. After a death of the host that is
//! not enough: what took it down may have been marked by no commit at all, and would do it again at every start. Then
//! attempts, and the expressions that the state machine evaluates, wait until their marks are durable, with everything
//! before them. Expressions are evaluated for one step at a time then, so that the right one is named.

use std::sync::atomic::{AtomicU32, Ordering};

use flowforge_journal::Urgency;
use flowforge_workflow::Command;

use super::halt::Halt;
use super::task::RunTask;

/// So many steps of a run after a death are evaluated with a mark; what comes later is marked when the host dies again,
/// because all before it is durable then.
const MARKED_STEPS: u32 = 64;

/// What of a run waits until its mark is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marking {
    /// Nothing: the marks ride along.
    Later,
    /// The attempts that the run begins with here.
    First,
    /// These, and the expressions of so many steps: the host died before.
    Careful(u32),
    /// All attempts and expressions: the host died during a step of the run before.
    All,
}

impl Marking {
    /// As [`Marking::Careful`], at its beginning.
    pub(super) const CAREFUL: Self = Self::Careful(MARKED_STEPS);

    /// Whether attempts wait that begin now.
    pub(super) fn holds_attempts(self) -> bool {
        self != Self::Later
    }

    fn holds_expressions(self) -> bool {
        matches!(self, Self::Careful(_) | Self::All)
    }

    /// When the first attempts have begun.
    pub(super) fn after_attempts(self) -> Self {
        match self {
            Self::All => Self::All,
            _ => Self::Later,
        }
    }

    fn after_expressions(self) -> Self {
        match self {
            Self::Careful(left) if left > 1 => Self::Careful(left - 1),
            Self::Careful(_) => Self::First,
            other => other,
        }
    }
}

/// How many runs are still to be handled with care after a death of the host.
#[derive(Debug, Default)]
pub(super) struct Careful(AtomicU32);

impl Careful {
    pub(super) fn set(&self, runs: u32) {
        self.0.store(runs, Ordering::Relaxed);
    }

    /// Whether the run that begins now is one of them; counts it.
    pub(super) fn take(&self) -> bool {
        let less = |left: u32| left.checked_sub(1);
        // Read first: nothing is written on the way of a host that stopped in order.
        self.0.load(Ordering::Relaxed) > 0
            && self
                .0
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
                .is_ok()
    }
}

impl RunTask {
    /// What the state machine says is next. Where expressions wait for their marks, it says so step by step.
    pub(super) async fn next_commands(&mut self) -> Result<Vec<Command>, Halt> {
        let holds = self.marking.holds_expressions();
        let Some(evaluated) = holds.then(|| self.execution.evaluates_next()).flatten() else {
            return self.evaluate(None).await;
        };
        let step = evaluated.step().clone();
        // What was decided before is not to be decided again after a death.
        self.flush(Urgency::Lazy).await?;
        self.recorder.attempt_begins(&step, 0);
        self.shared.journal.flush().await?;
        let commands = self.evaluate(Some(evaluated)).await?;
        self.marking = self.marking.after_expressions();
        if commands
            .iter()
            .any(|command| matches!(command, Command::Invoke(_)))
        {
            // Deaths that were counted are the attempt's as well: they stay until that has ended.
            self.recorder.attempt_stopped(&step);
        } else {
            self.recorder.attempt_ended(&step);
        }
        Ok(commands)
    }

    /// Whether expressions are left that wait for their turn.
    pub(super) fn has_waiting_expressions(&self) -> bool {
        let held = self.marking.holds_expressions() && self.execution.evaluates_next().is_some();
        held || self.has_costly_left
    }
}
