//! Orders that come late, come again, or cannot be given.

use flowforge_protocol::job::{Job, Order};
use flowforge_protocol::record::Event;
use serde_json::{Value, json};

use crate::support::{FakeHost, Home, Plane, SUM, Script, TestClock, accepted, done, finish_sum};

const NOON: u64 = 1_800_000_000_000;
/// Longer than a job lives.
const LATER: u64 = 16 * 60 * 1_000;

async fn start(plane: &Plane, a: i64) {
    let started = plane
        .start_run(json!({"workflow": "sum", "input": {"a": a}}))
        .await;
    assert_eq!(started["__typename"], "StartRunSuccess", "{started:#}");
}

/// 960 of 1,000 runs ran twice: their records were here, their starts had expired, and were written anew.
#[tokio::test]
async fn what_has_a_record_is_not_started_again_however_late_it_is() {
    let clock = TestClock::at(NOON);
    let home = Home::at(&clock);
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    start(&plane, 1).await;
    let job = host.job(&plane).await;
    plane.stop().await;

    // The host has forgotten that it had to confirm the job, and brings the records.
    clock.pass(LATER);
    let plane = home.start().await;
    let host = FakeHost::join(&plane, 1).await;
    let outcome = done(json!({"total": 3}));
    let batch = Script::new(&job).batch(vec![accepted(&job), Event::Ended { outcome }]);
    let told = host
        .sync(
            &plane,
            json!({"batches": [batch], "lanes": {"starts": 10, "changes": 10}}),
        )
        .await;
    assert_eq!(
        (&told["starts"], &told["changes"]),
        (&json!([]), &json!([])),
        "{told:#}"
    );
    clock.pass(LATER);
    assert!(host.jobs(&plane, 0).await.is_empty());
    assert_eq!(plane.run("last").await["state"], "DONE");
    plane.stop().await;
}

/// Expired jobs left the queue, and were written anew one by one inside the host's call: when that was cut, the rest hung
/// until the plane was started again.
#[tokio::test]
async fn expired_jobs_outlive_a_call_that_is_cut() {
    const RUNS: usize = 300;
    let clock = TestClock::at(NOON);
    let home = Home::at(&clock);
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    futures::future::join_all((0..RUNS).map(|_| start(&plane, 1))).await;
    clock.pass(LATER);
    // A call that nobody waits for.
    let call = host.sync(
        &plane,
        json!({"lanes": {"starts": 10, "changes": 10}, "waitMs": 20_000}),
    );
    drop(tokio::time::timeout(std::time::Duration::ZERO, call).await);
    let mut runs = std::collections::BTreeSet::new();
    while runs.len() < RUNS {
        for job in host.jobs(&plane, 20_000).await {
            assert!(job.expires_at_ms > NOON + LATER);
            assert!(runs.insert(job.run_id.clone()), "each once");
        }
    }
    plane.stop().await;
}

/// A host whose clock was wrong had its run written anew twenty times at once, and then failed.
#[tokio::test]
async fn a_host_with_a_wrong_clock_makes_a_run_wait_not_fail() {
    let clock = TestClock::at(NOON);
    let home = Home::at(&clock);
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    start(&plane, 1).await;
    for code in ["FF-JOB-003", "FF-JOB-004", "FF-JOB-007"] {
        let job = host.job(&plane).await;
        refuse(&plane, &host, &job, code).await;
    }
    assert!(host.jobs(&plane, 0).await.is_empty(), "not a fourth time at once");
    assert_eq!(plane.run("last").await["state"], "QUEUED");
    let job = job_in_time(&plane, &host, &clock).await;
    refuse(&plane, &host, &job, "FF-JOB-004").await;
    let run = plane.run("last").await;
    assert!(
        run["waitingFor"].as_str().unwrap().contains("compare the clocks"),
        "{run:#}"
    );
    let job = job_in_time(&plane, &host, &clock).await;
    finish_sum(&plane, &host, &job).await;
    assert_eq!(plane.run("last").await["state"], "DONE");
    plane.stop().await;
}

async fn refuse(plane: &Plane, host: &FakeHost, job: &Job, code: &str) {
    let refused = json!({"job": job.job_id, "code": code, "message": "not of my time"});
    host.sync(plane, json!({"refused": [refused]})).await;
}

/// The next job, however long it is held back.
async fn job_in_time(plane: &Plane, host: &FakeHost, clock: &TestClock) -> Job {
    loop {
        clock.pass(2_000);
        if let Some(job) = host.jobs(plane, 0).await.pop() {
            return job;
        }
    }
}

/// Jobs of a plane whose clock was ahead are refused by every host, as from the future, until the clock has caught up.
#[tokio::test]
async fn a_job_from_the_future_is_signed_anew_when_the_clock_is_right_again() {
    let clock = TestClock::at(NOON + 86_400_000);
    let home = Home::at(&clock);
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    start(&plane, 1).await;
    clock.set(NOON);
    let job = host.job(&plane).await;
    assert_eq!(job.issued_at_ms, NOON);
    plane.stop().await;
}

const BODY: &str = r#"{"query": "mutation($input: StartRunInput!) { startRun(input: $input) { __typename } }",
    "variables": {"input": {"workflow": "sum", "input": {"a": [7, 99999999999999999999999999]}}}}"#;

