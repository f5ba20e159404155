//! A runtime in a folder of its own, and an executor that writes down what it is asked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use flowforge_protocol::grants::{NodeGrants, SecretGrant};
use flowforge_protocol::{Digest, Failure, FailureKind, Use, Used};
use flowforge_runtime::artefacts::{ArtefactStore, FileStore, Quota};
use flowforge_runtime::{
    CompileWorker, Connector, EffectRefused, EgressPolicy, Invocation, Invoked, Limits, LogLevel, OpenSecret,
    Progress, Redactor, Runtime, RuntimeConfig, StepContext, StepError, StepServices,
};
use serde_json::{Map, Value};
use tempfile::TempDir;

/// The worker that cargo built beside these tests.
pub(crate) fn worker() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_flowforge-compile"))
}

/// A runtime and its folder, and what the next call may use.
pub(crate) struct Bench {
    pub(crate) runtime: Runtime,
    pub(crate) folder: TempDir,
    pub(crate) services: Arc<Recorder>,
    pub(crate) limits: Limits,
    pub(crate) grants: NodeGrants,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// Loopback is open, as under `flowforge dev`.
    pub(crate) fn on_loopback() -> Self {
        Self::with(|config| {
            config.egress = EgressPolicy {
                loopback: true,
                ..EgressPolicy::default()
            }
        })
    }

    pub(crate) fn with(change: impl FnOnce(&mut RuntimeConfig)) -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut config = RuntimeConfig::new(folder.path().join("code"), CompileWorker::Program(worker()));
        config.max_instances = 8;
        change(&mut config);
        let store = FileStore::open(&folder.path().join("artefacts")).expect("a store");
        Self {
            runtime: Runtime::new(config).expect("a runtime"),
            services: Arc::new(Recorder::new(store)),
            limits: Limits::default(),
            grants: NodeGrants::default(),
            folder,
        }
    }

    pub(crate) fn allow(mut self, destination: &str) -> Self {
        self.grants.destinations.push(destination.to_owned());
        self
    }

    pub(crate) fn secret(mut self, slot: &str, kind: &str, value: &str, destination: &str) -> Self {
        let grant = SecretGrant {
            secret: format!("{slot}_secret"),
            kind: kind.to_owned(),
            destinations: vec![destination.to_owned()],
        };
        self.grants.secrets.insert(slot.to_owned(), grant);
        let mut secrets = self.services.secrets.lock().expect("no panic");
        secrets.insert(slot.to_owned(), (kind.to_owned(), value.to_owned()));
        drop(secrets);
        let mut granted = self.services.granted.lock().expect("no panic");
        granted.insert(slot.to_owned(), destination.to_owned());
        drop(granted);
        self
    }

    pub(crate) async fn load(&self, bytes: &[u8]) -> Arc<Connector> {
        let loaded = self.runtime.load(Digest::of(bytes), bytes).await;
        loaded.unwrap_or_else(|error| panic!("loads: {error:?}"))
    }

    pub(crate) async fn call(
        &self,
        connector: &Arc<Connector>,
        operation: &str,
        input: Value,
    ) -> Result<Invoked, StepError> {
        self.runtime
            .invoke(self.invocation(connector, operation, input))
            .await
    }

    pub(crate) fn invocation(&self, connector: &Arc<Connector>, operation: &str, input: Value) -> Invocation {
        Invocation {
            connector: connector.clone(),
            operation: operation.to_owned(),
            input: match input {
                Value::Object(fields) => fields,
                Value::Null => Map::new(),
                other => panic!("input is an object, not {other}"),
            },
            grants: self.grants.clone(),
            limits: self.limits.clone(),
            step: StepContext {
                run_id: "run1".to_owned(),
                step: "labels[3].label".to_owned(),
                attempt: 2,
                idempotency_key: "key1".to_owned(),
                timeout: None,
            },
            services: self.services.clone(),
        }
    }

    /// The failure of a call that must fail.
    pub(crate) async fn failure(&self, connector: &Arc<Connector>, operation: &str, input: Value) -> Failure {
        match self.call(connector, operation, input).await {
            Err(StepError::Failure { failure, .. }) => failure,
            other => panic!("expected a failure, got {other:?}"),
        }
    }

    /// The output of a call that must work.
    pub(crate) async fn output(&self, connector: &Arc<Connector>, operation: &str, input: Value) -> Value {
        match self.call(connector, operation, input).await {
            Ok(invoked) => invoked.output,
            Err(error) => panic!("expected a result, got {error:?}"),
        }
    }
}

