//! What a step costs beside a bare wasmtime call, taken in the same process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::Store;
use wasmtime::component::Val;

use crate::invoke::{Invocation, StepError};
use crate::runtime::Runtime;
use crate::state::StepState;
use crate::step::StepShared;
use crate::values::Lowerer;

/// Times of the same call, made in turns.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// Whole steps: JSON in, fresh instance, typed call, JSON out, with every limit set.
    pub step: Vec<Duration>,
    /// A fresh instance from the same engine and the call alone, arguments and state made before the clock starts, no
    /// limits.
    pub bare: Vec<Duration>,
}

impl Runtime {
    /// Makes the same call `rounds` times as a step and `rounds` times bare, in turns.
    ///
    /// # Errors
    /// Those of [`Runtime::invoke`]; the first ends the measurement.
    pub async fn measure(&self, rounds: u32, call: impl Fn() -> Invocation) -> Result<Measured, StepError> {
        let mut measured = Measured::default();
        for _ in 0..rounds {
            let step = call();
            let began = Instant::now();
            self.invoke(step).await?;
            measured.step.push(began.elapsed());
            measured.bare.push(
                self.bare_call(call())
                    .await
                    .map_err(|error| StepError::host(format!("{error:#}")))?,
            );
        }
        Ok(measured)
    }

    async fn bare_call(&self, call: Invocation) -> wasmtime::Result<Duration> {
        let loaded = call.connector.functions.get(&call.operation);
        let loaded = loaded.ok_or_else(|| wasmtime::Error::msg("no such operation"))?;
        let arguments = Lowerer::default().arguments(&loaded.operation, call.input);
        let arguments = arguments.map_err(|error| wasmtime::Error::msg(error.message))?;
        let dialer = self.shared.dialer.clone();
        let step = StepShared::new(call.services, call.grants, call.limits, call.step, dialer);
        let state = StepState::new(Arc::new(step));
        let mut results = [Val::Bool(false)];
        let has_result = loaded.operation.fails || loaded.operation.result.is_some();
        let slots = if has_result { &mut results[..] } else { &mut [] };
        let began = Instant::now();
        let mut store = Store::new(&call.connector.machine.engine, state);
        store.set_epoch_deadline(u64::MAX / 2);
        let instance = call.connector.pre.instantiate_async(&mut store).await?;
        let function = instance.get_func(&mut store, loaded.export);
        let function = function.ok_or_else(|| wasmtime::Error::msg("not exported"))?;
        function.call_async(&mut store, &arguments, slots).await?;
        drop(store);
        Ok(began.elapsed())
    }
}
