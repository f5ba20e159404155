//! The campaign `failover`: one of two hosts stands still for longer than its leases, hundreds of times, under load.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use flowforge_tests::kills::{self, Sitting};

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
    let sitting = Sitting::begin(arguments.budget, arguments.seed)?;
    let told = |stops, moved| eprintln!("{stops} stops, {moved} runs moved");
    let programs = sitting.programs.clone();
    let moves = kills::failover::run(
        programs,
        &sitting.http,
        sitting.folder(),
        None,
        &sitting.settings,
        told,
    )
    .await;
    sitting.conclude(moves)
}
