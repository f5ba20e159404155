//! Retry from a step, and trying a node.

use flowforge_protocol::job::{Job, Order};
use flowforge_protocol::record::{Event, Outcome, Scope, Source, effect_key};
use flowforge_protocol::{Failure, FailureKind, Used};
use serde_json::{Value, json};

use crate::support::{FakeHost, Home, Plane, Script, accepted, completed};

const CHAIN: &str = r#"workflow: chain
input:
  n: { type: integer }
nodes:
  one: { set: { value: "${input.n + 1}" } }
  two: { set: { value: "${one.value + 1}" } }
  three: { set: { value: "${two.value / 0}" } }
output: { value: "${three.value}" }
"#;

const EFFECTS: &str = r#"workflow: effects
nodes:
  tell:
    call: demo:caller/run
    allow: ["https://chat.example.com"]
output: {}
"#;

const PLAN: &str = "query($id: String!, $from: String!, $newest: Boolean!) { retryPlan(id: $id, from: $from, \
    newest: $newest) { __typename ... on RetryPlan { run version generation reused runsAgain continued changed added digest \
    repeated { step times key used { destination count } } } ... on Problem { message code } } }";

async fn plan(plane: &Plane, from: &str, newest: bool) -> Value {
    let variables = json!({"id": "last", "from": from, "newest": newest});
    plane.ask(PLAN, variables).await["retryPlan"].take()
}

/// A run of `chain` that has failed at its last node.
async fn failed(plane: &Plane, host: &FakeHost) -> (Job, Script) {
    plane.publish(CHAIN).await;
    plane
        .start_run(json!({"workflow": "chain", "input": {"n": 1}}))
        .await;
    let job = host.job(plane).await;
    let mut script = Script::new(&job);
    let failure = Failure::new(FailureKind::Expression, "division by zero");
    let batch = script.batch(vec![
        accepted(&job),
        completed("one", json!({"value": 2})),
        completed("two", json!({"value": 3})),
        Event::AttemptFailed {
            step: "three".parse().unwrap(),
            attempt: 0,
            failure: failure.clone(),
            retry_at_ms: None,
            elapsed_us: 1,
            used: Vec::new(),
        },
        Event::Ended {
            outcome: Outcome::Failed {
                node: Some("three".parse().unwrap()),
                failure,
            },
        },
    ]);
    let told = host
        .sync(plane, json!({"received": [job.job_id], "batches": [batch]}))
        .await;
    assert_eq!(told["rejected"], json!([]), "{told:#}");
    (job, script)
}

#[tokio::test]
async fn a_retry_is_shown_and_then_takes_what_was_shown() {
    let home = Home::new();
    let plane = home.start().await;
    let host = FakeHost::join(&plane, 1).await;
    let (job, script) = failed(&plane, &host).await;
    let shown = plan(&plane, "two", false).await;
    assert_eq!(
        (&shown["reused"], &shown["runsAgain"], &shown["generation"]),
        (&json!(["one"]), &json!(["two", "three"]), &json!(2)),
        "{shown:#}"
    );
    for (from, problem) in [("none", "InputProblem"), ("not a node!", "InputProblem")] {
        assert_eq!(plan(&plane, from, false).await["__typename"], problem);
    }
    let fields = "__typename ... on StartRunSuccess { run { id lineage { root predecessor generation } } } \
        ... on Problem { message code }";
    let retry = |input: Value| plane.change("retryRun", "RetryRunInput", input, fields);
    let other = retry(json!({"id": job.run_id, "from": "one", "plan": shown["digest"]})).await;
    assert_eq!(other["__typename"], "PlanChangedProblem", "{other:#}");
    let started = retry(json!({"id": job.run_id, "from": "two", "plan": shown["digest"]})).await;
    assert_eq!(started["__typename"], "StartRunSuccess", "{started:#}");
    assert_eq!(
        started["run"]["lineage"],
        json!({"root": job.run_id, "predecessor": job.run_id, "generation": 2})
    );
    let told = host.job(&plane).await;
    let Order::Start(start) = &told.order else {
        panic!("{told:?}")
    };
    let reuse = start.reuse.as_ref().unwrap();
    assert_eq!(reuse.steps.iter().collect::<Vec<_>>(), ["one".parse().unwrap()]);
    assert_eq!(
        (&reuse.prefix.run, reuse.prefix.count, reuse.prefix.chain),
        (&job.run_id, script.seq, script.chain)
    );
    assert_eq!(start.input, json!({"n": 1}));
    let seen = "query($id: String!) { run(id: $id) { retries { id } } }";
    let seen = plane.ask(seen, json!({"id": job.run_id})).await;
    assert_eq!(seen["run"]["retries"], json!([{"id": told.run_id}]));
    // One that is under way cannot be retried.
    host.received(&plane, &told).await;
    let batch = Script::new(&told).batch(vec![accepted(&told)]);
    host.sync(&plane, json!({"batches": [batch]})).await;
    assert_eq!(plan(&plane, "two", false).await["__typename"], "RunStateProblem");
    plane.stop().await;
}

