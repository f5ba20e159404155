//! One attempt of a step: the call of a connector and the host's side of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use flowforge_failpoints::{FailPoints, Point};
use flowforge_journal::Journal;
use flowforge_protocol::grants::SecretGrant;
use flowforge_protocol::progress::StepProgress;
use flowforge_protocol::record::{Event, Scope, effect_key};
use flowforge_protocol::{Digest, Failure, FailureKind, RunId, StepKey, Use, Used};
use flowforge_runtime::artefacts::{ArtefactStore, FileStore, Quota};
use flowforge_runtime::{
    EffectRefused, Invoked, Limits, LogLevel, OpenSecret, Progress, Redactor, RequestSeen, StepContext,
    StepError, StepServices, TracedRequest,
};
use flowforge_workflow::Invoke;
use serde_json::{Map, Value};
use tokio::sync::{OnceCell, Semaphore, mpsc, oneshot};

use super::leases::Leases;
use super::logs::LogBuffer;
use super::mailbox::RunMessage;
use super::progress::Board;
use super::quota::RunQuota;
use crate::clock::{Clock, Entropy};
use crate::connectors::StepCall;
use crate::release::LoadedRelease;
use crate::secrets::SecretStore;
use crate::traces::AttemptTrace;

/// What the state machine asked for, and what belongs to its run.
pub(super) struct Attempt {
    pub(super) run: RunId,
    /// The first generation of the run: effect keys are derived from it.
    pub(super) root: RunId,
    pub(super) release: Arc<LoadedRelease>,
    pub(super) redactor: Arc<Redactor>,
    /// What the run may still keep in artefacts.
    pub(super) artefact_quota: Arc<RunQuota>,
    pub(super) mailbox: mpsc::Sender<RunMessage>,
    pub(super) timeout: Duration,
    /// Its place in the trace of the run, if that has one.
    pub(super) trace: Option<Arc<AttemptTrace>>,
    pub(super) invoke: Invoke,
}

/// What every attempt needs from the host.
pub(super) struct StepHost {
    pub(super) journal: Journal,
    pub(super) failpoints: FailPoints,
    pub(super) turns: Arc<Semaphore>,
    pub(super) secrets: Arc<SecretStore>,
    pub(super) artefacts: Arc<FileStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) progress: Board,
    pub(super) leases: Arc<Leases>,
}

/// How an attempt ended.
pub(super) struct AttemptEnd {
    pub(super) result: AttemptResult,
    pub(super) logs: Vec<Event>,
    pub(super) elapsed: Duration,
    /// The requests that it sent, if they are traced.
    pub(super) requests: Option<Arc<AttemptTrace>>,
}

/// The result of an attempt.
pub(super) enum AttemptResult {
    /// It has an output.
    Done(Invoked),
    /// It failed, with a reason for the records.
    Failed(Failure, Vec<Used>),
    /// The run would not let it have an effect; it did nothing.
    Refused(String),
    /// The host itself could not run it.
    HostTrouble(String, Vec<Used>),
}

