//! Runs that wait: what they cost in memory, and at a start.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::flowforge::Bench;
use super::rest::mebibytes;
use super::{Aim, Figure, Settings};

const SOURCE: &str = "workflow: long-wait
input:
  id: { type: string }
triggers:
  web: { webhook: { path: long-wait, answer: at_once } }
nodes:
  pause:
    wait: { for: 24h }
output: { id: \"${input.id}\" }
";
/// Callers that start the runs.
const CALLERS: usize = 16;
/// How long the host rests before its memory is read.
const REST: Duration = Duration::from_secs(5);

/// Memory above that at rest, and the time a restart takes.
pub(super) async fn runs(settings: &Settings) -> Result<Vec<Figure>> {
    let count = settings.waiting_runs();
    let mut bench = Bench::start(settings).await?;
    bench.workflow("long-wait", SOURCE)?;
    let first = bench.start_run("long-wait", &json!({ "id": "first" })).await?;
    bench.until(&first, "WAITING").await?;
    sleep(REST).await;
    let (before, _) = bench.usage()?;
    let last = fill(&bench, count).await?;
    bench.until(&last, "WAITING").await?;
    sleep(REST).await;
    let (after, _) = bench.usage()?;
    let above = after.resident_bytes.saturating_sub(before.resident_bytes);
    bench.planes.kill_host()?;
    let restart = bench.planes.start_host(None).await?;
    bench.stop()?;
    Ok(vec![
        Figure::new(
            format!("{count} waiting runs: memory of the host above rest"),
            mebibytes(above),
            "MiB",
            Aim::AtMost(40.0),
        ),
        Figure::new(
            format!("{count} waiting runs: restart of the host until heard"),
            restart.as_secs_f64(),
            "s",
            Aim::AtMost(2.0),
        ),
    ])
}

/// Starts the runs; gives the id of the one that was started last.
async fn fill(bench: &Bench, count: usize) -> Result<String> {
    let url = bench.hook("long-wait");
    let mut tasks = JoinSet::new();
    for caller in 0..CALLERS {
        let (http, url) = (bench.planes.api().http().clone(), url.clone());
        tasks.spawn(async move {
            for n in (caller..count.saturating_sub(1)).step_by(CALLERS) {
                let body = json!({ "id": n.to_string() });
                http.post(&url).json(&body).send().await?.error_for_status()?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    bench.start_run("long-wait", &json!({ "id": "last" })).await
}
