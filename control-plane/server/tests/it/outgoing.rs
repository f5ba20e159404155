//! Events for webhook endpoints, sent to a receiver that listens on this machine.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flowforge_protocol::job::Order;
use flowforge_protocol::webhook::Scheme;
use flowforge_server::Config;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::{FakeHost, Home, Plane, SUM, TestClock, finish_sum};

const NOW_MS: u64 = 1_800_000_000_000;

/// A request as it came.
#[derive(Clone)]
struct Came {
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Came {
    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Checks it as any receiver of Standard Webhooks does.
    fn is_signed_with(&self, key: &str, now_ms: u64) -> bool {
        let header = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok());
        Scheme::StandardWebhooks
            .check(key.as_bytes(), now_ms / 1_000, header, None, &self.body)
            .is_ok()
    }
}

#[derive(Default)]
struct Book {
    came: Vec<Came>,
    /// What is answered next; 204 when there is nothing.
    answers: Vec<u16>,
}

/// Somebody who listens.
pub(crate) struct Receiver {
    url: String,
    book: Arc<Mutex<Book>>,
    count: watch::Receiver<usize>,
    _tasks: JoinSet<()>,
}

type Shared = (Arc<Mutex<Book>>, Arc<watch::Sender<usize>>);

async fn take(State((book, count)): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let (status, came) = {
        let mut book = book.lock().unwrap();
        book.came.push(Came {
            headers,
            body: body.to_vec(),
        });
        let status = if book.answers.is_empty() {
            204
        } else {
            book.answers.remove(0)
        };
        (status, book.came.len())
    };
    count.send_replace(came);
    let elsewhere = [(header::LOCATION, "/elsewhere")];
    (StatusCode::from_u16(status).unwrap(), elsewhere, "so it is").into_response()
}

impl Receiver {
    pub(crate) async fn new(answers: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/in?x=1", listener.local_addr().unwrap());
        let book = Arc::new(Mutex::new(Book {
            answers: answers.to_vec(),
            ..Book::default()
        }));
        let (sender, count) = watch::channel(0);
        let shared: Shared = (Arc::clone(&book), Arc::new(sender));
        let router = Router::new().fallback(take).with_state(shared);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url,
            book,
            count,
            _tasks: tasks,
        }
    }

    /// The requests that came, when there are so many.
    async fn came(&mut self, count: usize) -> Vec<Came> {
        self.count.wait_for(|came| *came >= count).await.unwrap();
        let came = self.book.lock().unwrap().came.clone();
        assert_eq!(came.len(), count);
        came
    }
}

fn open(home: &Home) -> Config {
    let mut config = home.config();
    config.outgoing.loopback = true;
    config
}

const LIST: &str = "{ webhookEndpoints { name url events workflow keyVersion oldKeyUntilMs failures failingSinceMs disabledAtMs \
    disabledWhy madeBy } }";
const LOG: &str = "query($filter: EventDeliveryFilter) { eventDeliveries(first: 50, filter: $filter) { nodes { number event \
    kind endpoint atMs workflow run { id } subject state attempts nextAtMs lastAtMs lastStatus lastAnswer askedBy } } }";

async fn set(plane: &Plane, name: &str, url: &str, events: &[&str]) -> Value {
    let input = json!({"name": name, "url": url, "events": events});
    let fields = "__typename ... on SetWebhookEndpointSuccess { key endpoint { name } } ... on Problem { code message } \
        ... on InputProblem { fields { path message } }";
    plane
        .change("setWebhookEndpoint", "SetWebhookEndpointInput", input, fields)
        .await
}

async fn made(plane: &Plane, name: &str, url: &str, events: &[&str]) -> String {
    let set = set(plane, name, url, events).await;
    set["key"]
        .as_str()
        .unwrap_or_else(|| panic!("{set:#}"))
        .to_owned()
}

async fn log(plane: &Plane, filter: Value) -> Vec<Value> {
    let answer = plane.ask(LOG, json!({ "filter": filter })).await;
    answer["eventDeliveries"]["nodes"].as_array().unwrap().clone()
}

