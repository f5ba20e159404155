//! Watches the leases of runs that may move: a host that does not renew them loses those runs to others.
//!
//! A lease is over when the count of its host's renewals stood still for its life and a little more, by one clock of one server
//! that nobody can set: the host counts its own life from before it asked, and so stops earlier. A server that takes this duty
//! over begins to count anew. What was seen is told to the store together with the count, which knows whether it still stands.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use flowforge_protocol::HostId;
use flowforge_store::{Holder, StoreError};
use tokio::time::Instant;

use crate::app::App;
use crate::fleet::words::Word;

/// How often the counts are looked at: half a second.
const LOOK: Duration = Duration::from_millis(500);
/// No lease is shorter, so nothing is asked before a count stood still for so long.
const SHORTEST: Duration = Duration::from_millis(flowforge_workflow::limits::MIN_LEASE_MS);

/// The counts, and since when each stands.
#[derive(Debug, Default)]
struct Watch {
    seen: HashMap<HostId, (u64, Instant)>,
}

impl Watch {
    /// What was read by now; answers those whose counts stood still for long enough, and for how long.
    fn look(&mut self, holders: Vec<Holder>, now: Instant) -> Vec<(Holder, Duration)> {
        let before = std::mem::take(&mut self.seen);
        let mut still = Vec::new();
        for holder in holders {
            let known = before
                .get(&holder.host)
                .filter(|(count, _)| *count == holder.renewals);
            let since = known.map_or(now, |(_, since)| *since);
            self.seen.insert(holder.host.clone(), (holder.renewals, since));
            let stood = now.saturating_duration_since(since);
            if stood >= SHORTEST {
                still.push((holder, stood));
            }
        }
        still
    }
}

/// Watches until the server closes.
pub(crate) async fn run(app: Arc<App>) {
    let mut watch = Watch::default();
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = app.closing.cancelled() => return,
        }
        match app.watch_leases(&mut watch).await {
            Ok(0) => {}
            Ok(lapsed) => {
                let count = u64::try_from(lapsed).unwrap_or(u64::MAX);
                app.bus.say(Word::Waiting);
                app.wait_for_host(count);
            }
            Err(error) => {
                // Nothing is known of the time in between.
                watch = Watch::default();
                tracing::error!(%error, "the leases of runs that may move could not be looked at; trying again");
            }
        }
    }
}

impl App {
    /// Returns how many runs others may take from now on.
    async fn watch_leases(&self, watch: &mut Watch) -> Result<usize, StoreError> {
        if !self.duty.is_mine(&self.bus, &self.store, &self.scope).await? {
            *watch = Watch::default();
            return Ok(0);
        }
        let holders = self.store.lease_holders(&self.scope).await?;
        if holders.is_empty() {
            watch.seen.clear();
            return Ok(0);
        }
        // Behind the reading: a count that is seen was renewed before this moment.
        let now = Instant::now();
        let at_ms = self.clock.now_ms();
        let mut lapsed = self.store.lapse_lost(&self.scope, at_ms).await?;
        for (holder, stood) in watch.look(holders, now) {
            let still_ms = u64::try_from(stood.as_millis()).unwrap_or(u64::MAX);
            let host = holder.host.clone();
            let count = self.store.lapse(&self.scope, holder, still_ms, at_ms).await?;
            if count > 0 {
                self.bus.say(Word::Still(host.clone()));
                if let Some(entry) = self.hosts.get(&host) {
                    entry.state().stands_still(true);
                }
                tracing::warn!(%host, runs = count, still_ms, "a host did not renew its leases: its runs may go to others");
            }
            lapsed += count;
        }
        Ok(lapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(n: u8, renewals: u64) -> Holder {
        Holder {
            host: HostId::from_entropy([n; 16]),
            renewals,
        }
    }

    #[test]
    fn only_a_count_that_stands_still_is_told_and_from_when_it_was_seen() {
        let (mut watch, start) = (Watch::default(), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        assert_eq!(watch.look(vec![holder(1, 0), holder(2, 7)], at(0)), []);
        assert_eq!(watch.look(vec![holder(1, 0), holder(2, 8)], at(1_999)), []);
        let told = watch.look(vec![holder(1, 0), holder(2, 8)], at(2_500));
        assert_eq!(told, [(holder(1, 0), Duration::from_millis(2_500))]);
        assert_eq!(watch.look(vec![holder(1, 1), holder(2, 9)], at(4_000)), []);
        assert_eq!(watch.look(vec![], at(9_000)), []);
        assert_eq!(
            watch.look(vec![holder(1, 1)], at(9_001)),
            [],
            "a host that had nothing to renew is counted anew"
        );
    }
}
