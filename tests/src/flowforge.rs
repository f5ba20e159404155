//! The command line, as a person types it.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::programs::Programs;

/// `flowforge` with its context and a home of its own.
#[derive(Debug, Clone)]
pub struct Flowforge {
    program: PathBuf,
    home: PathBuf,
    context: Option<PathBuf>,
}

impl Flowforge {
    /// The program with this folder as the user's own.
    #[must_use]
    pub fn new(programs: &Programs, home: &Path) -> Self {
        Self {
            program: programs.path("flowforge"),
            home: home.to_owned(),
            context: None,
        }
    }

    /// The same, speaking to the control plane whose `client.json` this is.
    #[must_use]
    pub fn with_context(mut self, file: &Path) -> Self {
        self.context = Some(file.to_owned());
        self
    }

    /// The command, ready to be started.
    #[must_use]
    pub fn command(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments);
        self.environment(&mut command);
        command
    }

    /// Any other command, with the same home and the same control plane for a `flowforge` that it starts.
    pub fn environment<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command
            .env("FLOWFORGE_HOME", &self.home)
            .env_remove("FLOWFORGE_SERVER");
        match &self.context {
            Some(file) => command.env("FLOWFORGE_CONTEXT", file),
            None => command.env_remove("FLOWFORGE_CONTEXT"),
        }
    }

    /// Runs it with `--output json` and gives what it printed.
    ///
    /// # Errors
    /// It failed; the error holds what it said.
    pub fn json(&self, arguments: &[&str]) -> Result<Value> {
        self.json_with_input(arguments, "")
    }

    /// As [`Flowforge::json`], with this text on its standard input.
    ///
    /// # Errors
    /// As [`Flowforge::json`].
    pub fn json_with_input(&self, arguments: &[&str], input: &str) -> Result<Value> {
        let mut child = self
            .command(arguments)
            .args(["--output", "json"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        let words = arguments.iter().take(3).copied().collect::<Vec<_>>().join(" ");
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let printed = String::from_utf8_lossy(&output.stdout);
            bail!("flowforge {words} failed ({}):\n{said}{printed}", output.status);
        }
        serde_json::from_slice(&output.stdout).with_context(|| format!("flowforge {words} printed no JSON"))
    }
}