/// One use, this often.
pub(crate) fn used(destination: &str, secret: Option<&str>, count: u32) -> Used {
    Used {
        destination: destination.to_owned(),
        secret: secret.map(str::to_owned),
        count,
    }
}

/// The executor's side, as a test sees it.
pub(crate) struct Recorder {
    pub(crate) effects: Mutex<Vec<Use>>,
    pub(crate) denied: Mutex<Vec<Use>>,
    pub(crate) progress: Mutex<Vec<Progress>>,
    pub(crate) sealed_for: Mutex<Option<Vec<String>>>,
    pub(crate) quota: Mutex<Option<Arc<Quota>>>,
    pub(crate) redactor: Arc<Redactor>,
    pub(crate) lines: Mutex<Vec<(LogLevel, String)>>,
    pub(crate) secrets: Mutex<BTreeMap<String, (String, String)>>,
    granted: Mutex<BTreeMap<String, String>>,
    pub(crate) refuse: Mutex<Option<String>>,
    pub(crate) now_ms: AtomicU64,
    random: AtomicU64,
    store: Arc<FileStore>,
}

impl Recorder {
    fn new(store: FileStore) -> Self {
        Self {
            effects: Mutex::default(),
            denied: Mutex::default(),
            progress: Mutex::default(),
            sealed_for: Mutex::default(),
            quota: Mutex::default(),
            redactor: Arc::default(),
            lines: Mutex::default(),
            secrets: Mutex::default(),
            granted: Mutex::default(),
            refuse: Mutex::default(),
            now_ms: AtomicU64::new(1_700_000_000_123),
            random: AtomicU64::new(0),
            store: Arc::new(store),
        }
    }

    pub(crate) fn store(&self) -> &Arc<FileStore> {
        &self.store
    }

    pub(crate) fn effects(&self) -> Vec<Use> {
        self.effects.lock().expect("no panic").clone()
    }

    /// Where the value was sealed for: what a test says, else where the grant says.
    fn destinations_of(&self, slot: &str) -> Vec<String> {
        let sealed = self.sealed_for.lock().expect("no panic").clone();
        sealed.unwrap_or_else(|| {
            self.granted
                .lock()
                .expect("no panic")
                .get(slot)
                .cloned()
                .into_iter()
                .collect()
        })
    }

    pub(crate) fn lines(&self) -> Vec<(LogLevel, String)> {
        self.lines.lock().expect("no panic").clone()
    }
}

#[async_trait]
impl StepServices for Recorder {
    async fn before_effect(&self, next: &Use) -> Result<(), EffectRefused> {
        let refuse = self.refuse.lock().expect("no panic").clone();
        match refuse {
            Some(reason) => Err(EffectRefused { reason }),
            None => {
                self.effects.lock().expect("no panic").push(next.clone());
                Ok(())
            }
        }
    }

    fn denied(&self, wanted: &Use) {
        self.denied.lock().expect("no panic").push(wanted.clone());
    }

    async fn secret(&self, slot: &str) -> Result<Option<OpenSecret>, Failure> {
        let found = self.secrets.lock().expect("no panic").get(slot).cloned();
        match found {
            Some((_, value)) if value == "sealed" => {
                Err(Failure::new(FailureKind::Denied, "cannot be opened"))
            }
            found => Ok(found.map(|(kind, value)| OpenSecret {
                name: format!("{slot}_secret"),
                kind,
                version: 7,
                destinations: self.destinations_of(slot),
                value: value.into_bytes().into(),
            })),
        }
    }

    fn redactor(&self) -> Arc<Redactor> {
        self.redactor.clone()
    }

    fn artefact_quota(&self) -> Option<Arc<Quota>> {
        self.quota.lock().expect("no panic").clone()
    }

    fn progress(&self, state: &Progress) {
        self.progress.lock().expect("no panic").push(state.clone());
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.lines
            .lock()
            .expect("no panic")
            .push((level, message.to_owned()));
    }

    fn artefacts(&self) -> Arc<dyn ArtefactStore> {
        self.store.clone()
    }

    fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    fn random(&self, buffer: &mut [u8]) {
        for byte in buffer {
            *byte = u8::try_from(self.random.fetch_add(1, Ordering::SeqCst) % 256).expect("below 256");
        }
    }
}
