//! The campaign `registry-clients`: `wkg`, built from its package, pulls from our registry and pushes to it.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use flowforge_tests::planes::Planes;
use flowforge_tests::programs::Programs;
use serde_json::Value;

/// The version that this was written against.
const WKG: &str = "0.16.1";

/// Runs `wkg` against a registry of its own
#[derive(Debug, Parser)]
struct Arguments {
    /// Takes this `wkg` instead of building one
    #[arg(long, value_name = "FILE", env = "FLOWFORGE_WKG")]
    wkg: Option<PathBuf>,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let components = std::env::var("FLOWFORGE_COMPONENTS")
        .context("FLOWFORGE_COMPONENTS: cargo xtask campaign sets it")?;
    let programs = Programs::beside_this_one()?;
    let wkg = match arguments.wkg {
        Some(wkg) => wkg,
        None => build_wkg(&programs.path("../registry-clients/wkg"))?,
    };
    let folder = tempfile::tempdir()?;
    let planes = Planes::start(programs, folder.path(), "host")?;
    let address = planes.api().context().server.replace("http://", "");
    let client = Wkg::new(wkg, folder.path(), &address)?;
    let http = Path::new(&components).join("flowforge.http.wasm");
    let convert = Path::new(&components).join("flowforge.convert.wasm");

    println!("| step | result |\n|---|---|");
    planes
        .flowforge()
        .json(&["connector", "publish", &http.to_string_lossy()])?;
    same(&client.get("flowforge:http@0.1.0")?, &http)?;
    println!("| `wkg get flowforge:http@0.1.0`, published by us | the same bytes |");
    same(&client.get("flowforge:http")?, &http)?;
    println!("| `wkg get flowforge:http`: the newest by the list of tags | the same bytes |");
    let unknown = client.run(&["get", "flowforge:none"])?;
    ensure!(
        !unknown.status.success(),
        "`wkg get` of a connector that is not there succeeded"
    );
    println!("| `wkg get flowforge:none` | refused |");

    let place = format!("{address}/flowforge/convert:0.1.0");
    client.done(&[
        "oci",
        "push",
        "--insecure",
        &address,
        &place,
        &convert.to_string_lossy(),
    ])?;
    ensure!(
        listed(&planes, "flowforge:convert")?.is_empty(),
        "what nobody signed is listed"
    );
    println!("| `wkg oci push` of a component | taken, and listed nowhere until it is signed |");
    planes
        .flowforge()
        .json(&["connector", "publish", &convert.to_string_lossy()])?;
    same(&client.get("flowforge:convert@0.1.0")?, &convert)?;
    println!("| signed by its publisher, then `wkg get` | the same bytes |");

    planes.flowforge().json(&[
        "connector",
        "yank",
        "flowforge:http@0.1.0",
        "--reason",
        "a campaign",
    ])?;
    same(&client.get("flowforge:http@0.1.0")?, &http)?;
    let newest = client.run(&["get", "flowforge:http"])?;
    ensure!(
        !newest.status.success(),
        "a withdrawn version was found by the list of tags"
    );
    println!("| a withdrawn version | got by its number, found by no list |");

    let published = client.run(&[
        "publish",
        &http.to_string_lossy(),
        "--package",
        "flowforge:http@0.1.0",
    ])?;
    let said = String::from_utf8_lossy(&published.stderr).into_owned();
    let first = said.lines().next().unwrap_or_default().to_owned();
    println!(
        "| `wkg publish` of a component, `--package` given (wkg {WKG}) | {} {first} |",
        published.status
    );
    planes.stop()?;
    Ok(ExitCode::SUCCESS)
}

fn build_wkg(root: &Path) -> Result<PathBuf> {
    let program = root.join("bin/wkg");
    if !program.is_file() {
        eprintln!("building wkg {WKG}; this takes minutes");
        let built = Command::new("cargo")
            .args([
                "install",
                "wkg",
                "--locked",
                "--debug",
                "--version",
                WKG,
                "--root",
            ])
            .arg(root)
            .env("CARGO_TARGET_DIR", root.join("target"))
            .env_remove("RUSTC_WORKSPACE_WRAPPER")
            .status()?;
        ensure!(built.success(), "wkg {WKG} could not be built");
    }
    Ok(program)
}

fn listed(planes: &Planes, name: &str) -> Result<Vec<String>> {
    let found = planes.flowforge().json(&["connector", "list"])?;
    let names = found
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|found| found.get("name").and_then(Value::as_str));
    Ok(names.filter(|found| *found == name).map(str::to_owned).collect())
}

fn same(found: &Path, expected: &Path) -> Result<()> {
    ensure!(
        std::fs::read(found)? == std::fs::read(expected)?,
        "{} is not {}",
        found.display(),
        expected.display()
    );
    Ok(())
}

/// `wkg` with a folder of its own.
struct Wkg {
    program: PathBuf,
    folder: PathBuf,
}

impl Wkg {
    fn new(program: PathBuf, folder: &Path, address: &str) -> Result<Self> {
        let config = format!(
            "default_registry = \"{address}\"\n[registry.\"{address}\"]\ntype = \"oci\"\n[registry.\"{address}\".oci]\n\
             protocol = \"http\"\n"
        );
        std::fs::write(folder.join("wkg.toml"), config)?;
        Ok(Self {
            program,
            folder: folder.to_owned(),
        })
    }

    fn run(&self, arguments: &[&str]) -> Result<Output> {
        let output = Command::new(&self.program)
            .args(arguments)
            .current_dir(&self.folder)
            .env("HOME", &self.folder)
            .env("WKG_CACHE_DIR", self.folder.join("cache"))
            .env("WKG_CONFIG_FILE", self.folder.join("wkg.toml"))
            .env("RUST_BACKTRACE", "0")
            .output();
        output.with_context(|| format!("cannot start {}", self.program.display()))
    }

    fn done(&self, arguments: &[&str]) -> Result<()> {
        let output = self.run(arguments)?;
        if output.status.success() {
            return Ok(());
        }
        bail!(
            "wkg {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        )
    }

    fn get(&self, package: &str) -> Result<PathBuf> {
        self.done(&[
            "get",
            package,
            "--format",
            "wasm",
            "--overwrite",
            "--output",
            "./got.wasm",
        ])?;
        Ok(self.folder.join("got.wasm"))
    }
}
