//! `cargo xtask`: the commands that the README names and CI runs.
//!
//! Owns: which tools a machine needs, in which order things are built, what counts as checked. Leaves to others: how a
//! connector is built (`flowforge connector build`), what the demo does once everything is built (the demo driver in
//! `tests/`). Invariant: a command that stops because a tool is missing has changed nothing.

use std::process::ExitCode;

use anyhow::{Result, bail};

mod bench;
mod build;
mod campaign;
mod clients;
mod codes;
mod demo;
mod deny;
mod direction;
mod install;
mod limits;
mod machine;
mod parity;
mod postgres;
mod progress;
mod rooms;
mod rust_text;
mod tests;
mod tidy;
mod tools;
mod ui;
mod workspace;

const HELP: &str = "\
Usage: cargo xtask COMMAND

Commands:
  setup            check the tools, fetch what the build needs beside them
  build            build the interface, flowforge, flowforge-host and the first-party connectors
  demo [--keep]    build everything and show the main job; --keep leaves it running
  test             format, lints, tidy, licences, connectors, interface, all tests: what CI runs
  bench [--quick]  measure this machine: steps, commits, whole runs
  campaign NAME    proofs that take longer than a test may: kills, crashes, fuzzing
  install          put flowforge and flowforge-host on the path
  limits           write docs/limits.md from the constants of the code
  postgres -- CMD  run a command beside a PostgreSQL for tests
  clients -- CMD   run a command beside the clients that the registry is tested with
  tidy             check the rules of the tree that no other tool checks
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<ExitCode> {
    let Some((command, flags)) = words.split_first() else {
        print!("{HELP}");
        return Ok(ExitCode::from(2));
    };
    match *command {
        "setup" => only(flags, &[], tools::setup),
        "build" => only(flags, &[], build::command),
        "demo" => only(flags, &["--keep"], || demo::command(flags)),
        "test" => only(flags, &[], tests::command),
        "bench" => only(flags, &["--quick"], || bench::command(flags)),
        "campaign" => campaign::command(flags),
        "install" => only(flags, &["--debug"], || install::command(flags)),
        "limits" => only(flags, &[], limits::command),
        "postgres" => postgres::command(flags),
        "clients" => clients::command(flags),
        "tidy" => only(flags, &[], tidy::command),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        other => {
            eprint!("xtask: there is no command `{other}`\n\n{HELP}");
            Ok(ExitCode::from(2))
        }
    }
}

/// Runs the command if every flag is one that it knows.
fn only(flags: &[&str], known: &[&str], command: impl FnOnce() -> Result<ExitCode>) -> Result<ExitCode> {
    if let Some(flag) = flags.iter().find(|flag| !known.contains(flag)) {
        bail!("`{flag}` is not understood here; `cargo xtask help` lists what is");
    }
    command()
}
