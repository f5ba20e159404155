//! The commands about a host's place on the line: check, enrol, leave, and a look at its journal.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use flowforge_host::clock::{SystemClock, SystemEntropy};
use flowforge_host::enrolment::Enrolment;
use flowforge_host::joining::{Joined, Joining, forget_token, read_token};
use flowforge_host::leaving::Leaving;
use flowforge_host::line_check::{Finding, LineCheck};
use flowforge_host::link::line::Way;
use flowforge_host::{Settings, SiteSettings, data_dir};
use flowforge_protocol::invitation::Invitation;
use serde::Serialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::Output;
use crate::arguments::{RunArguments, WayArguments, config, proxy_of_environment, settings};

/// Largest invitation that is read from standard input, in bytes.
const MAX_TOKEN_BYTES: u64 = 8 * 1024;

#[derive(Args)]
pub(crate) struct CheckArguments {
    #[command(flatten)]
    run: RunArguments,
    /// For people or for programs.
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Output,
}

#[derive(Args)]
pub(crate) struct EnrolArguments {
    /// The host's data folder; made if absent.
    #[arg(long, value_name = "DIR", env = "FLOWFORGE_DATA_DIR")]
    data_dir: PathBuf,
    /// The file with the token that `flowforge host token` printed, `-` for standard input; removed once it was used.
    #[arg(long, value_name = "FILE", env = "FLOWFORGE_TOKEN_FILE")]
    token_file: PathBuf,
    #[command(flatten)]
    way: WayArguments,
    /// For people or for programs.
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Output,
}

#[derive(Args)]
pub(crate) struct LeaveArguments {
    /// The host's data folder.
    #[arg(long, value_name = "DIR", env = "FLOWFORGE_DATA_DIR")]
    data_dir: PathBuf,
    #[command(flatten)]
    way: WayArguments,
    /// Leave also with runs that the control plane may not have, or when it cannot be told.
    #[arg(long)]
    abandon: bool,
    /// For people or for programs.
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Output,
}

#[derive(Subcommand)]
pub(crate) enum JournalCommand {
    /// Look at every page and every unfinished run of the journal of a host that is stopped; change nothing in it.
    #[command(
        after_help = "Example:\n  flowforge-host journal verify --data-dir ./host\n\nExit: 0 whole, 1 not, 2 wrongly used."
    )]
    Verify(VerifyArguments),
}

#[derive(Subcommand)]
pub(crate) enum SiteCommand {
    /// Read a site file and say what it allows; change nothing.
    #[command(
        after_help = "Example:\n  flowforge-host site check /etc/flowforge/site.toml\n\nExit: 0 it can be used, 1 it cannot, 2 wrongly used."
    )]
    Check(SiteArguments),
}

#[derive(Args)]
pub(crate) struct SiteArguments {
    /// The file.
    file: PathBuf,
    /// For people or for programs.
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Output,
}

#[derive(Args)]
pub(crate) struct VerifyArguments {
    /// The host's data folder.
    #[arg(long, value_name = "DIR", env = "FLOWFORGE_DATA_DIR")]
    data_dir: PathBuf,
    /// For people or for programs.
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Output,
}

/// A runtime for a command that makes a few calls.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")
}

fn entropy() -> anyhow::Result<Arc<SystemEntropy>> {
    Ok(Arc::new(
        SystemEntropy::new().context("the operating system gives no randomness")?,
    ))
}

/// What is printed: for people, or one JSON document.
fn print(output: Output, text: &str, document: &impl Serialize) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    match output {
        Output::Text => out.write_all(text.as_bytes())?,
        Output::Json => writeln!(out, "{:#}", serde_json::to_value(document)?)?,
    }
    Ok(())
}

fn way(arguments: WayArguments, server: Option<String>) -> anyhow::Result<Way> {
    let settings = Settings {
        proxy: arguments.proxy.or_else(|| proxy_of_environment(server)),
        ..Settings::default()
    };
    Ok(settings.way()?)
}

fn host_of(address: &str) -> Option<String> {
    flowforge_host::join::line_address(address)?
        .host_str()
        .map(str::to_owned)
}

/// Reads the invitation of a file, or of standard input.
fn invitation(path: &Path) -> anyhow::Result<Invitation> {
    if path != Path::new("-") {
        return Ok(read_token(path)?);
    }
    let mut text = Zeroizing::new(String::new());
    std::io::stdin()
        .take(MAX_TOKEN_BYTES)
        .read_to_string(&mut text)
        .context("cannot read the token from standard input")?;
    text.parse().context("standard input")
}

/// Enrols with the invitation of a file, unless that was done before; the file is removed then.
pub(crate) fn join(
    data_dir: &Path,
    token_file: &Path,
    way_arguments: WayArguments,
) -> anyhow::Result<(Joined, Invitation)> {
    let invitation = invitation(token_file)?;
    let joining = Joining {
        data_dir,
        invitation: &invitation,
        way: way(way_arguments, host_of(&invitation.server))?,
        clock: Arc::new(SystemClock),
        entropy: entropy()?,
    };
    let joined = runtime()?.block_on(joining.enrol())?;
    if token_file != Path::new("-")
        && let Err(error) = forget_token(token_file)
    {
        tracing::warn!(%error, file = %token_file.display(), "the token file cannot be removed; it is good for nobody any more");
    }
    Ok((joined, invitation))
}

