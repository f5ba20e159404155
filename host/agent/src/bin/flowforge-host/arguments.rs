//! What is given on the command line and in the environment, and the settings that follow from it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use flowforge_host::enrolment::Enrolment;
use flowforge_host::join::line_address;
use flowforge_host::link::proxy::is_exempt;
use flowforge_host::{HostConfig, Settings, SiteSettings, joining};
use flowforge_runtime::{CompileWorker, OpenNetwork};

/// The way to the control plane.
#[derive(Args, Clone, Default)]
pub(crate) struct WayArguments {
    /// A proxy on the way to the control plane, http://[USER:PASSWORD@]NAME:PORT; without it HTTPS_PROXY, unless NO_PROXY
    /// names the control plane. Connectors never use it.
    #[arg(long, value_name = "URL", env = "FLOWFORGE_PROXY", hide_env_values = true)]
    pub(crate) proxy: Option<String>,
}

#[derive(Args)]
pub(crate) struct RunArguments {
    /// Configuration file (TOML); flags and environment win over it.
    #[arg(long, value_name = "FILE", env = "FLOWFORGE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Folder for journal, keys, caches and socket.
    #[arg(long, value_name = "DIR", env = "FLOWFORGE_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The join file that the server wrote (host-join.json); not needed by a host that has enrolled.
    #[arg(long, value_name = "FILE", env = "FLOWFORGE_JOIN")]
    pub(crate) join: Option<PathBuf>,
    /// The file with the token that `flowforge host token` printed, `-` for standard input; not needed by a host that has
    /// enrolled, and removed once it has.
    #[arg(
        long,
        value_name = "FILE",
        env = "FLOWFORGE_TOKEN_FILE",
        conflicts_with = "join"
    )]
    pub(crate) token_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) way: WayArguments,
    /// Name of this host, for people; one that enrols with a token has the name that stands in it.
    #[arg(long, value_name = "NAME", env = "FLOWFORGE_NAME")]
    pub(crate) name: Option<String>,
    /// Most runs that are awake at once; those that wait for something do not count.
    #[arg(long, value_name = "COUNT", env = "FLOWFORGE_MAX_RUNS")]
    pub(crate) max_runs: Option<u32>,
    /// Most runs that wait for something at once.
    #[arg(long, value_name = "COUNT", env = "FLOWFORGE_MAX_WAITING")]
    pub(crate) max_waiting: Option<u32>,
    /// Most connector calls at the same time.
    #[arg(long, value_name = "COUNT", env = "FLOWFORGE_MAX_STEPS")]
    pub(crate) max_steps: Option<u32>,
    /// Most bytes that wait for upload before no new work is taken.
    #[arg(long, value_name = "BYTES", env = "FLOWFORGE_MAX_OUTBOX_BYTES")]
    pub(crate) max_outbox_bytes: Option<u64>,
    /// Most bytes of the runs in the journal; records wait for room beyond it, and no new work is taken from three quarters on.
    #[arg(long, value_name = "BYTES", env = "FLOWFORGE_MAX_JOURNAL_BYTES")]
    pub(crate) max_journal_bytes: Option<u64>,
    /// Most bytes of artefacts; from three quarters on, those that nobody wants go.
    #[arg(long, value_name = "BYTES", env = "FLOWFORGE_MAX_ARTEFACT_BYTES")]
    pub(crate) max_artefact_bytes: Option<u64>,
    /// Values above this size are kept once in the journal; smaller ones stand beside each record that holds them.
    #[arg(long, value_name = "BYTES", env = "FLOWFORGE_MAX_INLINE_BYTES")]
    pub(crate) max_inline_bytes: Option<u32>,
    /// Free bytes on the disk of the data folder below which no new work is taken.
    #[arg(long, value_name = "BYTES", env = "FLOWFORGE_MIN_FREE_BYTES")]
    pub(crate) min_free_bytes: Option<u64>,
    /// How long a copy of a secret is used after the control plane last confirmed it, as 24h.
    #[arg(long, value_name = "TIME", env = "FLOWFORGE_SECRET_LEASE")]
    pub(crate) secret_lease: Option<String>,
    /// How long running steps may finish after the first stop signal, as 10s.
    #[arg(long, value_name = "TIME", env = "FLOWFORGE_SHUTDOWN_GRACE")]
    pub(crate) shutdown_grace: Option<String>,
    /// Let connectors reach loopback destinations; for development only.
    #[arg(long, env = "FLOWFORGE_LOOPBACK_DESTINATIONS")]
    pub(crate) loopback_destinations: bool,
    /// File with what this site allows (TOML): destinations, private networks, publishers, drafts; it is over every grant.
    #[arg(long, value_name = "FILE", env = "FLOWFORGE_SITE")]
    pub(crate) site_file: Option<PathBuf>,
    /// Private network that connectors may reach where a grant says so, as 10.20.0.0/16; may be given several times.
    #[arg(long = "private-network", value_name = "NETWORK")]
    pub(crate) private_networks: Vec<OpenNetwork>,
    /// Where traces, metrics and logs go by OTLP over HTTP, http://NAME:PORT or https://NAME:PORT; nothing is sent without
    /// it. The other variables of OpenTelemetry are heeded, too.
    #[arg(
        long,
        value_name = "URL",
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        hide_env_values = true
    )]
    pub(crate) otlp_endpoint: Option<String>,
    /// Most bytes of telemetry that leave in a second; what would wait too long is dropped and counted.
    #[arg(long, value_name = "BYTES", env = "FLOWFORGE_OTLP_BYTES_PER_SECOND")]
    pub(crate) otlp_bytes_per_second: Option<u64>,
    /// What to log on stderr: error, warn, info, debug, trace, or a filter.
    #[arg(long, value_name = "LEVEL", env = "FLOWFORGE_LOG", default_value = "info")]
    pub(crate) log: String,
}