/// The input was kept in the canonical form, which writes `4.0` as `4`. A run that nobody could take at once, and every
/// retry, then divided a whole number: a third of 4.0 was 1.
#[tokio::test]
async fn what_is_kept_for_later_has_the_numbers_that_were_given() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(&CHAIN.replace("integer", "number")).await;
    plane
        .start_run(json!({"workflow": "chain", "input": {"n": 4.0}}))
        .await;
    let host = FakeHost::join(&plane, 1).await;
    let job = host.job(&plane).await;
    let Order::Start(start) = &job.order else {
        panic!("{job:?}")
    };
    assert_eq!(start.input, json!({"n": 4.0}));
    plane.stop().await;
}

/// A retry keeps its order when no host is there to take it.
#[tokio::test]
async fn a_retry_that_waits_for_a_host_keeps_what_it_reuses() {
    let home = Home::new();
    let plane = home.start().await;
    let host = FakeHost::join(&plane, 1).await;
    let (job, _) = failed(&plane, &host).await;
    host.sync(&plane, json!({"busy": true})).await;
    let input = json!({"id": job.run_id, "from": "three"});
    let fields = "__typename ... on StartRunSuccess { run { id host { id } } }";
    let started = plane.change("retryRun", "RetryRunInput", input, fields).await;
    assert_eq!(started["run"]["host"], Value::Null, "{started:#}");
    host.sync(&plane, json!({"busy": false})).await;
    let told = host.job(&plane).await;
    let Order::Start(start) = &told.order else {
        panic!("{told:?}")
    };
    let steps = &start.reuse.as_ref().unwrap().steps;
    assert_eq!(
        steps.iter().collect::<Vec<_>>(),
        ["one", "two"].map(|step| step.parse().unwrap())
    );
    assert_eq!(
        start.lineage.as_ref().unwrap().predecessor.as_ref(),
        Some(&job.run_id)
    );
    plane.stop().await;
}

#[tokio::test]
async fn with_the_newest_release_what_is_written_otherwise_runs_again() {
    let home = Home::new();
    let plane = home.start().await;
    let host = FakeHost::join(&plane, 1).await;
    failed(&plane, &host).await;
    let mended = CHAIN.replace("two.value / 0", "two.value + 10");
    plane.publish(&mended).await;
    let shown = plan(&plane, "three", true).await;
    assert_eq!(
        (&shown["version"], &shown["reused"], &shown["changed"]),
        (&json!(2), &json!(["one", "two"]), &json!([])),
        "{shown:#}"
    );
    plane
        .publish(&mended.replace("one.value + 1", "one.value + 5"))
        .await;
    let shown = plan(&plane, "three", true).await;
    assert_eq!(
        (&shown["reused"], &shown["changed"], &shown["added"]),
        (&json!(["one"]), &json!(["two"]), &json!([])),
        "{shown:#}"
    );
    // What only the newest release has ran without having been shown.
    let more = "nodes:\n  four: { set: { value: 4 } }\n";
    plane.publish(&mended.replacen("nodes:\n", more, 1)).await;
    let shown = plan(&plane, "three", true).await;
    assert_eq!(
        (&shown["reused"], &shown["added"]),
        (&json!(["one", "two"]), &json!(["four"])),
        "{shown:#}"
    );
    plane.stop().await;
}

