//! Clients of others that the registry is tested with and that no package of the system brings: `oras` for Python, in an
//! environment of its own beside the build output.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};

use crate::tools;
use crate::workspace::Workspace;

/// The variable that tells the tests which Python has it.
pub(crate) const VARIABLE: &str = "FLOWFORGE_ORAS_PYTHON";
/// The version that the tests were written against.
const ORAS: &str = "oras==0.2.43";

/// Runs a command with the clients at hand.
pub(crate) fn command(words: &[&str]) -> Result<ExitCode> {
    let ["--", program, arguments @ ..] = words else {
        bail!("write `cargo xtask clients -- COMMAND`, such as cargo nextest run -p flowforge-registry");
    };
    let survey = tools::survey_for_tests();
    if !survey.report() {
        return Ok(ExitCode::from(2));
    }
    let workspace = Workspace::find()?;
    let ended = Command::new(program)
        .args(arguments)
        .env(VARIABLE, python(&workspace)?)
        .status()
        .with_context(|| format!("`{program}` could not be started"))?;
    Ok(if ended.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The Python that has `oras`; it is made if it is not there, or of another version.
pub(crate) fn python(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.target().join("registry-clients");
    let python = folder.join("bin/python");
    let mark = folder.join("made-of");
    if fs::read_to_string(&mark).is_ok_and(|made_of| made_of == ORAS) {
        return Ok(python);
    }
    println!("installing {ORAS}, which the registry is tested with");
    let place = folder.display().to_string();
    run("python3", &["-m", "venv", "--clear", &place])?;
    run(
        &python.display().to_string(),
        &[
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            ORAS,
        ],
    )?;
    fs::write(&mark, ORAS).with_context(|| format!("cannot write {}", mark.display()))?;
    Ok(python)
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let ended = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("`{program}` could not be started"))?;
    if ended.success() {
        Ok(())
    } else {
        bail!("{program} {} failed", arguments.join(" "))
    }
}
