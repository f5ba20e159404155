//! A run that is run again from a node: what it takes over, what happens again, and under which key.

use std::collections::HashMap;
use std::fs;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use flowforge_tests::planes::Planes;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::{components, start_planes};

/// The services outside: the keys of the requests that came to each, and those that refuse what is asked.
#[derive(Default)]
struct Outside {
    keys: HashMap<String, Vec<String>>,
    refusing: Vec<String>,
}

type Shared = Arc<Mutex<Outside>>;

async fn answer(
    State(outside): State<Shared>,
    Path(service): Path<String>,
    headers: HeaderMap,
) -> (StatusCode, [(header::HeaderName, &'static str); 1], &'static str) {
    let key = headers
        .get("idempotency-key")
        .map_or("", |key| key.to_str().unwrap());
    let mut outside = outside.lock().unwrap();
    let keys = outside.keys.entry(service.clone()).or_default();
    keys.push(key.to_owned());
    let status = match outside.refusing.contains(&service) {
        true => StatusCode::UNPROCESSABLE_ENTITY,
        false => StatusCode::OK,
    };
    // With this digit after the point a third of it is no whole number.
    (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        "{\"share\": 4.0}",
    )
}

async fn outside() -> (Shared, String, JoinSet<()>) {
    let shared = Shared::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new()
        .route("/{service}", post(answer))
        .with_state(Arc::clone(&shared));
    let mut task = JoinSet::new();
    task.spawn(async move { axum::serve(listener, router).await.unwrap() });
    (shared, url, task)
}

fn workflow(url: &str) -> String {
    format!(
        r#"workflow: charges
nodes:
  charge:
    call: flowforge:http/post
    with: {{ url: "{url}/charge", json: {{ amount: 5 }} }}
    allow: ["{url}"]
  tell:
    call: flowforge:http/post
    with: {{ url: "{url}/tell", json: {{ third: "${{charge.body.share / 3}}" }} }}
    allow: ["{url}"]
output: {{ third: "${{charge.body.share / 3}}", status: "${{tell.status}}" }}
"#
    )
}

/// Runs a command that follows a run, and gives the run however it ended.
fn followed(planes: &Planes, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["--wait", "--timeout", "60s", "--output", "json"]].concat();
    let output = planes.flowforge().command(&arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).expect(&said)
}

fn keys(outside: &Shared, service: &str) -> Vec<String> {
    outside
        .lock()
        .unwrap()
        .keys
        .get(service)
        .cloned()
        .unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_takes_over_what_was_done_and_asks_before_it_is_done_again() {
    let (outside, url, _serving) = outside().await;
    let folder = tempfile::tempdir().unwrap();
    let mut planes = start_planes(folder.path(), "e2e-host").await;
    planes.start_host(None).await.unwrap();
    let http = components().join("flowforge.http.wasm");
    let file = planes.data().join("workflow.yaml");
    fs::write(&file, workflow(&url)).unwrap();
    let flowforge = planes.flowforge();
    flowforge
        .json(&["connector", "publish", &http.to_string_lossy()])
        .unwrap();
    flowforge
        .json(&["workflow", "publish", &file.to_string_lossy()])
        .unwrap();

    outside.lock().unwrap().refusing = vec!["tell".to_owned()];
    let failed = followed(&planes, &["run", "start", "charges"]);
    assert_eq!(failed["state"], "FAILED", "{failed:#}");
    let run = failed["id"].as_str().unwrap();
    outside.lock().unwrap().refusing.clear();

    // The host may be another process by then: what is taken over is read from the records.
    planes.kill_host().unwrap();
    planes.start_host(None).await.unwrap();
    let again = followed(&planes, &["run", "retry", run, "--from", "tell"]);
    assert_eq!(
        (&again["state"], &again["output"]),
        (&json!("DONE"), &json!({"third": 4.0 / 3.0, "status": 200})),
        "{again:#}"
    );
    assert_eq!(again["receipt"]["valid"], true, "{again:#}");
    let (charged, told) = (keys(&outside, "charge"), keys(&outside, "tell"));
    assert_eq!((charged.len(), told.len()), (1, 2), "the charge was taken over");
    assert_eq!(told[0], told[1], "what had not been done has the key that it had");

    let flowforge = planes.flowforge();
    let plan = flowforge
        .json(&["run", "retry", run, "--from", "charge", "--dry-run"])
        .unwrap();
    let repeated: Vec<&Value> = plan["repeated"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| &step["step"])
        .collect();
    assert_eq!(repeated, ["charge"], "{plan:#}");
    let asked = flowforge.json(&["run", "retry", run, "--from", "charge"]);
    assert!(asked.is_err_and(|error| error.to_string().contains("--yes")));
    assert_eq!(
        keys(&outside, "charge").len(),
        1,
        "nothing happened without a word"
    );
    let again = followed(&planes, &["run", "retry", run, "--from", "charge", "--yes"]);
    assert_eq!(again["state"], "DONE", "{again:#}");
    let charged = keys(&outside, "charge");
    assert_eq!(charged.len(), 2);
    assert_ne!(
        charged[0], charged[1],
        "what is done again on purpose has a key of its own"
    );
    let shown = plan["repeated"][0]["key"].as_str().unwrap();
    assert_eq!(charged[1], shown, "the key is the one that was shown");
    planes.stop().unwrap();
}