/// Runs one attempt to its end. Waits for its turn first.
pub(super) async fn run(host: Arc<StepHost>, attempt: Attempt) -> AttemptEnd {
    let turn = Arc::clone(&host.turns).acquire_owned().await;
    let begun = Instant::now();
    let Attempt {
        run,
        root,
        release,
        redactor,
        artefact_quota,
        mailbox,
        timeout,
        trace,
        invoke,
    } = attempt;
    let (step, attempt) = (invoke.step, invoke.attempt);
    let Some(connector) = release.connector(&invoke.connector) else {
        let message = format!("the release has no connector {}", invoke.connector);
        return AttemptEnd {
            result: AttemptResult::Failed(Failure::new(FailureKind::Internal, message), Vec::new()),
            logs: Vec::new(),
            elapsed: begun.elapsed(),
            requests: None,
        };
    };
    let grants = release.grants(&invoke.node);
    let scope = Scope {
        workspace: &release.release.workspace,
        project: &release.release.project,
    };
    let key = effect_key(scope, &root, &step, invoke.repeats);
    let has_capabilities = !connector.interface().capabilities.is_empty();
    // Without a capability it can keep none.
    let artefact_quota = if has_capabilities {
        Some(artefact_quota.counted(&host, &run).await)
    } else {
        None
    };
    let services = Arc::new(Services {
        run: run.clone(),
        step: step.clone(),
        attempt,
        input_digest: has_capabilities.then(|| Digest::of_json(&Value::Object(invoke.input.clone()))),
        secrets: grants.secrets.clone(),
        redactor,
        artefact_quota,
        mailbox,
        intent: OnceCell::new(),
        refused: Mutex::new(None),
        logs: Mutex::new(LogBuffer::default()),
        has_progress: AtomicBool::new(false),
        trace: trace.clone(),
        host: Arc::clone(&host),
    });
    let called = connector
        .invoke(StepCall {
            operation: invoke.operation,
            input: invoke.input,
            grants,
            limits: Limits {
                idle: invoke.idle_timeout_ms.map(Duration::from_millis),
                ..Limits::default()
            },
            context: StepContext {
                run_id: run.to_string(),
                step: step.to_string(),
                attempt,
                idempotency_key: key,
                timeout: Some(timeout),
            },
            services: Arc::clone(&services) as Arc<dyn StepServices>,
        })
        .await;
    drop(turn);
    if host.failpoints.is_held(Point::B7) {
        // A plan wants the process killed exactly here.
        std::future::pending::<()>().await;
    }
    let refused = locked(&services.refused).take();
    let logs = locked(&services.logs).drain(&step, attempt);
    AttemptEnd {
        result: result_of(called, refused),
        logs,
        elapsed: begun.elapsed(),
        requests: trace,
    }
}

/// Nothing panics while these are held.
fn locked<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

fn result_of(called: Result<Invoked, StepError>, refused: Option<String>) -> AttemptResult {
    match (called, refused) {
        (Ok(invoked), _) => AttemptResult::Done(invoked),
        (Err(_), Some(reason)) => AttemptResult::Refused(reason),
        (Err(StepError::Failure { failure, usage }), None) => AttemptResult::Failed(failure, usage.used),
        (Err(StepError::Host { reason, usage }), None) => AttemptResult::HostTrouble(reason, usage.used),
    }
}

/// The host's side of a running attempt.
struct Services {
    host: Arc<StepHost>,
    run: RunId,
    step: StepKey,
    attempt: u32,
    /// Absent for a connector without capabilities: it can have no effect.
    input_digest: Option<Digest>,
    secrets: BTreeMap<String, SecretGrant>,
    redactor: Arc<Redactor>,
    artefact_quota: Option<Arc<Quota>>,
    mailbox: mpsc::Sender<RunMessage>,
    intent: OnceCell<()>,
    /// Why the run refused an effect, if it did.
    refused: Mutex<Option<String>>,
    logs: Mutex<LogBuffer>,
    /// It has said how far it is.
    has_progress: AtomicBool,
    trace: Option<Arc<AttemptTrace>>,
}

impl Drop for Services {
    fn drop(&mut self) {
        if *self.has_progress.get_mut() {
            self.host.progress.clear(&self.run, &self.step, self.attempt);
        }
    }
}

impl Services {
    fn refuse(&self, reason: String) -> EffectRefused {
        *locked(&self.refused) = Some(reason.clone());
        EffectRefused { reason }
    }