/// The checked configuration.
pub(crate) fn config(arguments: RunArguments) -> anyhow::Result<HostConfig> {
    let worker = CompileWorker::this_program().context("cannot find this program's own file")?;
    Ok(settings(arguments)?.check(worker)?)
}

/// What was given, flags and environment over the file.
pub(crate) fn settings(arguments: RunArguments) -> anyhow::Result<Settings> {
    let file = arguments.config.as_deref().map(Settings::read).transpose()?;
    let flags = Settings {
        proxy: arguments.way.proxy,
        data_dir: arguments.data_dir,
        join: arguments.join,
        name: arguments.name,
        max_runs: arguments.max_runs,
        max_waiting: arguments.max_waiting,
        max_journal_bytes: arguments.max_journal_bytes,
        max_artefact_bytes: arguments.max_artefact_bytes,
        max_steps: arguments.max_steps,
        max_outbox_bytes: arguments.max_outbox_bytes,
        max_inline_bytes: arguments.max_inline_bytes,
        min_free_bytes: arguments.min_free_bytes,
        secret_lease: arguments.secret_lease,
        shutdown_grace: arguments.shutdown_grace,
        loopback_destinations: arguments.loopback_destinations.then_some(true),
        site_file: arguments.site_file,
        otlp_endpoint: arguments.otlp_endpoint,
        otlp_bytes_per_second: arguments.otlp_bytes_per_second,
        site: SiteSettings {
            private_networks: arguments.private_networks,
            ..SiteSettings::default()
        },
    };
    let mut settings = flags.over(file.unwrap_or_default());
    if settings.proxy.is_none() {
        settings.proxy = proxy_of_environment(server_of(
            settings.data_dir.as_deref(),
            arguments.token_file.as_deref(),
        ));
    }
    Ok(settings)
}

/// The name of the control plane that this is about, as far as it is known before anything is read for good.
fn server_of(data_dir: Option<&Path>, token_file: Option<&Path>) -> Option<String> {
    let token = token_file.filter(|path| *path != Path::new("-"));
    let of_token = token.and_then(|path| Some(joining::read_token(path).ok()?.server));
    let of_enrolment = || Some(Enrolment::read(data_dir?).ok()??.server);
    let address = of_token.or_else(of_enrolment)?;
    line_address(&address)?.host_str().map(str::to_owned)
}

/// `HTTPS_PROXY`, unless `NO_PROXY` names the server.
pub(crate) fn proxy_of_environment(server: Option<String>) -> Option<String> {
    let variable = |names: [&str; 2]| names.into_iter().find_map(|name| std::env::var(name).ok());
    let proxy = variable(["HTTPS_PROXY", "https_proxy"]).filter(|proxy| !proxy.is_empty())?;
    let exempt = variable(["NO_PROXY", "no_proxy"]).unwrap_or_default();
    let is_exempt = server.is_some_and(|server| is_exempt(&exempt, &server));
    (!is_exempt).then_some(proxy)
}