/// The newest delivery, when it is as it is waited for.
async fn newest(plane: &Plane, is_so: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..2_000 {
        let newest = log(plane, json!({})).await.remove(0);
        if is_so(&newest) {
            return newest;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{:#?}", log(plane, json!({})).await)
}

async fn endpoint(plane: &Plane) -> Value {
    plane.ask(LIST, json!({})).await["webhookEndpoints"][0].take()
}

async fn test(plane: &Plane, name: &str) -> Value {
    let fields = "__typename ... on TestWebhookEndpointSuccess { delivery { number event } } ... on Problem { code message }";
    let input = json!({ "name": name });
    plane
        .change("testWebhookEndpoint", "TestWebhookEndpointInput", input, fields)
        .await
}

#[tokio::test]
async fn what_happens_goes_out_signed_and_once() {
    let clock = TestClock::at(NOW_MS);
    let home = Home::at(&clock);
    let plane = home.start_with(open(&home)).await;
    let mut receiver = Receiver::new(&[]).await;
    let key = made(
        &plane,
        "books",
        &receiver.url,
        &["RUN_ENDED", "WORKFLOW_PUBLISHED"],
    )
    .await;
    assert!(key.starts_with("whsec_"));
    plane.publish(SUM).await;
    let published = receiver.came(1).await.remove(0);
    assert!(published.is_signed_with(&key, NOW_MS));
    assert!(!published.is_signed_with("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", NOW_MS));
    assert_eq!(published.header("content-type"), "application/json");
    let body = published.json();
    assert_eq!(
        (
            &body["type"],
            &body["timestamp"],
            &body["data"]["workflow"],
            &body["data"]["version"]
        ),
        (
            &json!("workflow.published"),
            &json!("2027-01-15T08:00:00.000Z"),
            &json!("sum"),
            &json!(1)
        ),
        "{body:#}"
    );
    let host = FakeHost::join(&plane, 1).await;
    let job = host.started(&plane).await;
    finish_sum(&plane, &host, &job).await;
    let ended = receiver.came(2).await.remove(1);
    let body = ended.json();
    assert_eq!(
        (&body["type"], &body["data"]["run"], &body["data"]["state"]),
        (&json!("run.ended"), &json!(job.run_id), &json!("done"))
    );
    assert!(body["data"].get("outcome").is_none(), "no values go out unasked");
    assert_ne!(ended.header("webhook-id"), published.header("webhook-id"));
    let delivered = newest(&plane, |newest| newest["state"] == "DELIVERED").await;
    assert_eq!(
        [
            &delivered["event"],
            &delivered["run"]["id"],
            &delivered["lastStatus"],
            &delivered["nextAtMs"]
        ],
        [
            &json!(ended.header("webhook-id")),
            &json!(job.run_id),
            &json!(204),
            &Value::Null
        ]
    );
    // A person has it sent once more: the receiver knows it by its name.
    let fields =
        "__typename ... on RetryEventDeliverySuccess { delivery { askedBy } } ... on Problem { code }";
    let input = json!({"number": delivered["number"]});
    let again = plane
        .change("retryEventDelivery", "RetryEventDeliveryInput", input, fields)
        .await;
    assert_eq!(again["delivery"]["askedBy"], "local", "{again:#}");
    let twice = receiver.came(3).await.remove(2);
    assert_eq!(twice.header("webhook-id"), ended.header("webhook-id"));
    assert_eq!(twice.body, ended.body);
    let none = plane
        .change(
            "retryEventDelivery",
            "RetryEventDeliveryInput",
            json!({"number": 999}),
            fields,
        )
        .await;
    assert_eq!(none["code"], "FF-OUT-002");
    assert_eq!(
        log(&plane, json!({"kind": "run.ended", "state": "PENDING"}))
            .await
            .len(),
        0
    );
    assert_eq!(log(&plane, json!({"run": job.run_id})).await.len(), 1);
    plane.stop().await;
}

#[tokio::test]
async fn what_is_not_taken_comes_again_later_under_its_name_and_a_redirect_is_not_followed() {
    let clock = TestClock::at(NOW_MS);
    let home = Home::at(&clock);
    let plane = home.start_with(open(&home)).await;
    let mut receiver = Receiver::new(&[500, 302]).await;
    made(&plane, "books", &receiver.url, &[]).await;
    test(&plane, "books").await;
    receiver.came(1).await;
    let failed = newest(&plane, |newest| newest["lastStatus"] == json!(500)).await;
    assert_eq!(
        (&failed["state"], &failed["lastAnswer"]),
        (&json!("PENDING"), &json!("so it is"))
    );
    let next = failed["nextAtMs"].as_u64().unwrap();
    assert!((NOW_MS + 5_000..=NOW_MS + 6_000).contains(&next), "{next}");
    assert_eq!(endpoint(&plane).await["failures"], 1);
    clock.set(next);
    receiver.came(2).await;
    let moved = newest(&plane, |newest| newest["lastStatus"] == json!(302)).await;
    assert!(
        moved["lastAnswer"].as_str().unwrap().contains("not followed"),
        "{moved:#}"
    );
    clock.set(moved["nextAtMs"].as_u64().unwrap());
    let came = receiver.came(3).await;
    newest(&plane, |newest| newest["state"] == "DELIVERED").await;
    let names: Vec<_> = came.iter().map(|came| came.header("webhook-id")).collect();
    assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
    let times: Vec<u64> = came
        .iter()
        .map(|came| came.header("webhook-timestamp").parse().unwrap())
        .collect();
    assert!(times.is_sorted() && times[0] < times[2], "{times:?}");
    assert_eq!(endpoint(&plane).await["failures"], 0);
    plane.stop().await;
}

#[tokio::test]
async fn keys_change_with_an_overlap_and_an_endpoint_that_is_gone_is_disabled_with_a_notice() {
    let clock = TestClock::at(NOW_MS);
    let home = Home::at(&clock);
    let plane = home.start_with(open(&home)).await;
    let mut receiver = Receiver::new(&[204, 204, 410]).await;
    let old = made(&plane, "books", &receiver.url, &["RUN_ENDED"]).await;
    let fields = "__typename ... on RotateWebhookEndpointSuccess { key endpoint { keyVersion oldKeyUntilMs } } \
        ... on Problem { code message } ... on InputProblem { fields { path } }";
    let rotate = async |input: Value| {
        plane
            .change(
                "rotateWebhookEndpoint",
                "RotateWebhookEndpointInput",
                input,
                fields,
            )
            .await
    };
    let new = rotate(json!({"name": "books", "overlapHours": 1})).await;
    let key = new["key"].as_str().unwrap();
    assert_ne!(key, old);
    assert_eq!(new["endpoint"]["keyVersion"], 2);
    test(&plane, "books").await;
    let both = receiver.came(1).await.remove(0);
    assert!(both.is_signed_with(&old, NOW_MS) && both.is_signed_with(key, NOW_MS));
    clock.pass(3_600_000);
    newest(&plane, |newest| newest["state"] == "DELIVERED").await;
    test(&plane, "books").await;
    let one = receiver.came(2).await.remove(1);
    assert!(!one.is_signed_with(&old, NOW_MS + 3_600_000) && one.is_signed_with(key, NOW_MS + 3_600_000));
    assert_eq!(rotate(json!({"name": "none"})).await["code"], "FF-OUT-001");
    let wrong = rotate(json!({"name": "books", "overlapHours": 169})).await;
    assert_eq!(wrong["fields"][0]["path"], "overlapHours");
    newest(&plane, |newest| newest["state"] == "DELIVERED").await;

    test(&plane, "books").await;
    receiver.came(3).await;
    newest(&plane, |newest| newest["state"] == "FAILED").await;
    let gone = endpoint(&plane).await;
    assert!(gone["disabledWhy"].as_str().unwrap().contains("410"), "{gone:#}");
    let audit = "{ auditEvents(filter: {action: \"endpoint.decide\"}) { nodes { actor object detail } } }";
    let noted = plane.ask(audit, json!({})).await["auditEvents"]["nodes"].take();
    assert_eq!(noted[0]["object"], "books", "{noted:#}");
    assert_eq!(test(&plane, "books").await["code"], "FF-OUT-001");
    let decide = "__typename ... on DecideWebhookEndpointSuccess { endpoint { disabledAtMs } }";
    let input = json!({"name": "books", "enabled": true});
    let enabled = plane
        .change(
            "decideWebhookEndpoint",
            "DecideWebhookEndpointInput",
            input,
            decide,
        )
        .await;
    assert_eq!(enabled["endpoint"]["disabledAtMs"], Value::Null);
    test(&plane, "books").await;
    receiver.came(4).await;
    let gone = plane
        .change(
            "deleteWebhookEndpoint",
            "DeleteWebhookEndpointInput",
            json!({"name": "books"}),
            "__typename",
        )
        .await;
    assert_eq!(gone["__typename"], "DeleteWebhookEndpointSuccess");
    assert!(log(&plane, json!({})).await.is_empty());
    plane.stop().await;
}

/// What a person could write to reach what only this machine reaches.
#[tokio::test]
async fn nothing_is_sent_to_where_nothing_may_go() {
    let home = Home::new();
    let plane = home.start().await;
    for url in [
        "http://hooks.example/in",
        "http://127.0.0.1:1/",
        "https://127.0.0.1:1/",
        "https://192.168.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://u:p@hooks.example/",
    ] {
        let refused = set(&plane, "books", url, &[]).await;
        assert_eq!(refused["fields"][0]["path"], "url", "{url}: {refused:#}");
    }
    let refused = set(&plane, "Books", "https://hooks.example/", &[]).await;
    assert_eq!(refused["fields"][0]["path"], "name");
    // A name is judged by what it stands for when something is sent.
    made(&plane, "books", "https://localhost:9/", &[]).await;
    test(&plane, "books").await;
    let blocked = newest(&plane, |newest| newest["lastAnswer"].is_string()).await;
    let why = blocked["lastAnswer"].as_str().unwrap();
    assert!(why.contains("loopback"), "{why}");
    assert_eq!(blocked["lastStatus"], Value::Null);
    plane.stop().await;

    let other = Home::new();
    let plane = other.start_with(open(&other)).await;
    let own = plane.url("/graphql");
    let refused = set(&plane, "books", &own, &[]).await;
    assert_eq!(refused["fields"][0]["path"], "url", "not to this server itself");
    plane.stop().await;
}

const ORDERS: &str = "workflow: orders
on_done: { workflow: archive, endpoint: books }
on_failed: { workflow: nowhere }
input:
  a: { type: integer }
  b: { type: integer, default: 2 }
nodes:
  total: { set: { value: \"${input.a + input.b}\" } }
output: { total: \"${total.value}\" }
";
const ARCHIVE: &str = "workflow: archive
input:
  run: { type: string }
  state: { type: string }
  output: { type: object }
nodes:
  kept: { set: { value: \"${input.output.total}\" } }
output: { value: \"${kept.value}\" }
";

/// What became of the end of a run, when something did.
async fn followed(plane: &Plane, run: &str) -> Value {
    let query =
        "query($id: String!) { run(id: $id) { followUp { workflow refused run { id state trigger } } } }";
    for _ in 0..2_000 {
        let follow_up = plane.ask(query, json!({ "id": run })).await["run"]["followUp"].take();
        if follow_up["run"].is_object() || follow_up["refused"].is_string() {
            return follow_up;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("nothing followed run {run}")
}

#[tokio::test]
async fn the_end_of_a_run_starts_another_workflow_once_and_tells_the_endpoint_that_it_names() {
    let home = Home::new();
    let plane = home.start_with(open(&home)).await;
    let mut receiver = Receiver::new(&[]).await;
    plane.publish(ARCHIVE).await;
    plane.publish(ORDERS).await;
    let host = FakeHost::join(&plane, 1).await;
    let started = plane
        .start_run(json!({"workflow": "orders", "input": {"a": 5}}))
        .await;
    assert_eq!(started["__typename"], "StartRunSuccess", "{started:#}");
    let job = host.job(&plane).await;
    finish_sum(&plane, &host, &job).await;
    let follow_up = followed(&plane, job.run_id.as_str()).await;
    assert_eq!(follow_up["workflow"], "archive", "{follow_up:#}");
    let next = host.job(&plane).await;
    assert_eq!(follow_up["run"]["id"], json!(next.run_id));
    assert_eq!(
        follow_up["run"]["trigger"],
        json!({"kind": "run_ended", "run": job.run_id, "depth": 1, "started_by": "local"})
    );
    let Order::Start(start) = &next.order else {
        panic!("{next:?}")
    };
    assert_eq!(
        start.input,
        json!({"run": job.run_id, "state": "done", "output": {"total": 7}})
    );
    // The endpoint is named before it is there; when it is, it is told, with the outcome.
    let waits = log(&plane, json!({})).await;
    assert_eq!(
        (&waits[0]["kind"], &waits[0]["state"]),
        (&json!("run.done"), &json!("PENDING"))
    );
    made(&plane, "books", &receiver.url, &[]).await;
    let told = receiver.came(1).await.remove(0).json();
    assert_eq!(told["type"], "run.done");
    assert_eq!(told["data"]["outcome"]["output"], json!({"total": 7}));

    // A failure starts what its own key names, and says why that cannot be.
    plane
        .start_run(json!({"workflow": "orders", "input": {"a": 1}}))
        .await;
    let jobs = host.jobs(&plane, 20_000).await;
    let job = jobs
        .iter()
        .find(|job| matches!(&job.order, Order::Start(start) if start.input["a"] == 1))
        .unwrap();
    let refused = json!({"refused": [{"job": job.job_id, "code": "FF-ADM-001", "message": "no"}]});
    host.sync(&plane, refused).await;
    let follow_up = followed(&plane, job.run_id.as_str()).await;
    let why = follow_up["refused"].as_str().unwrap();
    assert!(why.contains("no published workflow `nowhere`"), "{why}");
    plane.stop().await;
}
