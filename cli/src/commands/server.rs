//! `flowforge server`: the control plane and its registry, alone.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use flowforge_client::{Known, home_folder, keep_context};
use flowforge_failpoints::FailPoints;
use flowforge_server::{Config, Handle, HostsListener, OpenNetwork, Service};
use flowforge_telemetry::{Given, Settings};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::args::Global;
use crate::commands::backup::{self, ServerCommand};
use crate::output::{Exit, Usage};
use crate::say;

/// Start a control plane with its registry; hosts join it
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Example:\n  flowforge server --data-dir ./plane --listen 127.0.0.1:7400\n  flowforge-host --data-dir ./host --join ./plane/host-join.json\n  flowforge server --data-dir ./plane --hosts-url https://plane.example.com:7443"
)]
pub(crate) struct ServerArgs {
    #[command(subcommand)]
    command: Option<ServerCommand>,
    #[command(flatten)]
    place: Place,
    /// A PostgreSQL database (15 or later) on this machine for everything but keys, components and artefacts, in the
    /// place of a file in the data folder: postgres://USER@127.0.0.1/NAME or postgres:///NAME?host=/run/postgresql. Several
    /// servers may share it with the data folder
    #[arg(long, value_name = "URL", env = "FLOWFORGE_DATABASE", hide_env_values = true)]
    database: Option<String>,
    /// Where people of other machines find this server, https://NAME or https://NAME:PORT: a program on this machine speaks
    /// TLS there and passes requests on, with their Host header. Without it, people are on this machine
    #[arg(long, value_name = "URL", env = "FLOWFORGE_URL")]
    url: Option<String>,
    /// Where hosts of other machines find this server, https://NAME or https://NAME:PORT; without it hosts are on this
    /// machine only. A certificate is made unless one is given
    #[arg(long, value_name = "URL", env = "FLOWFORGE_HOSTS_URL")]
    hosts_url: Option<String>,
    /// Where to listen for hosts of other machines; without it, on every address of this machine at the port of --hosts-url
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "FLOWFORGE_HOSTS_LISTEN",
        requires = "hosts_url"
    )]
    hosts_listen: Option<SocketAddr>,
    /// PEM file of a certificate for the hosts' listener from elsewhere, with the ones that signed it behind it; hosts know
    /// this server by the last one
    #[arg(long, value_name = "FILE", requires = "hosts_url", requires = "hosts_key")]
    hosts_certificate: Option<PathBuf>,
    /// PEM file of its private key
    #[arg(long, value_name = "FILE", requires = "hosts_certificate")]
    hosts_key: Option<PathBuf>,
    /// Where to serve health, readiness and metrics: /healthz, /readyz, /metrics; nowhere if absent. It tells nothing of
    /// what runs, only how much; whoever reaches it may read it
    #[arg(long, value_name = "ADDRESS", env = "FLOWFORGE_METRICS_ADDR")]
    metrics_addr: Option<SocketAddr>,
    /// Where to serve the registry alone, on this machine, behind a proxy that ends TLS: robots and customers sign in there
    /// with an account of the registry; nowhere if absent
    #[arg(long, value_name = "ADDRESS", env = "FLOWFORGE_REGISTRY_LISTEN")]
    registry_listen: Option<SocketAddr>,
    /// Where traces, metrics and logs go by OTLP over HTTP, http://NAME:PORT or https://NAME:PORT; nothing is sent without
    /// it. The other variables of OpenTelemetry are heeded, too
    #[arg(
        long,
        value_name = "URL",
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        hide_env_values = true
    )]
    otlp_endpoint: Option<String>,
    /// Most bytes of telemetry that leave in a second; what would wait too long is dropped and counted
    #[arg(long, value_name = "BYTES", env = "FLOWFORGE_OTLP_BYTES_PER_SECOND")]
    otlp_bytes_per_second: Option<u64>,
    /// A private network to which events may be sent, 10.20.0.0/16 or 192.168.1.10/32:8080; may be repeated. Without it
    /// webhook endpoints have public addresses
    #[arg(long = "endpoint-network", value_name = "NETWORK")]
    endpoint_networks: Vec<OpenNetwork>,
    /// Let webhook endpoints be on this machine, too
    #[arg(long)]
    endpoint_loopback: bool,
    /// What to log on stderr: error, warn, info, debug, trace, or a filter
    #[arg(long, value_name = "LEVEL", env = "FLOWFORGE_LOG", default_value = "info")]
    log: String,
}

/// Where a control plane keeps what it has, and where it is found.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Folder for everything that is kept; made if absent
    #[arg(long, value_name = "DIR", env = "FLOWFORGE_DATA_DIR", default_value = "./ff")]
    pub(crate) data_dir: PathBuf,
    /// Where to listen, this machine only; port 0 takes a free one
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "FLOWFORGE_LISTEN",
        default_value = "127.0.0.1:7400"
    )]
    pub(crate) listen: SocketAddr,
}

