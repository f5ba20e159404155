//! Runs that are told something, order others, answer early, and are made from others: through the command line and
//! webhooks, with control plane and host as two processes.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flowforge_protocol::webhook;
use flowforge_tests::planes::Planes;
use serde_json::{Value, json};

use super::start_planes;

const KEY: &str = "a-long-shared-key-for-hooks";

const ORDERS: &str = r#"workflow: orders
input:
  order: { type: string }
secrets: [shop_key]
triggers:
  form: { webhook: { path: orders, answer: respond } }
  paid: { webhook: { path: payments, hmac: shop_key, signal: { name: paid, correlate: trigger.body.order } } }
nodes:
  accept:
    respond: { status: 202, headers: { x-order: "${input.order}" }, body: { order: "${input.order}" } }
  payment:
    after: accept
    wait: { signal: paid, correlate: input.order, timeout: 1h }
  pause: { after: payment, wait: { for: 1h } }
output: { amount: "${payment.amount}" }
"#;

const CHILD: &str = r#"workflow: adds-one
input:
  n: { type: integer }
nodes:
  sum: { set: { value: "${input.n + 1}" } }
output: { n: "${sum.value}" }
"#;

const PARENT: &str = r#"workflow: adds-two
input:
  n: { type: integer, default: 0 }
nodes:
  first: { workflow: adds-one, with: { n: "${input.n}" } }
  second: { workflow: adds-one, with: { n: "${first.n}" } }
output: { n: "${second.n}" }
"#;

const WAITING_CHILD: &str = r#"workflow: waits
nodes:
  pause: { wait: { for: 1h } }
output: {}
"#;

const WAITING_PARENT: &str = r#"workflow: waits-for-it
nodes:
  child: { workflow: waits }
output: {}
"#;

async fn planes(folder: &tempfile::TempDir, workflows: &[&str]) -> Planes {
    let mut planes = start_planes(folder.path(), "e2e-host").await;
    planes.start_host(None).await.unwrap();
    planes
        .flowforge()
        .json_with_input(&["secret", "set", "shop_key", "--kind", "hmac-key"], KEY)
        .unwrap();
    for workflow in workflows {
        publish(&planes, workflow);
    }
    planes
}

fn publish(planes: &Planes, workflow: &str) {
    let file = planes.data().join("workflow.yaml");
    fs::write(&file, workflow).unwrap();
    planes
        .flowforge()
        .json(&["workflow", "publish", &file.to_string_lossy()])
        .unwrap();
}

