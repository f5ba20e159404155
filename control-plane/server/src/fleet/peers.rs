//! Which other servers are there: each says so every second, and one that says nothing has gone, perhaps between a commit
//! and the word about it.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::words::ServerTag;

/// How often a server says that it is there.
pub(crate) const ALIVE_EVERY: Duration = Duration::from_secs(1);
/// A server that was silent for so long has gone.
const GONE_AFTER: Duration = Duration::from_secs(4);

/// The others, with when each was heard last.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    heard: HashMap<ServerTag, Instant>,
}

impl Peers {
    pub(crate) fn heard(&mut self, tag: ServerTag, now: Instant) {
        self.heard.insert(tag, now);
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.heard.len()
    }

    /// Forgets those that have gone; true if there were any.
    pub(crate) fn have_gone(&mut self, now: Instant) -> bool {
        let before = self.heard.len();
        self.heard
            .retain(|_, at| now.saturating_duration_since(*at) < GONE_AFTER);
        self.heard.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_silent_has_gone_once() {
        let (mut peers, start) = (Peers::default(), Instant::now());
        peers.heard(ServerTag(1), start);
        peers.heard(ServerTag(2), start + GONE_AFTER / 2);
        assert!(!peers.have_gone(start + GONE_AFTER / 2));
        assert!(peers.have_gone(start + GONE_AFTER));
        assert!(!peers.have_gone(start + GONE_AFTER));
        assert_eq!(peers.count(), 1);
    }
}
