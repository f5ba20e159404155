//! The campaign `failover`: one of two hosts stands still for longer than its leases, hundreds of times, under load.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;
use flowforge_tests::kills::{self, Settings};
use flowforge_tests::programs::Programs;

/// Stops one of two hosts for longer than its leases, continues it, and counts what that broke
#[derive(Debug, Parser)]
struct Arguments {
    /// Chooses hosts and moments; one seed chooses the same
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How often a host is stopped
    #[arg(long, default_value_t = 200)]
    budget: u64,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let components = std::env::var("FLOWFORGE_COMPONENTS")
        .context("FLOWFORGE_COMPONENTS: cargo xtask campaign sets it")?;
    let http = Path::new(&components).join("flowforge.http.wasm");
    let folder = tempfile::tempdir()?;
    let settings = Settings::of(arguments.budget, arguments.seed);
    let told = |stops, moved| eprintln!("{stops} stops, {moved} runs moved");
    let programs = Programs::beside_this_one()?;
    let moves = kills::failover::run(programs, &http, folder.path(), None, &settings, told).await;
    kills::conclude(moves, folder)
}
