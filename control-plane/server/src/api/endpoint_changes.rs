//! Changes of webhook endpoints, and events that are sent once more.

use std::time::Duration;

use async_graphql::{Context, InputObject, Object, Result, SimpleObject, Union};
use flowforge_store::EndpointPlan;

use super::codes::ProblemCode;
use super::endpoints::{EventDeliveryNode, WebhookEndpointNode, WebhookEvent};
use super::fault;
use super::mutation::{field, input_problem};
use super::problems::{EndpointNotFoundProblem, EventNotFoundProblem, InputProblem};
use super::query::{app, caller};
use super::scalars::Long;
use crate::app::endpoints::OVERLAP_MAX;

/// Hours for which a key that is changed signs beside the new one, unless it is said.
const OVERLAP_HOURS: u32 = 24;

/// A webhook endpoint as it is to be.
#[derive(InputObject)]
pub(crate) struct SetWebhookEndpointInput {
    /// Lower-case letters, digits, `-` and `_`. One that is there is changed and keeps its key.
    name: String,
    /// `https://NAME/PATH`.
    url: String,
    /// What it is told of everything that happens; none if only workflows name it.
    events: Vec<WebhookEvent>,
    /// Only of this workflow; null: of all.
    workflow: Option<String>,
}

#[derive(Union)]
pub(crate) enum SetWebhookEndpointPayload {
    Success(SetWebhookEndpointSuccess),
    Input(InputProblem),
}

/// It is so now.
#[derive(SimpleObject)]
pub(crate) struct SetWebhookEndpointSuccess {
    endpoint: WebhookEndpointNode,
    /// The key of a new endpoint, `whsec_…`: shown this once. Null if the endpoint was there and keeps its key.
    key: Option<String>,
}

/// The endpoint that gets another key.
#[derive(InputObject)]
pub(crate) struct RotateWebhookEndpointInput {
    name: String,
    /// For so many hours the key before signs, too: 0 to 168. Default 24.
    overlap_hours: Option<u32>,
}

#[derive(Union)]
pub(crate) enum RotateWebhookEndpointPayload {
    Success(RotateWebhookEndpointSuccess),
    NotFound(EndpointNotFoundProblem),
    Input(InputProblem),
}

/// It has another key.
#[derive(SimpleObject)]
pub(crate) struct RotateWebhookEndpointSuccess {
    endpoint: WebhookEndpointNode,
    /// `whsec_…`: shown this once.
    key: String,
}

/// The endpoint that is disabled or enabled.
#[derive(InputObject)]
pub(crate) struct DecideWebhookEndpointInput {
    name: String,
    enabled: bool,
}

#[derive(Union)]
pub(crate) enum DecideWebhookEndpointPayload {
    Success(DecideWebhookEndpointSuccess),
    NotFound(EndpointNotFoundProblem),
}

/// It is so now.
#[derive(SimpleObject)]
pub(crate) struct DecideWebhookEndpointSuccess {
    endpoint: WebhookEndpointNode,
}

/// The endpoint that is removed.
#[derive(InputObject)]
pub(crate) struct DeleteWebhookEndpointInput {
    name: String,
}

#[derive(Union)]
pub(crate) enum DeleteWebhookEndpointPayload {
    Success(DeleteWebhookEndpointSuccess),
    NotFound(EndpointNotFoundProblem),
}

/// It is gone, with the list of what was sent to it.
#[derive(SimpleObject)]
pub(crate) struct DeleteWebhookEndpointSuccess {
    name: String,
}

/// The endpoint that is tried.
#[derive(InputObject)]
pub(crate) struct TestWebhookEndpointInput {
    name: String,
}

#[derive(Union)]
pub(crate) enum TestWebhookEndpointPayload {
    Success(Box<TestWebhookEndpointSuccess>),
    NotFound(EndpointNotFoundProblem),
}

/// An event is on its way.
#[derive(SimpleObject)]
pub(crate) struct TestWebhookEndpointSuccess {
    delivery: EventDeliveryNode,
}

/// The event that is sent once more.
#[derive(InputObject)]
pub(crate) struct RetryEventDeliveryInput {
    number: Long,
}

#[derive(Union)]
pub(crate) enum RetryEventDeliveryPayload {
    Success(Box<RetryEventDeliverySuccess>),
    NotFound(EventNotFoundProblem),
}

/// It is on its way.
#[derive(SimpleObject)]
pub(crate) struct RetryEventDeliverySuccess {
    delivery: EventDeliveryNode,
}

fn no_endpoint(name: &str) -> EndpointNotFoundProblem {
    EndpointNotFoundProblem::new(
        ProblemCode::Out001,
        format!("there is no webhook endpoint `{name}`"),
    )
}

/// Keeping webhook endpoints.
#[derive(Default)]
pub(crate) struct EndpointChanges;

