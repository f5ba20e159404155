//! How often both programs ask the disk to keep something, for one run.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use tokio::time::sleep;

use super::fixture::Fixture;
use super::flowforge::{Bench, ten_effects};
use super::{Aim, Figure, Settings};
use crate::programs::Running;

/// Runs that are counted, one after the other.
const RUNS: usize = 20;
/// How long the tracer may take to attach, and how long uploads may take to settle.
const SETTLE: Duration = Duration::from_secs(2);

/// Syncs of a run of ten effects, in both programs together.
pub(super) async fn of_ten_effects(settings: &Settings) -> Result<Figure> {
    let fixture = Fixture::start().await?;
    let bench = Bench::start(settings).await?;
    bench.connector("flowforge.http")?;
    bench.workflow("ten-effects", &ten_effects(fixture.url()))?;
    run(&bench).await?;
    sleep(SETTLE).await;
    let counted = bench.planes.data().join("syncs");
    let mut tracer = Command::new("strace");
    tracer.args([
        "-f",
        "-c",
        "-e",
        "trace=fdatasync,fsync,sync_file_range,msync",
        "-o",
    ]);
    tracer.arg(&counted);
    for id in [bench.planes.host()?.id(), bench.planes.plane().id()] {
        tracer.args(["-p", &id.to_string()]);
    }
    let tracer = Running::start("strace", &mut tracer, &bench.planes.data().join("logs"))
        .context("strace is needed to count syncs")?;
    sleep(SETTLE).await;
    for _ in 0..RUNS {
        run(&bench).await?;
    }
    sleep(SETTLE).await;
    tracer.interrupt()?;
    let syncs = total(&fs::read_to_string(&counted)?)?;
    bench.stop()?;
    Ok(Figure::new(
        "a run of ten effects: syncs, both programs",
        syncs as f64 / RUNS as f64,
        "",
        Aim::AtMost(13.0),
    ))
}

async fn run(bench: &Bench) -> Result<()> {
    let run = bench.start_run("ten-effects", &json!({})).await?;
    bench.until(&run, "DONE").await
}

/// The calls in the table that `strace -c` writes: the fourth column of every row that names a call.
fn total(table: &str) -> Result<u64> {
    let mut calls = 0;
    for line in table.lines() {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let name = columns.last().copied().unwrap_or_default();
        if ["fdatasync", "fsync", "sync_file_range", "msync"].contains(&name) {
            let count = columns
                .get(3)
                .context("strace wrote another table than expected")?;
            calls += count.parse::<u64>()?;
        }
    }
    if calls == 0 {
        bail!("strace saw no sync; may this user trace processes?");
    }
    Ok(calls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_with_and_without_errors() {
        let table = "% time     seconds  usecs/call     calls    errors syscall\n\
            ------ ----------- ----------- --------- --------- ----------------\n \
            80.00    0.010000         100       240           fdatasync\n \
            20.00    0.001000          50        20         2 fsync\n\
            ------ ----------- ----------- --------- --------- ----------------\n\
            100.00    0.011000          80       260         2 total\n";
        assert_eq!(total(table).unwrap(), 260);
        assert!(total("").is_err());
    }
}
