//! `flowforge-host`: the host as a process of its own.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand, ValueEnum};
use flowforge_failpoints::FailPoints;
use flowforge_host::{ConfigError, Host, HostConfig, Seams, Settings, SiteSettings, Stop, health, log};
use flowforge_runtime::{COMPILE_ARGUMENT, CompileWorker, OpenNetwork, compile_worker_main};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

/// A step allocates many small values; this allocator was measured to take less of the processor.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs workflows on this machine: pulls signed jobs, verifies them, runs them durably in a sandbox.
#[derive(Parser)]
#[command(
    name = "flowforge-host",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Example:\n  flowforge-host --data-dir ./host --join ./plane/host-join.json\n\n\
                  Exit: 0 stopped as it was told to, 1 failed, 2 wrongly used."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArguments,
}

#[derive(Subcommand)]
enum Command {
    /// Show how the host on a data folder is.
    #[command(after_help = "Example:\n  flowforge-host status --data-dir ./host")]
    Status(StatusArguments),
    /// Check configuration, data folder and connection; change nothing on the control plane.
    #[command(
        after_help = "Example:\n  flowforge-host check --data-dir ./host --join ./plane/host-join.json"
    )]
    Check(Box<RunArguments>),
    /// Move a journal that cannot be opened out of the way, so that the host starts with an empty one.
    ///
    /// What only that journal held is lost to this host: it is another one to the control plane then, which shows the runs
    /// that it has records of as lost, to be resumed or cancelled. Nothing is moved if the journal can be opened.
    #[command(after_help = "Example:\n  flowforge-host set-aside --data-dir ./host")]
    SetAside(SetAsideArguments),
}

#[derive(Args)]
struct SetAsideArguments {
    /// The host's data folder.
    #[arg(long, value_name = "DIR", env = "FLOWFORGE_DATA_DIR")]
    data_dir: PathBuf,
}

#[derive(Args)]
struct RunArguments {
    /// Configuration file (TOML); flags and environment win over it.
    #[arg(long, value_name = "FILE", env = "FLOWFORGE_CONFIG")]
    config: Option<PathBuf>,
    /// Folder for journal, keys, caches and socket.
    #[arg(long, value_name = "DIR", env = "FLOWFORGE_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// The join file that the server wrote (host-join.json); not needed by a host that has enrolled.
    #[arg(long, value_name = "FILE", env = "FLOWFORGE_JOIN")]
    join: Option<PathBuf>,
    /// Name of this host, for people.
    #[arg(long, value_name = "NAME", env = "FLOWFORGE_NAME")]
    name: Option<String>,
    /// Most runs that are awake at once; those that wait for something do not count.
    #[arg(long, value_name = "COUNT", env = "FLOWFORGE_MAX_RUNS")]
    max_runs: Option<u32>,
    /// Most runs that wait for something at once.
    #[arg(long, value_name = "COUNT", env = "FLOWFORGE_MAX_WAITING")]
    max_waiting: Option<u32>,
    /// Most connector calls at the same time.
    #[arg(long, value_name = "COUNT", env = "FLOWFORGE_MAX_STEPS")]
    max_steps: Option<u32>,
    /// Most bytes that wait for upload before no new work is taken.
    #[arg(long, value_name = "BYTES", env = "FLOWFORGE_MAX_OUTBOX_BYTES")]
    max_outbox_bytes: Option<u64>,
    /// Most bytes of the runs in the journal; records wait for room beyond it, and no new work is taken from three quarters on.
    #[arg(long, value_name = "BYTES", env = "FLOWFORGE_MAX_JOURNAL_BYTES")]
    max_journal_bytes: Option<u64>,
    /// Most bytes of artefacts; from three quarters on, those that nobody wants go.
    #[arg(long, value_name = "BYTES", env = "FLOWFORGE_MAX_ARTEFACT_BYTES")]
    max_artefact_bytes: Option<u64>,
    /// Values above this size are kept once in the journal; smaller ones stand beside each record that holds them.
    #[arg(long, value_name = "BYTES", env = "FLOWFORGE_MAX_INLINE_BYTES")]
    max_inline_bytes: Option<u32>,
    /// Free bytes on the disk of the data folder below which no new work is taken.
    #[arg(long, value_name = "BYTES", env = "FLOWFORGE_MIN_FREE_BYTES")]
    min_free_bytes: Option<u64>,
    /// How long a copy of a secret is used after the control plane last confirmed it, as 24h.
    #[arg(long, value_name = "TIME", env = "FLOWFORGE_SECRET_LEASE")]
    secret_lease: Option<String>,
    /// How long running steps may finish after the first stop signal, as 10s.
    #[arg(long, value_name = "TIME", env = "FLOWFORGE_SHUTDOWN_GRACE")]
    shutdown_grace: Option<String>,
    /// Let connectors reach loopback destinations; for development only.
    #[arg(long, env = "FLOWFORGE_LOOPBACK_DESTINATIONS")]
    loopback_destinations: bool,
    /// Private network that connectors may reach where a grant says so, as 10.20.0.0/16; may be given several times.
    #[arg(long = "private-network", value_name = "NETWORK")]
    private_networks: Vec<OpenNetwork>,
    /// What to log on stderr: error, warn, info, debug, trace, or a filter.
    #[arg(long, value_name = "LEVEL", env = "FLOWFORGE_LOG", default_value = "info")]
    log: String,
}

