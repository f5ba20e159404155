//! What people and programs tell runs that are there: signals, pauses, what to do with a step that needs review.

use flowforge_core::{Action, Caller, Denied, Object, ObjectKind};
use flowforge_protocol::approval::MAX_COMMENT_BYTES;
use flowforge_protocol::awaited::check_correlation;
use flowforge_protocol::canonical::canonical_json;
use flowforge_protocol::job::{MAX_INPUT_BYTES, Order, ReviewOrder, ReviewOrderAction};
use flowforge_protocol::{Digest, MessageId, StepKey};
use flowforge_store::{
    ClientRequest, Erased, Erasure, JobKind, NewDelivery, NewErasure, NewSignal, RunState, SignalKept,
    StoreError, StoredRun, WaitFor,
};
use flowforge_workflow::model::NodeKind;
use serde_json::Value;

use crate::app::decisions::{TellError, find_run};
use crate::app::hooks::Name;
use crate::app::starts::StartError;
use crate::app::{Allowed, App, LoadError};
use crate::entropy::{EntropyError, fresh};
use crate::orders::OrderError;

/// Open waits that are looked through for a step.
const MAX_WAITS: u32 = 10_000;

/// Why something was not told, by fault of this server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OperationError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Order(#[from] OrderError),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Publish(#[from] crate::app::publish::PublishError),
    #[error(transparent)]
    Tell(#[from] TellError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("it may not be done")]
    Denied(#[from] Box<Denied>),
}

/// Why something was not told, by its sender's fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There is no such run.
    NotFound(String),
    /// The run, or its step, is in a state in which this cannot happen.
    State(RunState, String),
    /// A value is wrong: its field, and why.
    Field(&'static str, String),
    /// There is no room now.
    Full,
    /// The same request name stands for another signal.
    Conflict(MessageId),
}

/// A signal as it comes in.
pub(crate) struct Incoming {
    /// The run it is for; without it, all of the workflow that wait for it.
    pub(crate) run: Option<StoredRun>,
    pub(crate) workflow: String,
    pub(crate) name: String,
    pub(crate) correlation: Option<String>,
    pub(crate) payload: Value,
    pub(crate) by: String,
    /// The names of this request.
    pub(crate) names: Vec<Name>,
    /// The request to a webhook that it is.
    pub(crate) delivery: Option<NewDelivery>,
    /// As what it is asked for.
    pub(crate) action: Action,
}

type Told<T> = Result<Result<T, Refused>, OperationError>;

impl App {
    /// Takes a signal; it is durable when this returns. Gives its id, and whether it had come before.
    pub(crate) async fn signal(&self, caller: &Caller, incoming: Incoming) -> Told<(MessageId, bool)> {
        let object = match &incoming.run {
            Some(run) => Object::new(ObjectKind::Run, run.id.as_str()),
            None => Object::new(ObjectKind::Workflow, &incoming.workflow),
        };
        let allowed = self.allow(caller, incoming.action, object.clone()).await?;
        if let Err(refused) = check_signal(&incoming) {
            return Ok(Err(refused));
        }
        if let Some(run) = incoming.run.as_ref().filter(|run| run.state.is_final()) {
            return Ok(Err(is_over(run)));
        }
        let body = Digest::of_parts(&[
            incoming.name.as_bytes(),
            b"\n",
            incoming.correlation.as_deref().unwrap_or_default().as_bytes(),
            b"\n",
            &canonical_json(&incoming.payload),
        ]);
        let message = MessageId::from_entropy(fresh::<16>()?);
        let requests = incoming.names.into_iter();
        let signal = NewSignal {
            message: message.clone(),
            run: incoming.run.map(|run| run.head.id),
            workflow: incoming.workflow,
            name: incoming.name,
            correlation: incoming.correlation,
            // As it was given: the canonical form has one number where expressions know two, `4.0` and `4`.
            payload: incoming.payload.to_string(),
            by: incoming.by,
            at_ms: self.clock.now_ms(),
            requests: requests
                .map(|name| {
                    let request = name.request(body);
                    ClientRequest {
                        id: format!("signal:{}", request.id),
                        ..request
                    }
                })
                .collect(),
            delivery: incoming.delivery,
        };
        let allowed = allowed.about(object, Some(signal.name.clone()));
        Ok(
            match allowed.change().keep_signal(allowed.scope(), signal).await? {
                SignalKept::New => {
                    self.events.errand();
                    Ok((message, false))
                }
                SignalKept::Duplicate(before) => Ok((before, true)),
                SignalKept::Conflict(before) => Err(Refused::Conflict(before)),
                SignalKept::Full => Err(Refused::Full),
            },
        )
    }

    /// Pauses a run, or lets it go on.
    pub(crate) async fn pause(
        &self,
        caller: &Caller,
        wanted: &str,
        paused: bool,
        reason: String,
    ) -> Told<StoredRun> {
        let action = if paused {
            Action::PauseRun
        } else {
            Action::ResumeRun
        };
        let allowed = self
            .allow(caller, action, Object::new(ObjectKind::Run, wanted))
            .await?;
        let run = match find_run(allowed.store(), allowed.scope(), wanted).await? {
            Ok(run) => run,
            Err(message) => return Ok(Err(Refused::NotFound(message))),
        };
        if run.state.is_final() {
            return Ok(Err(is_over(&run)));
        }
        let order = match (paused, &run.paused_by) {
            (true, None) => Order::Pause { reason },
            (false, _) => Order::Unpause { reason },
            (true, Some(by)) => {
                let message = format!("run {} is paused already: {by}", run.id.short());
                return Ok(Err(Refused::State(run.state, message)));
            }
        };
        self.tell_run(&allowed, run, &[JobKind::Pause, JobKind::Unpause], order)
            .await
    }

    /// Erases the values of a run that is over, here and at its host.
    pub(crate) async fn erase(&self, caller: &Caller, wanted: &str, by: String) -> Told<StoredRun> {
        let object = Object::new(ObjectKind::Run, wanted);
        let allowed = self.allow(caller, Action::EraseRun, object).await?;
        let run = match find_run(allowed.store(), allowed.scope(), wanted).await? {
            Ok(run) => run,
            Err(message) => return Ok(Err(Refused::NotFound(message))),
        };
        let host = run.host.clone().filter(|_| run.records > 0);
        let order = Order::Erase { by: by.clone() };
        let job = match host {
            Some(host) => Some(self.order(&run, &host, order).await?),
            None => None,
        };
        let allowed = allowed.about(Object::new(ObjectKind::Run, run.id.as_str()), Some(by.clone()));
        let erasure = NewErasure {
            run: run.id.clone(),
            erasure: Erasure {
                by,
                at_ms: self.clock.now_ms(),
            },
            job: job.clone(),
        };
        let message = match allowed.change().erase_run(allowed.scope(), erasure).await? {
            Erased::Done => {
                self.views.forget(&run.id);
                if let Some(job) = job {
                    self.dispatch_change(job);
                }
                self.events.tell(&run.id, None);
                let now = allowed.store().run(allowed.scope(), &run.id).await?;
                return Ok(Ok(now.unwrap_or(run)));
            }
            Erased::Unknown => return Ok(Err(Refused::NotFound(format!("run {} is gone", run.id.short())))),
            Erased::Before(before) => format!(
                "the values of run {} are erased already: {}",
                run.id.short(),
                before.by
            ),
            Erased::NotEnded => format!("run {} has not ended; cancel it first, or wait", run.id.short()),
            Erased::NoReceipt => format!(
                "the host of run {} has not brought its receipt; what is erased cannot be proved without it: try again when \
                 the host was here",
                run.id.short()
            ),
        };
        Ok(Err(Refused::State(run.state, message)))
    }

    /// Says what to do with a step that needs review.
    pub(crate) async fn review(
        &self,
        caller: &Caller,
        wanted: &str,
        step: &str,
        verdict: ReviewOrder,
    ) -> Told<StoredRun> {
        let object = Object::new(ObjectKind::Run, wanted);
        let allowed = self.allow(caller, Action::ReviewStep, object).await?;
        let run = match find_run(allowed.store(), allowed.scope(), wanted).await? {
            Ok(run) => run,
            Err(message) => return Ok(Err(Refused::NotFound(message))),
        };
        if run.state.is_final() {
            return Ok(Err(is_over(&run)));
        }
        let Ok(step) = step.parse::<StepKey>() else {
            let message = format!("`{step}` is no step; one looks like pay, or each[2].pay");
            return Ok(Err(Refused::Field("step", message)));
        };
        let waits = allowed
            .store()
            .waits_of(allowed.scope(), vec![run.id.clone()], MAX_WAITS)
            .await?;
        let reviews = |wait: &&flowforge_store::OpenWait| matches!(wait.what, WaitFor::Review { .. });
        let mut reviewed = waits.iter().map(|(_, wait)| wait).filter(reviews);
        if !reviewed.clone().any(|wait| wait.step == step) {
            let message = match reviewed.next() {
                Some(other) => format!("step `{step}` needs no review; `{}` does", other.step),
                None => format!("no step of run {} needs review", run.id.short()),
            };
            return Ok(Err(Refused::State(run.state, message)));
        }
        let comment_bytes = verdict.comment.as_ref().map_or(0, String::len);
        if comment_bytes > MAX_COMMENT_BYTES {
            let message = format!("at most {MAX_COMMENT_BYTES} bytes");
            return Ok(Err(Refused::Field("comment", message)));
        }
        if let ReviewOrderAction::Skip { output } = &verdict.action
            && let Some(message) = self.misfit(&run, &step, output).await?
        {
            return Ok(Err(Refused::Field("output", message)));
        }
        self.tell_run(&allowed, run, &[JobKind::Review], Order::Review { step, verdict })
            .await
    }

    /// Why a value cannot stand for the result of a step; none if it can.
    async fn misfit(
        &self,
        run: &StoredRun,
        step: &StepKey,
        output: &Value,
    ) -> Result<Option<String>, OperationError> {
        let Some(release) = self.release(&run.release).await? else {
            return Ok(None);
        };
        let node = release
            .workflow
            .walk()
            .into_iter()
            .find(|(_, node)| node.id == step.node);
        let Some(NodeKind::Call(call)) = node.map(|(_, node)| &node.kind) else {
            return Ok(None);
        };
        let interfaces = self.interfaces(&release.release.connectors)?;
        let operation = interfaces.get(&call.connector).and_then(|interface| {
            let mut operations = interface.operations.iter();
            operations.find(|operation| operation.name == call.operation)
        });
        let Some(operation) = operation else {
            return Ok(None);
        };
        let schema = jsonschema::validator_for(&operation.output_schema());
        Ok(schema.ok().and_then(|schema| {
            let problem = schema.iter_errors(output).next()?;
            Some(format!("`{step}` gives what {} gives: {problem}", operation.name))
        }))
    }

    /// Stores an order for a run that its host has, and sends it. A run without a host is told nothing: it has not begun.
    async fn tell_run(
        &self,
        allowed: &Allowed,
        run: StoredRun,
        replaces: &'static [JobKind],
        order: Order,
    ) -> Told<StoredRun> {
        let (store, scope) = (allowed.store(), allowed.scope());
        let Some(host) = run.host.clone() else {
            let message = format!("run {} has not begun: no host has it yet", run.id.short());
            return Ok(Err(Refused::State(run.state, message)));
        };
        let job = match self.order(&run, &host, order).await {
            Err(OrderError::DoesNotFit(unfit)) => {
                return Ok(Err(Refused::Field(
                    "output",
                    format!("it does not fit into an order: {unfit}"),
                )));
            }
            signed => signed?,
        };
        let about = Object::new(ObjectKind::Run, run.id.as_str());
        let allowed = allowed.about(about, job.subject.clone());
        let change = allowed.change();
        let Some(replaced) = change.order_change(scope, replaces, job.clone()).await? else {
            let now = store.run(scope, &run.id).await?.unwrap_or(run);
            return Ok(Err(is_over(&now)));
        };
        if let Some(entry) = self.hosts.get(&host) {
            entry.state().queue.settle(&replaced);
        }
        self.dispatch_change(job);
        self.events.tell(&run.id, None);
        Ok(Ok(store.run(scope, &run.id).await?.unwrap_or(run)))
    }
}

/// Why a run that is over hears nothing.
pub(crate) fn is_over(run: &StoredRun) -> Refused {
    Refused::State(
        run.state,
        format!("run {} is over: {}", run.id.short(), run.state.as_str()),
    )
}

fn check_signal(incoming: &Incoming) -> Result<(), Refused> {
    let wrong = |field, message: String| Err(Refused::Field(field, message));
    if !flowforge_workflow::is_signal_name(&incoming.name) {
        // No workflow can wait for it, so it would be kept for nobody.
        let message = "the name of a signal is snake_case, as the `wait` of a workflow says it";
        return wrong("name", message.to_owned());
    }
    if let Some(correlation) = &incoming.correlation
        && let Err(message) = check_correlation(correlation)
    {
        return wrong("correlation", message);
    }
    if let Err(message) = flowforge_protocol::value::check_depth(&incoming.payload) {
        return wrong("payload", message);
    }
    let bytes = canonical_json(&incoming.payload).len();
    if bytes > MAX_INPUT_BYTES {
        return wrong("payload", format!("{bytes} bytes, more than {MAX_INPUT_BYTES}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_signal_is_checked_at_the_door() {
        let incoming = |name: &str, correlation: Option<&str>, payload: Value| Incoming {
            run: None,
            workflow: "w".to_owned(),
            name: name.to_owned(),
            correlation: correlation.map(str::to_owned),
            payload,
            by: "ann".to_owned(),
            names: Vec::new(),
            delivery: None,
            action: Action::SendSignal,
        };
        let field = |incoming: Incoming| match check_signal(&incoming) {
            Err(Refused::Field(field, _)) => Some(field),
            _ => None,
        };
        assert_eq!(field(incoming("paid", Some("o-7"), json!({}))), None);
        assert_eq!(field(incoming("", None, json!({}))), Some("name"));
        assert_eq!(field(incoming("a\nb", None, json!({}))), Some("name"));
        assert_eq!(field(incoming("Paid in full", None, json!({}))), Some("name"));
        assert_eq!(field(incoming("paid", Some(""), json!({}))), Some("correlation"));
        let largest = "x".repeat(MAX_INPUT_BYTES - 2);
        assert_eq!(field(incoming("paid", None, json!(largest))), None);
        let large = format!("{largest}x");
        assert_eq!(field(incoming("paid", None, json!(large))), Some("payload"));
    }
}
