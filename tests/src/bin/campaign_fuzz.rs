//! The campaign `fuzz`: every parser that meets foreign bytes, ten minutes each.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use flowforge_tests::fuzz::{BODIES, Body, Budget, fuzz};

/// Feeds damaged inputs to every parser that meets foreign bytes
#[derive(Debug, Parser)]
struct Arguments {
    /// Makes the inputs; one seed makes the same
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seconds for each body
    #[arg(long, default_value_t = 600)]
    budget: u64,
    /// Only these bodies
    #[arg(long)]
    body: Vec<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    println!(
        "seed {}\n\n| body | inputs | accepted | took |\n|---|---|---|---|",
        arguments.seed
    );
    let mut finds = Vec::new();
    let chosen =
        |body: &&Body| arguments.body.is_empty() || arguments.body.iter().any(|name| name == body.name);
    for body in BODIES.iter().filter(chosen) {
        let begun = Instant::now();
        match fuzz(
            body,
            arguments.seed,
            Budget::Time(Duration::from_secs(arguments.budget)),
        ) {
            Ok(done) => println!(
                "| {} | {} | {} | {} s |",
                body.name,
                done.inputs,
                done.accepted,
                begun.elapsed().as_secs()
            ),
            Err(find) => {
                println!("| {} | FOUND | | {} s |", body.name, begun.elapsed().as_secs());
                finds.push(find);
            }
        }
    }
    for find in &finds {
        println!("\n{find}");
    }
    if finds.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
