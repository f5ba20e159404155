//! Both planes die at their commit points under load, some tens of times: the short form of the campaign `kills`.

use std::time::Duration;

use flowforge_failpoints::Point;
use flowforge_tests::kills::{self, Settings};

use super::{components, programs};

/// Twice as many as there are places to die, so that each is met.
const KILLS: u64 = 48;

/// A run that is accepted ends as done, whatever dies when: no effect is asked for under a second key, no step is
/// recorded twice, nothing fails because a program was stopped.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_done_twice_when_either_plane_dies_at_its_commit_points() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        kills: KILLS,
        seed: 7,
        runs_at_a_time: 8,
        settle: Duration::from_secs(120),
    };
    let http = components().join("flowforge.http.wasm");
    let tally = kills::run(programs(), &http, folder.path(), &settings, |_| {})
        .await
        .unwrap();
    assert!(tally.is_clean(), "{tally}");
    let missed: Vec<Point> = Point::ALL
        .into_iter()
        .filter(|point| tally.hits(*point) == 0)
        .collect();
    assert!(missed.is_empty(), "never met: {missed:?}\n{tally}");
}