/// What a retry would do outside is shown before: the effects that happen again, under which keys.
#[tokio::test]
async fn completed_effects_that_happen_again_are_shown_with_their_keys() {
    let home = Home::new();
    let plane = home.start().await;
    let host = FakeHost::join(&plane, 1).await;
    crate::connector::push_caller(&plane).await;
    plane.publish(EFFECTS).await;
    let started = plane.start_run(json!({"workflow": "effects"})).await;
    assert_eq!(started["__typename"], "StartRunSuccess", "{started:#}");
    let job = host.job(&plane).await;
    let used = vec![Used {
        destination: "https://chat.example.com:443".to_owned(),
        secret: None,
        count: 2,
    }];
    let batch = Script::new(&job).batch(vec![
        accepted(&job),
        Event::Completed {
            step: "tell".parse().unwrap(),
            attempt: 1,
            output: json!(1).into(),
            elapsed_us: 5,
            used,
            source: Source::Step,
        },
        Event::Ended {
            outcome: crate::support::done(json!({})),
        },
    ]);
    let told = host
        .sync(&plane, json!({"received": [job.job_id], "batches": [batch]}))
        .await;
    assert_eq!(told["rejected"], json!([]), "{told:#}");
    let shown = plan(&plane, "tell", false).await;
    let scope = Scope {
        workspace: "dev",
        project: "default",
    };
    let key = effect_key(scope, &job.run_id, &"tell".parse().unwrap(), 1);
    let used = json!([{"destination": "https://chat.example.com:443", "count": 2}]);
    assert_eq!(
        shown["repeated"],
        json!([{"step": "tell", "times": 1, "key": key, "used": used}]),
        "{shown:#}"
    );
    plane.stop().await;
}

#[tokio::test]
async fn a_node_is_tried_with_given_results_and_those_of_a_run() {
    let home = Home::new();
    let plane = home.start().await;
    let host = FakeHost::join(&plane, 1).await;
    let (job, _) = failed(&plane, &host).await;
    let try_node = |input: Value| {
        let mut whole = json!({"workflow": "chain", "node": "two"});
        for (name, value) in input.as_object().unwrap() {
            whole[name] = value.clone();
        }
        let fields =
            "__typename ... on StartRunSuccess { run { id } } ... on InputProblem { fields { path } }";
        plane.change("tryNode", "TryNodeInput", whole, fields)
    };
    for (input, path) in [
        (json!({"node": "none", "input": {"n": 1}}), "node"),
        (json!({"given": {"none": 1}, "input": {"n": 1}}), "given"),
        (json!({"given": 1}), "given"),
        (json!({"pinnedFrom": "zz"}), "pinnedFrom"),
        (json!({}), "n"),
    ] {
        let refused = try_node(input).await;
        assert_eq!(refused["fields"][0]["path"], path, "{refused:#}");
    }
    let given = json!({"input": {"n": 1}, "given": {"one": {"value": 40}}});
    assert_eq!(try_node(given).await["__typename"], "StartRunSuccess");
    let told = host.job(&plane).await;
    let Order::Start(start) = &told.order else {
        panic!("{told:?}")
    };
    assert_eq!(start.until.as_ref().unwrap().as_str(), "two");
    assert_eq!(json!(start.given), json!({"one": {"value": 40}}));
    host.received(&plane, &told).await;
    // The results of a run stand for all other nodes, and its input for the input.
    let pinned = try_node(json!({"pinnedFrom": job.run_id})).await;
    assert_eq!(pinned["__typename"], "StartRunSuccess", "{pinned:#}");
    let told = host.job(&plane).await;
    let Order::Start(start) = &told.order else {
        panic!("{told:?}")
    };
    assert_eq!(json!(start.given), json!({"one": {"value": 2}}));
    assert_eq!(start.input, json!({"n": 1}));
    plane.stop().await;
}

