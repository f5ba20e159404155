//! What a step costs in the host: JSON in, fresh instance, typed call, JSON out, beside a bare wasmtime call of the same
//! run.
//!
//! Reads the components from `FLOWFORGE_COMPONENTS`, or from the paths given. A component takes part if it is one of the
//! connectors whose call stands in [`call_of`].

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use clap::Parser;
use flowforge_protocol::grants::NodeGrants;
use flowforge_protocol::{Digest, Failure, Use};
use flowforge_runtime::artefacts::{ArtefactStore, FileStore};
use flowforge_runtime::{
    COMPILE_ARGUMENT, CompileWorker, Connector, EffectRefused, Invocation, Limits, LogLevel, Measured,
    OpenSecret, Redactor, Runtime, RuntimeConfig, StepContext, StepServices, compile_worker_main,
};
use serde_json::{Value, json};

/// Measures what a step costs in the host.
#[derive(Parser)]
struct Options {
    /// Component files; none: all of the folder in `FLOWFORGE_COMPONENTS`.
    components: Vec<PathBuf>,
    /// Rounds of each call.
    #[arg(long, default_value_t = 2_000)]
    rounds: u32,
    /// Fewer rounds.
    #[arg(long)]
    quick: bool,
}

fn main() -> anyhow::Result<std::process::ExitCode> {
    if std::env::args()
        .nth(1)
        .is_some_and(|first| first == COMPILE_ARGUMENT)
    {
        return Ok(compile_worker_main());
    }
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure_all(&options))?;
    Ok(std::process::ExitCode::SUCCESS)
}

async fn measure_all(options: &Options) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let config = RuntimeConfig::new(folder.path().join("code"), CompileWorker::this_program()?);
    let runtime = Runtime::new(config)?;
    let services = Arc::new(Alone {
        store: Arc::new(FileStore::open(&folder.path().join("artefacts"))?),
    });
    let rounds = if options.quick {
        options.rounds.min(300)
    } else {
        options.rounds
    };
    println!(
        "fresh instance for each call, pooled: {}, {rounds} rounds, microseconds",
        runtime.is_pooled()
    );
    println!(
        "{:<32} {:>12} {:>12} {:>12} {:>12} {:>10}",
        "operation", "step p50", "step p99", "bare p50", "bare p99", "overhead"
    );
    for path in components(options)? {
        let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
        let connector = runtime.load(Digest::of(&bytes), &bytes).await?;
        let name = connector.interface().package.clone().unwrap_or_default();
        let Some((operation, input)) = call_of(&name) else {
            continue;
        };
        let call = || invocation(&connector, operation, &input, &services);
        // The first calls fault the code in.
        runtime.measure(rounds / 10 + 1, call).await?;
        let measured = runtime.measure(rounds, call).await?;
        print(&format!("{name}/{operation}"), measured)?;
    }
    Ok(())
}

fn components(options: &Options) -> anyhow::Result<Vec<PathBuf>> {
    if !options.components.is_empty() {
        return Ok(options.components.clone());
    }
    let folder = std::env::var_os("FLOWFORGE_COMPONENTS")
        .context("give component files, or set FLOWFORGE_COMPONENTS to their folder")?;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(Path::new(&folder))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            found.push(path);
        }
    }
    found.sort();
    if found.is_empty() {
        bail!("{} holds no component", Path::new(&folder).display());
    }
    Ok(found)
}

/// The call that is measured of a connector.
fn call_of(name: &str) -> Option<(&'static str, Value)> {
    match name {
        "bench:steps" => {
            let items: Vec<Value> = (0..16)
                .map(|n| json!({"id": n, "name": format!("item number {n}"), "price": 1.5}))
                .collect();
            Some(("step", json!({"value": {"n": 1, "items": items}})))
        }
        "demo:quake-text" => Some((
            "label",
            json!({"magnitude": 6.4, "place": "22km NNE of Hualian, Taiwan", "time": 1_517_932_242_400_u64}),
        )),
        "demo:statistics" => Some((
            "summarise",
            json!({"values": (0..128).map(f64::from).collect::<Vec<_>>()}),
        )),
        _ => None,
    }
}

fn invocation(
    connector: &Arc<Connector>,
    operation: &str,
    input: &Value,
    services: &Arc<Alone>,
) -> Invocation {
    Invocation {
        connector: connector.clone(),
        operation: operation.to_owned(),
        input: input.as_object().cloned().unwrap_or_default(),
        grants: NodeGrants::default(),
        limits: Limits::default(),
        step: StepContext {
            run_id: "bench".to_owned(),
            step: "bench".to_owned(),
            attempt: 1,
            idempotency_key: "bench".to_owned(),
            timeout: None,
        },
        services: services.clone(),
    }
}

fn print(name: &str, mut measured: Measured) -> anyhow::Result<()> {
    measured.step.sort_unstable();
    measured.bare.sort_unstable();
    let at = |times: &[Duration], permille: usize| {
        let index = times.len().saturating_sub(1) * permille / 1_000;
        times
            .get(index)
            .map(|time| time.as_secs_f64() * 1e6)
            .context("no rounds")
    };
    let (step, bare) = (at(&measured.step, 500)?, at(&measured.bare, 500)?);
    let (step99, bare99) = (at(&measured.step, 990)?, at(&measured.bare, 990)?);
    println!(
        "{name:<32} {step:>12.1} {step99:>12.1} {bare:>12.1} {bare99:>12.1} {:>10.1}",
        step - bare
    );
    Ok(())
}

/// An executor without a journal: nothing waits.
struct Alone {
    store: Arc<FileStore>,
}

#[async_trait]
impl StepServices for Alone {
    async fn before_effect(&self, _next: &Use) -> Result<(), EffectRefused> {
        Ok(())
    }

    async fn secret(&self, _slot: &str) -> Result<Option<OpenSecret>, Failure> {
        Ok(None)
    }

    fn log(&self, _level: LogLevel, _message: &str) {}

    fn redactor(&self) -> Arc<Redactor> {
        Arc::default()
    }

    fn artefacts(&self) -> Arc<dyn ArtefactStore> {
        self.store.clone()
    }

    fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn random(&self, buffer: &mut [u8]) {
        if getrandom::fill(buffer).is_err() {
            // A machine without randomness runs no step; for a figure, zeros will do.
            buffer.fill(0);
        }
    }
}
