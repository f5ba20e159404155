//! The campaign `servers`: two servers on one PostgreSQL are killed at every commit point, hundreds of times, under load.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use flowforge_tests::databases;
use flowforge_tests::kills::{self, Sitting};

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
    let sitting = Sitting::begin(arguments.budget, arguments.seed)?;
    let database = databases::new().await?;
    let told = |tally: &kills::Tally| eprintln!("{}", tally.progress());
    let programs = sitting.programs.clone();
    let tally = kills::servers::run(
        programs,
        &sitting.http,
        sitting.folder(),
        &database,
        &sitting.settings,
        told,
    )
    .await;
    sitting.conclude(tally)
}
