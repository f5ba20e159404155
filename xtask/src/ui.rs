//! The interface for browsers: built before the programs that embed it, and checked with them.
//!
//! What is done stands in `control-plane/ui/tools`, where it can be called without cargo too; here it is only called. What
//! other people's clients find at the API that the interface stands on is looked at with it, by `tests/graphql`.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::tools;
use crate::workspace::Workspace;

/// Folder of the interface, below the workspace.
const INTERFACE: &str = "control-plane/ui";
/// Folder of the public clients of GraphQL.
const CLIENTS: &str = "tests/graphql";

/// Builds it, unless it was built from the same sources before, and puts it where the server's build embeds it.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    node(workspace, INTERFACE, "tools/build.mjs")
}

/// Its lint, types, unit tests, the tests that drive it in Chromium, and the public audit of the API.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    if let Some(missing) = tools::missing_browser() {
        bail!("{missing}");
    }
    node(workspace, INTERFACE, "tools/verify.mjs")?;
    node(workspace, CLIENTS, "audit.mjs")
}

/// The campaign that measures it in Chromium, ready to be run.
pub(crate) fn campaign(workspace: &Workspace) -> Result<Command> {
    if let Some(missing) = tools::missing_browser() {
        bail!("{missing}");
    }
    let mut command = Command::new("node");
    command
        .arg("e2e/campaign.mjs")
        .current_dir(workspace.root().join(INTERFACE))
        .env("FLOWFORGE_PROGRAMS", workspace.programs());
    Ok(command)
}

fn node(workspace: &Workspace, folder: &str, script: &str) -> Result<()> {
    let ended = Command::new("node")
        .arg(script)
        .current_dir(workspace.root().join(folder))
        .env("FLOWFORGE_PROGRAMS", workspace.programs())
        .status()
        .context("node could not be started")?;
    if ended.success() {
        return Ok(());
    }
    bail!("failed; to see it again: (cd {folder} && node {script})")
}