pub(crate) fn enrol(arguments: EnrolArguments) -> anyhow::Result<ExitCode> {
    let (joined, invitation) = join(&arguments.data_dir, &arguments.token_file, arguments.way)?;
    let (host, word) = match &joined {
        Joined::Now(host) => (host, "enrolled"),
        Joined::Before(host) => (host, "was enrolled before"),
    };
    let text = format!(
        " ✓ {word} as {} ({host}) at {}\n   next: flowforge-host --data-dir {}\n",
        invitation.name,
        invitation.server,
        arguments.data_dir.display()
    );
    let document = json!({
        "host": host, "name": invitation.name, "server": invitation.server, "workspace": invitation.workspace,
        "enrolledNow": matches!(joined, Joined::Now(_)),
    });
    print(arguments.output, &text, &document)?;
    Ok(ExitCode::SUCCESS)
}

/// The lines of a check, for people.
fn lines(found: &[Finding]) -> String {
    found
        .iter()
        .map(|finding| {
            let mark = if finding.ok { '✓' } else { '✗' };
            format!(" {mark} {:<14} {}\n", finding.name, finding.detail)
        })
        .collect()
}

pub(crate) fn check(arguments: CheckArguments) -> anyhow::Result<ExitCode> {
    let CheckArguments { run, output } = arguments;
    let found = match run.token_file.clone() {
        Some(token_file) => check_line(&token_file, run)?,
        None => check_configuration(run),
    };
    print(output, &lines(&found), &found)?;
    Ok(if found.iter().all(|finding| finding.ok) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What enrolment with a token needs.
fn check_line(token_file: &Path, run: RunArguments) -> anyhow::Result<Vec<Finding>> {
    let settings = settings(run)?;
    let invitation = invitation(token_file)?;
    let data_dir = settings
        .data_dir
        .clone()
        .unwrap_or_else(|| PathBuf::from(crate::install::DATA_DIR));
    let check = LineCheck {
        data_dir: &data_dir,
        invitation: &invitation,
        way: settings.way()?,
        clock: Arc::new(SystemClock),
    };
    Ok(runtime()?.block_on(check.run()))
}

/// What a host needs that has enrolled, or joins on the control plane's own machine.
fn check_configuration(run: RunArguments) -> Vec<Finding> {
    let config = match config(run) {
        Ok(config) => config,
        Err(error) => return vec![Finding::of("configuration", Err(format!("{error:#}")))],
    };
    vec![
        Finding::of(
            "configuration",
            Ok(format!("control plane {}", config.join.server)),
        ),
        Finding::of("data folder", data_dir::can_write(&config.data_dir)),
        Finding::of("connection", flowforge_host::link::reaches(&config.join.server)),
    ]
}

pub(crate) fn leave(arguments: LeaveArguments) -> anyhow::Result<ExitCode> {
    let server = Enrolment::read(&arguments.data_dir)?.and_then(|enrolment| host_of(&enrolment.server));
    let leaving = Leaving {
        data_dir: &arguments.data_dir,
        way: way(arguments.way, server)?,
        abandon: arguments.abandon,
        clock: Arc::new(SystemClock),
        entropy: entropy()?,
    };
    let told = runtime()?.block_on(leaving.leave())?;
    let text = if told {
        " ✓ left; the control plane takes nothing from this host any more\n"
    } else {
        " ✓ left; the control plane was not told: flowforge host revoke NAME\n"
    };
    print(arguments.output, text, &json!({ "left": true, "told": told }))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn site(command: &SiteCommand) -> anyhow::Result<ExitCode> {
    let SiteCommand::Check(arguments) = command;
    let site = SiteSettings::read(&arguments.file)?;
    print(arguments.output, &site.for_people(), &site)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn journal(command: &JournalCommand) -> anyhow::Result<ExitCode> {
    let JournalCommand::Verify(arguments) = command;
    if flowforge_host::health::ask(&arguments.data_dir).is_ok() {
        anyhow::bail!(
            "the host on {} is running and holds its journal; stop it first. What it finds itself stands in `flowforge-host status`",
            arguments.data_dir.display()
        );
    }
    let found = data_dir::verify_journal(&arguments.data_dir, entropy()?.as_ref())?;
    let mut text = format!(
        " {} journal        {} unfinished runs, {} ended, {} results to upload\n",
        if found.is_whole() { '✓' } else { '✗' },
        found.unfinished_runs,
        found.ended_runs,
        found.to_upload,
    );
    if found.lost_commits {
        text.push_str(" ✗ lost           it had confirmed more than it holds: its last commits are damaged, or it is an older copy\n");
    }
    for damaged in &found.damaged {
        text.push_str(&format!(" ✗ {} {}\n", damaged.run, damaged.damage));
    }
    print(arguments.output, &text, &found)?;
    Ok(if found.is_whole() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
