//! A delivery becomes a run, or a signal.

use std::sync::Arc;

use bytes::Bytes;
use flowforge_core::{Action, Caller};
use flowforge_protocol::record::Trigger;
use flowforge_protocol::webhook::Scheme;
use flowforge_protocol::{Digest, MessageId, RunId};
use flowforge_store::{ClientRequest, NewDelivery, Started};
use flowforge_workflow::expr::{Context, Expression, Meaning, Scope, strip_marker};
use flowforge_workflow::model::HookSignal;
use flowforge_workflow::{InputProblem, JsonError};
use serde_json::{Map, Value, json};

use super::Hook;
use super::body::{self, Body};
use crate::app::App;
use crate::app::capabilities::Hold;
use crate::app::operations::{Incoming, OperationError, Refused};
use crate::app::starts::{StartError, StartOptions, StartRequest, request_body};

/// A delivery whose sender is known, or need not be.
pub(crate) struct Delivered {
    pub(crate) hook: Hook,
    /// The type of its body, without parameters.
    pub(crate) media_type: Option<String>,
    /// Its body, decoded.
    pub(crate) body: Bytes,
    /// The names under which it is remembered, besides what its body says.
    pub(crate) names: Vec<Name>,
    pub(crate) traceparent: Option<String>,
    /// The id of the run, should it become one.
    pub(crate) run: RunId,
    /// As what it is kept.
    pub(crate) kept: NewDelivery,
}

/// A name of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) id: String,
    /// What it stands for; none: for the whole of what is asked. Of a name that its sender signed the content may differ from
    /// one time to the next, and it is the same delivery all the same.
    pub(crate) of: Option<Digest>,
}

impl Name {
    /// A name that is covered by a signature.
    pub(crate) fn signed(path: &str, name: &str) -> Self {
        let digest = Digest::of(name.as_bytes());
        Self {
            id: format!("hook:{path}:event:{}", digest.hex()),
            of: Some(digest),
        }
    }

    /// Any other.
    pub(crate) fn plain(id: String) -> Self {
        Self { id, of: None }
    }

    /// As the store remembers it.
    pub(crate) fn request(self, body: Digest) -> ClientRequest {
        ClientRequest {
            id: self.id,
            body: self.of.unwrap_or(body),
        }
    }
}

/// What a delivery became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Took {
    /// A run.
    Run(RunId),
    /// It had come before, and became this run.
    Again(RunId),
    /// A signal.
    Signal(MessageId),
    /// Nothing: the service asks whether this is the right place, and gets this word back.
    Challenge(String),
}

/// Why a delivery was not taken, by its sender's fault or for want of room.
#[derive(Debug)]
pub(crate) enum NotTaken {
    /// The body cannot be read.
    Body(JsonError),
    /// It does not fit the input of the workflow; as a hint, how its type had it read.
    Input(Vec<InputProblem>, Option<&'static str>),
    /// No signal can be made of it.
    Signal(String),
    /// There is no room for more runs.
    Busy(String),
    /// There is no room for more signals; it is written down already.
    Full,
    /// Its name stands for something else; it is written down already.
    NameTaken(String),
    /// The run is in a state in which this cannot happen.
    State(String),
    /// A connector of the release asks for more than was granted; somebody may grant it, and then it starts.
    Held(Vec<Hold>),
}

impl NotTaken {
    /// The code that is shown.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Body(error) if error.path.is_empty() => "FF-HOOK-003",
            Self::Body(_) | Self::Input(..) => "FF-IN-001",
            Self::Signal(_) => "FF-HOOK-009",
            Self::Busy(_) => "FF-RUN-003",
            Self::Full => "FF-HOOK-010",
            Self::NameTaken(_) => "FF-RUN-002",
            Self::State(_) => "FF-RUN-004",
            Self::Held(_) => "FF-REG-010",
        }
    }

    /// Whether the store has written it down where it was decided.
    pub(crate) const fn is_noted(&self) -> bool {
        matches!(self, Self::Full | Self::NameTaken(_))
    }
}

/// How the type of a body had it read, where that may be the reason why it does not fit.
fn hint(body: &Body) -> Option<&'static str> {
    body.content.as_ref().map(|_| {
        "the body was read as its content-type says, and its fields are text; a sender of JSON says application/json"
    })
}

impl App {
    /// Takes a delivery; it is durable when this returns.
    pub(crate) async fn deliver(
        self: &Arc<Self>,
        caller: &Caller,
        action: Action,
        delivered: Delivered,
    ) -> Result<Result<Took, NotTaken>, OperationError> {
        let body = match body::read(delivered.media_type.as_deref(), &delivered.body) {
            Ok(body) => body,
            Err(error) => return Ok(Err(NotTaken::Body(error))),
        };
        let scheme = delivered.hook.webhook.scheme();
        if let Some(word) = challenge(scheme, &body.value) {
            return Ok(Ok(Took::Challenge(word)));
        }
        match delivered.hook.webhook.signal.clone() {
            Some(signal) => self.deliver_signal(caller, action, delivered, signal, body).await,
            None => self.deliver_run(caller, action, delivered, body).await,
        }
    }

