//! Polled triggers: a scripted host brings what the connector found, a clock that the test moves brings the next poll.

use std::collections::BTreeMap;

use flowforge_failpoints::FailPoints;
use flowforge_ports::{ConnectorMeta, OperationMeta, embed_meta};
use flowforge_protocol::job::{Job, Order, StartOrder};
use flowforge_protocol::record::{Event, Outcome, Trigger};
use flowforge_protocol::{Failure, FailureKind};
use serde_json::{Value, json};

use crate::connector::push;
use crate::support::{FakeHost, Home, Plane, Script, TestClock, accepted, completed, done};

const NOON: u64 = 1_795_406_400_000;
const MINUTE: u64 = 60_000;

const ITEMS: &str = r#"workflow: items
input: { id: { type: string }, n: { type: integer, default: 0 } }
triggers:
  news: { poll: { call: demo:feed/new_items, every: 1m } }
nodes:
  out: { set: { title: "${trigger.event.title}" } }
output: { title: "${out.title}" }
"#;

/// `new-items`, which takes a cursor and gives events with `id` and `title` and the next cursor. It is never run here.
fn feed_component() -> Vec<u8> {
    let bytes = wat::parse_str(
        r#"(component
            (core module $m
                (memory (export "memory") 1)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable)
                (func (export "run") (param i32 i32 i32) (result i32) unreachable))
            (core instance $i (instantiate $m))
            (type $item-of (record (field "id" string) (field "title" string)))
            (import "item" (type $item (eq $item-of)))
            (type $batch-of (record (field "events" (list $item)) (field "cursor" (option string))))
            (import "batch" (type $batch (eq $batch-of)))
            (func $run (param "cursor" (option string)) (result $batch)
                (canon lift (core func $i "run") (memory $i "memory") (realloc (func $i "realloc"))))
            (export "new-items" (func $run)))"#,
    )
    .unwrap();
    let operation = OperationMeta {
        title: None,
        effect: None,
        trigger: Some(flowforge_ports::Trigger::Poll),
    };
    let meta = ConnectorMeta {
        name: "demo:feed".to_owned(),
        version: "0.1.0".to_owned(),
        operations: BTreeMap::from([("new_items".to_owned(), operation)]),
        ..ConnectorMeta::default()
    };
    embed_meta(&bytes, &meta).unwrap()
}

async fn publish(plane: &Plane) {
    push(plane, "demo:feed", feed_component()).await;
    plane.publish(ITEMS).await;
}

fn start(job: &Job) -> &StartOrder {
    match &job.order {
        Order::Start(start) => start,
        other => panic!("{other:?}"),
    }
}

/// The next poll, which must be due.
async fn poll(plane: &Plane, host: &FakeHost) -> Job {
    let job = host.job(plane).await;
    assert!(is_poll(&job), "{job:?}");
    job
}

fn is_poll(job: &Job) -> bool {
    let until = start(job).until.as_ref().map(|node| node.as_str().to_owned());
    matches!(start(job).trigger, Trigger::Poll { .. }) && until.as_deref() == Some("news~trigger")
}

/// The run of a poll as its host brings it.
async fn bring(plane: &Plane, host: &FakeHost, job: &Job, outcome: Outcome) {
    let mut script = Script::new(job);
    let mut events = vec![accepted(job)];
    if let Outcome::Done { output } = &outcome {
        events.push(completed("news~trigger", output.shown()));
    }
    events.push(Event::Ended {
        outcome: outcome.clone(),
    });
    let batch = script.batch(events);
    let receipt = host.receipt(job, &script, &outcome);
    let input = json!({
        "received": [job.job_id], "batches": [batch], "receipts": [{"run": job.run_id, "envelope": receipt}],
    });
    let answer = host.sync(plane, input).await;
    assert_eq!(answer["acknowledged"][0]["run"], json!(job.run_id), "{answer:#}");
}

fn found(ids: &[&str], cursor: &str) -> Outcome {
    let events: Vec<Value> = ids
        .iter()
        .map(|id| json!({ "id": id, "title": format!("Item {id}") }))
        .collect();
    done(json!({ "events": events, "cursor": cursor }))
}

