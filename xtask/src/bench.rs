//! `cargo xtask bench`: the figures of this machine, from the bench programs of `tests/`.
//!
//! Figures are taken with the release profile. Each program prints its own medians; this prints them one after the
//! other, under the name of the machine.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::machine::machine;
use crate::workspace::{Workspace, cache_folder};
use crate::{build, tools, ui};

/// The program that compares with other engines; they are installed once, into the user's cache.
const AIMS: &str = "bench_aims";

/// Builds and runs every `bench_…` program of `tests/`. `--quick` asks each for fewer repetitions.
pub(crate) fn command(flags: &[&str]) -> Result<ExitCode> {
    let survey = tools::survey();
    if !survey.report() {
        return Ok(ExitCode::from(2));
    }
    let workspace = Workspace::find()?;
    ui::build(&workspace)?;
    let built = workspace
        .cargo()
        .args(["build", "--release", "--locked"])
        .args(["--workspace", "--bins"])
        .status()?;
    if !built.success() {
        bail!("the release build failed; the messages above say why");
    }
    let programs = workspace.target().join("release");
    let components = programs.join("components");
    tools::add_wasm_target();
    build::connectors(&workspace, &programs.join("flowforge"), &components)?;
    println!("machine: {}", machine());
    for name in bench_programs(workspace.root())? {
        println!("\n── {name}");
        let mut command = Command::new(programs.join(&name));
        if name == AIMS {
            command.arg("--peers").arg(cache_folder()?.join("peers"));
        }
        let status = command
            .current_dir(workspace.root())
            .env("FLOWFORGE_COMPONENTS", &components)
            .env("FLOWFORGE_PROGRAMS", &programs)
            .args(flags)
            .status()
            .with_context(|| format!("cannot start {name}"))?;
        if !status.success() {
            bail!("{name} failed; the messages above say why");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn bench_programs(root: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join("tests/src/bin"))? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        if name.starts_with("bench_") {
            names.push(name.into_owned());
        }
    }
    names.sort();
    Ok(names)
}
