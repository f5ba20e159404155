//! Whole runs, end to end: workload `w1` (ten pure steps) behind a waiting webhook, with control plane and host as two
//! processes, alone and with 64 callers; what they cost, and what this disk allows.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use flowforge_tests::planes::Planes;
use flowforge_tests::process_usage::{Usage, usage};
use flowforge_tests::programs::Programs;
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Repetitions of every measurement; the median is printed.
const REPETITIONS: usize = 3;
/// How many 4 KiB appends are synced to know the disk.
const SYNCS: usize = 200;
/// How long both planes rest before their idle memory is read.
const REST: Duration = Duration::from_secs(3);

/// Measures whole runs
#[derive(Debug, Parser)]
struct Arguments {
    /// One repetition of a second each instead of three of five
    #[arg(long)]
    quick: bool,
}

/// One load.
struct Load {
    runs_per_second: f64,
    p50: Duration,
    p99: Duration,
    /// Of the host and of the control plane.
    cpu_ms_per_run: (f64, f64),
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let (repetitions, window) = if arguments.quick {
        (1, Duration::from_secs(1))
    } else {
        (REPETITIONS, Duration::from_secs(5))
    };
    let folder = tempfile::tempdir()?;
    let sync = fdatasync_p50(folder.path())?;
    println!("fdatasync of 4 KiB, p50                 {:>10}", micros(sync));
    let mut planes = Planes::start(Programs::beside_this_one()?, folder.path(), "bench-host")?;
    let back = planes.start_host(None).await?;
    publish(&planes)?;
    println!("host start until heard                  {:>10}", micros(back));
    load(&planes, 4, Duration::from_secs(1)).await?;
    tokio::time::sleep(REST).await;
    let (plane, host) = (usage(planes.plane().id())?, usage(planes.host()?.id())?);
    println!("idle memory, host                       {:>10}", mebibytes(host));
    println!("idle memory, control plane              {:>10}", mebibytes(plane));
    for callers in [1, 64] {
        let mut loads = Vec::new();
        for _ in 0..repetitions {
            loads.push(load(&planes, callers, window).await?);
        }
        let median = |value: fn(&Load) -> f64| median(loads.iter().map(value).collect());
        let p50 = median(|load| load.p50.as_secs_f64());
        println!(
            "w1, {callers} callers: runs/s {:>38.0}",
            median(|load| load.runs_per_second)
        );
        println!(
            "w1, {callers} callers: p50 {:>41}",
            format!("{:.2} ms", p50 * 1e3)
        );
        println!(
            "w1, {callers} callers: p99 {:>41}",
            format!("{:.2} ms", median(|load| load.p99.as_secs_f64()) * 1e3)
        );
        println!(
            "w1, {callers} callers: p50 in fdatasyncs {:>28.1}",
            p50 / sync.as_secs_f64()
        );
        println!(
            "w1, {callers} callers: CPU ms a run, both planes {:>20.2}  (host {:.2}, control plane {:.2})",
            median(|load| load.cpu_ms_per_run.0 + load.cpu_ms_per_run.1),
            median(|load| load.cpu_ms_per_run.0),
            median(|load| load.cpu_ms_per_run.1)
        );
    }
    planes.stop()
}

/// Publishes the connector and the workflow of `w1`.
fn publish(planes: &Planes) -> Result<()> {
    let components =
        std::env::var("FLOWFORGE_COMPONENTS").context("FLOWFORGE_COMPONENTS: cargo xtask bench sets it")?;
    let component = format!("{components}/bench.steps.wasm");
    planes.flowforge().json(&["connector", "publish", &component])?;
    let workflow = planes.data().join("w1");
    fs::create_dir_all(&workflow)?;
    fs::copy("examples/bench/w1/workflow.yaml", workflow.join("workflow.yaml"))?;
    planes
        .flowforge()
        .json(&["workflow", "publish", &workflow.to_string_lossy()])?;
    Ok(())
}

/// A closed loop: each caller posts, waits for the result, posts again.
async fn load(planes: &Planes, callers: usize, window: Duration) -> Result<Load> {
    let before = cpu(planes)?;
    let url: Arc<str> = format!("{}/hooks/w1", planes.api().context().server).into();
    let number = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let (client, url, number) = (planes.api().http().clone(), Arc::clone(&url), Arc::clone(&number));
        tasks.spawn(async move {
            let mut times = Vec::new();
            while started.elapsed() < window {
                let id = number.fetch_add(1, Ordering::Relaxed).to_string();
                let begun = Instant::now();
                let body = json!({ "id": id, "n": 0, "name": "alpha", "tags": ["a", "b"] });
                let answer = client.post(&*url).json(&body).send().await?;
                let status = answer.status();
                let output: Value = answer.json().await?;
                ensure!(
                    output.get("n") == Some(&json!(10)),
                    "wrong answer: {status} {output}"
                );
                times.push(begun.elapsed());
            }
            anyhow::Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(done) = tasks.join_next().await {
        times.extend(done??);
    }
    let elapsed = started.elapsed();
    times.sort();
    let runs = times.len() as f64;
    let at = |share: f64| times.get((runs * share) as usize).copied().unwrap_or_default();
    let after = cpu(planes)?;
    let per_run = |time: Duration| time.as_secs_f64() * 1e3 / runs.max(1.0);
    Ok(Load {
        runs_per_second: runs / elapsed.as_secs_f64(),
        p50: at(0.5),
        p99: at(0.99),
        cpu_ms_per_run: (per_run(after.0 - before.0), per_run(after.1 - before.1)),
    })
}

/// What the host and the control plane have used so far.
fn cpu(planes: &Planes) -> Result<(Duration, Duration)> {
    Ok((usage(planes.host()?.id())?.cpu, usage(planes.plane().id())?.cpu))
}

fn fdatasync_p50(folder: &Path) -> Result<Duration> {
    let mut file = File::create(folder.join("sync"))?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        file.write_all(&[7; 4096])?;
        let begun = Instant::now();
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    times.sort();
    times.get(SYNCS / 2).copied().context("nothing was measured")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn micros(time: Duration) -> String {
    format!("{} µs", time.as_micros())
}

fn mebibytes(usage: Usage) -> String {
    format!("{:.1} MiB", usage.resident_bytes as f64 / f64::from(1 << 20))
}
