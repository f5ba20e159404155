//! Starting runs: the same path for people, webhooks and schedules.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use flowforge_core::{Action, Caller, Denied, Object, ObjectKind};
use flowforge_failpoints::{Injected, Point};
use flowforge_protocol::canonical::canonical_json;
use flowforge_protocol::job::{MAX_INPUT_BYTES, Order, RecordPrefix, ResumeOrder, Reuse, StartOrder};
use flowforge_protocol::record::{Lineage, Trigger};
use flowforge_protocol::{Digest, HostId, NodeId, RunId};
use flowforge_store::{
    ClientRequest, Follows, NewDelivery, NewJob, NewRun, OnEnd, Started, StoreError, Unassigned, finder_of,
    without_draft,
};
use flowforge_telemetry::{SpanIds, TraceContext};
use flowforge_workflow::InputProblem;
use flowforge_workflow::model::Follow;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::App;
use crate::app::capabilities::Hold;
use crate::entropy::{EntropyError, fresh};
use crate::fleet::hosts::HostEntry;
use crate::fleet::words::Word;
use crate::orders::{Draft, OrderError};
use crate::release::ReadyRelease;
use crate::telling::Ordered;

/// Runs that may wait for a host to confirm them; more are refused until some are.
const MAX_QUEUED: u64 = 100_000;
/// When a refused caller should come again.
const RETRY_AFTER_MS: u64 = 1_000;

/// A run to be started.
pub(crate) struct StartRequest {
    pub(crate) id: RunId,
    pub(crate) release: Arc<ReadyRelease>,
    pub(crate) input: Value,
    pub(crate) trigger: Trigger,
    pub(crate) traceparent: Option<String>,
    /// Where it comes from among runs; none for one that stands alone.
    pub(crate) lineage: Option<Lineage>,
    pub(crate) options: StartOptions,
    /// The names of this request. The same name with another workflow, version or input is a conflict.
    pub(crate) requests: Vec<ClientRequest>,
    /// The request to a webhook that asks for it.
    pub(crate) delivery: Option<NewDelivery>,
}

/// A run that is written and not stored yet.
pub(crate) struct Written {
    pub(crate) run: NewRun,
    /// What is done once it is stored.
    pub(crate) begins: Begins,
}

/// A run that is to be made known once it is stored.
pub(crate) struct Begins {
    ordered: Option<Ordered>,
    run: RunId,
    assigned: Option<(Arc<HostEntry>, NewJob)>,
}

/// What an order says besides release, input, trigger and lineage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct StartOptions {
    /// Results of the generation before that are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reuse: Option<Reuse>,
    /// Results that are given.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) given: BTreeMap<NodeId, Value>,
    /// How far the run goes, if not to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<NodeId>,
    /// Fields of a webhook's body that the input does not name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) extra: Option<Value>,
}

impl StartOptions {
    /// As they are kept; none if there are none.
    fn as_text(&self) -> Option<String> {
        (*self != Self::default()).then(|| serde_json::to_string(self).unwrap_or_default())
    }

    fn add_to(self, order: &mut StartOrder) {
        order.reuse = self.reuse;
        order.given = self.given;
        order.until = self.until;
        order.extra = self.extra;
    }
}

/// The order to start a run that has waited for a host, from what is stored of it.
pub(crate) fn waiting_order(run: &Unassigned, grants: Digest) -> Result<StartOrder, serde_json::Error> {
    let input: Value = serde_json::from_str(&run.input)?;
    let digest = Digest::of_json(&input);
    let mut order = StartOrder::new(
        run.release,
        grants,
        input,
        digest,
        serde_json::from_str(&run.trigger)?,
    );
    if let Some(lineage) = &run.lineage {
        order.lineage = Some(Box::new(serde_json::from_str(lineage)?));
    }
    if let Some(options) = &run.options {
        serde_json::from_str::<StartOptions>(options)?.add_to(&mut order);
    }
    order.lease_ms = run.lease_ms;
    Ok(order)
}

/// The order to go on with a run behind these records, from what is stored of it.
pub(crate) fn resuming_order(
    run: &Unassigned,
    grants: Digest,
    prefix: RecordPrefix,
) -> Result<ResumeOrder, serde_json::Error> {
    let options = match &run.options {
        Some(options) => serde_json::from_str(options)?,
        None => StartOptions::default(),
    };
    Ok(ResumeOrder {
        release: run.release,
        grants,
        prefix,
        lease_ms: run.lease_ms,
        reuse: options.reuse,
        given: options.given,
    })
}

