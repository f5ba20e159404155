//! `flowforge server backup` and `restore`: a control plane in a folder that can be kept elsewhere.

use std::io::{IsTerminal as _, stderr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::{Args, Subcommand};
use flowforge_server::backup::{self, BackedUp, Rehearsed};
use serde_json::{Value, json};

use crate::args::Global;
use crate::output::{Exit, next, result};
use crate::{say, time};

/// How often a long copy says how far it is.
const SAID_EVERY: Duration = Duration::from_millis(500);

/// What can be done with a control plane that need not run.
#[derive(Debug, Subcommand)]
pub(crate) enum ServerCommand {
    /// Write a backup while the server runs: database, keys, connectors and artefacts, as of one moment. Whoever can read
    /// it can read every secret in it
    #[command(
        after_help = "Example:\n  flowforge server backup --data-dir ./plane --to /backup/plane-1\n  flowforge server restore /backup/plane-1 --rehearse"
    )]
    Backup(BackupArgs),
    /// Make a control plane of a backup, or with --rehearse show that one can be made of it
    #[command(
        after_help = "Example:\n  flowforge server restore /backup/plane-1 --rehearse\n  flowforge server restore /backup/plane-1 --data-dir ./plane\n  flowforge server --data-dir ./plane"
    )]
    Restore(RestoreArgs),
}

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// Data folder of the server
    #[arg(long, value_name = "DIR", env = "FLOWFORGE_DATA_DIR", default_value = "./ff")]
    data_dir: PathBuf,
    /// Its PostgreSQL database, if it has one; `pg_dump` writes that down
    #[arg(long, value_name = "URL", env = "FLOWFORGE_DATABASE", hide_env_values = true)]
    database: Option<String>,
    /// A new folder for the backup, best on another disk
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// Folder of the backup
    #[arg(value_name = "BACKUP")]
    from: PathBuf,
    /// A new data folder
    #[arg(long, value_name = "DIR", required_unless_present = "rehearse")]
    data_dir: Option<PathBuf>,
    /// A new, empty PostgreSQL database, if the backup is of one; `pg_restore` fills it
    #[arg(long, value_name = "URL", env = "FLOWFORGE_DATABASE", hide_env_values = true)]
    database: Option<String>,
    /// Restore into a temporary folder, start a control plane there that nobody reaches, open every secret, and remove the
    /// folder again. A database that was named keeps what was restored into it
    #[arg(long, conflicts_with = "data_dir")]
    rehearse: bool,
}

/// Runs the command.
pub(crate) async fn run(command: ServerCommand, global: &Global) -> Result<Exit> {
    match command {
        ServerCommand::Backup(args) => back_up(args, global).await,
        ServerCommand::Restore(args) => restore(args, global).await,
    }
}

async fn back_up(args: BackupArgs, global: &Global) -> Result<Exit> {
    let made = backup::back_up(&args.data_dir, args.database, &args.to, &mut shown()).await?;
    result(global, &document(&made), |_| {
        say!("✓ backup of {}", args.data_dir.display());
        say!("  {}", line(&made));
    });
    let folder = made.folder.display();
    next(global, &format!("flowforge server restore {folder} --rehearse"));
    Ok(Exit::Done)
}

async fn restore(args: RestoreArgs, global: &Global) -> Result<Exit> {
    let Some(data_dir) = &args.data_dir else {
        return rehearse(args, global).await;
    };
    let made = backup::restore(&args.from, data_dir, args.database, &mut shown()).await?;
    result(global, &document(&made), |_| {
        say!("✓ control plane of {}", args.from.display());
        say!("  {}", line(&made));
        say!("  hosts that find it at their address send again what it does not have");
    });
    let folder = made.folder.display();
    next(global, &format!("flowforge server --data-dir {folder}"));
    Ok(Exit::Done)
}

async fn rehearse(args: RestoreArgs, global: &Global) -> Result<Exit> {
    let scratch = std::env::temp_dir();
    let Rehearsed {
        restored,
        contents,
        secrets_opened,
    } = backup::rehearse(&args.from, &scratch, args.database, &mut shown()).await?;
    let told = json!({
        "engine": restored.engine.as_str(),
        "files": restored.files,
        "bytes": restored.bytes,
        "at_ms": restored.at_ms,
        "workflows": contents.workflows,
        "runs": contents.runs,
        "open_runs": contents.open_runs,
        "hosts": contents.hosts,
        "secrets_opened": secrets_opened,
    });
    result(global, &told, |_| {
        say!(
            "✓ {} can be restored: a control plane was started on it",
            args.from.display()
        );
        let (files, size) = (restored.files, time::size(restored.bytes));
        let made = time::date(restored.at_ms);
        say!("  {files} files, {size}, every byte as it was on {made}");
        say!(
            "  workflows {} · runs {}, open {} · hosts {} · secrets opened {secrets_opened}",
            contents.workflows,
            contents.runs,
            contents.open_runs,
            contents.hosts
        );
    });
    Ok(Exit::Done)
}

fn document(made: &BackedUp) -> Value {
    json!({
        "folder": made.folder,
        "engine": made.engine.as_str(),
        "files": made.files,
        "bytes": made.bytes,
        "at_ms": made.at_ms,
    })
}

fn line(made: &BackedUp) -> String {
    let (engine, size) = (made.engine.as_str(), time::size(made.bytes));
    format!(
        "{} · {} files, {size}, database {engine}",
        made.folder.display(),
        made.files
    )
}

/// Says on a terminal now and then how far a copy is.
fn shown() -> impl FnMut(u64, u64) + Send {
    let (is_seen, mut last) = (stderr().is_terminal(), Instant::now());
    move |files, bytes| {
        if is_seen && last.elapsed() >= SAID_EVERY {
            last = Instant::now();
            eprintln!("  {files} files, {} …", time::size(bytes));
        }
    }
}
