//! What runs connectors: the sandbox, or a script in a test.

use std::sync::Arc;

use async_trait::async_trait;
use flowforge_ports::Interface;
use flowforge_protocol::Digest;
use flowforge_protocol::grants::NodeGrants;
use flowforge_runtime::{Invocation, Invoked, Limits, Runtime, StepContext, StepError, StepServices};
use serde_json::{Map, Value};

use crate::text::with_causes;

/// Loads components. A seam: the real one compiles and sandboxes WebAssembly, a scripted one lets a test decide what a
/// step does and when.
#[async_trait]
pub trait ConnectorHost: Send + Sync {
    /// Makes the component with this digest callable.
    ///
    /// The bytes were compared with the digest and their publication was verified; the sandbox compares again.
    ///
    /// # Errors
    /// Why these bytes cannot run, for people.
    async fn load(&self, digest: Digest, bytes: Vec<u8>) -> Result<Arc<dyn Connector>, String>;
}

/// One loaded component.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Its operations and capabilities.
    fn interface(&self) -> &Interface;

    /// Runs one attempt of a step in a fresh instance.
    ///
    /// Cancel safety: dropping it ends the instance; effects that left stay outside.
    ///
    /// # Errors
    /// [`StepError`].
    async fn invoke(&self, call: StepCall) -> Result<Invoked, StepError>;
}

/// One attempt of a step.
pub struct StepCall {
    /// Operation name.
    pub operation: String,
    /// Arguments by port name.
    pub input: Map<String, Value>,
    /// What this node may use.
    pub grants: NodeGrants,
    /// Bounds.
    pub limits: Limits,
    /// Who calls.
    pub context: StepContext,
    /// The host's side.
    pub services: Arc<dyn StepServices>,
}

/// The sandbox.
#[derive(Clone)]
pub struct WasmConnectors {
    runtime: Arc<Runtime>,
}

impl WasmConnectors {
    /// Connectors in this sandbox.
    #[must_use]
    pub fn new(runtime: Arc<Runtime>) -> Self {
        Self { runtime }
    }
}

struct WasmConnector {
    runtime: Arc<Runtime>,
    connector: Arc<flowforge_runtime::Connector>,
}

#[async_trait]
impl ConnectorHost for WasmConnectors {
    async fn load(&self, digest: Digest, bytes: Vec<u8>) -> Result<Arc<dyn Connector>, String> {
        let connector = self
            .runtime
            .load(digest, &bytes)
            .await
            .map_err(|error| with_causes(&error))?;
        Ok(Arc::new(WasmConnector {
            runtime: Arc::clone(&self.runtime),
            connector,
        }))
    }
}

#[async_trait]
impl Connector for WasmConnector {
    fn interface(&self) -> &Interface {
        self.connector.interface()
    }

    async fn invoke(&self, call: StepCall) -> Result<Invoked, StepError> {
        self.runtime
            .invoke(Invocation {
                connector: Arc::clone(&self.connector),
                operation: call.operation,
                input: call.input,
                grants: call.grants,
                limits: call.limits,
                step: call.context,
                services: call.services,
            })
            .await
    }
}