/// A start with a number that no job can hold was stored while no host was there. Afterwards no host got any job.
#[tokio::test]
async fn what_cannot_be_signed_is_refused_at_the_door_by_its_field() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    // The text is sent as it stands: a JSON value of the test would round the number.
    let call = plane
        .http
        .post(plane.url("/graphql"))
        .header("content-type", "application/json")
        .body(BODY);
    let answer: Value = call.send().await.unwrap().json().await.unwrap();
    let message = answer["errors"][0]["message"].as_str().unwrap();
    // Of a number in a list only the byte was named.
    assert!(
        message.starts_with("`variables.input.input.a[1]`: the integer"),
        "{answer:#}"
    );
    let digits =
        "mutation { startRun(input: {workflow: \"sum\", input: {a: 99999999999999999999}}) { __typename } }";
    let answer = plane.post(None, digits, json!({})).await;
    let message = answer["errors"][0]["message"].as_str().unwrap();
    assert!(message.starts_with("`a`: the integer"), "{answer:#}");
    // Written into the text of the query, numbers come another way.
    let inline =
        "mutation { startRun(input: {workflow: \"sum\", input: {a: 9007199254740993}}) { __typename } }";
    let answer = plane.ask(inline, json!({})).await["startRun"]["__typename"].take();
    let host = FakeHost::join(&plane, 1).await;
    if answer == "StartRunSuccess" {
        let Order::Start(start) = host.job(&plane).await.order else {
            panic!("no start")
        };
        assert_eq!(
            start.input["a"], 9_007_199_254_740_993_u64,
            "what is taken is exact"
        );
    } else {
        assert_eq!(answer, "InputProblem");
    }
    start_one(&plane, &host).await;
    plane.stop().await;
}

async fn start_one(plane: &Plane, host: &FakeHost) {
    start(plane, 1).await;
    let job = host.jobs(plane, 20_000).await.pop().unwrap();
    finish_sum(plane, host, &job).await;
}

/// The plane showed a host as connected whose calls all failed.
#[tokio::test]
async fn connected_is_who_is_heard_and_times_of_silence_are_kept() {
    let clock = TestClock::at(NOON);
    let home = Home::at(&clock);
    let plane = home.start().await;
    let host = FakeHost::join(&plane, 1).await;
    let connected =
        || async { plane.ask("{ hosts { connected } }", json!({})).await["hosts"][0]["connected"].clone() };
    assert_eq!(connected().await, true);
    clock.pass(5_000);
    assert_eq!(connected().await, false);
    // The time of day is set back: nothing was heard for all that.
    clock.set(NOON - 60_000);
    assert_eq!(connected().await, false);
    host.sync(&plane, json!({})).await;
    assert_eq!(connected().await, true);
    plane.stop().await;
}

#[tokio::test]
async fn an_answer_names_the_opening_of_the_database() {
    let home = Home::new();
    let plane = home.start().await;
    let host = FakeHost::join(&plane, 1).await;
    let life = async |plane: &Plane| host.sync(plane, json!({})).await["planeIncarnation"].clone();
    let first = life(&plane).await;
    assert_eq!(life(&plane).await, first);
    plane.stop().await;
    let plane = home.start().await;
    assert_ne!(life(&plane).await, first);
    plane.stop().await;
}

#[tokio::test]
async fn when_all_hosts_are_busy_a_run_says_so() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    host.sync(&plane, json!({"busy": true})).await;
    let started = plane
        .start_run(json!({"workflow": "sum", "input": {"a": 1}}))
        .await;
    let waits = started["run"]["waitingFor"].as_str().unwrap();
    assert!(waits.contains("is busy"), "{waits}");
    plane.stop().await;
}

#[tokio::test]
async fn a_refused_start_fails_its_run() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    start(&plane, 1).await;
    let job = host.job(&plane).await;
    let refused = json!({"job": job.job_id, "code": "FF-ADM-007", "message": "another release"});
    host.sync(&plane, json!({"refused": [refused]})).await;
    let run = plane.run("last").await;
    assert_eq!(
        (&run["state"], &run["failure"]["code"]),
        (&json!("FAILED"), &json!("FF-ADM-007"))
    );
    let outcome = done(json!(1));
    let late = Script::new(&job).batch(vec![accepted(&job), Event::Ended { outcome }]);
    let told = host.sync(&plane, json!({"batches": [late]})).await;
    assert_eq!(told["rejected"][0]["code"], "conflict", "{told:#}");
    plane.stop().await;
}

/// A host that was drained took runs that waited for any host: it asked for work, and only the choice of a host knew better.
#[tokio::test]
async fn a_drained_host_gets_nothing_new_and_keeps_what_it_has() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    start_one(&plane, &host).await;
    let named = plane.ask("{ hosts { name } }", Value::Null).await["hosts"][0]["name"].take();
    let decide = async |decision: &str| {
        let input = json!({"host": named, "decision": decision});
        let fields =
            "__typename ... on DecideHostSuccess { host { standing } } ... on Problem { code message }";
        plane.change("decideHost", "DecideHostInput", input, fields).await
    };
    assert_eq!(decide("DRAIN").await["host"]["standing"], "DRAINING");
    start(&plane, 2).await;
    assert!(host.jobs(&plane, 0).await.is_empty());
    assert_eq!(plane.run("last").await["state"], "QUEUED");
    plane.stop().await;
    // It stays so when the control plane starts again.
    let plane = home.start().await;
    let host = FakeHost::join(&plane, 1).await;
    assert!(host.jobs(&plane, 0).await.is_empty());
    assert_eq!(plane.run("last").await["state"], "QUEUED");
    let input = json!({"host": named, "decision": "UNDRAIN"});
    let fields = "__typename ... on DecideHostSuccess { host { standing } } ... on Problem { code message }";
    let taken_back = plane.change("decideHost", "DecideHostInput", input, fields).await;
    assert_eq!(taken_back["host"]["standing"], "ACTIVE");
    assert!(!host.jobs(&plane, 0).await.is_empty());
    plane.stop().await;
}
