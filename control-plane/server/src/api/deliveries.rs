//! What came to webhooks, as the API shows it, and having it done once more.

use async_graphql::connection::Connection;
use async_graphql::{Context, Enum, InputObject, Object, Result, SimpleObject, Union};
use flowforge_core::Action;
use flowforge_store::{Delivery, DeliveryFilter, DeliveryOutcome};
use flowforge_workflow::InputProblem as Misfit;

use super::codes::ProblemCode;
use super::fault;
use super::loads::{self, reading, reading_for};
use super::mutation::{field, input_problem, wrong_request_id};
use super::operations::busy;
use super::page::{Cursor, Window, connection};
use super::problems::{
    BusyProblem, CapabilityProblem, DeliveryNotFoundProblem, DeliveryStateProblem, InputProblem,
    RequestConflictProblem,
};
use super::query::{app, caller};
use super::runs::RunNode;
use super::scalars::Long;
use crate::app::hooks::{NotTaken, Replayed, Took};

/// What became of a request to a webhook.
#[derive(Debug, Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "WebhookDeliveryOutcome", remote = "DeliveryOutcome")]
pub(crate) enum OutcomeName {
    /// It started a run, or is a signal.
    Accepted,
    /// It had come before, and started nothing.
    Duplicate,
    /// It was refused; `code` says why.
    Refused,
}

/// Which deliveries; what is absent does not count.
#[derive(InputObject, Default)]
pub(crate) struct WebhookDeliveryFilter {
    /// Below `/hooks/`.
    path: Option<String>,
    workflow: Option<String>,
    outcome: Option<OutcomeName>,
}

impl From<WebhookDeliveryFilter> for DeliveryFilter {
    fn from(filter: WebhookDeliveryFilter) -> Self {
        Self {
            path: filter.path,
            workflow: filter.workflow,
            outcome: filter.outcome.map(DeliveryOutcome::from),
        }
    }
}

/// One request to a webhook.
pub(crate) struct WebhookDeliveryNode(Delivery);

#[Object(name = "WebhookDelivery")]
impl WebhookDeliveryNode {
    async fn id(&self) -> &str {
        self.0.id.as_str()
    }

    /// When it came, by the clock of this server.
    async fn at_ms(&self) -> Long {
        self.0.at_ms.into()
    }

    /// Below `/hooks/`.
    async fn path(&self) -> &str {
        &self.0.path
    }

    /// The workflow that listened there.
    async fn workflow(&self) -> &str {
        &self.0.workflow
    }

    /// The trigger's name in it.
    async fn trigger(&self) -> &str {
        &self.0.trigger
    }

    /// How its sender had to prove who they are: a scheme, or `hmac` for either of the two that a trigger with `hmac` takes.
    async fn scheme(&self) -> &str {
        &self.0.scheme
    }

    /// The type of its body, as its sender said it.
    async fn media_type(&self) -> Option<&str> {
        self.0.media_type.as_deref()
    }

    /// Bytes of its body as it came.
    async fn bytes(&self) -> Long {
        self.0.bytes.into()
    }

    /// Null if a newer program wrote it and this one does not know the word.
    async fn outcome(&self) -> Option<OutcomeName> {
        DeliveryOutcome::named(&self.0.outcome).map(OutcomeName::from)
    }

    /// Why it was refused: `FF-…`.
    async fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The run that it started, or that the first delivery of its name had started; null if that is gone.
    async fn run(&self, ctx: &Context<'_>) -> Result<Option<RunNode>> {
        let Some(run) = self.0.run.clone() else {
            return Ok(None);
        };
        let head = loads::heads(ctx, run).await?;
        Ok(head.map(|head| RunNode::of_head((*head).clone())))
    }

    /// The signal that it is, as it stands in the records of the run that takes it.
    async fn signal(&self) -> Option<&str> {
        self.0.signal.as_deref()
    }

    /// The delivery that this one repeats, because somebody asked for it.
    async fn replay_of(&self) -> Option<&str> {
        self.0.replay_of.as_ref().map(|id| id.as_str())
    }

    /// Who asked for it.
    async fn asked_by(&self) -> Option<&str> {
        self.0.asked_by.as_deref()
    }

    /// Whether its body is kept, so that it can be done once more.
    async fn replayable(&self) -> bool {
        self.0.has_body
    }
}

/// Looking at what came to webhooks.
#[derive(Default)]
pub(crate) struct Deliveries;

#[Object]
impl Deliveries {
    /// What came to webhooks, newest first: at most the last 100,000 of 30 days.
    #[graphql(complexity = "usize::try_from(first).unwrap_or(0) * child_complexity / 10 + child_complexity")]
    async fn webhook_deliveries(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
        filter: Option<WebhookDeliveryFilter>,
    ) -> Result<Connection<Cursor, WebhookDeliveryNode>> {
        let window = Window::new("webhookDeliveries", Some(first), after)?;
        let filter = DeliveryFilter::from(filter.unwrap_or_default());
        let reading = reading(ctx).await?;
        let page = reading
            .deliveries(&filter, window.after_row()?, window.limit)
            .await;
        Ok(connection(
            page.map_err(|error| fault(&error))?,
            &window,
            WebhookDeliveryNode,
        ))
    }
}

