//! One call: JSON in, a fresh instance, a typed call, JSON out.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use flowforge_protocol::grants::NodeGrants;
use flowforge_protocol::{Failure, FailureKind, Used};
use serde_json::{Map, Value};
use wasmtime::component::Val;
use wasmtime::{Engine, Store, UpdateDeadline};

use crate::common::RuntimeShared;
use crate::connector::{Connector, LoadedOperation};
use crate::limits::Limits;
use crate::outcome;
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
    /// What was used outside: each destination, alone and with each secret, and how often something was sent there.
    pub used: Vec<Used>,
    /// How many effects were begun.
    pub effects: u32,
    /// Most memory of the guest, in bytes.
    pub peak_memory_bytes: u64,
    /// What the guest executed, where the runtime counts, see [`crate::CompileConfig::counted`].
    pub instructions: Option<Instructions>,
    /// Lines of the log that were dropped at a limit.
    pub log_lines_dropped: u64,
    /// From begin to end, without the wait for a free instance.
    pub elapsed: Duration,
}

/// Instructions that a guest executed, as wasmtime counts them: the same on every machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Instructions {
    /// Until the instance was there.
    pub start: u64,
    /// In all.
    pub all: u64,
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
    #[error("host could not run the step: {reason}")]
    Host {
        /// Why, for people.
        reason: String,
        /// What was used until then.
        usage: Usage,
    },
}

impl StepError {
    /// The host's own trouble, before anything was used.
    #[must_use]
    pub fn host(reason: impl Into<String>) -> Self {
        Self::Host {
            reason: reason.into(),
            usage: Usage::default(),
        }
    }

    /// What was used until then.
    #[must_use]
    pub fn usage(&self) -> &Usage {
        match self {
            Self::Failure { usage, .. } | Self::Host { usage, .. } => usage,
        }
    }

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
        return Err(StepError::early(failure.with_code("FF-CON-001")));
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
    let _permit = permit.map_err(|_| StepError::host("the runtime is closed"))?;
    let began = Instant::now();
    step.sign_of_life();
    let machine = &call.connector.machine;
    let _guest = machine.ticker.guest();
    let counted = runtime.config.compile.counted;
    let store = new_store(&machine.engine, counted, &step);
    let mut store = store.map_err(|error| StepError::host(format!("{error:#}")))?;
    let ended = {
        let run = pin!(run(&mut store, &call.connector, loaded, &arguments, counted));
        let metered = Metered {
            inner: run,
            spent: Duration::ZERO,
            limit: step.limits.cpu,
        };
        tokio::select! {
            biased;
            ended = metered => ended.ok_or(Stopped::ComputedTooLong),
            () = tokio::time::sleep_until(step.deadline) => Err(Stopped::OutOfTime),
            idle = step.silence() => Err(Stopped::Silent(idle)),
        }
    };
    let outcome = match ended {
        Ok(Ok(value)) => finish(&step, loaded, value),
        Ok(Err(trap)) => Err(outcome::of_trap(&step, &trap)),
        Err(stopped) => Err(Ending::Failed(stopped.failure(&step))),
    };
    // Dropping the store ends streams and writes the last line of the log.
    let peak_memory_bytes = store.data().limiter.memory_peak() as u64;
    let instructions = counted.then(|| executed(&store, budget(&step.limits)));
    drop(store);
    step.close_progress();
    let log_lines_dropped = step.close_log();
    let (used, effects) = step.used();
    let usage = Usage {
        used,
        effects,
        peak_memory_bytes,
        instructions,
        log_lines_dropped,
        elapsed: began.elapsed(),
    };
    match step.ending().map_or(outcome, Err) {
        Ok(output) => Ok(Invoked { output, usage }),
        Err(Ending::Failed(failure)) => Err(StepError::Failure {
            failure: outcome::redacted(&step.redactor, failure),
            usage,
        }),
        Err(Ending::Refused(refused)) => Err(StepError::Host {
            reason: refused.to_string(),
            usage,
        }),
    }
}

/// Why the host stopped a guest.
enum Stopped {
    /// Its processor time is spent.
    ComputedTooLong,
    /// The deadline of the attempt passed.
    OutOfTime,
    /// It gave no sign of life for this long.
    Silent(Duration),
}

impl Stopped {
    fn failure(&self, step: &StepShared) -> Failure {
        match self {
            Self::ComputedTooLong => Failure::new(
                FailureKind::Limit,
                format!(
                    "the connector computed longer than {}",
                    outcome::time(step.limits.cpu)
                ),
            ),
            Self::OutOfTime => outcome::out_of_time(step),
            Self::Silent(idle) => outcome::silent(step, *idle),
        }
    }
}

/// What was executed in a counting store that began with this budget.
fn executed(store: &Store<StepState>, budget: u64) -> Instructions {
    let until = |left: Option<u64>| left.map_or(0, |left| budget.saturating_sub(left));
    Instructions {
        start: until(store.data().started),
        all: until(store.get_fuel().ok()),
    }
}

/// Instructions that a counting store begins with.
fn budget(limits: &Limits) -> u64 {
    limits.instructions.unwrap_or(u64::MAX)
}

fn new_store(engine: &Engine, counted: bool, step: &Arc<StepShared>) -> wasmtime::Result<Store<StepState>> {
    let mut store = Store::new(engine, StepState::new(step.clone()));
    store.limiter(|state| &mut state.limiter);
    store.set_hostcall_fuel(step.limits.hostcall_bytes);
    if counted {
        store.set_fuel(budget(&step.limits))?;
    }
    store.set_epoch_deadline(1);
    // A guest that computes gives way to others at every tick; the meter around it decides how long it may go on.
    store.epoch_deadline_callback(|_| Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()))));
    Ok(store)
}

async fn run(
    store: &mut Store<StepState>,
    connector: &Connector,
    loaded: &LoadedOperation,
    arguments: &[Val],
    counted: bool,
) -> wasmtime::Result<Option<Val>> {
    let instance = connector.pre.instantiate_async(&mut *store).await?;
    if counted {
        store.data_mut().started = store.get_fuel().ok();
    }
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
        Ok(Ok(output)) => within_bounds(step, output.unwrap_or(Value::Null)),
        Ok(Err(error)) => Err(Ending::Failed(lift_failure(error, operation.standard_failure))),
        Err(LiftError::Wrong(error)) => Err(Ending::Failed(outcome::invalid_output(&error))),
        Err(LiftError::TooLarge(limit)) => Err(Ending::Failed(outcome::output_too_large(limit))),
    }
}

/// The output without secret values, if it is small enough to be recorded.
fn within_bounds(step: &StepShared, mut output: Value) -> Result<Value, Ending> {
    step.redactor.value(&mut output);
    let limit = step.limits.output_bytes;
    if json_bytes(&output) > limit {
        return Err(Ending::Failed(outcome::output_too_large(limit)));
    }
    Ok(output)
}

/// The length of a value as JSON text. What the lifter counts on the way is less where characters are escaped.
fn json_bytes(value: &Value) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.saturating_add(bytes.len());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, value) {
        Ok(()) => count.0,
        // A value that cannot be written fits nowhere.
        Err(_) => usize::MAX,
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
