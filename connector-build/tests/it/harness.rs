//! Building once for all tests, and running one step.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use flowforge_connector_build::{BuildError, BuildOptions, Built, build};
use flowforge_protocol::grants::{NodeGrants, SecretGrant};
use flowforge_protocol::{Digest, Failure, Use};
use flowforge_runtime::artefacts::{ArtefactStore, FileStore};
use flowforge_runtime::{
    CompileWorker, EffectRefused, Invocation, Limits, LogLevel, OpenSecret, Redactor, Runtime, RuntimeConfig,
    StepContext, StepError, StepServices,
};
use serde_json::Value;
use zeroize::Zeroizing;

/// A connector of this project.
pub(crate) fn first_party(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../connectors")
        .join(name)
}

/// The cache that all tests share, and that stays between runs.
pub(crate) fn options() -> BuildOptions {
    BuildOptions::new(Path::new(env!("CARGO_TARGET_TMPDIR")).join("connector-cache"))
}

/// Build a folder that must build.
pub(crate) fn built(folder: &Path) -> Built {
    build(folder, &options(), &mut |_| {}).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
}

/// A connector's folder made of these files, with a `connector.toml` for `test:sample`.
pub(crate) struct Sample(tempfile::TempDir);

impl Sample {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let sample = Self(tempfile::tempdir().unwrap());
        sample.write(
            "connector.toml",
            "[connector]\nname = \"test:sample\"\nversion = \"0.1.0\"\ntitle = \"Sample\"\nsummary = \"For a test.\"\n\
             category = \"other\"\nlicense = \"Apache-2.0\"\n",
        );
        for (path, content) in files {
            sample.write(path, content);
        }
        sample
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The names of all files at its top.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub(crate) fn append(&self, path: &str, more: &str) {
        let text = fs::read_to_string(self.0.path().join(path)).unwrap();
        self.write(path, &(text + more));
    }

    pub(crate) fn build(&self) -> Result<Built, BuildError> {
        build(self.0.path(), &options(), &mut |_| {})
    }

    /// The message of a build that must fail.
    pub(crate) fn mistake(&self) -> String {
        match self.build() {
            Ok(_) => panic!("it was built"),
            Err(error) => error.to_string(),
        }
    }
}

/// The runtime of all tests of this process. Its folder of compiled code belongs to one process and stays between runs:
/// a runner that starts a process for each test gives each its own arguments.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let name = Digest::of(arguments.join(" ").as_bytes()).hex();
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("code-cache")
            .join(name);
        let mut config = RuntimeConfig::new(cache, CompileWorker::InProcess);
        config.egress.loopback = true;
        Runtime::new(config).unwrap()
    })
}

/// One host for one test.
pub(crate) struct Host {
    runtime: Runtime,
    services: Arc<Services>,
    grants: NodeGrants,
    _dir: tempfile::TempDir,
}

impl Host {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            runtime: runtime().clone(),
            services: Arc::new(Services {
                lines: Mutex::default(),
                secrets: BTreeMap::new(),
                destinations: Vec::new(),
                artefacts: Arc::new(FileStore::open(&dir.path().join("artefacts")).unwrap()),
            }),
            grants: NodeGrants::default(),
            _dir: dir,
        }
    }

    /// Let the step reach this destination, with this bearer token in the slot.
    pub(crate) fn allow(mut self, destination: &str, slot: &str, token: &str) -> Self {
        self.grants.destinations.push(destination.to_owned());
        let grant = SecretGrant {
            secret: "token".to_owned(),
            kind: "bearer".to_owned(),
            destinations: vec![destination.to_owned()],
        };
        self.grants.secrets.insert(slot.to_owned(), grant);
        let services = Arc::get_mut(&mut self.services).unwrap();
        services.secrets.insert(slot.to_owned(), token.to_owned());
        services.destinations.push(destination.to_owned());
        self
    }

    /// Run one operation in a fresh instance.
    pub(crate) async fn call(&self, built: &Built, operation: &str, input: Value) -> Result<Value, Failure> {
        let bytes = fs::read(&built.component).unwrap();
        let connector = self.runtime.load(built.digest, &bytes).await.unwrap();
        let Value::Object(input) = input else {
            panic!("input must be an object")
        };
        let call = Invocation {
            connector,
            operation: operation.to_owned(),
            input,
            grants: self.grants.clone(),
            limits: Limits::default(),
            step: StepContext {
                run_id: "r1".to_owned(),
                step: "node".to_owned(),
                attempt: 1,
                idempotency_key: "key-1".to_owned(),
                timeout: None,
            },
            services: self.services.clone(),
        };
        match self.runtime.invoke(call).await {
            Ok(invoked) => Ok(invoked.output),
            Err(StepError::Failure { failure, .. }) => Err(failure),
            Err(other) => panic!("{other:?}"),
        }
    }

    /// The lines logged so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.services.lines.lock().unwrap().clone()
    }

    pub(crate) async fn artefact_text(&self, digest: &str) -> String {
        let mut reader = self
            .services
            .artefacts
            .open(&digest.parse().unwrap())
            .await
            .unwrap();
        let mut text = Vec::new();
        loop {
            let bytes = reader.read(65_536).await.unwrap();
            if bytes.is_empty() {
                break;
            }
            text.extend_from_slice(&bytes);
        }
        String::from_utf8(text).unwrap()
    }
}

struct Services {
    lines: Mutex<Vec<String>>,
    secrets: BTreeMap<String, String>,
    destinations: Vec<String>,
    artefacts: Arc<FileStore>,
}

#[async_trait]
impl StepServices for Services {
    async fn before_effect(&self, _next: &Use) -> Result<(), EffectRefused> {
        Ok(())
    }

    async fn secret(&self, slot: &str) -> Result<Option<OpenSecret>, Failure> {
        Ok(self.secrets.get(slot).map(|value| OpenSecret {
            name: "token".to_owned(),
            kind: "bearer".to_owned(),
            version: 1,
            destinations: self.destinations.clone(),
            value: Zeroizing::new(value.clone().into_bytes()),
        }))
    }

    fn redactor(&self) -> Arc<Redactor> {
        Arc::default()
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.lines.lock().unwrap().push(format!("{level:?}: {message}"));
    }

    fn artefacts(&self) -> Arc<dyn ArtefactStore> {
        self.artefacts.clone()
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
    }

    fn random(&self, buffer: &mut [u8]) {
        // Differs between calls, as the host's randomness does, and needs no crate for it.
        for byte in buffer {
            *byte = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0).to_le_bytes()[0];
        }
    }
}
