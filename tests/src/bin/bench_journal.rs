//! What the journal costs: commits per run, records a second, latency, beside a bare `fdatasync` of the same run.
//!
//! Prints one table and, with `--json`, the same as one JSON document. Every figure is the median of the rounds; absolute
//! figures hold for this disk and this moment only, so read the ratios.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Parser;
use flowforge_failpoints::FailPoints;
use flowforge_journal::{Accepted, Entry, JobEntry, Journal, JournalConfig, NewRun, RunLog};
use flowforge_protocol::{Digest, JobId, RunId};
use tokio::task::JoinSet;

/// Measures the journal.
#[derive(Parser)]
struct Options {
    /// Where the journals are written; a folder on the disk that is meant.
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// Rounds; every figure is their median.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Milliseconds that a case runs in a round.
    #[arg(long, default_value_t = 700)]
    case_ms: u64,
    /// One round with 200 ms a case.
    #[arg(long, conflicts_with_all = ["rounds", "case_ms"])]
    quick: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A case of one round.
#[derive(Debug, Clone, serde::Serialize)]
struct Figures {
    name: &'static str,
    callers: usize,
    runs_per_s: f64,
    records_per_s: f64,
    commits_per_s: f64,
    commits_per_run: f64,
    /// A run, or for the bare disk one write.
    p50_us: f64,
    p99_us: f64,
    cpu_ms_per_run: f64,
}

/// What a run does.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    /// Ten steps without an effect: nothing waits but acceptance and end.
    Pure,
    /// Ten steps that each wait for their intent, as before an effect.
    Effects,
    /// One urgent record at a time, no run around it.
    Records,
}

const STEPS: u32 = 10;
const PAGE: usize = 4096;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut options = Options::parse();
    if options.quick {
        (options.rounds, options.case_ms) = (1, 200);
    }
    let folder = options
        .folder
        .join(format!("bench-journal-{}", std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let measured = measure(&options, &folder).await;
    std::fs::remove_dir_all(&folder)?;
    let figures = measured?;
    let mut out = std::io::stdout().lock();
    if options.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&figures)?)?;
    } else {
        print_table(&mut out, &figures)?;
    }
    Ok(())
}

async fn measure(options: &Options, folder: &Path) -> anyhow::Result<Vec<Figures>> {
    let time = Duration::from_millis(options.case_ms);
    let cases = [
        ("a run of 10 pure steps", Shape::Pure, 1),
        ("a run of 10 pure steps", Shape::Pure, 64),
        ("a run of 10 effectful steps", Shape::Effects, 1),
        ("a run of 10 effectful steps", Shape::Effects, 64),
        ("one durable record", Shape::Records, 1),
        ("one durable record", Shape::Records, 64),
    ];
    let mut rounds: Vec<Vec<Figures>> = vec![Vec::new(); cases.len() + 1];
    for round in 0..options.rounds {
        let mut slots = rounds.iter_mut();
        if let Some(slot) = slots.next() {
            slot.push(bare_disk(&folder.join("bare"), time)?);
        }
        for (case, ((name, shape, callers), slot)) in cases.into_iter().zip(slots).enumerate() {
            let path = folder.join(format!("{round}-{case}.redb"));
            slot.push(journal(name, shape, callers, &path, time).await?);
            std::fs::remove_file(&path)?;
        }
    }
    rounds
        .into_iter()
        .map(|round| median(round).context("no rounds were asked for"))
        .collect()
}

/// The round in the middle by runs per second.
fn median(mut round: Vec<Figures>) -> Option<Figures> {
    round.sort_by(|a, b| a.runs_per_s.total_cmp(&b.runs_per_s));
    let middle = round.len() / 2;
    round.into_iter().nth(middle)
}

fn bare_disk(path: &Path, time: Duration) -> anyhow::Result<Figures> {
    let file: File = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .open(path)?;
    let pages = 1024;
    file.write_all_at(&vec![1; PAGE * pages], 0)?;
    file.sync_all()?;
    let (mut times, page) = (Vec::new(), [2; PAGE]);
    let (begun, cpu) = (Instant::now(), cpu_time()?);
    while begun.elapsed() < time {
        let write = Instant::now();
        let place = (times.len() % pages) * PAGE;
        file.write_all_at(&page, u64::try_from(place)?)?;
        file.sync_data()?;
        times.push(write.elapsed());
    }
    let syncs = times.len();
    Ok(figures(
        "bare write + fdatasync",
        1,
        times,
        begun.elapsed(),
        cpu_time()? - cpu,
        (0, u64::try_from(syncs)?),
    ))
}

async fn journal(
    name: &'static str,
    shape: Shape,
    callers: usize,
    path: &Path,
    time: Duration,
) -> anyhow::Result<Figures> {
    let (journal, _) = Journal::open(JournalConfig::at(path, [0; 16]), FailPoints::inert())?;
    let next = Arc::new(AtomicU64::new(1));
    let (begun, cpu) = (Instant::now(), cpu_time()?);
    let end = begun + time;
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let (journal, next) = (journal.clone(), Arc::clone(&next));
        tasks.spawn(caller(journal, shape, next, end));
    }
    let mut times = Vec::new();
    while let Some(done) = tasks.join_next().await {
        times.append(&mut done??);
    }
    let (elapsed, cpu) = (begun.elapsed(), cpu_time()? - cpu);
    let stats = journal.stats();
    journal.close().await;
    Ok(figures(
        name,
        callers,
        times,
        elapsed,
        cpu,
        (stats.records, stats.commits),
    ))
}

