//! Schedules as the API shows them: when they come next, and what became of the times before.

use async_graphql::connection::Connection;
use async_graphql::{Context, Enum, Object, Result};
use flowforge_workflow::model::{CatchUp, Overlap};

use super::loads::{self, reading};
use super::page::{Cursor, Window, from_edges};
use super::query::app;
use super::runs::RunNode;
use super::scalars::Long;
use super::{CODE_ARGUMENT, coded, fault};
use crate::app::schedules::Planned;

/// Times of one schedule that are shown at most.
const MAX_TIMES: u32 = 20;

/// What becomes of times that were missed because no server was there.
#[derive(Debug, Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "CatchUp")]
pub(crate) enum ScheduleCatchUp {
    /// Nothing.
    Skip,
    /// The last of them starts a run.
    One,
    /// Each of the newest 100 does, the oldest first.
    All,
}

/// What becomes of a time at which the run before is still open.
#[derive(Debug, Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "Overlap")]
pub(crate) enum ScheduleOverlap {
    /// It starts nothing.
    Skip,
    /// Its run starts when the one before is over.
    Queue,
    /// The one before is stopped, and when it is over the new one starts.
    Cancel,
}

/// A time table of a published workflow.
pub(crate) struct ScheduleNode(Planned);

#[Object(name = "Schedule")]
impl ScheduleNode {
    async fn workflow(&self) -> &str {
        &self.0.workflow
    }

    /// The trigger's name in it.
    async fn trigger(&self) -> &str {
        &self.0.trigger
    }

    /// Minute, hour, day of the month, month, day of the week.
    async fn cron(&self) -> &str {
        &self.0.times.cron
    }

    /// IANA name of the time zone that `cron` is read in.
    async fn time_zone(&self) -> &str {
        &self.0.times.time_zone
    }

    async fn catch_up(&self) -> ScheduleCatchUp {
        self.0.times.catch_up.into()
    }

    /// Null: both runs go on.
    async fn overlap(&self) -> Option<ScheduleOverlap> {
        self.0.times.overlap.map(ScheduleOverlap::from)
    }

    /// The next times, soonest first, 1 to 20 of them; fewer if there are no more.
    async fn next_ms(&self, #[graphql(default = 5)] count: u32) -> Result<Vec<Long>> {
        if !(1..=MAX_TIMES).contains(&count) {
            let message = format!("`count` must be 1 to {MAX_TIMES}");
            return Err(coded(message, CODE_ARGUMENT));
        }
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        Ok(self.0.upcoming().take(count).map(Long).collect())
    }

    /// The time for which a run was started last.
    async fn last_due_ms(&self) -> Option<Long> {
        self.0.past.last_due_ms.map(Long)
    }

    /// The run that was started last; null if there was none, or it is gone.
    async fn last_run(&self, ctx: &Context<'_>) -> Result<Option<RunNode>> {
        let Some(run) = self.0.past.last_run.clone() else {
            return Ok(None);
        };
        let head = loads::heads(ctx, run).await?;
        Ok(head.map(|head| RunNode::of_head((*head).clone())))
    }

    /// Times that have come and whose runs wait, oldest first.
    async fn waiting_ms(&self) -> Vec<Long> {
        self.0.past.waiting.iter().copied().map(Long).collect()
    }

    /// How many times started nothing, because they were missed, or the run before was open, or too many waited.
    async fn skipped(&self) -> Long {
        self.0.past.skipped.into()
    }
}

/// Looking at schedules.
#[derive(Default)]
pub(crate) struct Schedules;

#[Object]
impl Schedules {
    /// The schedules of published workflows, by workflow and trigger.
    #[graphql(complexity = "usize::try_from(first).unwrap_or(0) * child_complexity / 10 + child_complexity")]
    async fn schedules(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
        #[graphql(desc = "Only those of this workflow.")] workflow: Option<String>,
    ) -> Result<Connection<Cursor, ScheduleNode>> {
        let window = Window::new("schedules", Some(first), after)?;
        let stored = reading(ctx)
            .await?
            .schedules()
            .await
            .map_err(|error| fault(&error))?;
        let mut planned = app(ctx)?.planned(stored);
        planned.retain(|plan| workflow.as_ref().is_none_or(|wanted| *wanted == plan.workflow));
        // Neither name has a space in it.
        let place = |plan: &Planned| format!("{} {}", plan.workflow, plan.trigger);
        planned.sort_by_key(place);
        if let Some(Cursor(after)) = &window.after {
            planned.retain(|plan| place(plan) > *after);
        }
        let limit = usize::try_from(window.limit).unwrap_or(usize::MAX);
        let has_more = planned.len() > limit;
        planned.truncate(limit);
        let edges = planned
            .into_iter()
            .map(|plan| (Cursor(place(&plan)), ScheduleNode(plan)));
        Ok(from_edges(edges, has_more, &window))
    }
}
