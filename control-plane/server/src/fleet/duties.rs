//! What only one server of several does at a time: schedules, errands, retention.
//!
//! A duty is taken for a time and kept by taking it again. Who has it counts its time from before it asked, by a clock that
//! nobody can set, and begins nothing any more when another server could have it. What was begun before may go on then: all
//! that is done under a duty is safe if it is done twice. A run is started under a name, a schedule moves on from where it
//! was read, an errand is done in the transaction that finds it undone.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use flowforge_core::Scope;
use flowforge_store::{Store, StoreError};
use tokio::time::Instant;

use super::bus::Bus;

/// For how long a duty is taken.
const TIME: Duration = Duration::from_secs(10);
/// It is taken again when so much of the time is over.
const AGAIN: Duration = Duration::from_secs(3);
/// So long before its end nothing is begun any more.
const MARGIN: Duration = Duration::from_secs(2);
/// How often a server keeps its duty, or looks whether it is free.
pub(crate) const LOOK: Duration = Duration::from_secs(2);

/// One duty, as this process has it or not.
#[derive(Debug)]
pub(crate) struct Duty {
    name: &'static str,
    /// When it was asked for with success.
    since: Mutex<Option<Instant>>,
}

impl Duty {
    /// Not taken.
    pub(crate) const fn new(name: &'static str) -> Self {
        Self {
            name,
            since: Mutex::new(None),
        }
    }

    /// Whether it was this server's when it was asked for last.
    pub(crate) fn is_held(&self) -> bool {
        let since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| since.elapsed() < TIME)
    }

    /// True if it may be done now. A server that is alone on its store may always.
    pub(crate) async fn is_mine(&self, bus: &Bus, store: &Store, scope: &Scope) -> Result<bool, StoreError> {
        if !bus.is_shared() {
            return Ok(true);
        }
        let asked = Instant::now();
        let since = *self.since.lock().unwrap_or_else(PoisonError::into_inner);
        if since.is_some_and(|since| asked.saturating_duration_since(since) < AGAIN) {
            return Ok(true);
        }
        let taken = store
            .take_duty(scope, self.name, bus.tag().to_string(), TIME)
            .await;
        let still_mine = matches!(taken, Ok(true)) && asked.elapsed() < TIME - MARGIN;
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        if still_mine && since.is_none() {
            tracing::info!(duty = self.name, "this server has a duty now");
        }
        *since = still_mine.then_some(asked);
        taken.map(|_| still_mine)
    }
}