/// So many orders, in whatever portions they come.
async fn orders(plane: &Plane, host: &FakeHost, count: usize) -> Vec<Job> {
    let mut jobs = Vec::new();
    while jobs.len() < count {
        let more = host.jobs(plane, 20_000).await;
        assert!(!more.is_empty(), "{jobs:#?}");
        for job in &more {
            host.received(plane, job).await;
        }
        jobs.extend(more);
    }
    assert_eq!(jobs.len(), count, "{jobs:#?}");
    jobs
}

/// The ids of the events that these runs are of.
fn ids(jobs: &[Job]) -> Vec<&str> {
    let id = |job| match &start(job).trigger {
        Trigger::Event { id, trigger, .. } => {
            assert_eq!(trigger, "news");
            id.as_str()
        }
        other => panic!("{other:?}"),
    };
    let mut ids: Vec<&str> = jobs.iter().map(id).collect();
    ids.sort_unstable();
    ids
}

const SHOWN: &str = "query { pollTriggers { nodes { workflow trigger call everyMs state cursor nextMs lastMs polls lastEvents \
    events failures failure { code message } pausedBy openRun { id } lastRun { id } } } }";

async fn shown(plane: &Plane) -> Value {
    plane.ask(SHOWN, json!({})).await["pollTriggers"]["nodes"][0].take()
}

