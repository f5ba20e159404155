//! `flowforge dev`: control plane, registry and one host in one process, on this machine only.
//!
//! The two planes still speak over loopback, with the same documents and checks as on two machines.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use flowforge_client::{Api, Context};
use flowforge_failpoints::FailPoints;
use flowforge_host::{Host, Seams, Settings, Stop};
use flowforge_runtime::CompileWorker;
use flowforge_server::{Config, Handle, Service};
use flowforge_telemetry::Given;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::args::Global;
use crate::commands::server::{Place, Signals, ready, remember, telemetry};
use crate::connectors::{self, Preloaded};
use crate::keys::{self, Role};
use crate::output::{Exit, Usage, counted};
use crate::say;

/// Name of the host in the process.
const HOST: &str = "dev-host";
/// How long the host may take to be heard.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How often the control plane is asked whether it was.
const LOOK: Duration = Duration::from_millis(50);

/// Start everything in one process, for development on this machine
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  flowforge dev --data-dir ./ff --listen 127.0.0.1:7400")]
pub(crate) struct DevArgs {
    #[command(flatten)]
    place: Place,
    /// Folder of built connectors that are published at the start; without it, those installed with this program
    #[arg(long, value_name = "DIR", env = "FLOWFORGE_COMPONENTS")]
    components: Option<PathBuf>,
    /// What to log on stderr: error, warn, info, debug, trace, or a filter
    #[arg(long, value_name = "LEVEL", env = "FLOWFORGE_LOG", default_value = "warn")]
    log: String,
}

/// Runs the command.
pub(crate) async fn run(args: DevArgs, global: &Global) -> Result<Exit> {
    if !args.place.listen.ip().is_loopback() {
        bail!(Usage(format!(
            "{} is refused: development mode has no sign-in; use `flowforge server`",
            args.place.listen
        )));
    }
    flowforge_host::log::start(&args.log)?;
    let mut config = Config::new(args.place.data_dir.clone(), args.place.listen);
    config.dev = true;
    config.telemetry = telemetry(Given::default())?;
    config.outgoing.loopback = true;
    let service = Service::open(config).await?;
    let handle = service.handle();
    remember(&handle);
    let mut signals = Signals::new()?;
    let (server_stop, host_stop) = (CancellationToken::new(), Stop::default());
    let mut server: JoinSet<Result<()>> = JoinSet::new();
    let serving = service.run(server_stop.clone());
    server.spawn(async move { Ok(serving.await?) });
    let host = open_host(&handle)?;
    let mut host_task: JoinSet<Result<()>> = JoinSet::new();
    let working = host.run(host_stop.clone());
    host_task.spawn(async move { working.await.context("the host stopped") });
    let prepared = tokio::select! {
        prepared = prepare(&handle, args.components.as_deref()) => prepared?,
        ended = server.join_next() => return ended_early(ended),
        ended = host_task.join_next() => return ended_early(ended),
        () = signals.next() => return stop_all(host_stop, host_task, server_stop, server, signals).await,
    };
    if global.json() {
        say!("{}", ready(&handle));
    } else {
        banner(&args, &handle, &prepared);
    }
    tokio::select! {
        ended = server.join_next() => ended_early(ended),
        ended = host_task.join_next() => ended_early(ended),
        () = signals.next() => stop_all(host_stop, host_task, server_stop, server, signals).await,
    }
}

fn open_host(handle: &Handle) -> Result<Host> {
    let settings = Settings {
        data_dir: Some(handle.data_dir.join("host")),
        join: Some(handle.join_file.clone()),
        name: Some(HOST.to_owned()),
        loopback_destinations: Some(true),
        ..Settings::default()
    };
    let worker = CompileWorker::this_program().context("cannot find this program's own file")?;
    let config = settings.check(worker)?;
    let seams = Seams::real(&config, FailPoints::inert())?;
    Ok(Host::open(config, seams)?)
}

/// What was made ready before the banner.
struct Prepared {
    preloaded: Option<Preloaded>,
    /// Folders of example workflows, in the order of their names.
    examples: Vec<PathBuf>,
}

