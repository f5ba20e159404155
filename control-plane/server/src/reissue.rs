//! Jobs that expired before their host took them are written anew, many in one commit.
//!
//! This has a task of its own: the call of a host may be cut at any moment. A job stays in its queue until the commit that
//! replaces it. One that cannot be written any more fails alone.

use std::sync::Arc;
use std::time::Duration;

use flowforge_store::{Reissue, StoreError};

use crate::app::App;
use crate::fleet::hosts::HostEntry;
use crate::fleet::queue::QueuedJob;
use crate::orders::OrderError;
use crate::sync::failed_outcome;

/// Jobs in one commit.
const AT_ONCE: usize = 256;
/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// Signs anew what has expired until the server closes.
pub(crate) async fn run(app: Arc<App>) {
    loop {
        tokio::select! {
            () = app.reissue_wanted.notified() => {}
            () = app.closing.cancelled() => return,
        }
        for host in app.hosts.all() {
            if let Err(error) = all_of(&app, &host).await {
                tracing::error!(host = %host.id, %error, "expired jobs could not be written anew; trying again");
                tokio::select! {
                    () = tokio::time::sleep(PAUSE) => {}
                    () = app.closing.cancelled() => return,
                }
                app.reissue_wanted.notify_one();
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum ReissueError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Order(#[from] OrderError),
}

async fn all_of(app: &App, host: &Arc<HostEntry>) -> Result<(), ReissueError> {
    loop {
        let expired = host.state().queue.expired(AT_ONCE);
        if expired.is_empty() {
            return Ok(());
        }
        some_of(app, host, expired).await?;
        host.wake.notify_one();
    }
}

async fn some_of(app: &App, host: &Arc<HostEntry>, expired: Vec<QueuedJob>) -> Result<(), ReissueError> {
    let mut set = Vec::with_capacity(expired.len());
    for job in &expired {
        let again = app
            .scheduler
            .write_again(&job.document, job.issue, app.clock.now_ms());
        match again.await {
            Ok(new) => set.push(Reissue {
                old: job.id.clone(),
                new,
            }),
            Err(error @ (OrderError::Entropy(_) | OrderError::Numbers(_))) => return Err(error.into()),
            Err(error) => give_up(app, host, job, &error).await?,
        }
    }
    let asked = set.len();
    let stored = app.store.reissue(&app.scope, set).await?;
    tracing::info!(host = %host.id, count = stored.len(), "expired jobs were written anew");
    let mut state = host.state();
    if stored.len() < asked {
        // The others are confirmed, over, or were replaced by a call whose answer was lost: the store knows.
        state.queue.reread();
    }
    state.queue.settle(expired.iter().map(|job| &job.id));
    let monotonic_ms = app.clock.monotonic_ms();
    for job in stored {
        state.queue.push_again(job.into(), monotonic_ms);
    }
    Ok(())
}

/// A job that this process can read no more, or whose order does not fit into a job of today.
async fn give_up(
    app: &App,
    host: &Arc<HostEntry>,
    job: &QueuedJob,
    error: &OrderError,
) -> Result<(), StoreError> {
    tracing::error!(run_id = %job.run, %error, "an expired job cannot be written anew");
    let outcome = failed_outcome("FF-RUN-006", format!("the job cannot be written anew: {error}"));
    let ended = app
        .store
        .fail_order(&app.scope, job.id.clone(), outcome.clone(), app.clock.now_ms())
        .await?;
    host.state().queue.settle([&job.id]);
    if let Some((run, ended)) = ended {
        app.confirmed(u64::from(ended.was_queued));
        app.outside.wanted.notify_one();
        app.events.tell(&run, Some(outcome));
    }
    Ok(())
}
