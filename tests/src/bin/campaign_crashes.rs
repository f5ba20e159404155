//! The campaign `crashes`: the power is cut at every place of the journal's writing, and each image is opened.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use flowforge_journal::testing::{CrashReport, crash_images, planted_bugs_are_caught};

/// How often progress is told.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// Cuts the power while the journal writes, opens what the disk may hold then, and compares it with what was confirmed
#[derive(Debug, Parser)]
#[command(after_help = "\
Exits with 0 if nothing was lost, with 1 if something was or the time was too short, with 2 if it was not understood.

Example: campaign_crashes --seed 7 --images 20000")]
struct Arguments {
    /// Seed of the first workload; one seed makes the same images
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many images
    #[arg(long, value_name = "N", alias = "budget", default_value_t = 500_000)]
    images: u64,
    /// Ends after so many minutes; fewer images than were asked for are no success
    #[arg(long, value_name = "N", default_value_t = 60)]
    minutes: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let begun = Instant::now();
    let time = Duration::from_secs(arguments.minutes.saturating_mul(60));
    let mut told = begun;
    let report = crash_images(arguments.images, arguments.seed, |report| {
        if told.elapsed() >= TOLD_EVERY {
            told = Instant::now();
            tell(report, arguments.images, begun.elapsed());
        }
        begun.elapsed() < time
    });
    // A campaign that would not notice anything proves nothing.
    let notices = planted_bugs_are_caught(arguments.seed);
    print(&arguments, &report, notices, begun.elapsed());
    let is_whole = report.all() >= arguments.images;
    if report.violations.is_empty() && is_whole && notices {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn tell(report: &CrashReport, wanted: u64, elapsed: Duration) {
    eprintln!(
        "{} of {wanted} images, {} a second, {} workloads",
        report.all(),
        a_second(report.all(), elapsed),
        report.workloads
    );
}

fn a_second(images: u64, elapsed: Duration) -> u128 {
    u128::from(images) * 1_000 / elapsed.as_millis().max(1)
}

fn print(arguments: &Arguments, report: &CrashReport, notices: bool, elapsed: Duration) {
    let outcome = |clean: &'static str, found: &'static str| {
        if report.violations.is_empty() {
            clean
        } else {
            found
        }
    };
    println!(
        "seed {}, {} workloads, {} images a second\n",
        arguments.seed,
        report.workloads,
        a_second(report.all(), elapsed)
    );
    println!("| images | {} of {} |\n|---|---|", report.all(), arguments.images);
    println!(
        "| lost, halved, unopenable or said to be lost | {} |",
        outcome("0", "FOUND, see below")
    );
    println!(
        "| held the commit that was under way | {} |",
        report.with_the_commit_under_way
    );
    println!("| held the last confirmed one | {} |", report.without_it);
    println!(
        "| cut inside the recovery of another | {} |",
        report.inside_recovery
    );
    println!("| compactions in the workloads | {} |", report.compactions);
    println!(
        "| planted: every 7th sync lost; confirmed before the commit | {} |",
        if notices { "both caught" } else { "NOT CAUGHT" }
    );
    println!("\n| what the cut left | images |\n|---|---|");
    for (fault, images) in &report.faults {
        println!("| {fault} | {images} |");
    }
    for violation in &report.violations {
        println!("\n{violation}");
    }
}
