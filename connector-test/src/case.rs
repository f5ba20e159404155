//! One test, from its first attempt to its verdict.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flowforge_ports::{Effect, Interface};
use flowforge_protocol::grants::NodeGrants;
use flowforge_protocol::{Digest, Failure, RunId, StepKey, UseCount};
use flowforge_runtime::artefacts::FileStore;
use flowforge_runtime::{
    CompileWorker, Connector, Invocation, Limits, LoadError, LogLevel, Runtime, RuntimeConfig, RuntimeError,
    StepContext, StepError,
};
use flowforge_workflow::model::Retry;
use flowforge_workflow::run::{Failed, after_stop, retry_at_ms};
use serde_json::{Map, Value};
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::compare::{differences, shown};
use crate::files::{inside, put_in};
use crate::network::{Network, NetworkDoor};
use crate::services::{Ambient, Event, Services, Slot};
use crate::suite::{Case, Expected, Suite};
use crate::{CaseReport, Report};

/// Instances that a runtime for tests keeps ready; tests run one after the other.
const INSTANCES: u32 = 2;

/// Where tests run.
#[derive(Debug, Clone)]
pub struct Bench {
    /// Folder for compiled code; it stays between runs.
    pub code_dir: PathBuf,
    /// Who compiles.
    pub worker: CompileWorker,
}

impl Bench {
    /// The runtime's configuration on this bench.
    pub(crate) fn config(&self) -> RuntimeConfig {
        let mut config = RuntimeConfig::new(self.code_dir.clone(), self.worker.clone());
        config.max_instances = INSTANCES;
        config
    }
}

