//! A host that stands still loses its runs to another one: the short form of the campaign `failover`.

use std::time::Duration;

use flowforge_tests::kills::{self, Settings};

use super::{components, programs};

/// How often a host is stopped for longer than its leases.
const STOPS: u64 = 10;

/// Whichever host stands still, and whenever: every run comes to one end, no step is recorded twice, no effect is asked for
/// under a second key, and the host that wakes shows what it had to let go.
#[tokio::test(flavor = "multi_thread")]
async fn runs_of_a_host_that_stands_still_go_on_at_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        kills: STOPS,
        seed: 3,
        runs_at_a_time: 8,
        settle: Duration::from_secs(120),
    };
    let http = components().join("flowforge.http.wasm");
    let moves = kills::failover::run(programs(), &http, folder.path(), None, &settings, |_, _| {})
        .await
        .unwrap();
    assert!(moves.is_clean(), "{moves}");
}
