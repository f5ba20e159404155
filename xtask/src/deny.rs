//! Licences, duplicate versions and sources of all dependencies, by cargo-deny.
//!
//! cargo-deny takes minutes to compile, so it is installed once into the user's cache. Its advisories check needs a
//! database from the network and is left to whoever has one: `cargo deny check advisories`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::tools::answers;
use crate::workspace::{Workspace, cache_folder};

/// The version that `deny.toml` is written for.
const VERSION: &str = "^0.19";

/// Checks what `deny.toml` says.
///
/// Where cargo-deny can neither be found nor installed, it says so and lets the other checks go on.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let Some(program) = program(workspace)? else {
        println!("      cargo-deny could not be installed here: licences and duplicates were NOT checked");
        return Ok(());
    };
    let status = Command::new(&program)
        .current_dir(workspace.root())
        .args([
            "--locked",
            "check",
            "--hide-inclusion-graph",
            "bans",
            "licenses",
            "sources",
        ])
        .status()?;
    if !status.success() {
        bail!("the dependencies break a rule of deny.toml; the messages above say which");
    }
    Ok(())
}

fn program(workspace: &Workspace) -> Result<Option<PathBuf>> {
    if answers("cargo-deny", &["--version"]) {
        return Ok(Some("cargo-deny".into()));
    }
    let root = cache_folder()?.join("tools");
    let own = root.join("bin/cargo-deny");
    if own.is_file() {
        return Ok(Some(own));
    }
    println!(
        "      installing cargo-deny into {} (once, a few minutes)",
        root.display()
    );
    let installed = workspace
        .cargo()
        .args([
            "install",
            "cargo-deny",
            "--locked",
            "--quiet",
            "--no-default-features",
            "--version",
            VERSION,
        ])
        .arg("--root")
        .arg(&root)
        .status()?;
    Ok(installed.success().then_some(own))
}