    /// Has the run record the intent, and waits until it is durable; of a run that may move also at the control plane.
    async fn record_intent(&self, next: &Use) -> Result<(), EffectRefused> {
        let refuse = |reason: String| self.refuse(reason);
        let (reply, answer) = oneshot::channel();
        let message = RunMessage::Intent {
            step: self.step.clone(),
            attempt: self.attempt,
            input_digest: self
                .input_digest
                .ok_or_else(|| refuse("the connector declares no capability".to_owned()))?,
            will_use: next.clone(),
            reply,
        };
        let gone = || "the run is stopping".to_owned();
        self.mailbox.send(message).await.map_err(|_| refuse(gone()))?;
        let (mut ticket, records) = answer.await.map_err(|_| refuse(gone()))?.map_err(refuse)?;
        ticket
            .durable()
            .await
            .map_err(|stopped| refuse(stopped.to_string()))?;
        let (leases, clock) = (&self.host.leases, self.host.clock.as_ref());
        leases
            .until_stored(&self.run, records, clock)
            .await
            .map_err(refuse)
    }
}

#[async_trait]
impl StepServices for Services {
    async fn before_effect(&self, next: &Use) -> Result<(), EffectRefused> {
        self.intent.get_or_try_init(|| self.record_intent(next)).await?;
        // The process may have stood still since, or since an effect before.
        let now_ms = self.host.clock.monotonic_ms();
        let held = self.host.leases.check(&self.run, now_ms);
        held.map_err(|reason| self.refuse(reason))
    }

    fn trace_request(&self) -> Option<TracedRequest> {
        self.trace.as_ref().map(|trace| trace.request())
    }

    fn requested(&self, request: RequestSeen) {
        if let Some(trace) = &self.trace {
            trace.requested(self.host.clock.now_ms(), request);
        }
    }

    async fn secret(&self, slot: &str) -> Result<Option<OpenSecret>, Failure> {
        let Some(grant) = self.secrets.get(slot) else {
            return Ok(None);
        };
        let secret = self.host.secrets.open(grant).await?;
        self.redactor.learn(&secret.name, &secret.value);
        Ok(Some(secret))
    }

    fn redactor(&self) -> Arc<Redactor> {
        Arc::clone(&self.redactor)
    }

    fn log(&self, level: LogLevel, message: &str) {
        locked(&self.logs).push(level, message, &self.redactor);
    }

    fn progress(&self, state: &Progress) {
        self.has_progress.store(true, Ordering::Relaxed);
        self.host.progress.show(StepProgress {
            run: self.run.clone(),
            step: self.step.clone(),
            attempt: self.attempt,
            percent: state.percent,
            message: state.message.clone(),
            at_ms: self.host.clock.now_ms(),
        });
    }

    fn artefacts(&self) -> Arc<dyn ArtefactStore> {
        Arc::clone(&self.host.artefacts) as Arc<dyn ArtefactStore>
    }

    fn artefact_quota(&self) -> Option<Arc<Quota>> {
        self.artefact_quota.clone()
    }

    fn now_ms(&self) -> u64 {
        self.host.clock.now_ms()
    }

    fn random(&self, buffer: &mut [u8]) {
        self.host.entropy.fill(buffer);
    }
}

/// The artefacts that a value speaks of and this host has: they are uploaded before the record that holds the value, and
/// stay here as long as that is wanted. They count as used now.
pub(super) fn artefacts_in(value: &Value, store: &FileStore) -> Vec<Digest> {
    let mut found = Vec::new();
    let mut to_visit = vec![value];
    while let Some(value) = to_visit.pop() {
        match value {
            Value::Array(items) => to_visit.extend(items),
            Value::Object(fields) => {
                if let Some(digest) = artefact_digest(fields)
                    && !found.contains(&digest)
                    && store.touch(&digest)
                {
                    found.push(digest);
                }
                to_visit.extend(fields.values());
            }
            _ => {}
        }
    }
    found
}

/// The digest of an artefact value: a record of exactly digest, name, media type and size.
fn artefact_digest(fields: &Map<String, Value>) -> Option<Digest> {
    let shaped = fields.len() == 4
        && ["name", "media_type", "size"]
            .iter()
            .all(|key| fields.contains_key(*key));
    if !shaped {
        return None;
    }
    fields.get("digest")?.as_str()?.parse().ok()
}
