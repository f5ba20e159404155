//! What is kept for how long, and the task that removes the rest.
//!
//! | what | kept | setting |
//! |---|---|---|
//! | runs that are over, with records, questions, receipt | 90 days, and 8 GiB together | [`Retention::runs`], [`Retention::run_bytes_max`] |
//! | artefacts | 90 days, and 8 GiB together; above that, new ones are refused | [`Retention::artefacts`], [`Retention::artefact_bytes_max`] |
//! | runs that only found the events of a trigger | an hour | [`Retention::finders`] |
//! | releases that no run uses | 90 days; the newest 20 of each workflow always | [`Retention::releases`], [`Retention::versions_min`] |
//! | names of requests and webhook deliveries | 30 days, and 5 million | [`Retention::requests`] |
//! | the list of webhook deliveries | 30 days, and 100,000; bodies of the newest 50 of each webhook, and 64 MiB together | [`Retention::requests`] |
//! | the list of events for webhook endpoints | 30 days, and 100,000 | [`Retention::events`] |
//! | times when a host was not heard | 90 days | [`Retention::runs`] |
//! | signals that no run has taken | 7 days | [`Retention::signals`] |
//! | entries of the audit | 400 days, and 2 million | [`Retention::audit`] |
//! | workflows and secrets in the trash | 30 days | [`Retention::trash`] |
//!
//! A run that is not over keeps its records, and every artefact that came since the oldest such run began. For its bytes
//! nothing leaves that is younger than a day.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use flowforge_store::{Keep, KeepEvents, StoreError};

use crate::app::App;
use crate::artefacts::Artefacts;

/// What is kept for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Runs that are over, and gaps of hosts. Default 90 days.
    pub runs: Duration,
    /// Bytes of inputs and records of runs that are over. Default 8 GiB.
    pub run_bytes_max: u64,
    /// Runs that are over and only found the events of a trigger. Default an hour.
    pub finders: Duration,
    /// Artefacts. Default 90 days.
    pub artefacts: Duration,
    /// Bytes of all artefacts. Default 8 GiB.
    pub artefact_bytes_max: u64,
    /// Releases that no run uses. Default 90 days.
    pub releases: Duration,
    /// Newest versions of a workflow that stay in any case. Default 20.
    pub versions_min: u32,
    /// Names of requests. Default 30 days.
    pub requests: Duration,
    /// Signals that no run has taken. Default 7 days.
    pub signals: Duration,
    /// Entries of the audit. Default 400 days.
    pub audit: Duration,
    /// The list of what went out to webhook endpoints. Default 30 days.
    pub events: Duration,
    /// What was put into the trash. Default 30 days.
    pub trash: Duration,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Default for Retention {
    fn default() -> Self {
        Self {
            runs: 90 * DAY,
            run_bytes_max: 8 << 30,
            finders: Duration::from_secs(60 * 60),
            artefacts: 90 * DAY,
            artefact_bytes_max: 8 << 30,
            releases: 90 * DAY,
            versions_min: 20,
            requests: 30 * DAY,
            signals: 7 * DAY,
            audit: 400 * DAY,
            events: 30 * DAY,
            trash: 30 * DAY,
        }
    }
}

/// The pause between two looks.
const PAUSE_MS: u64 = 10 * 60 * 1_000;
/// Rows of one kind that one commit removes.
const ROWS: u32 = 500;
/// Names of requests that are kept at most.
const REQUESTS_MAX: u64 = 5_000_000;
/// Events for webhook endpoints that are kept at most.
const EVENTS_MAX: u64 = 100_000;
/// Entries of the audit that are kept at most.
const AUDIT_MAX: u64 = 2_000_000;
/// So long a host may take to bring the receipt of a run that is over.
const RECEIPT_WAIT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// So long a large value waits for the records that hold it.
const VALUE_WAIT: Duration = Duration::from_secs(60 * 60);

/// Removes what need not be kept until the server closes.
pub(crate) async fn run(app: Arc<App>, artefacts: Arc<Artefacts>, retention: Retention) {
    loop {
        if let Err(error) = look(&app, &artefacts, &retention).await {
            tracing::error!(%error, "what need not be kept could not be removed; trying again later");
        }
        let next = app.clock.now_ms().saturating_add(PAUSE_MS);
        tokio::select! {
            () = app.clock.sleep_until(next) => {}
            () = app.closing.cancelled() => return,
        }
    }
}

fn before(now_ms: u64, age: Duration) -> u64 {
    now_ms.saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
}

async fn look(app: &App, artefacts: &Artefacts, retention: &Retention) -> Result<(), StoreError> {
    let now_ms = app.clock.now_ms();
    let keep = Keep {
        ended_since_ms: before(now_ms, retention.runs),
        ended_bytes_max: retention.run_bytes_max,
        young_since_ms: before(now_ms, DAY),
        unreceipted_since_ms: before(now_ms, retention.runs.min(RECEIPT_WAIT)),
        finders_since_ms: before(now_ms, retention.finders),
        requests_since_ms: before(now_ms, retention.requests),
        requests_max: REQUESTS_MAX,
        releases_since_ms: before(now_ms, retention.releases),
        versions_min: retention.versions_min,
        gaps_since_ms: before(now_ms, retention.runs),
        signals_since_ms: before(now_ms, retention.signals),
        values_since_ms: before(now_ms, VALUE_WAIT),
        audit_since_ms: before(now_ms, retention.audit),
        audit_max: AUDIT_MAX,
        deliveries: crate::app::hooks::keep(before(now_ms, retention.requests)),
        events: KeepEvents {
            since_ms: before(now_ms, retention.events),
            count_max: EVENTS_MAX,
        },
        trash_since_ms: before(now_ms, retention.trash),
        rows_max: ROWS,
    };
    while app.duty.is_mine(&app.bus, &app.store, &app.scope).await? {
        let collected = app.store.collect(&app.scope, keep).await?;
        if !collected.runs.is_empty() || collected.releases > 0 {
            tracing::info!(
                runs = collected.runs.len(),
                releases = collected.releases,
                "old runs and releases were removed"
            );
        }
        if !collected.more || app.closing.is_cancelled() {
            break;
        }
    }
    app.forget_sessions().await?;
    let open_since = app
        .store
        .oldest_open_run_ms(&app.scope)
        .await?
        .unwrap_or(u64::MAX);
    artefacts
        .collect(
            before(now_ms, retention.artefacts).min(open_since),
            before(now_ms, DAY).min(open_since),
        )
        .await;
    // What another server is taking in is no rubbish: its folder is this one's, too.
    if app.bus.others() == 0
        && let Err(error) = app.registry.collect().await
    {
        tracing::error!(%error, "what was pushed and not published could not be removed; trying again later");
    }
    // The count lives in memory; what drifted, because a caller went away at the wrong moment, is right again.
    app.queued
        .store(app.store.count_queued(&app.scope).await?, Ordering::Relaxed);
    Ok(())
}
