//! Webhook endpoints and what is sent to them, as the API shows it.

use async_graphql::connection::Connection;
use async_graphql::{Context, Enum, InputObject, Object, Result};
use flowforge_store::{
    APPROVAL_REQUESTED, Endpoint, EventDelivery, EventFilter, EventState, RUN_ENDED, WORKFLOW_PUBLISHED,
};

use super::fault;
use super::loads::{self, reading};
use super::page::{Cursor, Window, connection};
use super::runs::RunNode;
use super::scalars::Long;

/// What an endpoint can be told.
#[derive(Debug, Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WebhookEvent {
    /// `workflow.published`: a workflow has a new version.
    WorkflowPublished,
    /// `run.ended`: a run is over, however it ended.
    RunEnded,
    /// `approval.requested`: a person is asked.
    ApprovalRequested,
}

impl WebhookEvent {
    /// As it stands in the body.
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::WorkflowPublished => WORKFLOW_PUBLISHED,
            Self::RunEnded => RUN_ENDED,
            Self::ApprovalRequested => APPROVAL_REQUESTED,
        }
    }

    fn named(kind: &str) -> Option<Self> {
        let mut all = [Self::WorkflowPublished, Self::RunEnded, Self::ApprovalRequested].into_iter();
        all.find(|event| event.kind() == kind)
    }
}

/// Where the delivery of an event stands.
#[derive(Debug, Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "EventDeliveryState", remote = "EventState")]
pub(crate) enum StateName {
    /// It is tried, or will be.
    Pending,
    /// The endpoint has taken it.
    Delivered,
    /// It was tried as often as it is, or the endpoint wants no more.
    Failed,
}

/// An address outside to which events are sent, signed as Standard Webhooks says.
pub(crate) struct WebhookEndpointNode(pub(crate) Endpoint);

#[Object(name = "WebhookEndpoint")]
impl WebhookEndpointNode {
    /// Unique in the project.
    async fn name(&self) -> &str {
        &self.0.plan.name
    }

    async fn url(&self) -> &str {
        &self.0.plan.url
    }

    /// What it is told of everything that happens; empty if only workflows name it, in `on_done` and `on_failed`.
    async fn events(&self) -> Vec<WebhookEvent> {
        let kinds = self.0.plan.kinds.iter();
        kinds.filter_map(|kind| WebhookEvent::named(kind)).collect()
    }

    /// The workflow of which it is told; null: of all.
    async fn workflow(&self) -> Option<&str> {
        self.0.plan.workflow.as_deref()
    }

    /// Which of its keys it has, from 1.
    async fn key_version(&self) -> u32 {
        self.0.key_version
    }

    /// Until when the key before signs beside it.
    async fn old_key_until_ms(&self) -> Option<Long> {
        self.0.old_until_ms.map(Long)
    }

    async fn made_by(&self) -> &str {
        &self.0.made_by
    }

    async fn made_at_ms(&self) -> Long {
        self.0.made_at_ms.into()
    }

    /// How many calls failed since the last one that did not.
    async fn failures(&self) -> Long {
        self.0.failures.into()
    }

    /// Since when they fail. After five days the endpoint is disabled.
    async fn failing_since_ms(&self) -> Option<Long> {
        self.0.failing_since_ms.map(Long)
    }

    /// Since when nothing is sent there.
    async fn disabled_at_ms(&self) -> Option<Long> {
        self.0.disabled.as_ref().map(|(at_ms, _)| Long(*at_ms))
    }

    /// Why nothing is sent there.
    async fn disabled_why(&self) -> Option<&str> {
        self.0.disabled.as_ref().map(|(_, why)| why.as_str())
    }
}

/// An event for one endpoint, with what became of it.
pub(crate) struct EventDeliveryNode(pub(crate) EventDelivery);

#[Object(name = "EventDelivery")]
impl EventDeliveryNode {
    /// By which it is named.
    async fn number(&self) -> Long {
        self.0.number.into()
    }

    /// The name under which its receiver knows it, `webhook-id`: the same each time it is sent.
    async fn event(&self) -> &str {
        &self.0.told.event
    }

