//! The ledger outside: what it was asked to enter, for which run and step, under which key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use axum::extract::{Json, State};
use axum::http::HeaderMap;
use axum::routing::post;
use axum::{Router, serve};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// The steps of a run that are entered.
pub(super) const STEPS: [&str; 5] = ["first", "a", "b", "c", "last"];

/// One request to enter.
#[derive(Debug, Deserialize)]
struct Wanted {
    run: String,
    step: String,
}

/// What is known of one step of one run.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    /// The keys it was asked under; one, if all is well.
    pub(super) keys: BTreeSet<String>,
    /// How often it was asked.
    pub(super) requests: u64,
}

type Entries = BTreeMap<(String, String), Entry>;

/// The server; it ends with the value.
#[derive(Debug)]
pub(super) struct Ledger {
    address: String,
    entries: Mutex<Entries>,
    entered: Notify,
    tasks: Mutex<JoinSet<()>>,
}

impl Ledger {
    /// Listens on a free port of this machine.
    pub(super) async fn start() -> Result<Arc<Self>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let ledger = Arc::new(Self {
            address: listener.local_addr()?.to_string(),
            entries: Mutex::default(),
            entered: Notify::new(),
            tasks: Mutex::default(),
        });
        let router = Router::new()
            .route("/entry", post(enter))
            .with_state(Arc::downgrade(&ledger));
        ledger
            .tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .spawn(async move {
                // It serves until the ledger is dropped; an accept error is not its end.
                let _ = serve(listener, router).await;
            });
        Ok(ledger)
    }

    /// `http://127.0.0.1:PORT`.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What is entered for a step.
    pub(super) fn entry(&self, run: &str, step: &str) -> Entry {
        let key = (run.to_owned(), step.to_owned());
        self.entries().get(&key).cloned().unwrap_or_default()
    }

    /// Requests in all, and the entries they became.
    pub(super) fn totals(&self) -> (u64, u64) {
        let entries = self.entries();
        (
            entries.values().map(|entry| entry.requests).sum(),
            entries.len() as u64,
        )
    }

    /// Waits until a step is entered.
    pub(super) async fn until(&self, run: &str, step: &str) {
        loop {
            let entered = self.entered.notified();
            tokio::pin!(entered);
            entered.as_mut().enable();
            if self.entry(run, step).requests > 0 {
                return;
            }
            entered.await;
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn enter(
    State(ledger): State<std::sync::Weak<Ledger>>,
    headers: HeaderMap,
    Json(wanted): Json<Wanted>,
) -> Json<bool> {
    let Some(ledger) = ledger.upgrade() else {
        return Json(false);
    };
    let key = headers
        .get("idempotency-key")
        .and_then(|value| value.to_str().ok())
        .unwrap_or("none")
        .to_owned();
    {
        let mut entries = ledger.entries();
        let entry = entries.entry((wanted.run, wanted.step)).or_default();
        entry.keys.insert(key);
        entry.requests += 1;
    }
    ledger.entered.notify_waiters();
    Json(true)
}
