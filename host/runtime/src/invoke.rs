//! One call: JSON in, a fresh instance, a typed call, JSON out.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use flowforge_protocol::grants::NodeGrants;
use flowforge_protocol::{Failure, FailureKind};
use serde_json::{Map, Value};
use wasmtime::component::Val;
use wasmtime::{Store, UpdateDeadline};

use crate::config::Limits;
use crate::connector::{Connector, LoadedOperation};
use crate::outcome;
use crate::runtime::RuntimeShared;
use crate::services::{StepContext, StepServices};
use crate::state::StepState;
use crate::step::{Ending, StepShared};
use crate::values::{LiftError, Lifter, Lowerer, lift_failure};

/// One attempt of one step.
pub struct Invocation {
    /// What to call.
    pub connector: Arc<Connector>,
    /// Which operation of it.
    pub operation: String,
    /// Its input by parameter name.
    pub input: Map<String, Value>,
    /// What it may use.
    pub grants: NodeGrants,
    /// Its bounds.
    pub limits: Limits,
    /// Which step it is.
    pub step: StepContext,
    /// The executor's side.
    pub services: Arc<dyn StepServices>,
}

/// A result.
#[derive(Debug, Clone, PartialEq)]
pub struct Invoked {
    /// The operation's result; `null` if it has none.
    pub output: Value,
    /// What it took.
    pub usage: Usage,
}

/// What an attempt took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// What was used outside, each once: `https://h:443`, `secret chat_token → https://h:443`.
    pub used: Vec<String>,
    /// How many effects were begun.
    pub effects: u32,
    /// Most memory of the guest, in bytes.
    pub peak_memory_bytes: u64,
    /// Lines of the log that were dropped at the limit.
    pub log_lines_dropped: u64,
    /// From begin to end, without the wait for a free instance.
    pub elapsed: Duration,
}

/// Why an attempt has no result.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The step's own failure; its kind says who may try again.
    #[error("{}", .failure.message)]
    Failure {
        /// The failure.
        failure: Failure,
        /// What was used until then; an attempt that failed may have had effects.
        usage: Usage,
    },
    /// This host could not do its part.
    #[error("host could not run the step: {0}")]
    Host(String),
}

impl StepError {
    fn early(failure: Failure) -> Self {
        Self::Failure {
            failure,
            usage: Usage::default(),
        }
    }
}

pub(crate) async fn invoke(runtime: &RuntimeShared, call: Invocation) -> Result<Invoked, StepError> {
    let Some(loaded) = call.connector.functions.get(&call.operation) else {
        let failure = Failure::new(
            FailureKind::Invalid,
            format!("the connector has no operation `{}`", call.operation),
        );
        return Err(StepError::early(failure.with_code("FF-RUN-001")));
    };
    let mut lowerer = Lowerer::default();
    let arguments = lowerer
        .arguments(&loaded.operation, call.input)
        .map_err(|error| StepError::early(outcome::invalid_input(&error)))?;
    let step = Arc::new(StepShared::new(
        call.services,
        call.grants,
        call.limits,
        call.step,
        runtime.dialer.clone(),
    ));
    for artefact in lowerer.artefacts {
        step.grant_artefact(artefact.digest, artefact.size);
    }
    // Waiting for a free instance counts against the step's own limit, so that it cannot wait for ever.
    let Ok(permit) = tokio::time::timeout_at(step.deadline, runtime.instances.acquire()).await else {
        let failure = Failure::new(
            FailureKind::Unavailable,
            "no instance became free in time; the host is busy",
        );
        return Err(StepError::early(failure));
    };
    let _permit = permit.map_err(|_| StepError::Host("the runtime is closed".to_owned()))?;
    let began = Instant::now();
    let _guest = runtime.ticker.guest();
    let mut store = new_store(runtime, &step);
    let ended = {
        let run = pin!(run(&mut store, &call.connector, loaded, &arguments));
        let metered = Metered {
            inner: run,
            spent: Duration::ZERO,
            limit: step.limits.cpu,
        };
        tokio::time::timeout_at(step.deadline, metered).await
    };
    let outcome = match ended {
        Ok(Some(Ok(value))) => finish(&step, loaded, value),
        Ok(Some(Err(trap))) => Err(outcome::of_trap(&step, &trap)),
        Ok(None) => Err(Ending::Failed(Failure::new(
            FailureKind::Limit,
            format!(
                "the connector computed longer than {}",
                outcome::time(step.limits.cpu)
            ),
        ))),
        Err(_) => Err(Ending::Failed(outcome::out_of_time(&step))),
    };
    // Dropping the store ends streams and writes the last line of the log.
    let peak_memory_bytes = store.data().limiter.memory_peak() as u64;
    drop(store);
    let (used, effects) = step.used();
    let usage = Usage {
        used,
        effects,
        peak_memory_bytes,
        log_lines_dropped: step.log_lines_dropped(),
        elapsed: began.elapsed(),
    };
    match step.ending().map_or(outcome, Err) {
        Ok(output) => Ok(Invoked { output, usage }),
        Err(Ending::Failed(failure)) => Err(StepError::Failure { failure, usage }),
        Err(Ending::Refused(refused)) => Err(StepError::Host(refused.to_string())),
    }
}

