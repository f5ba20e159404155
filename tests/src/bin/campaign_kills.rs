//! The campaign `kills`: both planes are killed at every commit point, thousands of times, under load.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;
use flowforge_tests::kills::{self, Settings};
use flowforge_tests::programs::Programs;

/// Kills control plane and host at their commit points and counts what that broke
#[derive(Debug, Parser)]
struct Arguments {
    /// Chooses the points; one seed chooses the same
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many kills
    #[arg(long, default_value_t = 2_000)]
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
    let tally = kills::run(
        Programs::beside_this_one()?,
        &http,
        folder.path(),
        &settings,
        |tally| eprintln!("{}", tally.progress()),
    )
    .await;
    kills::conclude(tally, folder)
}
