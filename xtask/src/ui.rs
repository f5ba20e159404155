//! The interface for browsers: built before the programs that embed it, and checked with them.
//!
//! What is done stands in `control-plane/ui/tools`, where it can be called without cargo too; here it is only called.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::tools;
use crate::workspace::Workspace;

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root().join("control-plane/ui")
}

/// Builds it, unless it was built from the same sources before, and puts it where the server's build embeds it.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    node(workspace, "tools/build.mjs")
}

/// Its lint, types, unit tests, and the tests that drive it in Chromium.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    if let Some(missing) = tools::missing_browser() {
        bail!("{missing}");
    }
    node(workspace, "tools/verify.mjs")
}

fn node(workspace: &Workspace, script: &str) -> Result<()> {
    let ended = Command::new("node")
        .arg(script)
        .current_dir(folder(workspace))
        .env("FLOWFORGE_PROGRAMS", workspace.programs())
        .status()
        .context("node could not be started")?;
    if ended.success() {
        return Ok(());
    }
    bail!("failed; to see it again: (cd control-plane/ui && node {script})")
}
