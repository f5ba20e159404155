//! Where the workspace and its build output are, and how cargo is run in it.

use std::collections::BTreeSet;
use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::progress::{Line, spoken};

/// rustc with the lints of clippy.
pub(crate) const LINTING_COMPILER: &str = "clippy-driver";

/// The workspace that this program belongs to.
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// Finds the workspace and decides where its output goes.
    ///
    /// `CARGO_TARGET_DIR` and cargo's configuration decide as always. In CI, where each run has a fresh clone, the
    /// output goes to the user's cache folder, so that only what changed is compiled again.
    pub(crate) fn find() -> Result<Self> {
        let own = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = own
            .parent()
            .context("xtask must be a folder of the workspace")?
            .to_owned();
        let target = if env::var_os("CARGO_TARGET_DIR").is_none() && env::var_os("CI").is_some() {
            cache_folder()?.join("target")
        } else {
            target_of(&root)?
        };
        Ok(Self { root, target })
    }

    /// The folder of the workspace's `Cargo.toml`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where the development profile leaves its programs.
    pub(crate) fn programs(&self) -> PathBuf {
        self.target.join("debug")
    }

    /// Where built connectors are put: beside the programs, because `flowforge dev` looks there.
    pub(crate) fn components(&self) -> PathBuf {
        self.programs().join("components")
    }

    /// Where cargo puts its output.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Cargo, in the workspace.
    pub(crate) fn cargo(&self) -> Command {
        let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(program);
        command
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target);
        // Cargo tells this program which package it belongs to. Build scripts of others watch the same names, and would
        // run again, with all that stands on them, whenever cargo was called once from here and once by hand.
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(name);
            }
        }
        command
    }

    /// Cargo as the development profile is built here: the lints run inside the compiler that makes the programs.
    ///
    /// `cargo clippy` would check every dependency a second time, in a form of its own. Release builds take
    /// [`Workspace::cargo`]: for the sake of its lints this compiler leaves some optimisations out.
    pub(crate) fn linting_cargo(&self) -> Command {
        let mut command = self.cargo();
        command.env("RUSTC_WORKSPACE_WRAPPER", LINTING_COMPILER);
        command
    }

    /// Builds these packages and shows how many crates are done.
    pub(crate) fn build(&self, label: &str, selection: &[&str]) -> Result<()> {
        let total = self.crate_count(selection)?;
        let started = Instant::now();
        let line = Line::begin();
        line.update(&format!("      … {label}"));
        let mut cargo = if selection.contains(&"--release") {
            self.cargo()
        } else {
            self.linting_cargo()
        };
        let mut child = cargo
            .args([
                "build",
                "--quiet",
                "--locked",
                "--message-format=json-render-diagnostics",
            ])
            .args(selection)
            .stdout(Stdio::piped())
            .spawn()
            .context("cargo could not be started")?;
        let output = child.stdout.take().context("cargo has no output")?;
        let mut seen = BTreeSet::new();
        for message in BufReader::new(output).lines() {
            let message: Value = serde_json::from_str(&message?).unwrap_or_default();
            if let Some(package) = message.get("package_id").and_then(Value::as_str)
                && seen.insert(package.to_owned())
            {
                let done = seen.len().min(total);
                line.update(&format!("      … {label}   ({done} of {total} crates)"));
            }
        }
        if !child.wait()?.success() {
            bail!("{label} did not build; the messages above say why");
        }
        line.finish(&format!(
            "      ✓ {label}       {}   ({total} of {total} crates)",
            spoken(started.elapsed())
        ));
        Ok(())
    }

    /// How many crates a build compiles when nothing is compiled yet.
    fn crate_count(&self, selection: &[&str]) -> Result<usize> {
        let tests = selection.contains(&"--all-targets");
        let edges = if tests { "normal,build,dev" } else { "normal,build" };
        let output = self
            .cargo()
            .args([
                "tree",
                "--workspace",
                "--locked",
                "--prefix",
                "none",
                "--edges",
                edges,
                "--format",
                "{p}",
            ])
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            bail!("cargo could not resolve the dependencies; the messages above say why");
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let names: BTreeSet<String> = text
            .lines()
            .map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
            .collect();
        Ok(names.len())
    }
}

/// The user's cache folder for this project.
pub(crate) fn cache_folder() -> Result<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set, so there is no place for a cache")?;
    Ok(base.join("flowforge"))
}

fn target_of(root: &Path) -> Result<PathBuf> {
    let metadata = metadata(root, &["--no-deps"])?;
    let target = metadata.get("target_directory").and_then(Value::as_str);
    Ok(PathBuf::from(target.context("cargo names no target directory")?))
}

/// What `cargo metadata` says of the workspace.
pub(crate) fn metadata(root: &Path, flags: &[&str]) -> Result<Value> {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program)
        .current_dir(root)
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(flags)
        .stderr(Stdio::inherit())
        .output()
        .context("cargo could not be started")?;
    if !output.status.success() {
        bail!("cargo metadata failed; the message above says why");
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
