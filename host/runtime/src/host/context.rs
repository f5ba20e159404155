//! `context`, `log` and `secrets`: observations and words. None of them is an effect.

use tokio::time::Instant;

use super::bindings::flowforge::connector::{context, log, secrets, types};
use crate::services::LogLevel;
use crate::state::StepState;

/// Most random bytes of one call.
const RANDOM_BYTES_MAX: u32 = 64 << 10;

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

    fn random_bytes(&mut self, length: u32) -> wasmtime::Result<Vec<u8>> {
        let mut bytes = vec![0; length.min(RANDOM_BYTES_MAX) as usize];
        self.step.services.random(&mut bytes);
        Ok(bytes)
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