/// The run when it has come to this state.
async fn comes_to(planes: &Planes, run: &str, state: &str) -> Value {
    for _ in 0..600 {
        let shown = shown(planes, run);
        if shown["state"] == state {
            return shown;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let last = shown(planes, run);
    assert_eq!(last["state"], state, "{last:#}");
    last
}

/// The run as `run show` prints it, however it ended.
fn shown(planes: &Planes, run: &str) -> Value {
    let output = planes
        .flowforge()
        .command(&["run", "show", run, "--output", "json"])
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn pay(planes: &Planes, order: &str) -> (u16, Value) {
    let body = json!({ "order": order, "amount": 5 }).to_string();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let signature = webhook::sign(KEY.as_bytes(), now, body.as_bytes()).unwrap();
    let url = format!("{}/hooks/payments", planes.api().context().server);
    let call = planes.api().http().post(url);
    let call = call.header(webhook::SIGNATURE_HEADER, signature);
    let answer = call.body(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_payment_waits_a_form_is_answered_and_a_run_pauses_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let planes = planes(&folder, &[ORDERS]).await;
    // The payment is there before the run is.
    let (status, signal) = pay(&planes, "o-7").await;
    assert_eq!(status, 202, "{signal:#}");
    let url = format!("{}/hooks/orders", planes.api().context().server);
    let form = planes.api().http().post(url).body(r#"{"order": "o-7"}"#);
    let answer = form.send().await.unwrap();
    assert_eq!(answer.status(), 202);
    assert_eq!(answer.headers()["x-order"], "o-7");
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({ "order": "o-7" }));
    let run = planes.flowforge().json(&["run", "list"]).unwrap()[0]["id"].clone();
    let run = run.as_str().unwrap();
    let waiting = comes_to(&planes, run, "WAITING").await;
    let nodes = waiting["view"]["nodes"].as_array().unwrap().clone();
    let state = |name: &str| {
        let node = nodes.iter().find(|node| node["node"] == name).unwrap();
        node["state"].clone()
    };
    if state("payment") != "done" {
        // The signal is on its way.
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let waiting = shown(&planes, run);
    assert_eq!(waiting["waits"][0]["kind"], "TIME", "{waiting:#}");
    planes.flowforge().json(&["run", "pause", run]).unwrap();
    let paused = comes_to(&planes, run, "PAUSED").await;
    assert_eq!(paused["pausedBy"], "paused by local");
    planes.flowforge().json(&["run", "resume", run]).unwrap();
    comes_to(&planes, run, "WAITING").await;
    let stopped = planes
        .flowforge()
        .json(&["run", "cancel", run, "--grace", "5s"])
        .unwrap();
    assert_eq!(stopped["id"], run);
    comes_to(&planes, run, "CANCELLED").await;
    planes.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_by_hand_reaches_the_run_that_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let planes = planes(&folder, &[ORDERS]).await;
    let flowforge = planes.flowforge();
    let start = ["run", "start", "orders", "--input", r#"{"order": "o-9"}"#];
    let run = flowforge.json(&start).unwrap()["id"].clone();
    let run = run.as_str().unwrap();
    let signal = [
        "run",
        "signal",
        "paid",
        "--run",
        run,
        "--correlation",
        "o-9",
        "--payload",
        r#"{"amount": 7}"#,
        "--request-id",
        "p-1",
    ];
    let sent = flowforge.json(&signal).unwrap();
    assert_eq!(sent["duplicate"], false);
    let again = flowforge.json(&signal).unwrap();
    assert_eq!(
        (&again["signal"], &again["duplicate"]),
        (&sent["signal"], &json!(true))
    );
    for _ in 0..600 {
        if shown(&planes, run)["waits"][0]["kind"] == "TIME" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let waiting = shown(&planes, run);
    assert_eq!(waiting["waits"][0]["kind"], "TIME", "{waiting:#}");
    let nobody = flowforge.command(&["run", "signal", "paid"]).output().unwrap();
    assert_eq!(nobody.status.code(), Some(2), "neither a run nor a workflow");
    planes.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_order_runs_and_get_their_output() {
    let folder = tempfile::tempdir().unwrap();
    let planes = planes(&folder, &[CHILD, PARENT]).await;
    let run = planes
        .flowforge()
        .json(&[
            "run",
            "start",
            "adds-two",
            "--input",
            r#"{"n": 5}"#,
            "--wait",
            "--timeout",
            "60s",
        ])
        .unwrap();
    assert_eq!(
        (&run["state"], &run["output"]),
        (&json!("DONE"), &json!({ "n": 7 }))
    );
    let run = shown(&planes, run["id"].as_str().unwrap());
    let children = run["children"].as_array().unwrap();
    assert_eq!(children.len(), 2, "{run:#}");
    for child in children {
        assert_eq!(child["state"], "DONE");
        let child = shown(&planes, child["id"].as_str().unwrap());
        assert_eq!(child["lineage"]["parent"], run["id"]);
        assert_eq!(child["receipt"]["valid"], true, "{child:#}");
    }
    planes.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_takes_the_run_with_it_that_it_waits_for() {
    let folder = tempfile::tempdir().unwrap();
    let planes = planes(&folder, &[WAITING_CHILD, WAITING_PARENT]).await;
    let flowforge = planes.flowforge();
    let run = flowforge.json(&["run", "start", "waits-for-it"]).unwrap()["id"].clone();
    let run = run.as_str().unwrap();
    let waiting = comes_to(&planes, run, "WAITING").await;
    assert_eq!(waiting["waits"][0]["kind"], "RUN", "{waiting:#}");
    let mut child = Value::Null;
    for _ in 0..600 {
        child = shown(&planes, run)["children"][0]["id"].clone();
        if child.is_string() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let child = child.as_str().unwrap();
    comes_to(&planes, child, "WAITING").await;
    flowforge.json(&["run", "cancel", run]).unwrap();
    comes_to(&planes, run, "CANCELLED").await;
    let stopped = comes_to(&planes, child, "CANCELLED").await;
    let reason = stopped["outcome"]["reason"].as_str().unwrap();
    assert!(reason.contains(run), "{reason}");
    planes.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_tried_and_a_failed_run_is_run_again_from_its_node() {
    const FAILS: &str = r#"workflow: fails
input:
  n: { type: integer }
nodes:
  one: { set: { value: "${input.n + 1}" } }
  two: { set: { value: "${10 / one.value}" } }
output: { value: "${two.value}" }
"#;
    let folder = tempfile::tempdir().unwrap();
    let planes = planes(&folder, &[FAILS]).await;
    let flowforge = planes.flowforge();
    let failed = flowforge
        .command(&[
            "run",
            "start",
            "fails",
            "--input",
            r#"{"n": -1}"#,
            "--wait",
            "--output",
            "json",
        ])
        .output()
        .unwrap();
    assert_eq!(failed.status.code(), Some(1));
    let failed: Value = serde_json::from_slice(&failed.stdout).unwrap();
    let run = failed["id"].as_str().unwrap();
    let tried = flowforge
        .json(&[
            "run",
            "try",
            "fails",
            "--node",
            "two",
            "--pinned-from",
            run,
            "--given",
            r#"{"one": {"value": 5}}"#,
            "--wait",
            "--timeout",
            "60s",
        ])
        .unwrap();
    let two = tried["view"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|node| node["node"] == "two");
    assert_eq!(two.unwrap()["state"], "done", "{tried:#}");
    publish(&planes, &FAILS.replace("10 / one.value", "10 + one.value"));
    let plan = flowforge
        .json(&["run", "retry", run, "--from", "two", "--newest", "--dry-run"])
        .unwrap();
    assert_eq!(
        (
            &plan["version"],
            &plan["reused"],
            &plan["runsAgain"],
            &plan["repeated"]
        ),
        (&json!(2), &json!(["one"]), &json!(["two"]), &json!([])),
        "{plan:#}"
    );
    let again = flowforge
        .json(&[
            "run",
            "retry",
            run,
            "--from",
            "two",
            "--newest",
            "--wait",
            "--timeout",
            "60s",
        ])
        .unwrap();
    assert_eq!(
        (&again["state"], &again["output"]),
        (&json!("DONE"), &json!({ "value": 10 }))
    );
    let again = shown(&planes, again["id"].as_str().unwrap());
    assert_eq!(
        (&again["lineage"]["predecessor"], &again["lineage"]["generation"]),
        (&json!(run), &json!(2))
    );
    assert_eq!(shown(&planes, run)["retries"][0]["id"], again["id"]);
    planes.stop().unwrap();
}
