//! The standard library for `wasm32-wasip2`: found, added with rustup, or built from the distribution's packages.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::command::{run, tool};
use crate::{BuildError, BuildOptions, Progress, Stage, debian_sysroot};

/// How long rustc may take to say where it lives.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// How cargo reaches the standard library for `wasm32-wasip2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WasmTarget {
    /// The toolchain has it: plain cargo.
    Installed,
    /// This `rustc` has it: a private sysroot out of the distribution's packages.
    Private(PathBuf),
}

impl WasmTarget {
    /// Set what cargo needs.
    pub fn apply(&self, cargo: &mut Command) {
        match self {
            Self::Installed => {}
            Self::Private(rustc) => {
                cargo.env("RUSTC", rustc);
            }
        }
    }
}

/// Make sure that Rust code in `folder` can be compiled for `wasm32-wasip2`.
///
/// # Errors
/// [`BuildError::ToolsMissing`] if the target is neither there nor can be added.
pub fn ensure_wasm_target(
    folder: &Path,
    options: &BuildOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<WasmTarget, BuildError> {
    if is_installed(folder)? {
        return Ok(WasmTarget::Installed);
    }
    progress(Progress {
        stage: Stage::Install,
        detail: "rustup target add wasm32-wasip2".to_owned(),
    });
    let mut rustup = tool("rustup");
    rustup
        .current_dir(folder)
        .args(["target", "add", "wasm32-wasip2"]);
    let added = run("rustup", &mut rustup, "", options.limits.install);
    if added.is_ok_and(|finished| finished.status.success()) && is_installed(folder)? {
        return Ok(WasmTarget::Installed);
    }
    debian_sysroot::rustc(options, progress).map(WasmTarget::Private)
}

/// Whether the toolchain that cargo uses in this folder has the target.
fn is_installed(folder: &Path) -> Result<bool, BuildError> {
    let mut rustc = tool("rustc");
    rustc
        .current_dir(folder)
        .args(["--print", "target-libdir", "--target", "wasm32-wasip2"]);
    let finished = run("rustc", &mut rustc, "", ANSWER_LIMIT)?;
    let library = Path::new(finished.stdout.trim());
    let found = std::fs::read_dir(library).map(|entries| {
        entries
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
    });
    Ok(finished.status.success() && found.unwrap_or(false))
}
