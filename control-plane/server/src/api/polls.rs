//! Polled triggers as the API shows them: what they ask, where they are, and stopping them.

use async_graphql::connection::Connection;
use async_graphql::{Context, Enum, InputObject, Object, Result, SimpleObject, Union};
use flowforge_store::{Poll, PollKey};

use super::codes::ProblemCode;
use super::fault;
use super::graphs::operation_of;
use super::loads::{self, reading};
use super::mutation::reason_of;
use super::page::{Cursor, Window, from_edges};
use super::problems::TriggerNotFoundProblem;
use super::query::{app, caller};
use super::runs::RunNode;
use super::scalars::Long;
use crate::app::polls::Polled;

/// Where a polled trigger is.
#[derive(Debug, Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "PollState")]
pub(crate) enum PollStateName {
    /// It waits for its time.
    Waiting,
    /// A poll is under way, or waits for a host.
    Polling,
    /// The last poll failed; the next one comes later.
    Failing,
    /// Somebody stopped it.
    Paused,
}

/// Why a poll failed.
#[derive(SimpleObject)]
pub(crate) struct PollFailure {
    /// Stable, for people who look it up: `FF-…`.
    code: String,
    message: String,
}

/// A trigger whose events a connector finds.
pub(crate) struct PollTriggerNode(Box<Polled>);

impl PollTriggerNode {
    fn stored(&self) -> Option<&Poll> {
        self.0.stored.as_ref()
    }
}

#[Object(name = "PollTrigger")]
impl PollTriggerNode {
    async fn workflow(&self) -> &str {
        &self.0.workflow
    }

    /// The trigger's name in it.
    async fn trigger(&self) -> &str {
        &self.0.trigger
    }

    /// The operation that finds its events: `publisher:name/operation`.
    async fn call(&self) -> String {
        operation_of(&self.0.asked.call)
    }

    /// From the end of one poll to the beginning of the next.
    async fn every_ms(&self) -> Long {
        self.0.asked.every_ms.into()
    }

    async fn state(&self) -> PollStateName {
        match self.stored() {
            Some(poll) if poll.paused_by.is_some() => PollStateName::Paused,
            Some(poll) if poll.open_run.is_some() => PollStateName::Polling,
            Some(poll) if poll.past.problem.is_some() => PollStateName::Failing,
            _ => PollStateName::Waiting,
        }
    }

    /// The cursor of the next poll as JSON text; null for the first.
    async fn cursor(&self) -> Option<&str> {
        self.stored().and_then(|poll| poll.place.as_deref())
    }

    /// When the next poll is due; null while one is under way, and of a trigger that is stopped.
    async fn next_ms(&self) -> Option<Long> {
        let poll = self
            .stored()
            .filter(|poll| poll.open_run.is_none() && poll.paused_by.is_none())?;
        Some(poll.due_ms.into())
    }

    /// When the last poll was over.
    async fn last_ms(&self) -> Option<Long> {
        self.stored().and_then(|poll| poll.past.last_ms).map(Long)
    }

    /// The run of the poll that is under way.
    async fn open_run(&self, ctx: &Context<'_>) -> Result<Option<RunNode>> {
        let Some(run) = self.stored().and_then(|poll| poll.open_run.clone()) else {
            return Ok(None);
        };
        let head = loads::heads(ctx, run).await?;
        Ok(head.map(|head| RunNode::of_head((*head).clone())))
    }

    /// The run of the last poll; null if there was none, or it is gone.
    async fn last_run(&self, ctx: &Context<'_>) -> Result<Option<RunNode>> {
        let Some(run) = self.stored().and_then(|poll| poll.past.last_run.clone()) else {
            return Ok(None);
        };
        let head = loads::heads(ctx, run).await?;
        Ok(head.map(|head| RunNode::of_head((*head).clone())))
    }

    /// How many polls were begun.
    async fn polls(&self) -> Long {
        self.stored().map_or(0, |poll| poll.polls).into()
    }

    /// How many events the last poll found that went well.
    async fn last_events(&self) -> Long {
        self.stored().map_or(0, |poll| poll.past.last_events).into()
    }

    /// How many events started runs.
    async fn events(&self) -> Long {
        self.stored().map_or(0, |poll| poll.past.events).into()
    }

    /// How many of the last polls failed, one after the other.
    async fn failures(&self) -> u32 {
        self.stored().map_or(0, |poll| poll.past.failures)
    }