async fn prepare(handle: &Handle, components: Option<&Path>) -> Result<Prepared> {
    let context = Context {
        server: handle.url.clone(),
        keys_dir: Some(handle.keys_dir.clone()),
        token: None,
    };
    let api = Api::new(context)?;
    let until = Instant::now() + CONNECT_TIMEOUT;
    while !host_is_heard(&api).await? {
        if Instant::now() > until {
            bail!(
                "the host in this process did not connect within {} s; see the log above",
                CONNECT_TIMEOUT.as_secs()
            );
        }
        sleep(LOOK).await;
    }
    let preloaded = match connectors::first_party_folder(components) {
        Some(folder) => {
            let key = keys::from_folder(&handle.keys_dir, Role::Publisher)?;
            Some(connectors::preload(&api, &folder, &key).await?)
        }
        None => None,
    };
    Ok(Prepared {
        preloaded,
        examples: examples(),
    })
}

async fn host_is_heard(api: &Api) -> Result<bool> {
    let data = api.ask("{ hosts { name connected } }", Value::Null).await?;
    let hosts = data
        .get("hosts")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    Ok(hosts
        .iter()
        .any(|host| host.get("name") == Some(&json!(HOST)) && host.get("connected") == Some(&json!(true))))
}

/// Example workflows in the current folder: they are offered, never started.
fn examples() -> Vec<PathBuf> {
    let folders = fs::read_dir("examples").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = folders
        .map(|entry| entry.path())
        .filter(|folder| folder.join("workflow.yaml").is_file())
        .collect();
    found.sort();
    found
}

fn banner(args: &DevArgs, handle: &Handle, prepared: &Prepared) {
    say!(
        "FlowForge {} · development, this machine only, no sign-in",
        env!("CARGO_PKG_VERSION")
    );
    if flowforge_server::has_interface() {
        say!("  open      {}/   (in a browser)", handle.url);
    }
    say!(
        "  API       {}/graphql   (a page to try it, in a browser)",
        handle.url
    );
    say!(
        "  data      {} (kept; delete it to start over)",
        args.place.data_dir.display()
    );
    say!("  host      {HOST}, connected · loopback destinations are open here and nowhere else");
    match &prepared.preloaded {
        Some(preloaded) => {
            let examples = match prepared.examples.len() {
                0 => String::new(),
                count => format!(", {} in examples/", counted(count, "example workflow")),
            };
            say!(
                "  ready     {}{examples}          Ctrl-C stops, runs continue at the next start",
                counted(preloaded.available, "connector")
            );
            for kept in &preloaded.kept {
                say!(
                    "  note      {kept} was published before with other content, which stays; a new version would be published"
                );
            }
        }
        None => say!(
            "  ready     no first-party connectors: build them with `cargo xtask build` or `cargo xtask install`, or give --components DIR"
        ),
    }
    if let Some(first) = prepared.examples.first() {
        eprintln!("next: flowforge workflow lint {}", first.display());
    }
}

/// One of the two planes ended by itself.
fn ended_early(ended: Option<Result<Result<()>, tokio::task::JoinError>>) -> Result<Exit> {
    match ended {
        Some(Ok(Ok(()))) | None => bail!("a part of this process ended by itself"),
        Some(Ok(Err(error))) => Err(error),
        Some(Err(error)) => Err(error).context("a part of this process ended badly"),
    }
}

/// First the host, so that it can still tell what it finished; then the control plane. A second signal hurries both.
async fn stop_all(
    host_stop: Stop,
    mut host: JoinSet<Result<()>>,
    server_stop: CancellationToken,
    mut server: JoinSet<Result<()>>,
    mut signals: Signals,
) -> Result<Exit> {
    eprintln!("stopping; runs continue at the next start (Ctrl-C again stops at once)");
    host_stop.drain.cancel();
    let ended = tokio::select! {
        ended = host.join_next() => ended,
        () = signals.next() => {
            host_stop.halt.cancel();
            host.join_next().await
        }
    };
    server_stop.cancel();
    let served = server.join_next().await;
    for ended in [ended, served].into_iter().flatten() {
        ended??;
    }
    Ok(Exit::Done)
}
