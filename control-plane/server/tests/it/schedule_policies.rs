//! What becomes of times that were missed, and of a time at which the run before is still open.

use flowforge_protocol::job::{Job, Order};
use flowforge_protocol::record::{Event, Outcome, Trigger};
use serde_json::{Value, json};

use crate::support::{FakeHost, Home, Plane, Script, TestClock, accepted, done};

/// 2026-11-23 04:00:00 UTC.
const FOUR: u64 = 1_795_406_400_000;
const HOUR: u64 = 3_600_000;

/// A workflow that is due every hour.
fn hourly(policies: &str) -> String {
    format!(
        "workflow: hourly\ntriggers:\n  every: {{ schedule: {{ cron: \"0 * * * *\"{policies} }} }}\n\
         nodes:\n  out: {{ set: {{ a: 1 }} }}\noutput: {{ a: \"${{out.a}}\" }}\n"
    )
}

fn due_ms(job: &Job) -> u64 {
    let Order::Start(start) = &job.order else {
        panic!("{job:?}")
    };
    match start.trigger {
        Trigger::Schedule { due_ms } => due_ms,
        ref other => panic!("{other:?}"),
    }
}

/// The order for the run of a time.
async fn began(plane: &Plane, host: &FakeHost, at_ms: u64) -> Job {
    let job = host.job(plane).await;
    assert_eq!(due_ms(&job), at_ms);
    host.received(plane, &job).await;
    job
}

async fn finish(plane: &Plane, host: &FakeHost, job: &Job) {
    let outcome = done(json!({"a": 1}));
    end(plane, host, job, outcome).await;
}

async fn end(plane: &Plane, host: &FakeHost, job: &Job, outcome: Outcome) {
    let batch = Script::new(job).batch(vec![accepted(job), Event::Ended { outcome }]);
    host.sync(plane, json!({ "batches": [batch] })).await;
}

const SCHEDULES: &str = "query($workflow: String) { schedules(first: 10, workflow: $workflow) { nodes { workflow trigger cron \
    timeZone catchUp overlap nextMs(count: 3) lastDueMs lastRun { id state } waitingMs skipped } } }";

