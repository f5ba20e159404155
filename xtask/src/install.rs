//! `cargo xtask install`: `flowforge` and `flowforge-host` on the path, the first-party connectors where they look.

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;
use crate::{build, tools};

/// Installs into cargo's own place. `--debug` takes the development profile, which is quicker to build.
pub(crate) fn command(flags: &[&str]) -> Result<ExitCode> {
    let survey = tools::survey();
    if !survey.report() {
        return Ok(ExitCode::from(2));
    }
    let workspace = Workspace::find()?;
    let root = install_root()?;
    for package in ["cli", "host/agent"] {
        let status = workspace
            .cargo()
            .args(["install", "--locked", "--force", "--path", package])
            .arg("--root")
            .arg(&root)
            .args(flags)
            .status()?;
        if !status.success() {
            bail!("{package} was not installed; the messages above say why");
        }
    }
    tools::add_wasm_target();
    let flowforge = root.join("bin/flowforge");
    build::connectors(&workspace, &flowforge, &root.join("share/flowforge/components"))?;
    println!(
        "installed flowforge and flowforge-host into {}",
        root.join("bin").display()
    );
    if !on_path(&root.join("bin")) {
        println!(
            "that folder is not on the path: export PATH=\"{}:$PATH\"",
            root.join("bin").display()
        );
    }
    println!("next: flowforge dev");
    Ok(ExitCode::SUCCESS)
}

fn install_root() -> Result<PathBuf> {
    env::var_os("CARGO_INSTALL_ROOT")
        .or_else(|| env::var_os("CARGO_HOME"))
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")))
        .context("neither CARGO_HOME nor HOME is set, so there is no place to install to")
}

fn on_path(folder: &Path) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|entry| entry == folder))
}
