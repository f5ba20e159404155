//! One test, from its first attempt to its verdict.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flowforge_ports::Interface;
use flowforge_protocol::grants::NodeGrants;
use flowforge_protocol::{Digest, Failure, UseCount};
use flowforge_runtime::{CompileWorker, Limits, LoadError, LogLevel, RuntimeConfig, RuntimeError};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::compare::{differences, shown};
use crate::files::{inside, put_in};
use crate::play::{Ended, Play, Played, Profile, Stage};
use crate::services::{Event, Slot};
use crate::suite::{Case, Expected, Suite};
use crate::{CaseReport, Report};

/// Instances that a runtime for tests keeps ready; tests run one after the other.
const INSTANCES: u32 = 2;

/// How long a component may be compiled: nobody else waits for it, as on a host, and an author's machine may be busy.
const COMPILE_TIME: Duration = Duration::from_mins(15);

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
        config.compile.timeout = COMPILE_TIME;
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
    on_one_thread(async {
        let stage = Stage::set_up(component, bench, false).await?;
        let mut cases = Vec::with_capacity(suite.cases.len());
        for case in &suite.cases {
            cases.push(
                Trying {
                    stage: &stage,
                    suite,
                    update,
                }
                .run(case)
                .await?,
            );
        }
        let name = stage.interface().meta.as_ref().map(|meta| meta.name.clone());
        Ok(Report::of(name, cases))
    })
}

/// A clock that stands still needs a thread that nobody else uses.
pub(crate) fn on_one_thread<T>(work: impl Future<Output = Result<T, TestError>>) -> Result<T, TestError> {
    let threads = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    threads.block_on(work)
}

/// The clock, name and randomness of a test.
pub(crate) fn profile(case: &Case) -> Profile {
    Profile {
        seed: Digest::of_parts(&[case.file.as_bytes(), b"\n", case.name.as_bytes()]),
        step: "test",
        begin_ms: case.begin_ms,
        back_ms: 0,
    }
}

/// A suite that is being run.
struct Trying<'a> {
    stage: &'a Stage,
    suite: &'a Suite,
    update: bool,
}

impl Trying<'_> {
    async fn run(&self, case: &Case) -> Result<CaseReport, TestError> {
        let began = std::time::Instant::now();
        let profile = profile(case);
        self.stage.network.set(&case.mocks, &profile.key());
        let (grants, slots, mut problems) = grants(self.stage.interface(), case);
        let input = put_in(
            &Value::Object(case.input.clone()),
            &self.suite.folder,
            &self.stage.store,
        )
        .await;
        let played = match input {
            Err(reason) => Err(reason),
            Ok(Value::Object(input)) => Ok(self
                .stage
                .play(Play {
                    operation: case.operation.clone(),
                    input,
                    grants,
                    slots,
                    limits: Limits::default(),
                    profile,
                })
                .await?),
            Ok(_) => Err("the input is no mapping".to_owned()),
        };
        let mut report = CaseReport::begin(case);
        match played {
            Err(reason) => problems.push(reason),
            Ok(played) => {
                problems.extend(self.judge(case, &played.ended, &mut report.written).await);
                if let Some(wanted) = case.attempts.filter(|wanted| *wanted != played.attempts) {
                    problems.push(format!("attempts: expected {wanted}, got {}", played.attempts));
                }
                problems.extend(self.stage.network.problems());
                report.tell(&played);
            }
        }
        report.passed = problems.is_empty();
        report.problems = problems;
        report.elapsed_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        Ok(report)
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
                match put_in(wanted, &self.suite.folder, &self.stage.store).await {
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
        let path = inside(&self.suite.folder, name)?;
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

impl CaseReport {
    fn begin(case: &Case) -> Self {
        Self {
            file: case.file.clone(),
            line: case.line,
            name: case.name.clone(),
            operation: case.operation.clone(),
            passed: false,
            problems: Vec::new(),
            attempts: 0,
            clock_ms: 0,
            elapsed_us: 0,
            used: Vec::new(),
            log: Vec::new(),
            written: None,
        }
    }

    fn tell(&mut self, played: &Played) {
        let mut used = UseCount::default();
        for event in &played.events {
            match event {
                Event::Used(one) => used.add(one.clone()),
                Event::Logged(level, line) => self.log.push(logged(*level, line)),
                Event::Denied(_) | Event::Progressed(_) => {}
            }
        }
        self.used = used.list();
        self.attempts = played.attempts;
        self.clock_ms = played.clock_ms;
    }
}

/// What the step may use: what the connector declares, as far as the test mocks it.
pub(crate) fn grants(
    interface: &Interface,
    case: &Case,
) -> (NodeGrants, BTreeMap<String, Slot>, Vec<String>) {
    let meta = interface.meta.as_ref();
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
            format!("the test mocks {mocked}, which needs.http.destinations in connector.toml does not name")
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
