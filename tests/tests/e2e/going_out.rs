//! A page that starts a run, what follows its end, and what goes out: with control plane and host as two processes, and a
//! receiver that checks signatures as any other does.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use flowforge_protocol::webhook::Scheme;
use flowforge_tests::planes::Planes;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep};

use super::{in_clone, start_planes};

/// How long something that must come may take.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(100);

type Came = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// Takes everything but the first that comes, which it loses.
async fn take(State(came): State<Came>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut came = came.lock().unwrap();
    came.push((headers, body));
    match came.len() {
        1 => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::NO_CONTENT,
    }
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < end, "{what} did not come about");
        sleep(LOOK).await;
    }
}

fn runs(planes: &Planes) -> Vec<Value> {
    let found = planes.flowforge().json(&["run", "list"]).unwrap();
    found.as_array().cloned().unwrap_or_default()
}

/// Sends the form of the example as a browser does, twice.
async fn fill_in(planes: &Planes, server: &str) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{server}/forms/quotation");
    let page = http.get(&url).send().await.unwrap().text().await.unwrap();
    let (_, rest) = page.split_once("name=\"_token\" value=\"").unwrap();
    let token = rest.split_once('"').unwrap().0;
    let body = format!("_token={token}&name=Ann&email=ann%40example.com&pieces=10&size=large&urgent=on");
    for _ in 0..2 {
        let kind = "application/x-www-form-urlencoded";
        let sent = http.post(&url).header("content-type", kind).body(body.clone());
        let answer = sent.send().await.unwrap().text().await.unwrap();
        assert!(answer.contains("<dd>156.25</dd>"), "{answer}");
    }
    assert!(planes.host().is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_starts_one_run_whose_end_starts_another_and_is_told_outside() {
    let folder = tempfile::tempdir().unwrap();
    let mut planes = start_planes(folder.path(), "e2e-host").await;
    planes.start_host(None).await.unwrap();
    for example in [
        "examples/quotation-form/file-quotation",
        "examples/quotation-form",
    ] {
        let copy = planes.data().join("workflow.yaml");
        std::fs::copy(in_clone(example).join("workflow.yaml"), &copy).unwrap();
        planes
            .flowforge()
            .json(&["workflow", "publish", &copy.to_string_lossy()])
            .unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/events", listener.local_addr().unwrap());
    let came = Came::default();
    let router = Router::new().fallback(take).with_state(Arc::clone(&came));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
    let made = planes
        .flowforge()
        .json(&["endpoint", "set", "books", &url, "--event", "run-ended"])
        .unwrap();
    let key = made["key"].as_str().unwrap().to_owned();
    let context: Value =
        serde_json::from_slice(&std::fs::read(planes.data().join("plane/client.json")).unwrap()).unwrap();
    fill_in(&planes, context["server"].as_str().unwrap()).await;

    until("the run that follows", async || {
        let ended = |run: &Value| run["state"] == "DONE" || run["state"] == "done";
        let runs = runs(&planes);
        runs.len() == 2 && runs.iter().all(ended)
    })
    .await;
    until("the events", async || {
        let log = planes
            .flowforge()
            .json(&["endpoint", "deliveries", "--state", "delivered"])
            .unwrap();
        log.as_array().is_some_and(|log| log.len() == 2)
    })
    .await;
    let came = came.lock().unwrap().clone();
    assert_eq!(came.len(), 3, "one was lost and came again");
    let mut names = BTreeSet::new();
    for (headers, body) in &came {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let seconds = header("webhook-timestamp").unwrap().parse().unwrap();
        let checked = Scheme::StandardWebhooks.check(key.as_bytes(), seconds, header, None, body);
        checked.unwrap();
        names.insert(header("webhook-id").unwrap().to_owned());
        let body: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(
            (&body["type"], &body["data"]["state"]),
            (&json!("run.ended"), &json!("done"))
        );
    }
    assert_eq!(names.len(), 2, "what came again has the name that it had");
    planes.stop().unwrap();
}