/// A request to a webhook that is to be done once more.
#[derive(InputObject)]
pub(crate) struct ReplayWebhookDeliveryInput {
    /// An id, a unique prefix of one, or `last`.
    id: String,
    /// Repeating a call with the same id and delivery does nothing more. At most 128 characters.
    client_request_id: Option<String>,
}

#[derive(Union)]
pub(crate) enum ReplayWebhookDeliveryPayload {
    Success(Box<ReplayWebhookDeliverySuccess>),
    NotFound(DeliveryNotFoundProblem),
    State(DeliveryStateProblem),
    Input(InputProblem),
    Conflict(RequestConflictProblem),
    Busy(BusyProblem),
    Held(CapabilityProblem),
}

/// It was done once more.
#[derive(SimpleObject)]
pub(crate) struct ReplayWebhookDeliverySuccess {
    /// The delivery that was made of it: a new one, with a new run or signal.
    delivery: WebhookDeliveryNode,
    /// True if an earlier call with the same `clientRequestId` had it done.
    duplicate: bool,
}

fn not_found(message: String) -> ReplayWebhookDeliveryPayload {
    ReplayWebhookDeliveryPayload::NotFound(DeliveryNotFoundProblem::new(ProblemCode::Hook013, message))
}

fn state(message: String) -> ReplayWebhookDeliveryPayload {
    ReplayWebhookDeliveryPayload::State(DeliveryStateProblem::new(ProblemCode::Hook014, message))
}

fn misfits(problems: Vec<Misfit>) -> ReplayWebhookDeliveryPayload {
    let fields = problems.into_iter();
    let fields = fields
        .map(|problem| field(&problem.path, problem.message))
        .collect();
    ReplayWebhookDeliveryPayload::Input(input_problem(fields))
}

fn not_taken(why: NotTaken) -> ReplayWebhookDeliveryPayload {
    use ReplayWebhookDeliveryPayload as Payload;
    match why {
        NotTaken::Body(error) => misfits(vec![Misfit {
            path: error.path,
            message: error.message,
        }]),
        NotTaken::Input(problems, _) => misfits(problems),
        NotTaken::Signal(message) => misfits(vec![Misfit {
            path: String::new(),
            message,
        }]),
        NotTaken::Busy(message) => Payload::Busy(busy(message)),
        NotTaken::Full => Payload::Busy(busy("too many signals wait for runs; try again later".to_owned())),
        NotTaken::NameTaken(message) => {
            Payload::Conflict(RequestConflictProblem::new(ProblemCode::Run002, message))
        }
        NotTaken::State(message) => state(message),
        NotTaken::Held(held) => Payload::Held(CapabilityProblem::of(&held)),
    }
}

/// Having deliveries done once more.
#[derive(Default)]
pub(crate) struct DeliveryChanges;

#[Object]
impl DeliveryChanges {
    /// Has a request to a webhook done once more, by the workflow that listens at its path now: it starts another run, or is
    /// another signal, whether or not the first one did. The newest 50 of each webhook can be, those of unknown senders not.
    async fn replay_webhook_delivery(
        &self,
        ctx: &Context<'_>,
        input: ReplayWebhookDeliveryInput,
    ) -> Result<ReplayWebhookDeliveryPayload> {
        use ReplayWebhookDeliveryPayload as Payload;
        if let Some(wrong) = wrong_request_id(input.client_request_id.as_ref()) {
            return Ok(Payload::Input(input_problem(vec![wrong])));
        }
        let replayed = app(ctx)?
            .replay(caller(ctx)?, &input.id, input.client_request_id)
            .await;
        let (id, took) = match replayed.map_err(|error| fault(&error))? {
            Replayed::Took { delivery, took } => (delivery, took),
            Replayed::NotTaken(why) => return Ok(not_taken(why)),
            Replayed::NotFound(message) => return Ok(not_found(message)),
            Replayed::State(message) => return Ok(state(message)),
        };
        let duplicate = match took {
            Took::Run(_) | Took::Signal(_) => false,
            Took::Again(_) => true,
            Took::Challenge(_) => {
                return Ok(state(
                    "it only asked whether this is the right address; there is nothing to be done".to_owned(),
                ));
            }
        };
        let reading = reading_for(ctx, Action::Read).await?;
        let found = reading
            .delivery(id.as_str())
            .await
            .map_err(|error| fault(&error))?;
        Ok(match found {
            Some(delivery) => Payload::Success(Box::new(ReplayWebhookDeliverySuccess {
                delivery: WebhookDeliveryNode(delivery),
                duplicate,
            })),
            None => not_found("the new delivery is gone already".to_owned()),
        })
    }
}
