//! `w1`: what it costs here, and beside other engines.

use std::time::Duration;

use anyhow::Result;

use super::engines::Kind;
use super::flowforge::{Bench, w1};
use super::{Aim, Figure, Settings, load, median};

/// Callers at a time.
const CALLERS: usize = 64;

/// Ours in one window.
struct Ours {
    runs_per_second: f64,
    cpu_ms: f64,
    host_ms: f64,
}

/// Runs a second, processor time and, alone, latency; then the ratios to the other engines.
pub(super) async fn runs(settings: &Settings) -> Result<Vec<Figure>> {
    let window = Duration::from_secs(if settings.quick { 1 } else { 5 });
    let bench = Bench::start(settings).await?;
    bench.connector("bench.steps")?;
    bench.workflow("w1", &w1()?)?;
    let url = bench.hook("w1");
    load::w1(&url, 4, Duration::from_secs(1)).await?;
    let mut alone = Vec::new();
    for _ in 0..settings.pairs() {
        alone.push(load::w1(&url, 1, window).await?.p50.as_secs_f64() * 1e3);
    }
    let mut all = Vec::new();
    let mut figures = Vec::new();
    for (kind, least) in [(Kind::NodeRed, 1.0), (Kind::Restate, 6.0)] {
        let Some(installed) = installed(kind, settings) else {
            all.extend(windows(&bench, settings.pairs(), window).await?);
            continue;
        };
        let (mut speed, mut cpu) = (Vec::new(), Vec::new());
        for _ in 0..settings.pairs() {
            let ours = ours(&bench, window).await?;
            let engine = kind.start(&installed).await?;
            load::w1(&engine.url, 4, Duration::from_secs(1)).await?;
            let before = engine.cpu()?;
            let theirs = load::w1(&engine.url, CALLERS, window).await?;
            let their_ms = (engine.cpu()? - before).as_secs_f64() * 1e3 / theirs.runs.max(1.0);
            speed.push(ours.runs_per_second / theirs.runs_per_second);
            cpu.push(ours.cpu_ms / their_ms);
            all.push(ours);
        }
        let name = kind.name();
        figures.push(Figure::new(
            format!("w1, {CALLERS} callers: runs/s beside {name}"),
            median(speed),
            "x",
            Aim::AtLeast(least),
        ));
        figures.push(Figure::new(
            format!("w1, {CALLERS} callers: CPU a run beside {name}"),
            median(cpu),
            "x",
            Aim::None,
        ));
    }
    bench.stop()?;
    let of = |value: fn(&Ours) -> f64| median(all.iter().map(value).collect());
    let mut own = vec![
        Figure::new("w1, alone: p50", median(alone), "ms", Aim::AtMost(2.0)),
        Figure::new(
            format!("w1, {CALLERS} callers: CPU a run, both planes"),
            of(|ours| ours.cpu_ms),
            "ms",
            Aim::AtMost(0.6),
        ),
        Figure::new(
            format!("w1, {CALLERS} callers: CPU a run, host"),
            of(|ours| ours.host_ms),
            "ms",
            Aim::None,
        ),
        Figure::new(
            format!("w1, {CALLERS} callers: runs/s"),
            of(|ours| ours.runs_per_second),
            "",
            Aim::None,
        ),
    ];
    own.append(&mut figures);
    Ok(own)
}

/// Where an engine is, or nothing if it is not to be had; the reason is said.
fn installed(kind: Kind, settings: &Settings) -> Option<std::path::PathBuf> {
    let peers = settings.peers.as_ref()?;
    kind.install(peers)
        .inspect_err(|error| eprintln!("{} is left out: {error:#}", kind.name()))
        .ok()
}

async fn windows(bench: &Bench, count: usize, window: Duration) -> Result<Vec<Ours>> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(ours(bench, window).await?);
    }
    Ok(all)
}

async fn ours(bench: &Bench, window: Duration) -> Result<Ours> {
    let before = bench.usage()?;
    let load = load::w1(&bench.hook("w1"), CALLERS, window).await?;
    let after = bench.usage()?;
    let per_run = |time: Duration| time.as_secs_f64() * 1e3 / load.runs.max(1.0);
    let (host_ms, plane_ms) = (
        per_run(after.0.cpu - before.0.cpu),
        per_run(after.1.cpu - before.1.cpu),
    );
    Ok(Ours {
        runs_per_second: load.runs_per_second,
        cpu_ms: host_ms + plane_ms,
        host_ms,
    })
}