/// The trigger, once this is so.
async fn shown_when(plane: &Plane, is_so: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..2_000 {
        let now = shown(plane).await;
        if is_so(&now) {
            return now;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{:#}", shown(plane).await)
}

#[tokio::test]
async fn what_a_poll_finds_starts_a_run_each_and_the_next_poll_goes_on_there() {
    let clock = TestClock::at(NOON);
    let home = Home::at(&clock);
    let plane = home.start().await;
    publish(&plane).await;
    let host = FakeHost::join(&plane, 1).await;

    let first = poll(&plane, &host).await;
    assert_eq!(start(&first).input, json!({ "cursor": null }));
    assert_eq!(shown(&plane).await["openRun"]["id"], json!(first.run_id));
    bring(&plane, &host, &first, found(&["a", "b"], "b")).await;
    let runs = orders(&plane, &host, 2).await;
    assert_eq!(ids(&runs), ["a", "b"]);
    for run in &runs {
        let order = start(run);
        assert_eq!(order.input["n"], 0, "with the defaults of the input");
        assert!(
            order.extra.as_ref().unwrap()["title"]
                .as_str()
                .unwrap()
                .starts_with("Item")
        );
        let Trigger::Event { found_by, .. } = &order.trigger else {
            panic!("{order:?}")
        };
        assert_eq!(*found_by, first.run_id);
    }
    let now = shown(&plane).await;
    assert_eq!(
        (&now["state"], &now["cursor"], &now["events"], &now["nextMs"]),
        (
            &json!("WAITING"),
            &json!("\"b\""),
            &json!(2),
            &json!(NOON + MINUTE)
        ),
        "{now:#}"
    );

    // One that comes again starts nothing, and a poll without news nothing either.
    clock.pass(MINUTE);
    let second = poll(&plane, &host).await;
    assert_eq!(start(&second).input, json!({ "cursor": "b" }));
    bring(&plane, &host, &second, found(&["b", "c"], "c")).await;
    assert_eq!(ids(&orders(&plane, &host, 1).await), ["c"]);
    clock.pass(MINUTE);
    let third = poll(&plane, &host).await;
    assert_eq!(start(&third).input, json!({ "cursor": "c" }));
    bring(&plane, &host, &third, found(&[], "c")).await;
    let now = shown_when(&plane, |now| now["state"] == "WAITING").await;
    assert_eq!(
        (&now["polls"], &now["events"], &now["lastEvents"]),
        (&json!(3), &json!(3), &json!(0))
    );

    // The runs of polls are in no list; each can be looked at.
    let runs = plane
        .ask("query { runs { nodes { workflow } } }", json!({}))
        .await;
    assert_eq!(runs["runs"]["nodes"].as_array().unwrap().len(), 3, "{runs:#}");
    let looked_at = plane.run(third.run_id.as_str()).await;
    assert_eq!(looked_at["state"], "DONE", "{looked_at:#}");
    assert_eq!(
        looked_at["view"]["nodes"].as_array().unwrap().len(),
        1,
        "{looked_at:#}"
    );
    plane.stop().await;
}

#[tokio::test]
async fn each_event_starts_one_run_though_the_process_stops_around_either_commit() {
    // The first crossing stores the poll, the second hands over what it found.
    for plan in [
        "B2.before=error@1",
        "B2=error@1",
        "B2.before=error@2",
        "B2=error@2",
    ] {
        let mut home = Home::new();
        home.fail_points = FailPoints::from_env_value(Some(plan)).unwrap();
        let mut plane = home.start().await;
        let mut host = FakeHost::join(&plane, 1).await;
        publish(&plane).await;
        if plan.ends_with('1') {
            // Nothing was told to the host.
            assert!(host.jobs(&plane, 300).await.is_empty(), "{plan}");
        } else {
            let job = poll(&plane, &host).await;
            bring(&plane, &host, &job, found(&["a", "b"], "b")).await;
            assert!(host.jobs(&plane, 300).await.is_empty(), "{plan}");
        }
        plane.stop().await;
        home.fail_points = FailPoints::inert();
        plane = home.start().await;
        host = FakeHost::join(&plane, 1).await;
        if plan.ends_with('1') {
            let job = poll(&plane, &host).await;
            bring(&plane, &host, &job, found(&["a", "b"], "b")).await;
        }
        assert_eq!(ids(&orders(&plane, &host, 2).await), ["a", "b"], "{plan}");
        let now = shown_when(&plane, |now| now["state"] == "WAITING").await;
        assert_eq!(
            (&now["polls"], &now["events"], &now["cursor"]),
            (&json!(1), &json!(2), &json!("\"b\"")),
            "{plan}"
        );
        assert!(host.jobs(&plane, 0).await.is_empty(), "{plan}");
        plane.stop().await;
    }
}

#[tokio::test]
async fn a_poll_that_fails_leaves_the_cursor_and_the_next_comes_later_each_time() {
    let clock = TestClock::at(NOON);
    let home = Home::at(&clock);
    let plane = home.start().await;
    publish(&plane).await;
    let host = FakeHost::join(&plane, 1).await;
    let job = poll(&plane, &host).await;
    bring(&plane, &host, &job, found(&["a"], "a")).await;
    orders(&plane, &host, 1).await;
    let down = Outcome::Failed {
        node: Some("news~trigger".parse().unwrap()),
        failure: Failure::new(FailureKind::Unavailable, "the service answers 503"),
    };
    let mut waits = Vec::new();
    clock.pass(MINUTE);
    for failures in 1..=8 {
        let job = poll(&plane, &host).await;
        assert_eq!(start(&job).input, json!({ "cursor": "a" }));
        bring(&plane, &host, &job, down.clone()).await;
        let now = shown_when(&plane, |now| now["failures"] == failures).await;
        assert_eq!(now["state"], "FAILING");
        assert_eq!(
            now["failure"],
            json!({ "code": "FF-TRG-001", "message": "unavailable: the service answers 503" })
        );
        let wait = now["nextMs"].as_u64().unwrap() - now["lastMs"].as_u64().unwrap();
        waits.push(wait / MINUTE);
        clock.pass(wait);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60], "minutes");
    let job = poll(&plane, &host).await;
    bring(&plane, &host, &job, found(&["b"], "b")).await;
    assert_eq!(ids(&orders(&plane, &host, 1).await), ["b"]);
    let now = shown(&plane).await;
    assert_eq!((&now["failures"], &now["failure"]), (&json!(0), &Value::Null));
    plane.stop().await;
}

#[tokio::test]
async fn a_stopped_trigger_ends_its_poll_and_begins_no_other_until_it_goes_on() {
    let clock = TestClock::at(NOON);
    let home = Home::at(&clock);
    let plane = home.start().await;
    publish(&plane).await;
    let host = FakeHost::join(&plane, 1).await;
    let job = poll(&plane, &host).await;
    let fields = "__typename ... on PauseTriggerSuccess { trigger { state pausedBy nextMs } } ... on Problem { code message }";
    let names = json!({ "workflow": "items", "trigger": "news", "reason": "the shop moves" });
    let paused = plane
        .change("pauseTrigger", "PauseTriggerInput", names.clone(), fields)
        .await;
    assert_eq!(paused["trigger"]["state"], "PAUSED", "{paused:#}");
    let by = paused["trigger"]["pausedBy"].as_str().unwrap();
    assert!(by.ends_with("the shop moves"), "{by}");
    bring(&plane, &host, &job, found(&["a"], "a")).await;
    assert_eq!(
        ids(&orders(&plane, &host, 1).await),
        ["a"],
        "what is under way ends"
    );
    clock.pass(10 * MINUTE);
    assert!(host.jobs(&plane, 300).await.is_empty(), "no poll begins");
    let on = plane
        .change("resumeTrigger", "PauseTriggerInput", names, fields)
        .await;
    assert_eq!(on["trigger"]["pausedBy"], Value::Null, "{on:#}");
    let job = poll(&plane, &host).await;
    assert_eq!(start(&job).input, json!({ "cursor": "a" }), "where it was");
    let other = json!({ "workflow": "items", "trigger": "nws" });
    let none = plane
        .change("pauseTrigger", "PauseTriggerInput", other, fields)
        .await;
    assert_eq!(none["code"], "FF-TRG-004", "{none:#}");
    plane.stop().await;
}

#[tokio::test]
async fn an_event_that_does_not_fit_holds_the_trigger_until_a_version_takes_it() {
    let clock = TestClock::at(NOON);
    let home = Home::at(&clock);
    let plane = home.start().await;
    publish(&plane).await;
    let host = FakeHost::join(&plane, 1).await;
    let odd = done(json!({ "events": [{ "id": "a" }, { "id": "b", "n": "three" }], "cursor": "b" }));
    let job = poll(&plane, &host).await;
    bring(&plane, &host, &job, odd.clone()).await;
    let now = shown_when(&plane, |now| now["state"] == "FAILING").await;
    assert_eq!(now["failure"]["code"], "FF-TRG-003", "{now:#}");
    let message = now["failure"]["message"].as_str().unwrap();
    assert!(
        message.contains("event `b`") && message.contains('n'),
        "{message}"
    );
    assert_eq!(now["cursor"], Value::Null, "it goes on from where it was");
    assert!(
        host.jobs(&plane, 0).await.is_empty(),
        "not one of them starts a run"
    );
    let mended = ITEMS.replace("n: { type: integer, default: 0 }", "n: { type: any, default: 0 }");
    plane.publish(&mended).await;
    clock.pass(MINUTE);
    let job = poll(&plane, &host).await;
    bring(&plane, &host, &job, odd).await;
    assert_eq!(ids(&orders(&plane, &host, 2).await), ["a", "b"]);
    plane.stop().await;
}

#[tokio::test]
async fn a_version_that_asks_something_else_begins_anew_and_one_that_asks_the_same_goes_on() {
    let clock = TestClock::at(NOON);
    let home = Home::at(&clock);
    let plane = home.start().await;
    publish(&plane).await;
    let host = FakeHost::join(&plane, 1).await;
    let job = poll(&plane, &host).await;
    bring(&plane, &host, &job, found(&["a"], "a")).await;
    orders(&plane, &host, 1).await;
    plane.publish(&ITEMS.replace("every: 1m", "every: 2m")).await;
    clock.pass(MINUTE);
    let job = poll(&plane, &host).await;
    assert_eq!(start(&job).input, json!({ "cursor": "a" }));
    bring(&plane, &host, &job, found(&[], "a")).await;
    shown_when(&plane, |now| now["state"] == "WAITING").await;
    // The configuration is a part of the question.
    plane
        .publish(&ITEMS.replace("triggers:", "config: { shop: b }\ntriggers:"))
        .await;
    let job = poll(&plane, &host).await;
    assert_eq!(start(&job).input, json!({ "cursor": null }));
    bring(&plane, &host, &job, found(&["a"], "a")).await;
    let now = shown_when(&plane, |now| now["state"] == "WAITING").await;
    assert_eq!(now["lastEvents"], 1);
    assert!(
        host.jobs(&plane, 0).await.is_empty(),
        "the same event starts one run all the same"
    );
    plane.stop().await;
}
