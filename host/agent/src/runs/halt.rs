//! How the task of a run comes to its end, and what becomes of the run then.

use flowforge_failpoints::Injected;
use flowforge_journal::{AppendError, ReadError, Stopped};
use flowforge_protocol::{Failure, FailureKind};
use flowforge_workflow::ApplyError;
use tokio::task::JoinError;

use super::recorder::AddError;
use super::room::Cancelled;
use super::wait::Wait;
use crate::text::with_causes;

/// Why the task of a run stops before the run has ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Halt {
    /// The journal does not take its records.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The journal cannot be read.
    #[error("the run's inbox cannot be read")]
    Read(#[from] ReadError),
    /// The journal has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// A record does not fit the state: a mistake in this program.
    #[error("a record does not fit the run")]
    Apply(#[from] ApplyError),
    /// A record cannot be written.
    #[error(transparent)]
    Add(#[from] AddError),
    /// Another host has the run.
    #[error("the run is no longer this host's")]
    Dropped,
    /// The host is stopping.
    #[error("the host is stopping")]
    Draining,
    /// An attempt was lost with its answer: a mistake in this program.
    #[error("an attempt was lost")]
    Lost(#[from] JoinError),
    /// It was cancelled while its records waited for room in the journal.
    #[error("the run was cancelled while the journal was full")]
    Cancelled(Cancelled),
    /// A fail point asked for it.
    #[error(transparent)]
    Injected(#[from] Injected),
}

/// What becomes of a run whose task stops before it has ended.
#[derive(Debug)]
pub(super) enum After {
    /// Another host has it: what is here of it goes.
    Drops,
    /// It was given away, and the journal has let go of it already.
    LetsGo(String),
    /// It ends as cancelled.
    Cancelled(Cancelled),
    /// It rests until the next start, as it should.
    Rests(String),
    /// It rests until the next start, because the host cannot go on with it.
    Stops(String),
    /// It ends as failed.
    Fails(Failure),
}

impl After {
    pub(super) fn of(halt: Halt) -> Self {
        match halt {
            Halt::Dropped => Self::Drops,
            Halt::Cancelled(cancelled) => Self::Cancelled(cancelled),
            Halt::Draining | Halt::Injected(_) => Self::Rests(halt.to_string()),
            Halt::Append(AppendError::Fenced { .. }) => Self::LetsGo(halt.to_string()),
            Halt::Append(AppendError::Stopped(stopped)) => Self::Stops(stopped.to_string()),
            Halt::Read(_) | Halt::Stopped(_) => Self::Stops(with_causes(&halt)),
            Halt::Append(AppendError::RunTooLarge { .. }) => {
                Self::Fails(Failure::new(FailureKind::Limit, with_causes(&halt)).with_code("FF-RUN-110"))
            }
            Halt::Append(_) | Halt::Apply(_) | Halt::Add(_) | Halt::Lost(_) => {
                Self::Fails(Failure::new(FailureKind::Internal, with_causes(&halt)).with_code("FF-RUN-111"))
            }
        }
    }
}

/// What became of a run when its task is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rest {
    /// It has ended, or is another host's.
    Gone,
    /// It waits in the journal, and is woken when its time or a message comes.
    Asleep(Wait),
    /// It rests in the journal until the next start, for this reason.
    Resting(String),
}

/// How the task of a run comes to its end.
pub(super) enum Driven {
    /// The run has ended.
    Ended,
    /// The run waits, and leaves memory.
    Asleep(Wait),
}

#[cfg(test)]
mod tests {
    use flowforge_protocol::RunId;

    use super::*;

    /// A run that had gone to another host while its task was at work was ended as failed, by a host that no longer had it.
    #[test]
    fn a_run_that_was_given_away_is_let_go_and_not_failed() {
        let fenced = AppendError::Fenced {
            run: RunId::from_entropy([1; 16]),
            epoch: 2,
        };
        let after = After::of(fenced.into());
        assert!(
            matches!(&after, After::LetsGo(reason) if reason.contains("goes on elsewhere")),
            "{after:?}"
        );
        let large = AppendError::RunTooLarge {
            actual_bytes: 2,
            limit_bytes: 1,
        };
        assert!(
            matches!(After::of(large.into()), After::Fails(failure) if failure.code.as_deref() == Some("FF-RUN-110"))
        );
    }
}