/// Why a connector could not be tested or called at all.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// There is no runtime on this machine.
    #[error("the sandbox cannot be started")]
    Runtime(#[from] RuntimeError),
    /// The component cannot be run by any host.
    #[error("the component cannot be loaded")]
    Load(#[from] LoadError),
    /// The machine's own trouble: a folder, a thread.
    #[error("the machine does not give what a test needs")]
    Machine(#[from] std::io::Error),
    /// A name of this crate's own making is none; cannot happen.
    #[error("{0}")]
    Name(String),
}

/// Run the tests against a component, one after the other. Blocks; makes a runtime of its own, whose clock stands still
/// while nothing computes. With `update`, golden files are written anew instead of compared.
///
/// # Errors
/// [`TestError`] if nothing could be tested; a test that fails is part of the report.
pub fn test(component: &[u8], suite: &Suite, bench: &Bench, update: bool) -> Result<Report, TestError> {
    let threads = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    threads.block_on(async {
        let network = Arc::new(Network::default());
        let mut config = bench.config();
        config.egress.dial = Some(Arc::new(NetworkDoor(network.clone())));
        let runtime = Runtime::new(config)?;
        let connector = runtime.load(Digest::of(component), component).await?;
        let folder = tempfile::tempdir()?;
        let stage = Stage {
            runtime,
            network,
            store: Arc::new(FileStore::open(folder.path())?),
            folder: suite.folder.clone(),
            update,
            connector,
        };
        // Compiling was waited for by the real clock.
        tokio::time::pause();
        let mut cases = Vec::with_capacity(suite.cases.len());
        for case in &suite.cases {
            cases.push(stage.run(case).await?);
        }
        let name = stage.interface().meta.as_ref().map(|meta| meta.name.clone());
        Ok(Report::of(name, cases))
    })
}

/// What all tests of a component share.
struct Stage {
    runtime: Runtime,
    network: Arc<Network>,
    store: Arc<FileStore>,
    folder: PathBuf,
    update: bool,
    connector: Arc<Connector>,
}

/// How the attempts of a test ended.
enum Ended {
    Result(Value),
    Failure(Failure),
    /// The host could not do its part, or the test is no test.
    Broken(String),
}

/// The attempts of one test.
struct Attempts {
    run: RunId,
    step: StepKey,
    key: String,
    effect: Effect,
    count: u32,
    first_failure_ms: Option<u64>,
}

impl Stage {
    fn interface(&self) -> &Interface {
        self.connector.interface()
    }

    async fn run(&self, case: &Case) -> Result<CaseReport, TestError> {
        let began = std::time::Instant::now();
        let mut attempts = self.attempts(case)?;
        self.network.set(&case.mocks, &attempts.key);
        let (grants, slots, mut problems) = self.grants(case);
        let clock = FakeClock::new(case);
        let started = clock.began;
        let services = Arc::new(Services::new(clock, slots, self.store.clone()));
        let input = put_in(&Value::Object(case.input.clone()), &self.folder, &self.store).await;
        let ended = match input {
            Err(reason) => Ended::Broken(reason),
            Ok(Value::Object(input)) => {
                self.attempt(case, &mut attempts, &input, &grants, &services)
                    .await
            }
            Ok(_) => Ended::Broken("the input is no mapping".to_owned()),
        };
        let mut written = None;
        problems.extend(self.judge(case, &ended, &mut written).await);
        if let Some(wanted) = case.attempts.filter(|wanted| *wanted != attempts.count) {
            problems.push(format!("attempts: expected {wanted}, got {}", attempts.count));
        }
        problems.extend(self.network.problems());
        let (mut used, mut log) = (UseCount::default(), Vec::new());
        for (_, event) in services.events() {
            match event {
                Event::Used(one) => used.add(one),
                Event::Logged(level, line) => log.push(logged(level, &line)),
                Event::Progressed(_) => {}
            }
        }
        Ok(CaseReport {
            file: case.file.clone(),
            line: case.line,
            name: case.name.clone(),
            operation: case.operation.clone(),
            passed: problems.is_empty(),
            problems,
            attempts: attempts.count,
            clock_ms: millis(started.elapsed()),
            elapsed_us: u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
            used: used.list(),
            log,
            written,
        })
    }

    fn attempts(&self, case: &Case) -> Result<Attempts, TestError> {
        let named = Digest::of_parts(&[case.file.as_bytes(), b"\n", case.name.as_bytes()]);
        let mut entropy = [0_u8; 16];
        entropy
            .iter_mut()
            .zip(named.as_bytes())
            .for_each(|(into, from)| *into = *from);
        let step: StepKey = "test"
            .parse()
            .map_err(|_| TestError::Name("`test` is no step".to_owned()))?;
        let operation = self.interface().operation(&case.operation);
        Ok(Attempts {
            run: RunId::from_entropy(entropy),
            step,
            key: named.hex(),
            effect: operation.map_or(Effect::Unsafe, |operation| operation.effect),
            count: 0,
            first_failure_ms: None,
        })
    }

    /// Attempts as a host makes them, until one succeeds or its failure is final.
    async fn attempt(
        &self,
        case: &Case,
        attempts: &mut Attempts,
        input: &Map<String, Value>,
        grants: &NodeGrants,
        services: &Arc<Services<FakeClock>>,
    ) -> Ended {
        let retry = Retry::default();
        loop {
            attempts.count = attempts.count.saturating_add(1);
            let call = Invocation {
                connector: self.connector.clone(),
                operation: case.operation.clone(),
                input: input.clone(),
                grants: grants.clone(),
                limits: Limits::default(),
                step: StepContext {
                    run_id: attempts.run.to_string(),
                    step: attempts.step.to_string(),
                    attempt: attempts.count,
                    idempotency_key: attempts.key.clone(),
                    timeout: None,
                },
                services: services.clone(),
            };
            let outcome = tokio::select! {
                outcome = self.runtime.invoke(call) => Some(outcome),
                () = self.network.killed() => None,
            };
            let now_ms = services.ambient.now_ms();
            let first_intent_ms = first_use(services);
            let due_ms = match outcome {
                Some(Ok(invoked)) => {
                    return Ended::Result(invoked.output);
                }
                Some(Err(StepError::Host { reason, .. })) => return Ended::Broken(reason),
                Some(Err(StepError::Failure { failure, .. })) => {
                    let failed = Failed {
                        run: &attempts.run,
                        step: &attempts.step,
                        attempt: attempts.count,
                        first_intent_ms,
                        first_failure_ms: Some(*attempts.first_failure_ms.get_or_insert(now_ms)),
                        now_ms,
                    };
                    match retry_at_ms(&retry, attempts.effect, &failure, &failed) {
                        Some(due_ms) => due_ms,
                        None => return Ended::Failure(failure),
                    }
                }
                None if attempts.count >= retry.attempts => {
                    return Ended::Broken(format!("the host was killed in {} attempts", attempts.count));
                }
                // The host died: what it had begun is repeated only where that is safe.
                None => match after_stop(attempts.effect, first_intent_ms, now_ms) {
                    Ok(()) => now_ms,
                    Err(failure) => return Ended::Failure(failure),
                },
            };
            if due_ms > now_ms {
                tokio::time::sleep(Duration::from_millis(due_ms.saturating_sub(now_ms))).await;
            }
        }
    }

    /// What the step may use: what the connector declares, as far as the test mocks it.
    fn grants(&self, case: &Case) -> (NodeGrants, BTreeMap<String, Slot>, Vec<String>) {
        let meta = self.interface().meta.as_ref();
        let mut mocked: Vec<String> = case
            .mocks
            .iter()
            .map(|mock| mock.wanted.destination.clone())
            .collect();
        mocked.sort();
        mocked.dedup();
        let among = |declared: &[String]| -> Vec<String> {
            let covered = |wanted: &String| declared.iter().any(|one| covers(one, wanted));
            mocked.iter().filter(|wanted| covered(wanted)).cloned().collect()
        };
        let destinations = match meta {
            Some(meta) => meta
                .needs
                .http
                .as_ref()
                .map_or(Vec::new(), |http| among(&http.destinations)),
            // A component without a description suggests nothing: the test says where it may connect.
            None => mocked.clone(),
        };
        let mut grants = NodeGrants {
            destinations,
            ..NodeGrants::default()
        };
        let mut problems: Vec<String> = mocked
            .iter()
            .filter(|mocked| !grants.destinations.contains(mocked))
            .map(|mocked| {
                format!(
                    "the test mocks {mocked}, which needs.http.destinations in connector.toml does not name"
                )
            })
            .collect();
        let mut slots = BTreeMap::new();
        for (slot, value) in &case.secrets {
            let declared = meta.and_then(|meta| meta.secrets.get(slot));
            let (kind, destinations) = match (declared, meta) {
                (Some(secret), _) => (secret.kind.clone(), among(&secret.destinations)),
                (None, None) => ("bearer".to_owned(), mocked.clone()),
                (None, Some(_)) => {
                    problems.push(format!("secrets.{slot}: the connector declares no such slot"));
                    continue;
                }
            };
            let held = Slot {
                kind,
                destinations,
                value: Zeroizing::new(value.clone()),
            };
            grants.secrets.insert(slot.clone(), held.grant(slot));
            slots.insert(slot.clone(), held);
        }
        (grants, slots, problems)
    }

    async fn judge(&self, case: &Case, ended: &Ended, written: &mut Option<String>) -> Vec<String> {
        match (&case.expected, ended) {
            (_, Ended::Broken(reason)) => vec![reason.clone()],
            (Expected::Failure(wanted), Ended::Failure(failure)) => failure_differences(wanted, failure),
            (Expected::Failure(_), Ended::Result(found)) => {
                vec![format!("expected a failure, got {}", shown(found))]
            }
            (_, Ended::Failure(failure)) => vec![format!("expected a result, got {}", told(failure))],
            (Expected::Result(wanted), Ended::Result(found)) => {
                match put_in(wanted, &self.folder, &self.store).await {
                    Ok(wanted) => differences(&wanted, found),
                    Err(reason) => vec![reason],
                }
            }
            (Expected::Golden(name), Ended::Result(found)) => match self.golden(name, found, written) {
                Ok(problems) => problems,
                Err(reason) => vec![reason],
            },
        }
    }

    fn golden(&self, name: &str, found: &Value, written: &mut Option<String>) -> Result<Vec<String>, String> {
        let path = inside(&self.folder, name)?;
        let kept: Option<Value> = match read_if_there(&path).map_err(|error| format!("{name}: {error}"))? {
            Some(text) => Some(serde_json::from_str(&text).map_err(|error| format!("{name}: {error}"))?),
            None => None,
        };
        match kept {
            Some(kept) if !self.update => Ok(differences(&kept, found)),
            Some(kept) if kept == *found => Ok(Vec::new()),
            None if !self.update => Err(format!("{name} is missing; `--update` writes it, then read it")),
            _ => {
                fs::write(&path, format!("{found:#}\n")).map_err(|error| format!("{name}: {error}"))?;
                *written = Some(name.to_owned());
                Ok(Vec::new())
            }
        }
    }
}

fn read_if_there(path: &Path) -> std::io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a declared destination, written as authors do, covers one with its port.
pub(crate) fn covers(declared: &str, wanted: &str) -> bool {
    declared == "*"
        || flowforge_workflow::destination(declared)
            .is_ok_and(|declared| flowforge_workflow::covers(&declared, wanted))
}

fn first_use(services: &Services<FakeClock>) -> Option<u64> {
    services
        .events()
        .into_iter()
        .find_map(|(at, event)| matches!(event, Event::Used(_)).then_some(at))
}

/// A failure for people: its kind, where in the input it is, and its message.
#[must_use]
pub fn told(failure: &Failure) -> String {
    let kind = serde_json::to_value(failure.kind).unwrap_or_default();
    let path = failure
        .path
        .as_ref()
        .map(|path| format!(" at {path}"))
        .unwrap_or_default();
    format!(
        "{}{path}: {}",
        kind.as_str().unwrap_or("failure"),
        failure.message
    )
}

/// The wanted fields against those that there are; of a message a part is enough.
fn failure_differences(wanted: &Map<String, Value>, failure: &Failure) -> Vec<String> {
    let found = serde_json::to_value(failure).unwrap_or_default();
    wanted
        .iter()
        .flat_map(|(key, value)| {
            let other = found.get(key).cloned().unwrap_or_default();
            let is_part = key == "message"
                && matches!((value.as_str(), other.as_str()), (Some(part), Some(text)) if text.contains(part));
            if is_part { Vec::new() } else { differences(value, &other) }
                .into_iter()
                .map(move |difference| {
                    let difference = difference.strip_prefix("result").map_or(difference.clone(), str::to_owned);
                    format!("failure.{key}{difference}")
                })
        })
        .collect()
}

/// A line of the log with its level.
pub(crate) fn logged(level: LogLevel, line: &str) -> String {
    format!("{}: {line}", format!("{level:?}").to_lowercase())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A clock that begins where the test says and moves only when everything waits, and randomness that the test's name
/// gives.
struct FakeClock {
    begin_ms: u64,
    began: Instant,
    seed: Digest,
    drawn: AtomicU64,
}

impl FakeClock {
    fn new(case: &Case) -> Self {
        Self {
            begin_ms: case.begin_ms,
            began: Instant::now(),
            seed: Digest::of(case.name.as_bytes()),
            drawn: AtomicU64::new(0),
        }
    }
}

impl Ambient for FakeClock {
    fn now_ms(&self) -> u64 {
        self.begin_ms.saturating_add(millis(self.began.elapsed()))
    }

    fn random(&self, buffer: &mut [u8]) {
        for piece in buffer.chunks_mut(32) {
            let number = self.drawn.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            let drawn = Digest::of_parts(&[self.seed.as_bytes(), &number]);
            piece
                .iter_mut()
                .zip(drawn.as_bytes())
                .for_each(|(into, from)| *into = *from);
        }
    }
}
