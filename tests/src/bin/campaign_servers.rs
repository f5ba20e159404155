//! The campaign `servers`: two servers on one PostgreSQL are killed at every commit point, hundreds of times, under load.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;
use flowforge_tests::databases;
use flowforge_tests::kills::{self, Settings};
use flowforge_tests::programs::Programs;

/// Kills either of two servers at its commit points and counts what that broke
#[derive(Debug, Parser)]
struct Arguments {
    /// Chooses the points; one seed chooses the same
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many kills
    #[arg(long, default_value_t = 400)]
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
    let database = databases::new().await?;
    let told = |tally: &kills::Tally| eprintln!("{}", tally.progress());
    let programs = Programs::beside_this_one()?;
    let tally = kills::servers::run(programs, &http, folder.path(), &database, &settings, told).await;
    kills::conclude(tally, folder)
}
