//! Which tools the build needs, whether this machine has them, and how to get the missing ones here.
//!
//! Everything is looked at before anything is said, so that a person installs once and not five times.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::Result;

use crate::workspace::{LINTING_COMPILER, Workspace};

const RUST_AT_LEAST: (u32, u32) = (1, 95);
/// What the build of the interface needs; connectors would do with any 20.
const NODE_AT_LEAST: (u32, u32) = (20, 19);
const PYTHON_AT_LEAST: (u32, u32) = (3, 10);
/// The oldest PostgreSQL that the store works on.
pub(crate) const POSTGRES_AT_LEAST: u32 = 15;
/// Where Debian keeps the programs of each version of it.
const DEBIAN_POSTGRES: &str = "/usr/lib/postgresql";

/// The wasm target of Rust connectors.
const WASM_TARGET: &str = "wasm32-wasip2";
/// What the Debian way needs where rustup cannot give the target.
const DEBIAN_WASM: &str =
    "rustc-web cargo-web rust-web-src wasi-libc lld-22 clang-22 libclang-rt-22-dev-wasm32";

/// The result of looking.
pub(crate) struct Survey {
    found: Vec<String>,
    missing: Vec<String>,
}

impl Survey {
    /// The tools that are there, in one line.
    pub(crate) fn summary(&self) -> String {
        self.found.join(" · ")
    }

    /// Prints everything that is missing, each with its command. Says whether all is well.
    pub(crate) fn report(&self) -> bool {
        for problem in &self.missing {
            eprintln!("✗ {problem}");
        }
        if !self.missing.is_empty() {
            eprintln!("(nothing was changed)");
        }
        self.missing.is_empty()
    }
}

/// `cargo xtask setup`.
pub(crate) fn setup() -> Result<ExitCode> {
    let survey = survey();
    if !survey.report() {
        return Ok(ExitCode::from(2));
    }
    let workspace = Workspace::find()?;
    add_wasm_target();
    println!("✓ {}", survey.summary());
    let fetched = workspace.cargo().args(["fetch", "--locked"]).status()?;
    if !fetched.success() {
        return Ok(ExitCode::FAILURE);
    }
    println!("✓ dependencies fetched · next: cargo xtask demo");
    Ok(ExitCode::SUCCESS)
}

/// Looks at everything and changes nothing.
pub(crate) fn survey() -> Survey {
    let system = System::detect();
    let mut survey = Survey {
        found: Vec::new(),
        missing: Vec::new(),
    };
    rust(&mut survey);
    wasm(&mut survey, system);
    node(&mut survey, system);
    python(&mut survey, system);
    c_compiler(&mut survey, system);
    survey
}

/// Looks at what the tests need besides: a Chromium, which drives the interface, a PostgreSQL, which the store is tested
/// on, and the programs that the registry is compared with. On Debian, where that can be done without asking anybody, they
/// are installed.
pub(crate) fn survey_for_tests() -> Survey {
    let mut survey = survey();
    let absent: Vec<&str> = [
        (missing_browser().is_some(), "chromium"),
        (postgres_programs().is_none(), "postgresql"),
        (!answers("skopeo", &["--version"]), "skopeo"),
        (!answers("docker-registry", &["--version"]), "docker-registry"),
    ]
    .into_iter()
    .filter_map(|(is_missing, package)| is_missing.then_some(package))
    .collect();
    if survey.missing.is_empty() && !absent.is_empty() && System::detect() == System::Debian && is_root() {
        install(&absent);
    }
    match missing_browser() {
        Some(missing) => survey.missing.push(missing),
        None => survey.found.push("chromium".to_owned()),
    }
    if postgres_programs().is_some() {
        survey.found.push("postgresql".to_owned());
    } else {
        survey.missing.push(format!(
            "no PostgreSQL {POSTGRES_AT_LEAST} or later, which the store is tested on: {}",
            System::detect().install("postgresql", "postgresql-server", "postgresql", "postgresql@15")
        ));
    }
    for program in ["skopeo", "docker-registry"] {
        if answers(program, &["--version"]) {
            survey.found.push(program.to_owned());
        } else {
            survey.missing.push(format!(
                "no {program}, which the registry is tested with: {}",
                System::detect().install(program, program, program, program)
            ));
        }
    }
    survey
}