async fn caller(
    journal: Journal,
    shape: Shape,
    next: Arc<AtomicU64>,
    end: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let mut times = Vec::new();
    let mut standing = match shape {
        Shape::Records => Some(begin(&journal, &next).await?),
        Shape::Pure | Shape::Effects => None,
    };
    while Instant::now() < end {
        let begun = Instant::now();
        if let Some(log) = &mut standing {
            log.append(Entry::now(record(log.next_seq())))
                .await?
                .durable()
                .await?;
        } else {
            one_run(&journal, shape, &next).await?;
        }
        times.push(begun.elapsed());
    }
    Ok(times)
}

async fn one_run(journal: &Journal, shape: Shape, next: &AtomicU64) -> anyhow::Result<()> {
    let mut log = begin(journal, next).await?;
    for _ in 0..STEPS {
        if shape == Shape::Effects {
            log.append(Entry::now(record(log.next_seq())))
                .await?
                .durable()
                .await?;
        }
        log.append(Entry::lazy(record(log.next_seq()))).await?;
    }
    log.append(Entry::now(record(log.next_seq())).ending())
        .await?
        .durable()
        .await?;
    Ok(())
}

/// Accepts a run without waiting for it: its first effect, or its end, does.
async fn begin(journal: &Journal, next: &AtomicU64) -> anyhow::Result<RunLog> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    let id = u128::from(number).to_le_bytes();
    let job = JobEntry {
        job_id: JobId::from_entropy(id),
        digest: Digest::of(&id),
        scheduler_key: "bench".to_owned(),
        sequence: number,
        expires_at_ms: u64::MAX,
    };
    let new = NewRun {
        run: RunId::from_entropy(id),
        epoch: 1,
        envelope: vec![b'e'; 700],
        documents: Vec::new(),
        acknowledged: 0,
        values_stay: false,
        entry: Entry::lazy(record(0)),
    };
    match journal.accept(job, new).await? {
        Accepted::New(log, _) => Ok(log),
        Accepted::Again(_) | Accepted::AlreadyHere(_) => bail!("run {number} was there before"),
    }
}

/// A record of about 300 bytes.
fn record(seq: u64) -> Vec<u8> {
    format!(
        "{{\"seq\":{seq},\"at_ms\":1700000000000,\"event\":{{\"type\":\"completed\",\"step\":\"step_{seq}\",\"output\":\"{}\"}}}}\n",
        "x".repeat(200)
    )
    .into_bytes()
}

fn figures(
    name: &'static str,
    callers: usize,
    mut times: Vec<Duration>,
    elapsed: Duration,
    cpu: Duration,
    (records, commits): (u64, u64),
) -> Figures {
    times.sort_unstable();
    let runs = times.len();
    let at = |hundredths: usize| {
        let index = (runs * hundredths / 100).min(runs.saturating_sub(1));
        times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e6)
    };
    let (seconds, runs) = (
        elapsed.as_secs_f64(),
        to_f64(u64::try_from(runs).unwrap_or(u64::MAX)).max(1.0),
    );
    Figures {
        name,
        callers,
        runs_per_s: runs / seconds,
        records_per_s: to_f64(records) / seconds,
        commits_per_s: to_f64(commits) / seconds,
        commits_per_run: to_f64(commits) / runs,
        p50_us: at(50),
        p99_us: at(99),
        cpu_ms_per_run: cpu.as_secs_f64() * 1e3 / runs,
    }
}

fn to_f64(count: u64) -> f64 {
    // Counts of a benchmark stay far below the 2^53 at which a float loses whole numbers.
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

/// CPU time of this process, user and system.
fn cpu_time() -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit_once(')').context("unexpected /proc/self/stat")?.1;
    let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
    let ticks = |index: usize| -> anyhow::Result<u64> {
        Ok(fields.get(index).context("unexpected /proc/self/stat")?.parse()?)
    };
    // The kernel counts in hundredths of a second for user space, whatever its own tick.
    Ok(Duration::from_millis(10 * (ticks(11)? + ticks(12)?)))
}

fn print_table(out: &mut impl std::io::Write, figures: &[Figures]) -> anyhow::Result<()> {
    let bare = figures.first().map_or(0.0, |bare| bare.p50_us);
    writeln!(
        out,
        "{:<30} {:>7} {:>9} {:>10} {:>10} {:>11} {:>9} {:>9} {:>9} {:>10}",
        "case",
        "callers",
        "runs/s",
        "records/s",
        "commits/s",
        "commits/run",
        "p50 us",
        "p99 us",
        "p50/sync",
        "CPU ms/run"
    )?;
    for case in figures {
        writeln!(
            out,
            "{:<30} {:>7} {:>9.0} {:>10.0} {:>10.0} {:>11.2} {:>9.0} {:>9.0} {:>9.1} {:>10.3}",
            case.name,
            case.callers,
            case.runs_per_s,
            case.records_per_s,
            case.commits_per_s,
            case.commits_per_run,
            case.p50_us,
            case.p99_us,
            case.p50_us / bare,
            case.cpu_ms_per_run
        )?;
    }
    Ok(())
}
