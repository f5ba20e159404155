//! `flowforge connector dev`: build and test at every save.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use flowforge_connector_build::source_state;
use flowforge_connector_test::{Report, Suite};
use serde_json::json;

use super::test::{print, tested};
use crate::args::Global;
use crate::output::{Exit, Usage, reader_is_gone};
use crate::say;

/// How often the folder is looked at.
const LOOK: Duration = Duration::from_millis(250);

#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    /// The connector's folder
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
}

/// Runs the command: a round, then another one after each change. With `--output json` each round is one line.
pub(crate) async fn run(args: &DevArgs, global: &Global) -> Result<Exit> {
    let folder = args.folder.as_path();
    if !folder.is_dir() {
        return Err(Usage(format!("{} is no folder", folder.display())).into());
    }
    loop {
        // Taken before the build, so that what is saved meanwhile makes another round.
        let state = source_state(folder)?;
        tell(global, round(folder).await);
        if !global.json() {
            say!("watching {} · Ctrl-C ends", folder.display());
        }
        loop {
            tokio::select! {
                stopped = tokio::signal::ctrl_c() => {
                    stopped?;
                    return Ok(Exit::Done);
                }
                () = tokio::time::sleep(LOOK) => {}
            }
            if reader_is_gone() {
                return Ok(Exit::Done);
            }
            // An editor may be in the middle of saving: what cannot be read now is looked at again.
            if source_state(folder).is_ok_and(|now| now != state) {
                break;
            }
        }
    }
}

async fn round(folder: &Path) -> Result<Report> {
    let suite = Suite::read(folder, None)?;
    tested(folder, suite, false).await
}

fn tell(global: &Global, round: Result<Report>) {
    match (round, global.json()) {
        (Ok(report), false) => print(&report),
        (Ok(report), true) => say!("{}", json!(report)),
        (Err(error), false) => say!("✗ {error:#}"),
        (Err(error), true) => say!("{}", json!({ "error": format!("{error:#}") })),
    }
}