#[derive(Args)]
struct StatusArguments {
    /// The host's data folder.
    #[arg(long, value_name = "DIR", env = "FLOWFORGE_DATA_DIR")]
    data_dir: PathBuf,
    /// For people or for programs.
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Output,
    /// Print nothing; exit 0 if all is well, 1 if not.
    #[arg(long)]
    check: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

fn main() -> ExitCode {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|argument| argument == COMPILE_ARGUMENT)
    {
        return compile_worker_main();
    }
    // Opened secrets and keys are in this process's memory.
    if let Err(error) = no_core_dumps() {
        // Nobody can be told when stderr is closed.
        let _ = writeln!(std::io::stderr(), "flowforge-host: core dumps stay on: {error}");
    }
    let cli = Cli::parse();
    let done = match cli.command {
        Some(Command::Status(arguments)) => show_status(&arguments),
        Some(Command::Check(arguments)) => check(*arguments),
        Some(Command::SetAside(arguments)) => set_aside(&arguments),
        None => run(cli.run),
    };
    done.unwrap_or_else(|error| {
        // Nobody can be told when stderr is closed.
        let _ = writeln!(std::io::stderr(), "flowforge-host: {error:#}");
        ExitCode::from(if error.is::<ConfigError>() { 2 } else { 1 })
    })
}

/// Neither this process nor those it starts leave their memory in a file, and no other process of this user may look at it.
fn no_core_dumps() -> std::io::Result<()> {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)?;
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

fn config(arguments: RunArguments) -> anyhow::Result<HostConfig> {
    let file = arguments.config.as_deref().map(Settings::read).transpose()?;
    let flags = Settings {
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
        site: SiteSettings {
            private_networks: arguments.private_networks,
        },
    };
    let worker = CompileWorker::this_program().context("cannot find this program's own file")?;
    Ok(flags.over(file.unwrap_or_default()).check(worker)?)
}

fn run(arguments: RunArguments) -> anyhow::Result<ExitCode> {
    log::start(&arguments.log)?;
    let config = config(arguments)?;
    let plan = std::env::var("FLOWFORGE_FAILPOINTS").ok();
    let failpoints = FailPoints::from_env_value(plan.as_deref()).context("FLOWFORGE_FAILPOINTS")?;
    let workers = std::thread::available_parallelism().map_or(2, usize::from).min(4);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .max_blocking_threads(32)
        .thread_name("host")
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    let seams = Seams::real(&config, failpoints)?;
    let host = Host::open(config, seams)?;
    runtime.block_on(async {
        let stop = Stop::default();
        let signals = watch_signals(stop.clone())?;
        let done = tokio::select! {
            done = host.run(stop) => done,
            () = signals => Ok(()),
        };
        done.context("the host stopped")?;
        info!("stopped");
        Ok(ExitCode::SUCCESS)
    })
}

/// The first signal drains, the second halts; never returns.
fn watch_signals(stop: Stop) -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch for SIGINT")?;
    Ok(async move {
        for stage in 0.. {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if stage == 0 {
                info!("first signal: stopping; a second one stops at once");
                stop.drain.cancel();
            } else {
                warn!("second signal: stopping at once");
                stop.halt.cancel();
            }
        }
        error!("signals are no longer watched");
        std::future::pending::<()>().await;
    })
}

fn show_status(arguments: &StatusArguments) -> anyhow::Result<ExitCode> {
    let status = match health::ask(&arguments.data_dir) {
        Ok(status) => status,
        Err(_) if arguments.check => return Ok(ExitCode::FAILURE),
        Err(error) => return Err(error.into()),
    };
    if arguments.check {
        return Ok(if status.is_fine() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    }
    let text = match arguments.output {
        Output::Text => status.for_people(),
        Output::Json => serde_json::to_string_pretty(&status)? + "\n",
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn set_aside(arguments: &SetAsideArguments) -> anyhow::Result<ExitCode> {
    let said = match flowforge_host::data_dir::set_journal_aside(&arguments.data_dir)? {
        Some(path) => format!(
            "moved to {}; the next start begins with an empty journal\n",
            path.display()
        ),
        None => "nothing is moved: there is no journal, or it can be opened\n".to_owned(),
    };
    std::io::stdout().write_all(said.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn check(arguments: RunArguments) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout();
    let config = match config(arguments) {
        Ok(config) => {
            writeln!(out, " ✓ configuration   control plane {}", config.join.server)?;
            config
        }
        Err(error) => {
            writeln!(out, " ✗ configuration   {error:#}")?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let mut fine = true;
    let mut line = |name: &str, result: Result<String, String>| {
        fine &= result.is_ok();
        match result {
            Ok(found) => writeln!(out, " ✓ {name:<15} {found}"),
            Err(wrong) => writeln!(out, " ✗ {name:<15} {wrong}"),
        }
    };
    line(
        "data folder",
        flowforge_host::data_dir::can_write(&config.data_dir),
    )?;
    line("connection", flowforge_host::link::reaches(&config.join.server))?;
    Ok(if fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
