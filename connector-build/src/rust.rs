//! Rust connectors: plain cargo, one target folder for all of them.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::build::{Compiled, Job};
use crate::cache::lock;
use crate::command::{run, tool};
use crate::{BuildError, BuildOptions, Diagnostic, Stage, ensure_wasm_target};

/// Compile the crate in the job's folder. Cargo itself knows what is fresh.
pub(crate) fn compile(job: &mut Job<'_>) -> Result<Compiled, BuildError> {
    let (folder, options) = (job.folder, job.options);
    let target = ensure_wasm_target(folder, options, job.progress)?;
    job.tell(Stage::Compile, "cargo build --release --target wasm32-wasip2");
    let target_dir = options.cache_dir.join(if options.anew {
        "rust-target-anew"
    } else {
        "rust-target"
    });
    let mut cargo = tool("cargo");
    cargo
        .current_dir(folder)
        .args([
            "build",
            "--release",
            "--target",
            "wasm32-wasip2",
            "--message-format",
            "json",
        ])
        .arg("--target-dir")
        .arg(&target_dir)
        .args(without_home());
    target.apply(&mut cargo);
    // Crates of one name in two folders leave their components under one path: nobody else builds before this one is read.
    let _lock = lock(&options.cache_dir, "rust-target")?;
    if options.anew {
        forget(folder, &target_dir, options)?;
    }
    let finished = run("cargo", &mut cargo, "", options.limits.compile)?;
    let messages: Vec<Message> = finished
        .stdout
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    if !finished.status.success() {
        let found: Vec<Diagnostic> = messages
            .iter()
            .filter_map(|message| message.diagnostic(folder))
            .collect();
        return Err(match native_code(folder, &finished.stderr) {
            Some(native) if found.is_empty() => BuildError::Source(vec![native]),
            _ if found.is_empty() => finished.failure("cargo build"),
            _ => BuildError::Source(found),
        });
    }
    let manifest = folder.join("Cargo.toml");
    let artifact = messages
        .iter()
        .rev()
        .find_map(|message| message.component(&manifest));
    let Some((path, fresh)) = artifact else {
        return Err(BuildError::Source(vec![Diagnostic {
            file: "Cargo.toml".to_owned(),
            line: 0,
            column: 0,
            code: Some("FF-BLD-008".to_owned()),
            message: "the crate makes no component".to_owned(),
            mend: Some("add [lib] with crate-type = [\"cdylib\"]".to_owned()),
        }]));
    };
    Ok(Compiled {
        component: fs::read(&path).map_err(BuildError::io("cannot read", &path))?,
        cached: fresh,
    })
}

/// Has cargo forget what it made of this crate. The crates that it takes stay compiled.
fn forget(folder: &Path, target_dir: &Path, options: &BuildOptions) -> Result<(), BuildError> {
    let manifest = fs::read_to_string(folder.join("Cargo.toml"))
        .map_err(BuildError::io("cannot read", &folder.join("Cargo.toml")))?;
    let name = toml::from_str::<toml::Table>(&manifest)
        .ok()
        .and_then(|table| Some(table.get("package")?.get("name")?.as_str()?.to_owned()));
    let mut cargo = tool("cargo");
    cargo
        .current_dir(folder)
        .args(["clean", "--release", "--target", "wasm32-wasip2", "--target-dir"])
        .arg(target_dir)
        .args(name.iter().flat_map(|name| ["--package", name.as_str()]));
    let finished = run("cargo", &mut cargo, "", options.limits.compile)?;
    if finished.status.success() {
        Ok(())
    } else {
        Err(finished.failure("cargo clean"))
    }
}

/// A crate whose build script failed: nearly always one that compiles C for the machine that it is built on. Its place is
/// the line of `Cargo.toml` that names it; crates of crates have none.
fn native_code(folder: &Path, said: &str) -> Option<Diagnostic> {
    let (_, rest) = said.split_once("failed to run custom build command for `")?;
    let name = rest.split([' ', '`']).next()?;
    let text = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    let is_named = |line: &str| {
        line.split('=')
            .next()
            .is_some_and(|key| key.trim().trim_matches('"') == name)
    };
    let line = text
        .lines()
        .position(is_named)
        .map_or(0, |at| at.saturating_add(1));
    let reason = said
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    Some(Diagnostic {
        file: "Cargo.toml".to_owned(),
        line,
        column: 0,
        code: Some("FF-BLD-011".to_owned()),
        message: format!("the build script of crate {name} failed: {}", reason.trim()),
        mend: Some(
            "native code cannot run in a connector: take a crate that is written in Rust only, or leave out the feature \
             that needs another compiler"
                .to_owned(),
        ),
    })
}

/// A component must not tell its users where its author's libraries lie: cargo's home becomes `/cargo` in the places that
/// panics name. Added to the flags of the author's own configuration; `RUSTFLAGS`, where it is set, replaces both.
fn without_home() -> Vec<String> {
    let set = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = set.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
    let Some(home) = home.as_deref().and_then(Path::to_str) else {
        return Vec::new();
    };
    // A JSON text is also a TOML text.
    let flag = serde_json::Value::from(format!("--remap-path-prefix={home}=/cargo"));
    vec![
        "--config".to_owned(),
        format!("target.wasm32-wasip2.rustflags=[{flag}]"),
    ]
}

/// One line of cargo's JSON. Source: the Cargo book, External tools.
#[derive(Deserialize)]
#[serde(tag = "reason")]
enum Message {
    #[serde(rename = "compiler-artifact")]
    Artifact {
        manifest_path: PathBuf,
        #[serde(default)]
        filenames: Vec<PathBuf>,
        fresh: bool,
    },
    #[serde(rename = "compiler-message")]
    Compiler { message: Rendered },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Rendered {
    message: String,
    level: String,
    #[serde(default)]
    code: Option<Code>,
    #[serde(default)]
    spans: Vec<Span>,
    #[serde(default)]
    rendered: Option<String>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
struct Span {
    file_name: String,
    line_start: usize,
    column_start: usize,
    is_primary: bool,
}

impl Message {
    /// The component that the crate with this manifest made, and whether it was fresh.
    fn component(&self, manifest: &Path) -> Option<(PathBuf, bool)> {
        let Self::Artifact {
            manifest_path,
            filenames,
            fresh,
        } = self
        else {
            return None;
        };
        let same =
            manifest_path == manifest || fs::canonicalize(manifest_path).is_ok_and(|path| path == manifest);
        let file = filenames
            .iter()
            .find(|file| file.extension().is_some_and(|ext| ext == "wasm"))?;
        same.then(|| (file.clone(), *fresh))
    }

    /// A compiler's error; its sentence is followed by the compiler's own picture of the place.
    fn diagnostic(&self, folder: &Path) -> Option<Diagnostic> {
        let Self::Compiler { message } = self else {
            return None;
        };
        if message.level != "error" {
            return None;
        }
        let span = message.spans.iter().find(|span| span.is_primary)?;
        // Cargo names files from the root of the workspace; authors think from the connector's folder.
        let name = Path::new(&span.file_name);
        let inside = folder.ancestors().find_map(|root| {
            root.join(name)
                .strip_prefix(folder)
                .ok()
                .filter(|path| folder.join(path).is_file())
                .map(Path::to_owned)
        });
        Some(Diagnostic {
            file: inside.as_deref().unwrap_or(name).display().to_string(),
            line: span.line_start,
            column: span.column_start,
            code: message.code.as_ref().map(|code| code.code.clone()),
            message: message
                .rendered
                .as_ref()
                .map_or(&message.message, |text| text)
                .trim_end()
                .to_owned(),
            mend: None,
        })
    }
}
