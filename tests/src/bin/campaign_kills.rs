//! The campaign `kills`: both planes are killed at every commit point, thousands of times, under load.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use flowforge_tests::kills::{self, Sitting};

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
    let sitting = Sitting::begin(arguments.budget, arguments.seed)?;
    let told = |tally: &kills::Tally| eprintln!("{}", tally.progress());
    let programs = sitting.programs.clone();
    let tally = kills::run(programs, &sitting.http, sitting.folder(), &sitting.settings, told).await;
    sitting.conclude(tally)
}
