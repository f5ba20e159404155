//! What all connectors and all attempts of a process have in common.

use std::sync::{Arc, Weak};

use flowforge_protocol::Digest;
use tokio::sync::Semaphore;

use crate::config::RuntimeConfig;
use crate::connector::Connector;
use crate::machine::Machines;
use crate::shared_cache::SharedCache;
use flowforge_connect::Dialer;

/// Machines and bounds.
pub(crate) struct RuntimeShared {
    pub(crate) config: RuntimeConfig,
    pub(crate) machines: Machines,
    pub(crate) dialer: Arc<Dialer>,
    pub(crate) instances: Semaphore,
    pub(crate) compiling: Semaphore,
    /// Only connectors that somebody holds: one that nobody uses lets go of its code.
    pub(crate) loaded: SharedCache<Digest, Weak<Connector>>,
}