async fn shown(plane: &Plane) -> Value {
    let answer = plane.ask(SCHEDULES, json!({})).await;
    let nodes = answer["schedules"]["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 1, "{answer:#}");
    nodes[0].clone()
}

/// The schedule, when it is as it is waited for.
async fn until(plane: &Plane, right: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    for _ in 0..600 {
        last = shown(plane).await;
        if right(&last) {
            return last;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{last:#}")
}

/// A plane that was away from four until shortly after eight.
async fn away(policies: &str) -> (Home, Plane, FakeHost) {
    let clock = TestClock::at(FOUR + 1);
    let home = Home::at(&clock);
    let plane = home.start().await;
    plane.publish(&hourly(policies)).await;
    until(&plane, |shown| shown["nextMs"][0] == json!(FOUR + HOUR)).await;
    plane.stop().await;
    clock.set(FOUR + 4 * HOUR + 2 * 60_000);
    let plane = home.start().await;
    let host = FakeHost::join(&plane, 1).await;
    (home, plane, host)
}

#[tokio::test]
async fn missed_times_start_nothing_the_last_or_all_of_them() {
    for (policy, expected) in [
        (", catch_up: skip", vec![]),
        ("", vec![4]),
        (", catch_up: one", vec![4]),
        (", catch_up: all", vec![1, 2, 3, 4]),
    ] {
        let (_home, plane, host) = away(policy).await;
        let skipped = 4 - expected.len();
        let started = expected.last().map_or(Value::Null, |n| json!(FOUR + n * HOUR));
        until(&plane, |shown| {
            shown["skipped"] == json!(skipped) && shown["lastDueMs"] == started
        })
        .await;
        let expected: Vec<u64> = expected.into_iter().map(|n| FOUR + n * HOUR).collect();
        let mut due = Vec::new();
        while due.len() < expected.len() {
            let jobs = host.jobs(&plane, 20_000).await;
            assert!(!jobs.is_empty(), "{policy}: {due:?}");
            for job in jobs {
                host.received(&plane, &job).await;
                due.push(due_ms(&job));
            }
        }
        assert!(host.jobs(&plane, 0).await.is_empty(), "{policy}");
        due.sort_unstable();
        assert_eq!(due, expected, "{policy}");
        let next = shown(&plane).await["nextMs"].clone();
        assert_eq!(next, json!([FOUR + 5 * HOUR, FOUR + 6 * HOUR, FOUR + 7 * HOUR]));
        plane.stop().await;
    }
}

#[tokio::test]
async fn times_do_not_care_for_the_run_before_unless_the_trigger_says_so() {
    let clock = TestClock::at(FOUR + 1);
    let home = Home::at(&clock);
    let plane = home.start().await;
    plane.publish(&hourly("")).await;
    let host = FakeHost::join(&plane, 1).await;
    assert!(host.jobs(&plane, 0).await.is_empty());
    for n in 1..=3 {
        clock.set(FOUR + n * HOUR);
        began(&plane, &host, FOUR + n * HOUR).await;
    }
    plane.stop().await;
}

/// The run of the hour before still worked when the next began, on the same files.
#[tokio::test]
async fn a_time_that_comes_too_early_starts_nothing() {
    let clock = TestClock::at(FOUR + 1);
    let home = Home::at(&clock);
    let plane = home.start().await;
    plane.publish(&hourly(", overlap: skip")).await;
    let host = FakeHost::join(&plane, 1).await;
    assert!(host.jobs(&plane, 0).await.is_empty());
    clock.set(FOUR + HOUR);
    let first = began(&plane, &host, FOUR + HOUR).await;
    for n in 2..=3 {
        clock.set(FOUR + n * HOUR);
        until(&plane, |shown| shown["skipped"] == json!(n - 1)).await;
    }
    assert!(host.jobs(&plane, 0).await.is_empty());
    finish(&plane, &host, &first).await;
    assert!(host.jobs(&plane, 0).await.is_empty(), "what was skipped stays so");
    clock.set(FOUR + 4 * HOUR);
    began(&plane, &host, FOUR + 4 * HOUR).await;
    plane.stop().await;
}

#[tokio::test]
async fn times_wait_in_order_for_the_run_before_through_a_restart() {
    let clock = TestClock::at(FOUR + 1);
    let home = Home::at(&clock);
    let plane = home.start().await;
    plane.publish(&hourly(", overlap: queue")).await;
    let host = FakeHost::join(&plane, 1).await;
    assert!(host.jobs(&plane, 0).await.is_empty());
    clock.set(FOUR + HOUR);
    let mut open = began(&plane, &host, FOUR + HOUR).await;
    for n in 2..=3_usize {
        clock.set(FOUR + n as u64 * HOUR);
        until(&plane, |shown| {
            shown["waitingMs"].as_array().unwrap().len() == n - 1
        })
        .await;
    }
    assert!(host.jobs(&plane, 0).await.is_empty());
    plane.stop().await;
    let plane = home.start().await;
    let host = FakeHost::join(&plane, 1).await;
    let kept = until(&plane, |shown| shown["lastRun"]["id"] == json!(open.run_id)).await;
    assert_eq!(kept["waitingMs"], json!([FOUR + 2 * HOUR, FOUR + 3 * HOUR]));
    for n in 2..=3 {
        finish(&plane, &host, &open).await;
        open = began(&plane, &host, FOUR + n * HOUR).await;
        assert!(host.jobs(&plane, 0).await.is_empty(), "one at a time");
    }
    finish(&plane, &host, &open).await;
    let last = shown(&plane).await;
    assert_eq!((&last["waitingMs"], &last["skipped"]), (&json!([]), &json!(0)));
    plane.stop().await;
}

#[tokio::test]
async fn the_run_before_is_stopped_and_the_newest_time_follows_it() {
    let clock = TestClock::at(FOUR + 1);
    let home = Home::at(&clock);
    let plane = home.start().await;
    plane.publish(&hourly(", overlap: cancel")).await;
    let host = FakeHost::join(&plane, 1).await;
    assert!(host.jobs(&plane, 0).await.is_empty());
    clock.set(FOUR + HOUR);
    let first = began(&plane, &host, FOUR + HOUR).await;
    clock.set(FOUR + 2 * HOUR);
    let stop = host.job(&plane).await;
    assert_eq!(stop.run_id, first.run_id);
    let Order::Cancel { reason, .. } = &stop.order else {
        panic!("{stop:?}")
    };
    assert!(reason.contains("`every`"), "{reason}");
    clock.set(FOUR + 3 * HOUR);
    until(&plane, |shown| shown["waitingMs"] == json!([FOUR + 3 * HOUR])).await;
    let outcome = Outcome::Cancelled {
        reason: reason.clone(),
    };
    end(&plane, &host, &first, outcome).await;
    began(&plane, &host, FOUR + 3 * HOUR).await;
    let last = shown(&plane).await;
    assert_eq!((&last["waitingMs"], &last["skipped"]), (&json!([]), &json!(1)));
    assert!(host.jobs(&plane, 0).await.is_empty());
    plane.stop().await;
}

#[tokio::test]
async fn schedules_are_listed_with_their_next_times_in_their_zone() {
    let clock = TestClock::at(FOUR + 1);
    let home = Home::at(&clock);
    let plane = home.start().await;
    let zone = ", time_zone: Europe/Berlin, catch_up: all, overlap: queue";
    let source = hourly(zone).replace("0 * * * *", "0 6 * * *");
    plane.publish(&source).await;
    plane
        .publish(&hourly("").replace("workflow: hourly", "workflow: other"))
        .await;
    let of = async |workflow: &str| {
        let answer = plane.ask(SCHEDULES, json!({ "workflow": workflow })).await;
        answer["schedules"]["nodes"].clone()
    };
    let shown = of("hourly").await;
    let expected = json!([{
        "workflow": "hourly", "trigger": "every", "cron": "0 6 * * *", "timeZone": "Europe/Berlin", "catchUp": "ALL",
        "overlap": "QUEUE", "nextMs": [FOUR + HOUR, FOUR + 25 * HOUR, FOUR + 49 * HOUR], "lastDueMs": null,
        "lastRun": null, "waitingMs": [], "skipped": 0,
    }]);
    assert_eq!(shown, expected);
    assert_eq!(of("other").await[0]["overlap"], Value::Null);
    let query = "{ schedules(first: 1) { nodes { workflow } pageInfo { hasNextPage endCursor } } }";
    let first = plane.ask(query, json!({})).await["schedules"].clone();
    assert_eq!(first["nodes"][0]["workflow"], "hourly");
    assert_eq!(first["pageInfo"]["hasNextPage"], json!(true));
    let cursor = first["pageInfo"]["endCursor"].as_str().unwrap();
    let query = format!("{{ schedules(first: 5, after: \"{cursor}\") {{ nodes {{ workflow }} }} }}");
    let rest = plane.ask(&query, json!({})).await;
    assert_eq!(rest["schedules"]["nodes"], json!([{"workflow": "other"}]));
    let wrong = plane
        .post(None, "{ schedules { nodes { nextMs(count: 21) } } }", json!({}))
        .await;
    assert_eq!(
        wrong["errors"][0]["extensions"]["code"], "FF-API-400",
        "{wrong:#}"
    );
    plane.stop().await;
}