/// Why no run was started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("the input does not fit the workflow")]
    Input(Vec<InputProblem>),
    #[error("{MAX_QUEUED} runs wait for a host; try again later")]
    Busy { retry_after_ms: u64 },
    /// Its connectors ask for more than they may have: somebody has to grant it first.
    #[error("{}", held_message(.0))]
    Held(Vec<Hold>),
    #[error(transparent)]
    Order(#[from] OrderError),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Injected(#[from] Injected),
    #[error("it may not be done")]
    Denied(#[from] Box<Denied>),
}

/// What is missing, with the command that grants it.
fn held_message(held: &[Hold]) -> String {
    let all: Vec<String> = held.iter().map(ToString::to_string).collect();
    let grants: Vec<String> = held
        .iter()
        .map(|hold| format!("flowforge connector grant {}@{}", hold.connector, hold.version))
        .collect();
    format!(
        "{}, more than it may have here; {}",
        all.join("; "),
        grants.join("; ")
    )
}

/// What the end of a run starts. A try of a draft, or of a part of a workflow, starts nothing.
fn on_end(release: &ReadyRelease, options: &StartOptions) -> Option<OnEnd> {
    if without_draft(&release.stored.workflow).1 || options.until.is_some() {
        return None;
    }
    let follows = |follow: &Option<Follow>| {
        follow.as_ref().map(|follow| Follows {
            workflow: follow.workflow.clone(),
            endpoint: follow.endpoint.clone(),
        })
    };
    let on_end = OnEnd {
        done: follows(&release.workflow.on_done),
        failed: follows(&release.workflow.on_failed),
    };
    (on_end != OnEnd::default()).then_some(on_end)
}

/// A fresh run id.
pub(crate) fn new_run_id() -> Result<RunId, EntropyError> {
    Ok(RunId::from_entropy(fresh::<16>()?))
}

/// What a named request asks for, as one digest.
pub(crate) fn request_body(workflow: &str, version: Option<u32>, input: &Value) -> Digest {
    let version = version.map(|v| v.to_string()).unwrap_or_default();
    Digest::of_parts(&[
        workflow.as_bytes(),
        b"\n",
        version.as_bytes(),
        b"\n",
        &canonical_json(input),
    ])
}

/// The input with its defaults, and the digest of its canonical form. A run that finds the events of a trigger is given what
/// its only step needs, not what the workflow asks for.
fn complete(release: &ReadyRelease, input: Value, finds: bool) -> Result<(Value, Digest), StartError> {
    let input = match finds {
        true => input,
        false => release.complete(input).map_err(StartError::Input)?,
    };
    let canonical = canonical_json(&input);
    if canonical.len() > MAX_INPUT_BYTES {
        let message = format!("{} bytes, more than {MAX_INPUT_BYTES}", canonical.len());
        return Err(StartError::Input(vec![InputProblem {
            path: String::new(),
            message,
        }]));
    }
    Ok((input, Digest::of(&canonical)))
}

impl App {
    /// Starts a run: by itself, as a retry or as a try, as the action says. Returns after event, run, lease and job are
    /// durable (B1, B2).
    pub(crate) async fn start(
        &self,
        caller: &Caller,
        action: Action,
        request: StartRequest,
    ) -> Result<Started, StartError> {
        let stored = &request.release.stored;
        let workflow = without_draft(&stored.workflow).0;
        let object = Object::new(ObjectKind::Workflow, workflow);
        let allowed = self.allow(caller, action, object).await?;
        let about = Object::new(ObjectKind::Run, request.id.as_str());
        let what = format!("{workflow} version {}", stored.version);
        let allowed = allowed.about(about, Some(what));
        self.may_start(&request.release).await?;
        let Written { run, begins } = self.write(request).await?;
        let started = allowed.change().start_run(allowed.scope(), run).await?;
        if started == Started::New {
            self.has_begun(begins);
        }
        Ok(started)
    }

    /// Says whether runs of a release may start now.
    pub(crate) async fn may_start(&self, release: &Arc<ReadyRelease>) -> Result<(), StartError> {
        let held = self.surely_held(release).await?;
        if !held.is_empty() {
            return Err(StartError::Held(held));
        }
        self.fail_points.hit(Point::B0)?;
        if self.queued.load(Ordering::Relaxed) >= MAX_QUEUED && self.count_queued().await? >= MAX_QUEUED {
            return Err(StartError::Busy {
                retry_after_ms: RETRY_AFTER_MS,
            });
        }
        Ok(())
    }

    /// Writes a run and its order. Nothing is stored yet.
    pub(crate) async fn write(&self, request: StartRequest) -> Result<Written, StartError> {
        let finds = request
            .options
            .until
            .as_ref()
            .is_some_and(|until| until.trigger().is_some());
        let (input, canonical) = complete(&request.release, request.input, finds)?;
        // As it was given: in canonical form `4.0` would be `4`, and a retry would divide another number.
        let text = input.to_string();
        let now_ms = self.clock.now_ms();
        let trigger = serde_json::to_string(&request.trigger).unwrap_or_default();
        let release = &request.release;
        let traceparent = Some(trace_context(request.traceparent, &request.id)?);
        let mut order = StartOrder::new(
            release.digest(),
            release.stored.grants_digest,
            input,
            canonical,
            request.trigger,
        );
        order.lineage = request.lineage.clone().map(Box::new);
        let on_end = on_end(release, &request.options);
        let options = request.options.as_text();
        request.options.add_to(&mut order);
        let runs_on = &release.workflow.runs_on;
        let words = runs_on.words();
        order.lease_ms = runs_on.lease_ms;
        let order = Order::Start(Box::new(order));
        let host = self.hosts.choose(&words, self.clock.monotonic_ms());
        // Written also when no host is there, and then thrown away: what cannot be ordered later is refused now.
        let nobody = HostId::from_entropy([0; 16]);
        let draft = Draft {
            host: host.as_ref().map_or(&nobody, |host| &host.id),
            run: &request.id,
            epoch: 1,
            order,
            traceparent: traceparent.clone(),
            now_ms,
        };
        let written = self.scheduler.write(draft).await.map_err(refusal_of)?;
        let job = host.is_some().then_some(written);
        let run = NewRun {
            id: request.id.clone(),
            workflow: match finds {
                true => finder_of(&release.stored.workflow),
                false => release.stored.workflow.clone(),
            },
            version: release.stored.version,
            release: release.digest(),
            input: text,
            trigger,
            traceparent,
            lineage: request.lineage,
            options,
            labels: words,
            lease_ms: runs_on.lease_ms,
            on_end,
            created_at_ms: now_ms,
            job: job.clone(),
            requests: request.requests,
            delivery: request.delivery,
        };
        let begins = Begins {
            ordered: Ordered::of(self.telemetry.as_ref(), &run),
            run: request.id,
            assigned: host.zip(job),
        };
        Ok(Written { run, begins })
    }

    /// A run that was written is stored: its host is to know, and whoever follows runs.
    pub(crate) fn has_begun(&self, begins: Begins) {
        self.queued.fetch_add(1, Ordering::Relaxed);
        self.counts.started.fetch_add(1, Ordering::Relaxed);
        self.dispatch(begins.assigned);
        self.events.tell(&begins.run, None);
        self.tell_ordered(begins.ordered);
    }

    /// Tells of a run that is stored now.
    fn tell_ordered(&self, ordered: Option<Ordered>) {
        if let Some(ordered) = ordered {
            ordered.tell(self.clock.now_ms());
        }
    }

    /// How many runs wait to be confirmed. The count of this process knows nothing of those that another server's hosts have
    /// confirmed: before anybody is refused for it, it is made right.
    async fn count_queued(&self) -> Result<u64, StoreError> {
        if self.bus.is_shared() {
            let queued = self.store.count_queued(&self.scope).await?;
            self.queued.store(queued, Ordering::Relaxed);
        }
        Ok(self.queued.load(Ordering::Relaxed))
    }

    /// So many runs more wait for a host that calls this server.
    pub(crate) fn wait_for_host(&self, count: u64) {
        self.unassigned.fetch_add(count, Ordering::Relaxed);
        self.waiting_news.fetch_add(1, Ordering::Relaxed);
        for host in self.hosts.all() {
            host.wake.notify_one();
        }
    }

    /// Hands a stored job to its host's queue, or lets every host know that a run waits for one.
    fn dispatch(&self, assigned: Option<(Arc<HostEntry>, NewJob)>) {
        match assigned {
            Some((host, job)) => {
                self.bus.say(Word::Orders(host.id.clone()));
                host.state().queue.push(job.into());
                host.wake.notify_one();
            }
            None => {
                self.bus.say(Word::Waiting);
                self.wait_for_host(1);
            }
        }
    }
}

/// What does not fit into a job is a fault of the input.
fn refusal_of(error: OrderError) -> StartError {
    match error {
        OrderError::DoesNotFit(unfit) => StartError::Input(vec![InputProblem {
            path: String::new(),
            message: format!("it cannot be sent to a host: {unfit}"),
        }]),
        OrderError::Numbers(error) => error.into(),
        error @ (OrderError::Entropy(_) | OrderError::Unreadable(_)) => error.into(),
    }
}

/// The caller's W3C trace context if it is one, else a new one, whose first span is the run's own.
fn trace_context(given: Option<String>, run: &RunId) -> Result<String, EntropyError> {
    match given {
        Some(text) if text.parse::<TraceContext>().is_ok() => Ok(text),
        _ => {
            let made = TraceContext {
                trace: fresh::<16>()?,
                span: SpanIds::of(run.as_str()).run(),
                sampled: true,
            };
            Ok(made.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_trace_context_is_taken_over() {
        let run = RunId::from_entropy([7; 16]);
        let given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(trace_context(Some(given.to_owned()), &run).unwrap(), given);
        for wrong in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-xyz-b7ad6b7169203331-01",
        ] {
            let made = trace_context(Some(wrong.to_owned()), &run).unwrap();
            let made: TraceContext = made.parse().unwrap();
            assert_eq!(made.span, SpanIds::of(run.as_str()).run(), "the run is its root");
        }
    }

    #[test]
    fn the_body_of_a_request_does_not_depend_on_the_order_of_keys() {
        let body = |text: &str| request_body("w", None, &serde_json::from_str(text).unwrap());
        assert_eq!(body(r#"{"a":1,"b":2}"#), body(r#"{"b":2,"a":1}"#));
        assert_ne!(body(r#"{"a":1}"#), body(r#"{"a":2}"#));
        assert_ne!(
            request_body("w", Some(1), &Value::Null),
            request_body("w", None, &Value::Null)
        );
    }
}