    /// Why the last poll failed; null if it went well.
    async fn failure(&self) -> Option<PollFailure> {
        let (code, message) = self.stored()?.past.problem.clone()?;
        Some(PollFailure { code, message })
    }

    /// Who stopped it and why.
    async fn paused_by(&self) -> Option<&str> {
        self.stored().and_then(|poll| poll.paused_by.as_deref())
    }
}

/// A polled trigger to be stopped, or to go on.
#[derive(InputObject)]
pub(crate) struct PauseTriggerInput {
    workflow: String,
    trigger: String,
    /// Shown while it is stopped.
    reason: Option<String>,
}

#[derive(Union)]
pub(crate) enum PauseTriggerPayload {
    Success(PauseTriggerSuccess),
    NotFound(TriggerNotFoundProblem),
}

/// It is stopped; or goes on, and polls at once.
#[derive(SimpleObject)]
pub(crate) struct PauseTriggerSuccess {
    trigger: PollTriggerNode,
}

/// Looking at polled triggers.
#[derive(Default)]
pub(crate) struct PollQuestions;

#[Object]
impl PollQuestions {
    /// The polled triggers of published workflows, by workflow and trigger.
    #[graphql(complexity = "usize::try_from(first).unwrap_or(0) * child_complexity / 10 + child_complexity")]
    async fn poll_triggers(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
        #[graphql(desc = "Only those of this workflow.")] workflow: Option<String>,
    ) -> Result<Connection<Cursor, PollTriggerNode>> {
        let window = Window::new("pollTriggers", Some(first), after)?;
        let stored = reading(ctx).await?.polls().await.map_err(|error| fault(&error))?;
        let mut polled = app(ctx)?.polled(stored);
        polled.retain(|one| workflow.as_ref().is_none_or(|wanted| *wanted == one.workflow));
        // Neither name has a space in it.
        let place = |one: &Polled| format!("{} {}", one.workflow, one.trigger);
        polled.sort_by_key(place);
        if let Some(Cursor(after)) = &window.after {
            polled.retain(|one| place(one) > *after);
        }
        let limit = usize::try_from(window.limit).unwrap_or(usize::MAX);
        let has_more = polled.len() > limit;
        polled.truncate(limit);
        let edges = polled
            .into_iter()
            .map(|one| (Cursor(place(&one)), PollTriggerNode(Box::new(one))));
        Ok(from_edges(edges, has_more, &window))
    }
}

/// Stopping polled triggers.
#[derive(Default)]
pub(crate) struct PollChanges;

#[Object]
impl PollChanges {
    /// Stops the polls of a trigger. One that is under way ends, and its events start runs.
    async fn pause_trigger(
        &self,
        ctx: &Context<'_>,
        input: PauseTriggerInput,
    ) -> Result<PauseTriggerPayload> {
        let by = reason_of(caller(ctx)?, "paused", input.reason.clone());
        tell(ctx, input, Some(by)).await
    }

    /// Lets the polls of a trigger go on where they were stopped; the next one is due at once. Of one that is failing, too.
    async fn resume_trigger(
        &self,
        ctx: &Context<'_>,
        input: PauseTriggerInput,
    ) -> Result<PauseTriggerPayload> {
        tell(ctx, input, None).await
    }
}

async fn tell(
    ctx: &Context<'_>,
    input: PauseTriggerInput,
    paused_by: Option<String>,
) -> Result<PauseTriggerPayload> {
    let app = app(ctx)?;
    let key = PollKey {
        workflow: input.workflow.clone(),
        trigger: input.trigger.clone(),
    };
    let told = app.pause_trigger(caller(ctx)?, key, paused_by).await;
    let there = told.map_err(|error| fault(&error))?;
    let polled = app.polled_trigger(&input.workflow, &input.trigger).await;
    let polled = polled.map_err(|error| fault(&error))?;
    Ok(match polled.filter(|_| there) {
        Some(polled) => PauseTriggerPayload::Success(PauseTriggerSuccess {
            trigger: PollTriggerNode(Box::new(polled)),
        }),
        None => {
            let message = format!(
                "no published workflow `{}` has a polled trigger `{}`; see `flowforge trigger list`",
                input.workflow, input.trigger
            );
            let problem = TriggerNotFoundProblem::new(ProblemCode::Trg004, message);
            PauseTriggerPayload::NotFound(problem)
        }
    })
}
