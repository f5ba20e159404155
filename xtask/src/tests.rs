//! `cargo xtask test`: everything that must hold before a change lands, from a bare clone.
//!
//! Stages run from the quickest to the slowest and the first that fails ends the command. The workspace's own tests
//! come last, so that the last line is their result.

use std::ffi::OsString;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::progress::spoken;
use crate::tools::answers;
use crate::workspace::Workspace;
use crate::{build, deny, tidy, tools};

type Stage = fn(&Workspace) -> Result<()>;

/// Runs every stage.
pub(crate) fn command() -> Result<ExitCode> {
    let survey = tools::survey();
    if !survey.report() {
        return Ok(ExitCode::from(2));
    }
    println!("tools: {}", survey.summary());
    let workspace = Workspace::find()?;
    println!("build output: {}", workspace.target().display());
    let stages: [(&str, Stage); 6] = [
        ("format", format),
        ("tidy", tidy_stage),
        ("programs and connectors", build::everything_and_tests),
        ("connector tests", connector_tests),
        ("lints", lints),
        ("licences and duplicates", deny::check),
    ];
    let count = stages.len() + 1;
    for (index, (name, stage)) in stages.iter().enumerate() {
        println!("\n[{}/{count}] {name}", index + 1);
        let started = Instant::now();
        stage(&workspace).with_context(|| format!("stage `{name}`"))?;
        println!("      ✓ {name} ({})", spoken(started.elapsed()));
    }
    println!("\n[{count}/{count}] tests");
    workspace_tests(&workspace)?;
    Ok(ExitCode::SUCCESS)
}

fn format(workspace: &Workspace) -> Result<()> {
    run(
        workspace.cargo().args(["fmt", "--all", "--check"]),
        "cargo fmt --all",
    )
}

fn tidy_stage(workspace: &Workspace) -> Result<()> {
    let problems = tidy::problems(workspace.root())?;
    for problem in &problems {
        eprintln!("✗ {problem}");
    }
    if problems.is_empty() {
        Ok(())
    } else {
        bail!("{} rules of the tree are broken", problems.len())
    }
}

fn lints(workspace: &Workspace) -> Result<()> {
    let arguments = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ];
    run(
        workspace.cargo().args(arguments),
        "cargo clippy --workspace --all-targets -- -D warnings",
    )
}

/// Formatting and unit tests of the wasm workspace, which run on this machine and need no wasm.
fn connector_tests(workspace: &Workspace) -> Result<()> {
    let connectors = workspace.root().join("connectors");
    if !connectors.join("Cargo.toml").is_file() {
        return Ok(());
    }
    let target = workspace.target().join("connectors");
    for arguments in [
        vec!["fmt", "--all", "--check"],
        vec!["test", "--workspace", "--locked", "--quiet"],
    ] {
        let mut cargo = workspace.cargo();
        cargo
            .current_dir(&connectors)
            .env("CARGO_TARGET_DIR", &target)
            .args(&arguments);
        run(
            &mut cargo,
            &format!("(cd connectors && cargo {})", arguments.join(" ")),
        )?;
    }
    Ok(())
}

fn workspace_tests(workspace: &Workspace) -> Result<()> {
    let nextest = answers("cargo-nextest", &["nextest", "--version"]);
    let arguments: &[&str] = if nextest {
        &["nextest", "run", "--workspace", "--locked"]
    } else {
        &["test", "--workspace", "--locked", "--all-targets"]
    };
    let mut cargo = workspace.cargo();
    let environment: [(&str, OsString); 2] = [
        ("FLOWFORGE_COMPONENTS", workspace.components().into()),
        ("FLOWFORGE_PROGRAMS", workspace.programs().into()),
    ];
    run(
        cargo.args(arguments).envs(environment),
        &format!("cargo {}", arguments.join(" ")),
    )
}

/// Runs a command; a failure names what to type to see it again.
fn run(command: &mut Command, again: &str) -> Result<()> {
    if command.status()?.success() {
        Ok(())
    } else {
        bail!("failed; to see it again: {again}")
    }
}