#[Object]
impl EndpointChanges {
    /// Makes a webhook endpoint, or says anew where one is and what it is told.
    async fn set_webhook_endpoint(
        &self,
        ctx: &Context<'_>,
        input: SetWebhookEndpointInput,
    ) -> Result<SetWebhookEndpointPayload> {
        let app = app(ctx)?;
        let plan = EndpointPlan {
            name: input.name,
            url: input.url,
            kinds: input.events.iter().map(|event| event.kind().to_owned()).collect(),
            workflow: input.workflow,
        };
        let set = app.set_endpoint(caller(ctx)?, plan).await;
        Ok(match set.map_err(|error| fault(&error))? {
            Ok(set) => SetWebhookEndpointPayload::Success(SetWebhookEndpointSuccess {
                endpoint: WebhookEndpointNode(set.endpoint),
                key: set.key.map(|key| key.to_string()),
            }),
            Err(faults) => {
                let fields = faults.into_iter();
                let fields = fields.map(|(path, message)| field(path, message)).collect();
                SetWebhookEndpointPayload::Input(input_problem(fields))
            }
        })
    }

    /// Gives a webhook endpoint another key. For a while the one that it had signs, too: events have both signatures.
    async fn rotate_webhook_endpoint(
        &self,
        ctx: &Context<'_>,
        input: RotateWebhookEndpointInput,
    ) -> Result<RotateWebhookEndpointPayload> {
        let hours = input.overlap_hours.unwrap_or(OVERLAP_HOURS);
        let overlap = Duration::from_secs(u64::from(hours) * 60 * 60);
        if overlap > OVERLAP_MAX {
            let message = format!("expected 0 to {} hours", OVERLAP_MAX.as_secs() / (60 * 60));
            return Ok(RotateWebhookEndpointPayload::Input(input_problem(vec![field(
                "overlapHours",
                message,
            )])));
        }
        let rotated = app(ctx)?
            .rotate_endpoint(caller(ctx)?, &input.name, overlap)
            .await;
        let rotated = rotated.map_err(|error| fault(&error))?;
        let made = rotated.and_then(|set| Some((set.endpoint, set.key?)));
        Ok(match made {
            Some((endpoint, key)) => RotateWebhookEndpointPayload::Success(RotateWebhookEndpointSuccess {
                endpoint: WebhookEndpointNode(endpoint),
                key: key.to_string(),
            }),
            None => RotateWebhookEndpointPayload::NotFound(no_endpoint(&input.name)),
        })
    }

    /// Disables a webhook endpoint, or enables it again: then what waits for it is sent. What happens while it is disabled it
    /// is not told, except for what workflows send to it by name.
    async fn decide_webhook_endpoint(
        &self,
        ctx: &Context<'_>,
        input: DecideWebhookEndpointInput,
    ) -> Result<DecideWebhookEndpointPayload> {
        let decided = app(ctx)?
            .decide_endpoint(caller(ctx)?, &input.name, input.enabled)
            .await;
        Ok(match decided.map_err(|error| fault(&error))? {
            Some(endpoint) => DecideWebhookEndpointPayload::Success(DecideWebhookEndpointSuccess {
                endpoint: WebhookEndpointNode(endpoint),
            }),
            None => DecideWebhookEndpointPayload::NotFound(no_endpoint(&input.name)),
        })
    }

    /// Removes a webhook endpoint, with what was sent to it and what waits for it.
    async fn delete_webhook_endpoint(
        &self,
        ctx: &Context<'_>,
        input: DeleteWebhookEndpointInput,
    ) -> Result<DeleteWebhookEndpointPayload> {
        let deleted = app(ctx)?.delete_endpoint(caller(ctx)?, &input.name).await;
        Ok(match deleted.map_err(|error| fault(&error))? {
            true => DeleteWebhookEndpointPayload::Success(DeleteWebhookEndpointSuccess { name: input.name }),
            false => DeleteWebhookEndpointPayload::NotFound(no_endpoint(&input.name)),
        })
    }

    /// Sends an event of kind `endpoint.test` to a webhook endpoint.
    async fn test_webhook_endpoint(
        &self,
        ctx: &Context<'_>,
        input: TestWebhookEndpointInput,
    ) -> Result<TestWebhookEndpointPayload> {
        let sent = app(ctx)?.test_endpoint(caller(ctx)?, &input.name).await;
        Ok(match sent.map_err(|error| fault(&error))? {
            Some(delivery) => TestWebhookEndpointPayload::Success(Box::new(TestWebhookEndpointSuccess {
                delivery: EventDeliveryNode(delivery),
            })),
            None => {
                let message = format!("there is no webhook endpoint `{}`, or it is disabled", input.name);
                let problem = EndpointNotFoundProblem::new(ProblemCode::Out001, message);
                TestWebhookEndpointPayload::NotFound(problem)
            }
        })
    }

    /// Has an event sent to its endpoint once more, now, whatever became of it; its receiver knows it by the same name.
    async fn retry_event_delivery(
        &self,
        ctx: &Context<'_>,
        input: RetryEventDeliveryInput,
    ) -> Result<RetryEventDeliveryPayload> {
        let sent = app(ctx)?.retry_event(caller(ctx)?, input.number.0).await;
        Ok(match sent.map_err(|error| fault(&error))? {
            Some(delivery) => RetryEventDeliveryPayload::Success(Box::new(RetryEventDeliverySuccess {
                delivery: EventDeliveryNode(delivery),
            })),
            None => {
                let message = format!("there is no event {}", input.number.0);
                let problem = EventNotFoundProblem::new(ProblemCode::Out002, message);
                RetryEventDeliveryPayload::NotFound(problem)
            }
        })
    }
}
