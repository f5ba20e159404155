//! Clients that keep runs under way: each posts, asks again under the same key until it is told that the run was
//! accepted, and waits until the ledger has the run's last entry.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::ledger::Ledger;
use super::processes::Place;

/// How long a client waits before it asks again.
const AGAIN: Duration = Duration::from_millis(20);
/// How long one request may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the very first run may take: it compiles the connector.
const WARM_TIMEOUT: Duration = Duration::from_secs(120);

/// A run that a client was told is accepted.
#[derive(Debug, Clone)]
pub(super) struct Accepted {
    /// The name the client gave it; the ledger has it under this name.
    pub(super) name: String,
    /// The id it was told.
    pub(super) id: String,
}

/// The clients.
pub(super) struct Load {
    accepted: Arc<Mutex<Vec<Accepted>>>,
    stopping: Arc<AtomicBool>,
    clients: JoinSet<()>,
}

impl Load {
    /// Starts the clients.
    pub(super) fn start(place: &Place, ledger: Arc<Ledger>, clients: usize) -> Result<Self> {
        let mut load = Self {
            accepted: Arc::default(),
            stopping: Arc::default(),
            clients: JoinSet::new(),
        };
        let next = Arc::new(AtomicU64::new(1));
        for _ in 0..clients {
            let (place, ledger, next) = (place.clone(), Arc::clone(&ledger), Arc::clone(&next));
            let (accepted, stopping) = (Arc::clone(&load.accepted), Arc::clone(&load.stopping));
            load.clients.spawn(async move {
                while !stopping.load(Ordering::Relaxed) {
                    let name = format!("run-{}", next.fetch_add(1, Ordering::Relaxed));
                    let id = submit(&place, &name).await;
                    let run = Accepted {
                        name: name.clone(),
                        id,
                    };
                    accepted.lock().unwrap_or_else(PoisonError::into_inner).push(run);
                    ledger.until(&name, "last").await;
                }
            });
        }
        Ok(load)
    }

    /// The runs that are accepted, as they come.
    pub(super) fn accepted_so_far(&self) -> Arc<Mutex<Vec<Accepted>>> {
        Arc::clone(&self.accepted)
    }

    /// How many runs were accepted so far.
    pub(super) fn accepted(&self) -> usize {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Lets every client finish what it has begun; one that cannot is left behind, its run counts as lost.
    pub(super) async fn stop(mut self, within: Duration) -> Result<Vec<Accepted>> {
        self.stopping.store(true, Ordering::Relaxed);
        let all = async { while self.clients.join_next().await.is_some() {} };
        // The check finds what is missing and names it.
        let _ = timeout(within, all).await;
        self.clients.shutdown().await;
        let accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(accepted.clone())
    }
}

/// Starts one run and waits for its last entry.
pub(super) async fn one(place: &Place, ledger: &Ledger, name: &str) -> Result<()> {
    timeout(WARM_TIMEOUT, submit(place, name))
        .await
        .context("the first run was not accepted")?;
    until_last(ledger, name).await
}

/// Waits for the last entry of one of the first runs.
pub(super) async fn until_last(ledger: &Ledger, name: &str) -> Result<()> {
    timeout(WARM_TIMEOUT, ledger.until(name, "last"))
        .await
        .context("a first run did not end")
}

/// Posts until an answer says that the run is accepted.
pub(super) async fn submit(place: &Place, name: &str) -> String {
    loop {
        if let Ok(id) = post(place, name).await {
            return id;
        }
        sleep(AGAIN).await;
    }
}

async fn post(place: &Place, name: &str) -> Result<String> {
    let answer = place
        .api
        .http()
        .post(format!("{}/hooks/kills", place.api.context().server))
        .header("idempotency-key", name)
        .timeout(ANSWER_TIMEOUT)
        .json(&json!({ "id": name }))
        .send()
        .await?;
    if !answer.status().is_success() {
        bail!("{}", answer.status());
    }
    let run = answer
        .headers()
        .get("x-flowforge-run")
        .context("no run is named")?;
    Ok(run.to_str()?.to_owned())
}
