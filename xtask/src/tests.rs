//! `cargo xtask test`: everything that must hold before a change lands, from a bare clone.
//!
//! Stages run from the quickest to the slowest and the first that fails ends the command. The workspace's own tests
//! come last. How long each stage took is said at the end.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::postgres::{self, Cluster};
use crate::progress::spoken;
use crate::tools::answers;
use crate::workspace::Workspace;
use crate::{build, clients, deny, tidy, tools, ui};

type Stage = fn(&Workspace) -> Result<()>;

/// Runs every stage.
pub(crate) fn command() -> Result<ExitCode> {
    let survey = tools::survey_for_tests();
    if !survey.report() {
        return Ok(ExitCode::from(2));
    }
    println!("tools: {}", survey.summary());
    let workspace = Workspace::find()?;
    println!("build output: {}", workspace.target().display());
    let stages: [(&str, Stage); 7] = [
        ("format", format),
        ("tidy", tidy_stage),
        ("programs and connectors", build::everything_and_tests),
        ("connector tests", connector_tests),
        ("interface", ui::check),
        ("lints", lints),
        ("licences and duplicates", deny::check),
    ];
    let count = stages.len() + 1;
    let mut took = Vec::new();
    for (index, (name, stage)) in stages.iter().enumerate() {
        println!("\n[{}/{count}] {name}", index + 1);
        let started = Instant::now();
        stage(&workspace).with_context(|| format!("stage `{name}`"))?;
        println!("      ✓ {name} ({})", spoken(started.elapsed()));
        took.push((*name, started.elapsed()));
    }
    println!("\n[{count}/{count}] tests");
    let started = Instant::now();
    workspace_tests(&workspace)?;
    took.push(("tests", started.elapsed()));
    for (name, elapsed) in &took {
        println!("{name:<28} {:>12}", spoken(*elapsed));
    }
    println!(
        "{:<28} {:>12}",
        "all",
        spoken(took.iter().map(|(_, elapsed)| *elapsed).sum())
    );
    Ok(ExitCode::SUCCESS)
}

fn format(workspace: &Workspace) -> Result<()> {
    run(
        workspace.cargo().args(["fmt", "--all", "--check"]),
        "cargo fmt --all",
    )
}

fn tidy_stage(workspace: &Workspace) -> Result<()> {
    let problems = tidy::problems(workspace)?;
    for problem in &problems {
        eprintln!("✗ {problem}");
    }
    if problems.is_empty() {
        Ok(())
    } else {
        bail!("{} rules of the tree are broken", problems.len())
    }
}

/// Everything is compiled by now, so the compiler only says again what it found.
fn lints(workspace: &Workspace) -> Result<()> {
    let mut child = workspace
        .linting_cargo()
        .args(["build", "--quiet", "--locked", "--message-format=json"])
        .args(build::PROGRAMS_AND_TESTS)
        .stdout(Stdio::piped())
        .spawn()
        .context("cargo could not be started")?;
    let output = child.stdout.take().context("cargo has no output")?;
    let mut found = 0_usize;
    for message in BufReader::new(output).lines() {
        let message: Value = serde_json::from_str(&message?).unwrap_or_default();
        if let Some(rendered) = message.pointer("/message/rendered").and_then(Value::as_str) {
            eprint!("{rendered}");
            found += 1;
        }
    }
    if child.wait()?.success() && found == 0 {
        Ok(())
    } else {
        bail!("{found} lints; they stand above")
    }
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
        &["nextest", "run", "--workspace", "--locked", "--no-fail-fast"]
    } else {
        &[
            "test",
            "--workspace",
            "--locked",
            "--all-targets",
            "--no-fail-fast",
        ]
    };
    // What the store's documentation says does not compile, must not; the runs below do not look at documentation. The
    // whole workspace is named: for the store alone, cargo would compile what it stands on once more, with the features
    // that it alone asks for.
    run(
        workspace
            .linting_cargo()
            .args(["test", "--doc", "--workspace", "--locked", "--quiet"]),
        "cargo test --doc --workspace",
    )?;
    let cluster = Cluster::start()?;
    let mut cargo = workspace.linting_cargo();
    let environment: [(&str, OsString); 4] = [
        (postgres::VARIABLE, cluster.address().into()),
        (clients::VARIABLE, clients::python(workspace)?.into()),
        ("FLOWFORGE_COMPONENTS", workspace.components().into()),
        ("FLOWFORGE_PROGRAMS", workspace.programs().into()),
    ];
    run(
        cargo.args(arguments).envs(environment),
        &format!(
            "cargo xtask postgres -- cargo xtask clients -- cargo {}",
            arguments.join(" ")
        ),
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
