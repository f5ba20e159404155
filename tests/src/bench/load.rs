//! The load: callers that post, wait for the answer and post again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;
use tokio::task::JoinSet;

/// What came of a load.
pub(super) struct Load {
    pub(super) runs: f64,
    pub(super) runs_per_second: f64,
    pub(super) p50: Duration,
}

/// Posts the body of `w1` for this long; every answer must hold `"n":10`.
pub(super) async fn w1(url: &str, callers: usize, window: Duration) -> Result<Load> {
    let http = reqwest_client()?;
    let url: Arc<str> = url.into();
    let number = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let (http, url, number) = (http.clone(), Arc::clone(&url), Arc::clone(&number));
        tasks.spawn(async move {
            let mut times = Vec::new();
            while started.elapsed() < window {
                let id = number.fetch_add(1, Ordering::Relaxed).to_string();
                let body = json!({ "id": id, "n": 0, "name": "alpha", "tags": ["a", "b"] });
                let begun = Instant::now();
                let answer = http.post(&*url).json(&body).send().await?;
                let status = answer.status();
                let text = answer.text().await?;
                ensure!(text.contains("\"n\":10"), "wrong answer: {status} {text}");
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
    let runs = times.len();
    Ok(Load {
        runs: runs as f64,
        runs_per_second: runs as f64 / elapsed.as_secs_f64(),
        p50: times.get(runs / 2).copied().unwrap_or_default(),
    })
}

fn reqwest_client() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().build()?)
}
