//! The figures that the project promises, each with its aim: whole runs, memory, syncs, sizes.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;
use flowforge_tests::bench::{self, Settings};

/// Measures what the project promises
#[derive(Debug, Parser)]
struct Arguments {
    /// Folder in which other engines are installed; without it there are no ratios
    #[arg(long)]
    peers: Option<PathBuf>,
    /// One pair instead of five, windows of a second, 500 waiting runs
    #[arg(long)]
    quick: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let settings = Settings {
        peers: arguments.peers,
        components: std::env::var_os("FLOWFORGE_COMPONENTS")
            .context("FLOWFORGE_COMPONENTS: cargo xtask bench sets it")?
            .into(),
        quick: arguments.quick,
    };
    let mut missed = 0;
    bench::all(&settings, |figure| {
        missed += usize::from(figure.missed_by() > 0.0);
        println!("{figure}");
    })
    .await?;
    println!("{missed} aims are missed");
    Ok(())
}
