//! Schedules, with a clock that the test moves.

use flowforge_protocol::job::Order;
use flowforge_protocol::record::Trigger;

use crate::support::{FakeHost, Home, Plane, TestClock};

/// 2026-11-23 04:00:00 UTC, 05:00 in Berlin.
const FOUR: u64 = 1_795_406_400_000;
const HOUR: u64 = 3_600_000;

const DAILY: &str = r#"workflow: daily
input:
  n: { type: integer }
triggers:
  morning: { schedule: { cron: "0 6 * * *", time_zone: Europe/Berlin, input: { n: 7 } } }
nodes:
  out:
    set:
      n: ${input.n}
output: { n: "${out.n}" }
"#;

async fn due_of(plane: &Plane, host: &FakeHost) -> u64 {
    let job = host.job(plane).await;
    let Order::Start(start) = &job.order else {
        panic!("{job:?}")
    };
    assert_eq!(start.input, serde_json::json!({"n": 7}));
    host.received(plane, &job).await;
    match start.trigger {
        Trigger::Schedule { due_ms } => due_ms,
        ref other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_due_time_starts_one_run_in_its_time_zone() {
    let clock = TestClock::at(FOUR);
    let home = Home::at(&clock);
    let plane = home.start().await;
    plane.publish(DAILY).await;
    let host = FakeHost::join(&plane, 1).await;
    assert!(host.jobs(&plane, 0).await.is_empty());
    clock.set(FOUR + HOUR);
    assert_eq!(due_of(&plane, &host).await, FOUR + HOUR);
    clock.set(FOUR + 25 * HOUR);
    assert_eq!(due_of(&plane, &host).await, FOUR + 25 * HOUR);
    assert!(host.jobs(&plane, 0).await.is_empty());
    plane.stop().await;
}

#[tokio::test]
async fn of_missed_times_the_last_is_made_up_for_once() {
    let clock = TestClock::at(FOUR);
    let home = Home::at(&clock);
    let plane = home.start().await;
    plane.publish(DAILY).await;
    plane.stop().await;

    clock.set(FOUR + 73 * HOUR + 1);
    let plane = home.start().await;
    let host = FakeHost::join(&plane, 1).await;
    assert_eq!(due_of(&plane, &host).await, FOUR + 73 * HOUR);
    assert!(host.jobs(&plane, 0).await.is_empty());
    plane.stop().await;

    // The same moment again after another start: nothing is due, nothing starts.
    let plane = home.start().await;
    clock.set(FOUR + 97 * HOUR);
    assert_eq!(due_of(&plane, &host).await, FOUR + 97 * HOUR);
    plane.stop().await;
}

#[tokio::test]
async fn a_new_version_without_the_trigger_ends_it() {
    let clock = TestClock::at(FOUR);
    let home = Home::at(&clock);
    let plane = home.start().await;
    plane.publish(DAILY).await;
    let line = DAILY.lines().find(|line| line.contains("morning")).unwrap();
    let later = DAILY.replace(line, &line.replace("0 6", "0 8"));
    plane.publish(&later).await;
    let host = FakeHost::join(&plane, 1).await;
    clock.set(FOUR + HOUR);
    assert!(
        host.jobs(&plane, 0).await.is_empty(),
        "the time of the first version is not the newest's"
    );
    clock.set(FOUR + 3 * HOUR);
    assert_eq!(due_of(&plane, &host).await, FOUR + 3 * HOUR);
    plane.stop().await;
}

/// A clock that was ahead for a minute left due times behind it: cron was silent until the time of day caught up.
#[tokio::test]
async fn a_clock_that_was_ahead_silences_no_schedule() {
    let clock = TestClock::at(FOUR + 240 * HOUR);
    let home = Home::at(&clock);
    let plane = home.start().await;
    plane.publish(DAILY).await;
    clock.set(FOUR);
    plane.stop().await;
    let plane = home.start().await;
    let host = FakeHost::join(&plane, 1).await;
    clock.set(FOUR + HOUR);
    assert_eq!(due_of(&plane, &host).await, FOUR + HOUR);
    // Back to before what has run already: it does not run twice.
    clock.set(FOUR + HOUR / 2);
    plane.stop().await;
    let plane = home.start().await;
    clock.set(FOUR + 2 * HOUR);
    clock.set(FOUR + 25 * HOUR);
    assert_eq!(due_of(&plane, &host).await, FOUR + 25 * HOUR);
    assert!(host.jobs(&plane, 0).await.is_empty());
    plane.stop().await;
}

/// A release that could not be used at one start, for a key that was taken out of the trust root by mistake, lost its
/// schedules for good.
#[tokio::test]
async fn a_release_that_cannot_be_used_keeps_its_schedules_and_says_so() {
    let clock = TestClock::at(FOUR);
    let home = Home::at(&clock);
    let plane = home.start().await;
    let with_hook = DAILY.replace(
        "triggers:\n",
        "triggers:\n  pushed: { webhook: { path: pushed } }\n",
    );
    plane.publish(&with_hook).await;
    plane.stop().await;
    let root = home.path().join("ff/trust-root.json");
    let right = std::fs::read_to_string(&root).unwrap();
    let mut wrong: serde_json::Value = serde_json::from_str(&right).unwrap();
    wrong["release_keys"] = wrong["grant_keys"].clone();
    std::fs::write(&root, wrong.to_string()).unwrap();

    let plane = home.start().await;
    clock.set(FOUR + HOUR / 2);
    let start = "mutation($input: StartRunInput!) { startRun(input: $input) { __typename } }";
    let input = serde_json::json!({"input": {"workflow": "daily", "input": {"n": 1}}});
    let refused = plane.post(None, start, input).await;
    assert_eq!(
        refused["errors"][0]["extensions"]["code"], "FF-REL-004",
        "{refused:#}"
    );
    let pushed = plane.http.post(plane.url("/hooks/pushed")).body("{}");
    assert_eq!(pushed.send().await.unwrap().status().as_u16(), 503);
    plane.stop().await;

    std::fs::write(&root, right).unwrap();
    clock.set(FOUR + 3 * HOUR);
    let plane = home.start().await;
    let host = FakeHost::join(&plane, 1).await;
    assert_eq!(
        due_of(&plane, &host).await,
        FOUR + HOUR,
        "what was due meanwhile is made up for"
    );
    plane.stop().await;
}