fn install(packages: &[&str]) {
    println!("installing {}, which the tests need", packages.join(" and "));
    let update = ["update", "-qq"];
    let install = ["install", "-y", "-qq", "--no-install-recommends"];
    for words in [&update[..], &[&install[..], packages].concat()] {
        let _ = Command::new("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status();
    }
}

/// The folder of the newest PostgreSQL programs that are new enough.
pub(crate) fn postgres_programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir(DEBIAN_POSTGRES).into_iter().flatten().flatten();
    let number = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let installed = versions
        .map(|entry| entry.path())
        .filter_map(|path| Some((number(&path)?, path)));
    let newest = installed
        .filter(|(version, _)| *version >= POSTGRES_AT_LEAST)
        .max();
    let of_debian = newest.map(|(_, path)| path.join("bin"));
    of_debian
        .filter(|path| path.join("initdb").is_file())
        .or_else(|| {
            let path = std::env::var_os("PATH")?;
            let mut folders = std::env::split_paths(&path);
            folders.find(|folder| {
                folder.join("initdb").is_file()
                    && answers(&folder.join("pg_ctl").to_string_lossy(), &["--version"])
            })
        })
}

/// What to do about the Chromium that is not there.
pub(crate) fn missing_browser() -> Option<String> {
    let program = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
    if answers(&program, &["--version"]) {
        return None;
    }
    let command = System::detect().install("chromium", "chromium", "chromium", "chromium");
    Some(format!(
        "no Chromium at {program}: {command}, or name another with CHROMIUM=/path"
    ))
}

/// Whether this user may install packages.
pub(crate) fn is_root() -> bool {
    let Ok(output) = Command::new("id").arg("-u").output() else {
        return false;
    };
    output.stdout.trim_ascii() == b"0"
}

/// Adds the wasm target where rustup can; where it cannot, the connector build uses the distribution's.
pub(crate) fn add_wasm_target() {
    if has_wasm_target() || !answers("rustup", &["--version"]) {
        return;
    }
    let added = Command::new("rustup")
        .args(["target", "add", WASM_TARGET])
        .stderr(Stdio::null())
        .status();
    if !added.is_ok_and(|status| status.success()) {
        println!(
            "      {WASM_TARGET} cannot be fetched here; Rust connectors are built with the distribution's packages"
        );
    }
}

fn rust(survey: &mut Survey) {
    let (major, minor) = RUST_AT_LEAST;
    match version("rustc", &["--version"]) {
        Some(found) if found >= RUST_AT_LEAST => survey.found.push(format!("rustc {}.{}", found.0, found.1)),
        Some(found) => survey.missing.push(format!(
            "rustc {}.{} is too old, {major}.{minor} is needed: rustup update stable",
            found.0, found.1
        )),
        None => survey.missing.push("no rustc: see https://rustup.rs".to_owned()),
    }
    for (program, component) in [(LINTING_COMPILER, "clippy"), ("rustfmt", "rustfmt")] {
        if !answers(program, &["--version"]) {
            survey
                .missing
                .push(format!("no {component}: rustup component add {component}"));
        }
    }
}

fn wasm(survey: &mut Survey, system: System) {
    if has_wasm_target() || answers("rustup", &["--version"]) || Path::new("/usr/lib/wasm32-wasi").is_dir() {
        survey.found.push(WASM_TARGET.to_owned());
    } else {
        let command = match system {
            System::Debian => format!("apt install {DEBIAN_WASM}"),
            _ => format!("install rustup (https://rustup.rs), then rustup target add {WASM_TARGET}"),
        };
        survey
            .missing
            .push(format!("no {WASM_TARGET} target for Rust: {command}"));
    }
}

