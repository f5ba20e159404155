//! `context`, `log`, `progress` and `secrets`: observations and words. None of them is an effect.

use tokio::time::Instant;

use super::bindings::flowforge::connector::{context, log, progress, secrets, types};
use crate::limits::RANDOM_BYTES;
use crate::services::{LogLevel, Progress};
use crate::state::StepState;

impl types::Host for StepState {}

impl context::Host for StepState {
    fn step(&mut self) -> wasmtime::Result<context::StepInfo> {
        let context = &self.step.context;
        let left = self.step.deadline.saturating_duration_since(Instant::now());
        Ok(context::StepInfo {
            run_id: context.run_id.clone(),
            step: context.step.clone(),
            attempt: context.attempt,
            idempotency_key: context.idempotency_key.clone(),
            deadline_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
        })
    }

    fn now_ms(&mut self) -> wasmtime::Result<u64> {
        Ok(self.step.services.now_ms())
    }

    fn random_bytes(&mut self, length: u32) -> wasmtime::Result<Result<Vec<u8>, context::TooManyBytes>> {
        if length > RANDOM_BYTES {
            return Ok(Err(context::TooManyBytes { limit: RANDOM_BYTES }));
        }
        let mut bytes = vec![0; length as usize];
        self.step.services.random(&mut bytes);
        Ok(Ok(bytes))
    }
}

impl progress::Host for StepState {
    fn report(&mut self, state: Option<progress::State>) -> wasmtime::Result<()> {
        match state {
            Some(state) => self.step.progress(Progress {
                percent: state.percent,
                message: state.message,
            }),
            None => self.step.sign_of_life(),
        }
        Ok(())
    }
}

impl log::Host for StepState {
    fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Error => LogLevel::Error,
        };
        self.step.log(level, &message);
        Ok(())
    }
}

impl secrets::Host for StepState {
    async fn describe(&mut self, slot: String) -> wasmtime::Result<Option<secrets::SecretInfo>> {
        if !self.step.grants.secrets.contains_key(&slot) {
            return Ok(None);
        }
        match self.step.open_secret(&slot).await {
            Ok(secret) => Ok(secret.map(|secret| secrets::SecretInfo {
                kind: secret.kind.clone(),
                version: secret.version,
            })),
            Err(()) => Err(wasmtime::Error::msg("the secret cannot be opened")),
        }
    }
}