    /// `run.ended`, `run.done`, `run.failed`, `approval.requested`, `workflow.published`, `endpoint.test`.
    async fn kind(&self) -> &str {
        &self.0.told.kind
    }

    /// The endpoint that it is for. One that a workflow names and that is not there yet is waited for.
    async fn endpoint(&self) -> &str {
        &self.0.told.endpoint
    }

    /// When it happened.
    async fn at_ms(&self) -> Long {
        self.0.told.at_ms.into()
    }

    async fn workflow(&self) -> Option<&str> {
        self.0.told.workflow.as_deref()
    }

    /// The run that it is about; null if it is about none, or that is gone.
    async fn run(&self, ctx: &Context<'_>) -> Result<Option<RunNode>> {
        let Some(run) = self.0.told.run.as_deref().and_then(|run| run.parse().ok()) else {
            return Ok(None);
        };
        let head = loads::heads(ctx, run).await?;
        Ok(head.map(|head| RunNode::of_head((*head).clone())))
    }

    /// The run, approval or release that it is about.
    async fn subject(&self) -> Option<&str> {
        self.0.told.subject.as_deref()
    }

    /// Null if a newer program wrote it and this one does not know the word.
    async fn state(&self) -> Option<StateName> {
        EventState::named(&self.0.state).map(StateName::from)
    }

    /// How often it was tried, since somebody had it sent last.
    async fn attempts(&self) -> Long {
        self.0.attempts.into()
    }

    /// When it is tried next.
    async fn next_at_ms(&self) -> Option<Long> {
        let waits = self.0.state == EventState::Pending.as_str();
        waits.then_some(Long(self.0.due_ms))
    }

    /// When it was tried last.
    async fn last_at_ms(&self) -> Option<Long> {
        self.0.last_at_ms.map(Long)
    }

    /// The HTTP status of the last answer; null if there was none.
    async fn last_status(&self) -> Option<Long> {
        self.0.last_status.map(Long)
    }

    /// The beginning of the last answer, or why there was none.
    async fn last_answer(&self) -> Option<&str> {
        self.0.last_answer.as_deref()
    }

    /// Who had it sent once more.
    async fn asked_by(&self) -> Option<&str> {
        self.0.asked_by.as_deref()
    }
}

/// Which events; what is absent does not count.
#[derive(InputObject, Default)]
pub(crate) struct EventDeliveryFilter {
    endpoint: Option<String>,
    /// `run.ended` and the like.
    kind: Option<String>,
    state: Option<StateName>,
    /// The whole id of a run.
    run: Option<String>,
}

/// Looking at webhook endpoints and what is sent to them.
#[derive(Default)]
pub(crate) struct Endpoints;

#[Object]
impl Endpoints {
    /// The webhook endpoints of the project, by name: at most 100.
    #[graphql(complexity = "10 * child_complexity")]
    async fn webhook_endpoints(&self, ctx: &Context<'_>) -> Result<Vec<WebhookEndpointNode>> {
        let found = reading(ctx).await?.endpoints().await;
        let found = found.map_err(|error| fault(&error))?;
        Ok(found.into_iter().map(WebhookEndpointNode).collect())
    }

    /// Events that went out to webhook endpoints or wait to, newest first: at most the last 100,000 of 30 days.
    #[graphql(complexity = "usize::try_from(first).unwrap_or(0) * child_complexity / 10 + child_complexity")]
    async fn event_deliveries(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
        filter: Option<EventDeliveryFilter>,
    ) -> Result<Connection<Cursor, EventDeliveryNode>> {
        let window = Window::new("eventDeliveries", Some(first), after)?;
        let filter = filter.unwrap_or_default();
        let filter = EventFilter {
            endpoint: filter.endpoint,
            kind: filter.kind,
            state: filter.state.map(EventState::from),
            run: filter.run,
        };
        let reading = reading(ctx).await?;
        let page = reading
            .event_deliveries(&filter, window.after_row()?, window.limit)
            .await;
        Ok(connection(
            page.map_err(|error| fault(&error))?,
            &window,
            EventDeliveryNode,
        ))
    }
}
