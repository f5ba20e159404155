//! Where the expressions of a run are evaluated.
//!
//! Nearly all cost less than handing them over would, so they are evaluated where the run is driven, within an allowance.
//! What needs more is evaluated on a thread of its own, the expressions of one step at a time, with all that an evaluation
//! may cost and one deadline. No other run waits for that; this one does.

use std::panic::resume_unwind;
use std::sync::Arc;

use flowforge_workflow::{Allowance, Command, Effort, Evaluated, Execution, Given, Now, RunState};

use super::halt::Halt;
use super::task::RunTask;

/// Most units of work that expressions cost where runs are driven, at one turn of a run.
const TURN_WORK_MAX: u64 = 20_000;

impl RunTask {
    /// What the state machine says is next, of these expressions or of any.
    pub(super) async fn evaluate(&mut self, only: Option<Evaluated>) -> Result<Vec<Command>, Halt> {
        let now = Now { ms: self.now() };
        let mut next = {
            let allowance = Allowance::new(TURN_WORK_MAX);
            let effort = Effort {
                allowance: Some(&allowance),
                interrupt: None,
            };
            self.execution.next_of(now, only.as_ref(), effort)
        };
        self.has_costly_left = false;
        match next.too_costly.take() {
            // The marks of these are durable, and they are what is to be done.
            Some(costly) if only.is_some() || next.commands.is_empty() => {
                next.commands.extend(self.evaluate_apart(costly, now).await?);
            }
            // First what can be done without them.
            Some(_) => self.has_costly_left = true,
            None => {}
        }
        Ok(next.commands)
    }

    async fn evaluate_apart(&mut self, costly: Evaluated, now: Now) -> Result<Vec<Command>, Halt> {
        // Nobody looks at the run meanwhile: its task waits here.
        let state = self.execution.state();
        let vacant = RunState::new(Arc::clone(state.plan()), state.run().clone());
        let vacant = Execution::new(vacant, Given::default());
        let execution = std::mem::replace(&mut self.execution, vacant);
        let shared = Arc::clone(&self.shared);
        let work = move |execution: &mut Execution, interrupt: &_| {
            let effort = Effort {
                allowance: None,
                interrupt: Some(interrupt),
            };
            execution.next_of(now, Some(&costly), effort).commands
        };
        let time = Some(shared.evaluation_timeout);
        let done = shared.evaluations.hand_over(execution, time, work).await;
        let (execution, commands) = done.map_err(|_| Halt::Draining)?;
        self.execution = execution;
        Ok(commands.unwrap_or_else(|panic| resume_unwind(panic)))
    }
}