fn new_store(runtime: &RuntimeShared, step: &Arc<StepShared>) -> Store<StepState> {
    let mut store = Store::new(&runtime.engine, StepState::new(step.clone()));
    store.limiter(|state| &mut state.limiter);
    store.set_hostcall_fuel(step.limits.hostcall_bytes);
    store.set_epoch_deadline(1);
    // A guest that computes gives way to others at every tick; the meter around it decides how long it may go on.
    store.epoch_deadline_callback(|_| Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()))));
    store
}

async fn run(
    store: &mut Store<StepState>,
    connector: &Connector,
    loaded: &LoadedOperation,
    arguments: &[Val],
) -> wasmtime::Result<Option<Val>> {
    let instance = connector.pre.instantiate_async(&mut *store).await?;
    let function = instance
        .get_func(&mut *store, loaded.export)
        .ok_or_else(|| wasmtime::Error::msg("the operation is not exported"))?;
    let has_result = loaded.operation.fails || loaded.operation.result.is_some();
    let mut results = [Val::Bool(false)];
    let slots = if has_result { &mut results[..] } else { &mut [] };
    function.call_async(&mut *store, arguments, slots).await?;
    let [result] = results;
    Ok(has_result.then_some(result))
}

/// The result as JSON, or the failure that it is.
fn finish(step: &StepShared, loaded: &LoadedOperation, value: Option<Val>) -> Result<Value, Ending> {
    let operation = &loaded.operation;
    let artefacts = step.artefacts();
    let mut lifter = Lifter::new(step.limits.output_bytes, &artefacts);
    let mut lift = |ty: Option<&flowforge_ports::Type>, value: Option<Val>| match (ty, value) {
        (Some(ty), Some(value)) => lifter.value(ty, value).map(Some),
        _ => Ok(None),
    };
    let lifted = match value {
        Some(Val::Result(result)) if operation.fails => match result {
            Ok(value) => lift(operation.result.as_ref(), value.map(|value| *value)).map(Ok),
            Err(value) => lift(operation.failure.as_ref(), value.map(|value| *value)).map(Err),
        },
        value => lift(operation.result.as_ref(), value).map(Ok),
    };
    match lifted {
        Ok(Ok(output)) => Ok(output.unwrap_or(Value::Null)),
        Ok(Err(error)) => Err(Ending::Failed(lift_failure(error, operation.standard_failure))),
        Err(LiftError::Wrong(error)) => Err(Ending::Failed(outcome::invalid_output(&error))),
        Err(LiftError::TooLarge(limit)) => Err(Ending::Failed(outcome::output_too_large(limit))),
    }
}

/// Counts the time in which a future is polled: the processor time of a guest and its host functions. Ends with nothing
/// when the limit is spent; a guest that computes is polled anew at every tick.
struct Metered<F> {
    inner: F,
    spent: Duration,
    limit: Duration,
}

impl<F: Future + Unpin> Future for Metered<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.spent > self.limit {
            return Poll::Ready(None);
        }
        let began = Instant::now();
        let polled = Pin::new(&mut self.inner).poll(cx);
        self.spent = self.spent.saturating_add(began.elapsed());
        polled.map(Some)
    }
}
