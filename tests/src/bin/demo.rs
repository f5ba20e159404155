//! The demo from its third step on: `cargo xtask demo` has checked the tools and built everything.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use flowforge_tests::demo::{self, Settings};

/// Starts both planes, publishes, runs, crashes, checks.
#[derive(Debug, Parser)]
struct Arguments {
    /// Folder of the built programs
    #[arg(long)]
    programs: PathBuf,
    /// Folder of the built connectors
    #[arg(long)]
    components: PathBuf,
    /// Folder for everything that the demo writes; emptied first
    #[arg(long)]
    data_dir: PathBuf,
    /// Leave everything running until Ctrl-C
    #[arg(long)]
    keep: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let settings = Settings {
        programs: arguments.programs,
        components: arguments.components,
        data: arguments.data_dir,
        keep: arguments.keep,
    };
    match demo::run(&settings).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}
