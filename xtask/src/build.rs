//! Builds the interface, the programs that embed it, and the first-party connectors.
//!
//! Connectors are built by `flowforge connector build`, the same way as anybody's. The finished components are put
//! beside the programs, where `flowforge dev` finds them at its first start.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::progress::{Line, megabytes};
use crate::workspace::Workspace;
use crate::{tools, ui};

/// What the demo is built from. Always the whole workspace: a part of it would be compiled with other features of the
/// same dependencies, and everything twice.
const PROGRAMS: [&str; 2] = ["--workspace", "--bins"];
/// The same with every test, as `cargo test` wants them. What the programs need is a part of it: see [`crate::parity`].
pub(crate) const PROGRAMS_AND_TESTS: [&str; 2] = ["--workspace", "--all-targets"];

/// `cargo xtask build`.
pub(crate) fn command() -> Result<ExitCode> {
    let survey = tools::survey();
    if !survey.report() {
        return Ok(ExitCode::from(2));
    }
    let workspace = Workspace::find()?;
    everything(&workspace)?;
    println!(
        "next: cargo xtask demo, or {}",
        workspace.programs().join("flowforge dev").display()
    );
    Ok(ExitCode::SUCCESS)
}

/// Programs, then connectors.
pub(crate) fn everything(workspace: &Workspace) -> Result<()> {
    programs_and_connectors(workspace, &PROGRAMS)
}

/// Programs and tests, then connectors.
pub(crate) fn everything_and_tests(workspace: &Workspace) -> Result<()> {
    programs_and_connectors(workspace, &PROGRAMS_AND_TESTS)
}

fn programs_and_connectors(workspace: &Workspace, selection: &[&str]) -> Result<()> {
    ui::build(workspace)?;
    workspace.build("flowforge, flowforge-host", selection)?;
    tools::add_wasm_target();
    connectors(
        workspace,
        &workspace.programs().join("flowforge"),
        &workspace.components(),
    )
}

/// Builds every first-party connector and puts the components into `into`.
pub(crate) fn connectors(workspace: &Workspace, flowforge: &Path, into: &Path) -> Result<()> {
    fs::create_dir_all(into).with_context(|| format!("cannot make {}", into.display()))?;
    let mut kept = Vec::new();
    for folder in connector_folders(workspace.root())? {
        // Shows its own progress, in the place where the line below will be.
        let built = connector(flowforge, &folder)?;
        let file = into.join(format!("{}.wasm", built.name.replace(':', ".")));
        fs::copy(&built.component, &file)
            .with_context(|| format!("cannot copy {} to {}", built.component.display(), file.display()))?;
        Line::begin().finish(&format!(
            "      ✓ {:<22} {:<11} {:>8}",
            built.name,
            built.language,
            megabytes(built.bytes)
        ));
        kept.push(file);
    }
    remove_others(into, &kept)
}

/// The folders under `connectors/` that are connectors.
pub(crate) fn connector_folders(root: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(root.join("connectors")).context("the folder connectors/ is missing")? {
        let path = entry?.path();
        if path.join("connector.toml").is_file() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

struct Connector {
    name: String,
    language: String,
    component: PathBuf,
    bytes: u64,
}

fn connector(flowforge: &Path, folder: &Path) -> Result<Connector> {
    let output = Command::new(flowforge)
        .args(["connector", "build", "--output", "json"])
        .arg(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", flowforge.display()))?;
    if !output.status.success() {
        bail!("{} did not build; the messages above say why", folder.display());
    }
    let answer: Value = serde_json::from_slice(&output.stdout).context("connector build gave no JSON")?;
    let text = |key: &str| answer.get(key).and_then(Value::as_str).map(str::to_owned);
    Ok(Connector {
        name: text("name").context("connector build named no connector")?,
        language: text("language").unwrap_or_default(),
        component: text("component").context("connector build named no file")?.into(),
        bytes: answer.get("bytes").and_then(Value::as_u64).unwrap_or_default(),
    })
}

/// A connector that was renamed or removed must not stay behind and be published again.
fn remove_others(folder: &Path, kept: &[PathBuf]) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") && !kept.contains(&path) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}
