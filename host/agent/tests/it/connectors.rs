//! Connectors that do what a test says, and a ledger of what they did outside.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use flowforge_host::connectors::{Connector, ConnectorHost, StepCall};
use flowforge_ports::{Capability, CapabilityKind, Effect, ExportName, Interface, Operation};
use flowforge_protocol::{Digest, Failure};
use flowforge_runtime::{Invoked, StepError, Usage};
use serde_json::Value;

type Answer = Pin<Box<dyn Future<Output = Result<Value, StepError>> + Send>>;
type Script = Arc<dyn Fn(StepCall) -> Answer + Send + Sync>;

/// Something that happened outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Effected {
    pub(crate) step: String,
    pub(crate) key: String,
    pub(crate) attempt: u32,
}

/// Scripted operations, by name.
#[derive(Clone, Default)]
pub(crate) struct Scripts {
    operations: BTreeMap<String, (Effect, Script)>,
    ledger: Arc<Mutex<Vec<Effected>>>,
    calls: Arc<Mutex<Vec<String>>>,
}

/// The bytes of the one scripted component.
pub(crate) fn bytes() -> Vec<u8> {
    b"a component of scripts".to_vec()
}

impl Scripts {
    /// An operation without effects.
    pub(crate) fn pure(
        self,
        name: &str,
        does: impl Fn(StepCall) -> Result<Value, Failure> + Send + Sync + 'static,
    ) -> Self {
        let script = move |call: StepCall| -> Answer {
            let answer = does(call).map_err(|failure| StepError::Failure {
                failure,
                usage: Usage::default(),
            });
            Box::pin(std::future::ready(answer))
        };
        self.scripted(name, Effect::Pure, Arc::new(script))
    }

    /// An operation with one effect, after which it answers with its input.
    pub(crate) fn effectful(self, name: &str, effect: Effect) -> Self {
        let ledger = Arc::clone(&self.ledger);
        let script = move |call: StepCall| -> Answer {
            let ledger = Arc::clone(&ledger);
            Box::pin(async move {
                let refused =
                    |refused: flowforge_runtime::EffectRefused| StepError::host(refused.to_string());
                call.services
                    .before_effect(&flowforge_protocol::Use::of("http://127.0.0.1:9"))
                    .await
                    .map_err(refused)?;
                ledger.lock().expect("ledger").push(Effected {
                    step: call.context.step.clone(),
                    key: call.context.idempotency_key.clone(),
                    attempt: call.context.attempt,
                });
                Ok(Value::Object(call.input))
            })
        };
        self.scripted(name, effect, Arc::new(script))
    }

    pub(crate) fn asynchronous<F>(
        self,
        name: &str,
        effect: Effect,
        does: impl Fn(StepCall) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Value, StepError>> + Send + 'static,
    {
        self.scripted(
            name,
            effect,
            Arc::new(move |call| -> Answer { Box::pin(does(call)) }),
        )
    }

    fn scripted(mut self, name: &str, effect: Effect, script: Script) -> Self {
        self.operations.insert(name.to_owned(), (effect, script));
        self
    }

    /// What happened outside so far.
    pub(crate) fn ledger(&self) -> Vec<Effected> {
        self.ledger.lock().expect("ledger").clone()
    }

    /// Which steps were called so far.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().expect("calls").clone()
    }
}

struct Scripted {
    interface: Interface,
    scripts: Scripts,
}

#[async_trait]
impl ConnectorHost for Scripts {
    async fn load(&self, _: Digest, _: Vec<u8>) -> Result<Arc<dyn Connector>, String> {
        let operations = self.operations.iter().map(|(name, (effect, _))| Operation {
            name: name.clone(),
            export: ExportName {
                interface: None,
                function: name.clone(),
            },
            asynchronous: false,
            params: Vec::new(),
            result: None,
            fails: true,
            failure: None,
            standard_failure: true,
            title: None,
            docs: None,
            effect: *effect,
            trigger: None,
        });
        let http = Capability {
            kind: CapabilityKind::Http,
            import: "flowforge:connector/http@0.1.0".into(),
        };
        let interface = Interface {
            operations: operations.collect(),
            capabilities: vec![http],
            ..Interface::default()
        };
        Ok(Arc::new(Scripted {
            interface,
            scripts: self.clone(),
        }))
    }
}

#[async_trait]
impl Connector for Scripted {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    async fn invoke(&self, call: StepCall) -> Result<Invoked, StepError> {
        self.scripts
            .calls
            .lock()
            .expect("calls")
            .push(call.context.step.clone());
        let (_, script) = &self.scripts.operations[&call.operation];
        let output = script(call).await?;
        Ok(Invoked {
            output,
            usage: Usage::default(),
        })
    }
}
