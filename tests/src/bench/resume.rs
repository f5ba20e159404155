//! A run that goes on after the host was killed: whether a long history costs more than a short one.

use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::flowforge::Bench;
use super::{Aim, Figure, Settings, median};

/// A loop of pure steps, then a person's answer. Each element becomes two records or so.
const SOURCE: &str = "workflow: history
input:
  items: { type: array }
triggers:
  web: { webhook: { path: history, answer: at_once } }
nodes:
  each:
    foreach: input.items
    as: item
    parallel: 1
    do:
      step:
        call: bench:steps/step
        with: { value: \"${item}\" }
  confirm:
    after: each
    approval: { title: Go on, approvers: [local] }
output: { done: true }
";
/// Elements of the short and of the long loop.
const ELEMENTS: [usize; 2] = [6, 990];

/// The time from the host's start to the end of a run that only waited for its answer: long history over short.
pub(super) async fn long_beside_short(settings: &Settings) -> Result<Figure> {
    let mut bench = Bench::start(settings).await?;
    bench.connector("bench.steps")?;
    bench.workflow("history", SOURCE)?;
    let mut ratios = Vec::new();
    for _ in 0..settings.pairs() {
        let mut seconds = [0.0; 2];
        for (slot, elements) in seconds.iter_mut().zip(ELEMENTS) {
            *slot = resumed(&mut bench, elements).await?;
        }
        let [short, long] = seconds;
        ratios.push(long / short);
    }
    bench.stop()?;
    Ok(Figure::new(
        "resume with 1,000 records beside 10",
        median(ratios),
        "x",
        Aim::AtMost(1.1),
    ))
}

async fn resumed(bench: &mut Bench, elements: usize) -> Result<f64> {
    let items: Vec<Value> = (0..elements).map(|n| json!({ "n": n })).collect();
    let run = bench.start_run("history", &json!({ "items": items })).await?;
    let approval = approval(bench, &run).await?;
    bench.planes.kill_host()?;
    bench
        .planes
        .flowforge()
        .json(&["approval", "approve", &approval])?;
    let begun = Instant::now();
    bench.planes.start_host(None).await?;
    bench.until(&run, "DONE").await?;
    Ok(begun.elapsed().as_secs_f64())
}

/// Waits until the run asks, and gives the id of its question.
async fn approval(bench: &Bench, run: &str) -> Result<String> {
    bench.until(run, "WAITING").await?;
    let query = "query Run($id: String!) { run(id: $id) { approvals { id } } }";
    let found = bench.planes.api().ask(query, json!({ "id": run })).await?;
    let id = found.pointer("/run/approvals/0/id").and_then(Value::as_str);
    Ok(id.context("the run asks nothing")?.to_owned())
}