fn node(survey: &mut Survey, system: System) {
    match version("node", &["--version"]) {
        Some(found) if found >= NODE_AT_LEAST => {
            survey.found.push(format!("node {}.{}", found.0, found.1));
            if !answers("npm", &["--version"]) {
                survey
                    .missing
                    .push(format!("no npm: {}", system.install("npm", "npm", "npm", "npm")));
            }
        }
        Some(found) => survey.missing.push(format!(
            "node {}.{} is too old, {}.{} is needed: see https://nodejs.org/en/download",
            found.0, found.1, NODE_AT_LEAST.0, NODE_AT_LEAST.1
        )),
        None => survey.missing.push(format!(
            "no node: {}",
            system.install("nodejs npm", "nodejs npm", "nodejs npm", "node")
        )),
    }
}

fn python(survey: &mut Survey, system: System) {
    match version("python3", &["--version"]) {
        Some(found) if found >= PYTHON_AT_LEAST => {
            survey.found.push(format!("python {}.{}", found.0, found.1));
            if !answers("python3", &["-c", "import venv, ensurepip"]) {
                survey.missing.push(format!(
                    "python3 cannot make a virtual environment: {}",
                    system.install("python3-venv", "python3", "python", "python3")
                ));
            }
        }
        Some(found) => survey.missing.push(format!(
            "python {}.{} is too old, {}.{} is needed: see https://www.python.org/downloads",
            found.0, found.1, PYTHON_AT_LEAST.0, PYTHON_AT_LEAST.1
        )),
        None => survey.missing.push(format!(
            "no python3: {}",
            system.install("python3 python3-venv", "python3", "python", "python3")
        )),
    }
}

fn c_compiler(survey: &mut Survey, system: System) {
    let program = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    if answers(&program, &["--version"]) {
        survey.found.push("cc".to_owned());
    } else {
        let command = match system {
            System::Mac => "xcode-select --install".to_owned(),
            _ => system.install("build-essential", "gcc", "base-devel", "gcc"),
        };
        survey.missing.push(format!("no C compiler: {command}"));
    }
}

fn has_wasm_target() -> bool {
    let Ok(output) = Command::new("rustc").args(["--print", "sysroot"]).output() else {
        return false;
    };
    let sysroot = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    sysroot.join("lib/rustlib").join(WASM_TARGET).join("lib").is_dir()
}

/// Which package manager this machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum System {
    Debian,
    Fedora,
    Arch,
    Mac,
    Other,
}

impl System {
    fn detect() -> Self {
        let has = |program: &str| answers(program, &["--version"]);
        if cfg!(target_os = "macos") {
            Self::Mac
        } else if has("apt-get") {
            Self::Debian
        } else if has("dnf") {
            Self::Fedora
        } else if has("pacman") {
            Self::Arch
        } else {
            Self::Other
        }
    }

    /// The command that installs a package, under the name that each system gives it.
    fn install(self, debian: &str, fedora: &str, arch: &str, mac: &str) -> String {
        match self {
            Self::Debian => format!("apt install {debian}"),
            Self::Fedora => format!("dnf install {fedora}"),
            Self::Arch => format!("pacman -S {arch}"),
            Self::Mac => format!("brew install {mac}"),
            Self::Other => format!("install `{debian}` with this system's package manager"),
        }
    }
}

/// Whether a program can be run with these arguments and says yes.
pub(crate) fn answers(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Major and minor version that a program reports.
fn version(program: &str, arguments: &[&str]) -> Option<(u32, u32)> {
    let output = Command::new(program)
        .args(arguments)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    parse_version(&String::from_utf8_lossy(&output.stdout))
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let mut numbers = text.get(start..)?.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_the_programs_print() {
        assert_eq!(
            parse_version("rustc 1.95.0 (59807616e 2026-04-14)"),
            Some((1, 95))
        );
        assert_eq!(parse_version("v20.20.1"), Some((20, 20)));
        assert_eq!(parse_version("Python 3.11.2"), Some((3, 11)));
        assert_eq!(parse_version("no version"), None);
    }

    #[test]
    fn the_command_is_the_systems_own() {
        let command = |system: System| system.install("build-essential", "gcc", "base-devel", "gcc");
        assert_eq!(command(System::Debian), "apt install build-essential");
        assert_eq!(command(System::Arch), "pacman -S base-devel");
        assert!(command(System::Other).contains("build-essential"));
    }
}