    async fn deliver_run(
        &self,
        caller: &Caller,
        action: Action,
        delivered: Delivered,
        body: Body,
    ) -> Result<Result<Took, NotTaken>, OperationError> {
        let scheme = delivered.hook.webhook.scheme();
        let release = delivered.hook.release;
        let asked = request_body(&release.stored.workflow, None, &body.value);
        let names = with_event(&delivered.kept, scheme, &body.value, delivered.names);
        let hint = hint(&body);
        let (input, extra) = match body.content {
            // Text has no fields: it stands beside an empty input.
            Some(_) if body.value.is_string() => (Value::Object(Map::new()), Some(body.value)),
            _ => release.parted(body.value),
        };
        let request = StartRequest {
            id: delivered.run.clone(),
            input,
            release,
            trigger: Trigger::Webhook {
                path: delivered.kept.path.clone(),
                content: body.content,
            },
            traceparent: delivered.traceparent,
            lineage: None,
            options: StartOptions {
                extra,
                ..StartOptions::default()
            },
            requests: names.into_iter().map(|name| name.request(asked)).collect(),
            delivery: Some(delivered.kept),
        };
        Ok(match self.start(caller, action, request).await {
            Ok(Started::New) => Ok(Took::Run(delivered.run)),
            Ok(Started::Duplicate { run }) => Ok(Took::Again(run)),
            Ok(Started::Conflict { run }) => {
                let message = format!(
                    "this name of the request started run {} with another body",
                    run.short()
                );
                Err(NotTaken::NameTaken(message))
            }
            Err(StartError::Input(problems)) => Err(NotTaken::Input(problems, hint)),
            Err(error @ StartError::Busy { .. }) => Err(NotTaken::Busy(error.to_string())),
            Err(StartError::Held(held)) => Err(NotTaken::Held(held)),
            Err(error) => return Err(error.into()),
        })
    }

    async fn deliver_signal(
        self: &Arc<Self>,
        caller: &Caller,
        action: Action,
        delivered: Delivered,
        signal: HookSignal,
        body: Body,
    ) -> Result<Result<Took, NotTaken>, OperationError> {
        let scheme = delivered.hook.webhook.scheme();
        let path = delivered.kept.path.clone();
        let names = with_event(&delivered.kept, scheme, &body.value, delivered.names);
        let mut trigger = json!({ "kind": "webhook", "path": path, "body": body.value });
        if let (Some(content), Value::Object(fields)) = (&body.content, &mut trigger) {
            fields.insert("content".to_owned(), json!(content));
        }
        let correlation = match signal.correlate {
            None => None,
            Some(expression) => match self.correlation(expression, trigger).await {
                Ok(correlation) => Some(correlation),
                Err(message) => return Ok(Err(NotTaken::Signal(message))),
            },
        };
        let incoming = Incoming {
            action,
            run: None,
            workflow: delivered.hook.release.stored.workflow.clone(),
            name: signal.name,
            correlation,
            payload: body.value,
            by: format!("webhook {path}"),
            names,
            delivery: Some(delivered.kept),
        };
        Ok(match self.signal(caller, incoming).await? {
            Ok((message, _)) => Ok(Took::Signal(message)),
            Err(Refused::Full) => Err(NotTaken::Full),
            Err(Refused::Conflict(before)) => {
                let message = format!("this name of the request sent signal {before} with another body");
                Err(NotTaken::NameTaken(message))
            }
            Err(Refused::Field(field, message)) => Err(NotTaken::Signal(format!("{field}: {message}"))),
            Err(Refused::NotFound(message) | Refused::State(_, message)) => Err(NotTaken::State(message)),
        })
    }

    /// The correlation of a signal, by the trigger's expression, which its author wrote.
    async fn correlation(self: &Arc<Self>, expression: String, trigger: Value) -> Result<String, String> {
        let evaluated = self.apart(move |_, interrupt| {
            let expression =
                Expression::compile(strip_marker(&expression)).map_err(|error| error.to_string())?;
            let context = Context::default().with_interrupt(interrupt);
            let value = expression.evaluate(&OfTrigger(trigger), context);
            value.map_err(|error| error.to_string())
        });
        match evaluated.await {
            Ok(Ok(Value::String(text))) => Ok(text),
            Ok(Ok(value @ (Value::Number(_) | Value::Bool(_)))) => Ok(value.to_string()),
            Ok(Ok(_)) => Err("the correlation of the signal is neither text nor a number".to_owned()),
            Ok(Err(message)) => Err(format!("the correlation of the signal cannot be told: {message}")),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Services that repeat a delivery under a new signature name the event inside its signed body: `id` at Stripe, `event_id`
/// at Slack. What a person has done once more is meant to be done.
fn with_event(kept: &NewDelivery, scheme: Option<Scheme>, body: &Value, mut names: Vec<Name>) -> Vec<Name> {
    if kept.replay.is_some() {
        return names;
    }
    let field = match scheme {
        Some(Scheme::Stripe) => "id",
        Some(Scheme::Slack) => "event_id",
        _ => return names,
    };
    let event = body.get(field).and_then(Value::as_str);
    names.extend(event.map(|event| Name::signed(&kept.path, event)));
    names
}

/// The word that Slack sends to a new address and wants to hear again.
fn challenge(scheme: Option<Scheme>, body: &Value) -> Option<String> {
    let text = |name| body.get(name).and_then(Value::as_str);
    let asks = scheme == Some(Scheme::Slack) && text("type") == Some("url_verification");
    text("challenge").filter(|_| asks).map(str::to_owned)
}

/// `trigger`, and nothing else.
struct OfTrigger(Value);

impl Scope for OfTrigger {
    fn lookup(&self, name: &str) -> Option<Meaning<'_>> {
        (name == "trigger").then_some(Meaning::Value(&self.0))
    }
}