const ROUNDS: &str = r#"workflow: rounds
input:
  ns: { type: array }
nodes:
  each:
    foreach: input.ns
    do:
      one: { set: { value: "${item + 1}" } }
      two: { set: { value: "${6 / (item - 3)}" } }
  last: { set: { all: "${each}" } }
output: { all: "${last.all}" }
"#;

/// A run that failed in one round could only be retried with all of them.
#[tokio::test]
async fn a_retry_from_a_step_of_a_round_is_shown_and_ordered() {
    let home = Home::new();
    let plane = home.start().await;
    let host = FakeHost::join(&plane, 1).await;
    plane.publish(ROUNDS).await;
    let input = json!({"ns": [1, 2, 3, 4]});
    plane
        .start_run(json!({"workflow": "rounds", "input": input}))
        .await;
    let job = host.job(&plane).await;
    let mut script = Script::new(&job);
    let failure = Failure::new(FailureKind::Expression, "division by zero");
    let mut events = vec![
        accepted(&job),
        Event::LoopStarted {
            step: "each".parse().unwrap(),
            count: 4,
            list: flowforge_protocol::Digest::of_json(&json!([1, 2, 3, 4])),
        },
    ];
    for round in 0..2 {
        events.push(completed(&format!("each[{round}].one"), json!({"value": 2})));
        events.push(completed(&format!("each[{round}].two"), json!({"value": 3})));
    }
    events.push(completed("each[2].one", json!({"value": 2})));
    events.push(Event::AttemptFailed {
        step: "each[2].two".parse().unwrap(),
        attempt: 0,
        failure: failure.clone(),
        retry_at_ms: None,
        elapsed_us: 1,
        used: Vec::new(),
    });
    events.push(Event::Ended {
        outcome: Outcome::Failed {
            node: Some("two".parse().unwrap()),
            failure,
        },
    });
    let batch = script.batch(events);
    let told = host
        .sync(&plane, json!({"received": [job.job_id], "batches": [batch]}))
        .await;
    assert_eq!(told["rejected"], json!([]), "{told:#}");
    let shown = plan(&plane, "each[2].two", false).await;
    assert_eq!(
        shown["reused"],
        json!(["each[0-2].one", "each[0-1].two"]),
        "{shown:#}"
    );
    assert_eq!(shown["runsAgain"], json!(["each[2].two", "last"]));
    assert_eq!(shown["continued"], json!(["each"]));
    for (wrong, about) in [
        ("each[7].two", "`each` had 3 rounds"),
        ("each[0].last", "there is no node"),
        ("each[x].two", "nor a step of a round"),
    ] {
        let refused = plan(&plane, wrong, false).await;
        assert_eq!(refused["__typename"], "InputProblem", "{refused:#}");
        assert!(
            refused["message"].as_str().unwrap().contains(about),
            "{refused:#}"
        );
    }
    let input = json!({"id": job.run_id, "from": "each[2].two", "plan": shown["digest"]});
    let fields = "__typename ... on Problem { message }";
    let started = plane.change("retryRun", "RetryRunInput", input, fields).await;
    assert_eq!(started["__typename"], "StartRunSuccess", "{started:#}");
    let Order::Start(start) = host.job(&plane).await.order else {
        panic!("no start")
    };
    let steps: Vec<String> = start
        .reuse
        .unwrap()
        .steps
        .iter()
        .map(|step| step.to_string())
        .collect();
    assert_eq!(
        steps,
        [
            "each[0].one",
            "each[1].one",
            "each[2].one",
            "each[0].two",
            "each[1].two"
        ]
    );
    plane.stop().await;
}
