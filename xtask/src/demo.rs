//! `cargo xtask demo`: steps 1 and 2 (tools, build); the demo driver in `tests/` does the rest.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use crate::{build, tools};

/// Builds everything, then hands over to the demo driver and ends as it ends.
pub(crate) fn command(flags: &[&str]) -> Result<ExitCode> {
    println!("FlowForge demo: a real week of earthquakes, three languages, two crashes, one approval.");
    let survey = tools::survey();
    if !survey.report() {
        return Ok(ExitCode::from(2));
    }
    println!("[1/5] tools       ✓ {}", survey.summary());
    let workspace = Workspace::find()?;
    println!(
        "[2/5] build       the first build takes 10 to 20 min on 4 cores, later ones seconds; safe to interrupt"
    );
    build::everything(&workspace)?;
    let driver = workspace.programs().join("demo");
    let status = Command::new(&driver)
        .current_dir(workspace.root())
        .arg("--programs")
        .arg(workspace.programs())
        .arg("--components")
        .arg(workspace.components())
        .arg("--data-dir")
        .arg(workspace.target().join("demo"))
        .args(flags)
        .status()
        .with_context(|| format!("cannot start {}", driver.display()))?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
