//! What all connectors and all attempts of a process have in common.

use std::sync::{Arc, Weak};

use flowforge_protocol::Digest;
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::cache::CodeCache;
use crate::config::RuntimeConfig;
use crate::connect::Dialer;
use crate::connector::Connector;
use crate::engine::Ticker;
use crate::shared_cache::SharedCache;
use crate::state::StepState;

/// Engine, linker, code and bounds.
pub(crate) struct RuntimeShared {
    pub(crate) config: RuntimeConfig,
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<StepState>,
    pub(crate) cache: CodeCache,
    pub(crate) ticker: Ticker,
    pub(crate) dialer: Arc<Dialer>,
    pub(crate) instances: Semaphore,
    pub(crate) compiling: Semaphore,
    /// Only connectors that somebody holds: one that nobody uses lets go of its code.
    pub(crate) loaded: SharedCache<Digest, Weak<Connector>>,
    pub(crate) pooled: bool,
}
