//! `flowforge-host`: the host as a process of its own.

mod arguments;
mod commands;
mod install;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand, ValueEnum};
use flowforge_failpoints::FailPoints;
use flowforge_host::{ConfigError, Host, Seams, Stop, health, log};
use flowforge_runtime::{COMPILE_ARGUMENT, compile_worker_main};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

use crate::arguments::{RunArguments, config};
use crate::commands::{CheckArguments, EnrolArguments, JournalCommand, LeaveArguments, SiteCommand};
use crate::install::InstallArguments;

/// A step allocates many small values; this allocator was measured to take less of the processor.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs workflows on this machine: pulls signed jobs, verifies them, runs them durably in a sandbox.
#[derive(Parser)]
#[command(
    name = "flowforge-host",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Example:\n  flowforge-host --data-dir ./host --token-file ./token\n  flowforge-host --data-dir ./host --join ./plane/host-join.json\n\n\
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
    /// Say why it does not connect: check name, proxy, TLS, clock, token, disk and user; change nothing.
    #[command(
        after_help = "Example:\n  flowforge-host check --token-file ./token\n  flowforge-host check --data-dir ./host\n\nExit: 0 all is well, 1 something is not, 2 wrongly used."
    )]
    Check(Box<CheckArguments>),
    /// Enrol with a token and end; the host is started later, without it.
    #[command(after_help = "Example:\n  flowforge-host enrol --data-dir ./host --token-file ./token")]
    Enrol(EnrolArguments),
    /// Install a hardened systemd service: user, folder, enrolment, unit, start. Needs root; the host itself does not.
    #[command(
        after_help = "Example:\n  sudo flowforge-host install --token-file ./token\n  flowforge-host install --print"
    )]
    Install(InstallArguments),
    /// Leave the control plane: it takes nothing from this host any more, and its certificate is removed here.
    #[command(after_help = "Example:\n  flowforge-host leave --data-dir ./host")]
    Leave(LeaveArguments),
    /// Look at what a site allows.
    #[command(subcommand, after_help = "Example:\n  flowforge-host site check ./site.toml")]
    Site(SiteCommand),
    /// Look at the journal.
    #[command(
        subcommand,
        after_help = "Example:\n  flowforge-host journal verify --data-dir ./host"
    )]
    Journal(JournalCommand),
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
        Some(Command::Check(arguments)) => commands::check(*arguments),
        Some(Command::Enrol(arguments)) => commands::enrol(arguments),
        Some(Command::Install(arguments)) => install::install(&arguments),
        Some(Command::Leave(arguments)) => commands::leave(arguments),
        Some(Command::Site(command)) => commands::site(&command),
        Some(Command::Journal(command)) => commands::journal(&command),
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

fn run(arguments: RunArguments) -> anyhow::Result<ExitCode> {
    log::start(&arguments.log)?;
    if let Some(token_file) = &arguments.token_file {
        let data_dir = arguments
            .data_dir
            .clone()
            .context("--data-dir is not given: a host that enrols needs a folder")?;
        let (joined, invitation) = commands::join(&data_dir, token_file, arguments.way.clone())?;
        info!(
            ?joined,
            name = invitation.name,
            server = invitation.server,
            "enrolled"
        );
    }
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
