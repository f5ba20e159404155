//! Runs connectors: any WebAssembly component, in a sandbox that has only what one step was granted.
//!
//! Owns: wasmtime's configuration, compiled code, instances, the conversion between JSON and component values, both HTTP
//! doors with their egress policy, artefact storage. Leaves to others: what runs when, records, retries, where secrets come
//! from. Knows nothing of workflows, and nothing of networks to the control plane.
//!
//! Invariants: every attempt gets a fresh instance; nothing a guest does ends more than its own attempt; before anything
//! leaves the host, [`StepServices::before_effect`] has returned; every wait and every size has a limit in [`Limits`].

pub mod artefacts;
mod cache;
mod calls;
mod common;
mod compile;
mod config;
mod connector;
mod egress;
mod engine;
mod host;
mod invoke;
pub mod limits;
mod machine;
mod measure;
mod outcome;
mod redact;
mod runtime;
mod services;
mod shared_cache;
mod start_error;
mod state;
mod step;
mod threads;
mod values;
mod wasi;

pub use artefacts::Artefact;
pub use compile::{COMPILE_ARGUMENT, CompileError, compile_worker_main};
pub use config::{CodeLimits, CompileConfig, CompileWorker, RuntimeConfig};
pub use connector::{Connector, LoadError};
pub use flowforge_connect::{
    AddressKind, Connection, Dial, EgressPolicy, OpenNetwork, OpenNetworkError, Resolve,
};
pub use invoke::{Instructions, Invocation, Invoked, StepError, Usage};
pub use limits::Limits;
pub use measure::Measured;
pub use redact::Redactor;
pub use runtime::Runtime;
pub use services::{
    EffectRefused, Exchange, LogLevel, OpenSecret, Progress, RequestSeen, StepContext, StepServices,
    TracedRequest,
};
pub use shared_cache::SharedCache;
pub use start_error::RuntimeError;

/// Bodies of the fuzz campaign, for programs that run them longer than tests do.
#[cfg(feature = "fuzz")]
pub mod fuzz {
    pub use crate::values::fuzz::value_conversion;
}