/// Runs the command.
pub(crate) async fn run(args: ServerArgs, global: &Global) -> Result<Exit> {
    flowforge_host::log::start(&args.log)?;
    if let Some(command) = args.command {
        return backup::run(command, global).await;
    }
    let mut config = Config::new(args.place.data_dir, args.place.listen);
    (config.sign_in, config.people_url) = (true, args.url);
    config.database = args.database;
    config.hosts = match args.hosts_url {
        Some(url) => Some(HostsListener {
            listen: args.hosts_listen.map_or_else(|| everywhere(&url), Ok)?,
            url,
            given: args.hosts_certificate.zip(args.hosts_key),
        }),
        None => None,
    };
    (config.outgoing.networks, config.outgoing.loopback) = (args.endpoint_networks, args.endpoint_loopback);
    config.metrics = args.metrics_addr;
    config.registry = args.registry_listen;
    config.telemetry = telemetry(Given {
        endpoint: args.otlp_endpoint,
        bytes_per_second: args.otlp_bytes_per_second,
    })?;
    let plan = std::env::var("FLOWFORGE_FAILPOINTS").ok();
    config.fail_points = FailPoints::from_env_value(plan.as_deref()).context("FLOWFORGE_FAILPOINTS")?;
    let service = Service::open(config).await?;
    let handle = service.handle();
    remember(&handle);
    if global.json() {
        let mut ready = ready(&handle);
        if let Some(fields) = ready.as_object_mut() {
            fields.insert("first_link".to_owned(), json!(service.first_link()));
        }
        say!("{ready}");
    } else {
        say!(
            "FlowForge {} · control plane {}",
            env!("CARGO_PKG_VERSION"),
            handle.url
        );
        say!(
            "  API       {}/graphql          data  {}",
            handle.url,
            handle.data_dir.display()
        );
        say!(
            "  add a host:  flowforge-host --data-dir DIR --join {}   (on this machine)",
            handle.join_file.display()
        );
        if let Some((address, url)) = &handle.hosts {
            say!(
                "               flowforge host token --name NAME   (elsewhere; they call {url}, heard on {address})"
            );
        }
    }
    if let Some(link) = service.first_link().filter(|_| !global.json()) {
        say!("  nobody has an account yet. The first administrator opens this once, within 24 hours:");
        say!("    {link}");
        say!("  or:  flowforge login '{link}' --name NAME");
    }
    let shutdown = CancellationToken::new();
    let mut stop = Signals::new()?;
    let running = service.run(shutdown.clone());
    tokio::pin!(running);
    tokio::select! {
        done = &mut running => done?,
        () = stop.next() => {
            shutdown.cancel();
            tokio::select! {
                done = &mut running => done?,
                // The second signal means now; what was told to anybody is durable already.
                () = stop.next() => return Ok(Exit::Failed),
            }
        }
    }
    Ok(Exit::Done)
}

/// Where telemetry goes: what was said over the variables of OpenTelemetry.
pub(crate) fn telemetry(given: Given) -> Result<Option<Settings>> {
    let settings = Settings::read(&given, |name| std::env::var(name).ok());
    Ok(settings.map_err(|error| Usage(error.to_string()))?)
}

/// Every address of this machine, at the port of this URL.
fn everywhere(url: &str) -> Result<SocketAddr> {
    let wrong = || {
        Usage(format!(
            "`{url}` is not an address for hosts: expected https://NAME or https://NAME:PORT"
        ))
    };
    let rest = url
        .strip_prefix("https://")
        .ok_or_else(wrong)?
        .trim_end_matches('/');
    let port = match rest.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && !port.ends_with(']') => {
            port.parse().map_err(|_| wrong())?
        }
        _ => 443,
    };
    Ok(SocketAddr::from(([0, 0, 0, 0], port)))
}

/// What a program that started the server reads: one line of JSON.
pub(crate) fn ready(handle: &Handle) -> serde_json::Value {
    json!({
        "server": handle.url,
        "client_file": handle.client_file,
        "join_file": handle.join_file,
        "data_dir": handle.data_dir,
        "registry": handle.registry.map(|address| format!("http://{address}")),
        "metrics": handle.metrics.map(|address| format!("http://{address}/metrics")),
        "pid": std::process::id(),
        "hosts": handle.hosts.as_ref().map(|(address, url)| json!({ "listen": address, "url": url })),
    })
}

/// Tells later commands of this user which server is meant. Without it they need `--context`.
pub(crate) fn remember(handle: &Handle) {
    if home_folder().is_none() {
        return;
    }
    let kept = fs::read(&handle.client_file)
        .and_then(|text| serde_json::from_slice::<Known>(&text).map_err(std::io::Error::other))
        .and_then(|known| keep_context(None, &known));
    if let Err(error) = kept {
        eprintln!(
            "note: commands will need --context {}, because they cannot be told of this server: {error}",
            handle.client_file.display()
        );
    }
}

/// The signals that ask a program to end.
pub(crate) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    /// Begins to listen for them.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?,
        })
    }

    /// The next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
