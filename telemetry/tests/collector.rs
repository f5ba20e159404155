//! Sending, against a receiver that decodes what comes.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "in a test, what cannot go on ends with the reason"
)]

use std::collections::VecDeque;
use std::io::Read as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::routing::post;
use flowforge_telemetry::{
    Given, Service, Settings, Severity, Span, SpanIds, SpanKind, Telemetry, TraceContext, View,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// One answer: its status, what it adds, and its body.
type Answer = (StatusCode, Option<(HeaderName, HeaderValue)>, Vec<u8>);

#[derive(Default)]
struct Receiver {
    /// Names of the spans of each request.
    requests: Vec<Vec<String>>,
    headers: Vec<HeaderMap>,
    /// What is answered first; then every request is taken.
    answers: VecDeque<Answer>,
}

type Shared = Arc<Mutex<Receiver>>;

async fn take(
    State(shared): State<Shared>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&*body)
        .read_to_end(&mut plain)
        .unwrap();
    let request = ExportTraceServiceRequest::decode(plain.as_slice()).unwrap();
    let spans = &request.resource_spans[0].scope_spans[0].spans;
    let mut receiver = shared.lock().unwrap();
    receiver
        .requests
        .push(spans.iter().map(|span| span.name.clone()).collect());
    receiver.headers.push(headers);
    let (status, more, body) = receiver
        .answers
        .pop_front()
        .unwrap_or((StatusCode::OK, None, Vec::new()));
    (status, more.into_iter().collect(), body)
}

/// A receiver, telemetry that goes to it, and what runs both.
struct World {
    shared: Shared,
    telemetry: Telemetry,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl World {
    async fn new(variables: &[(&str, &str)], answers: Vec<Answer>) -> Self {
        let shared = Shared::default();
        shared.lock().unwrap().answers = answers.into();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let given = Given {
            endpoint: Some(format!("http://{}", listener.local_addr().unwrap())),
            bytes_per_second: None,
        };
        let router = Router::new()
            .route("/v1/traces", post(take))
            .with_state(Arc::clone(&shared));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        let all = [
            ("OTEL_BSP_SCHEDULE_DELAY", "10"),
            ("OTEL_METRICS_EXPORTER", "none"),
            ("OTEL_LOGS_EXPORTER", "none"),
        ];
        let find = |name: &str| {
            let found = variables.iter().chain(&all).find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let settings = Settings::read(&given, find).unwrap().unwrap();
        let service = Service {
            name: "test",
            version: "1",
            ..Service::default()
        };
        let telemetry = Telemetry::new(settings, service);
        let stop = CancellationToken::new();
        tasks.spawn(telemetry.clone().run(stop.clone(), async || true));
        Self {
            shared,
            telemetry,
            stop,
            tasks,
        }
    }

    fn tell(&self, names: &[&str]) {
        let context: TraceContext = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
            .parse()
            .unwrap();
        let span = |name: &&str| {
            let id = SpanIds::of(name).run();
            Span::new(&context, id, SpanKind::Internal, (1, 2)).named(*name)
        };
        self.telemetry.tell_spans(names.iter().map(span).collect());
    }

    async fn until(&self, has: impl Fn(&View) -> bool) -> View {
        for _ in 0..6_000 {
            let view = self.telemetry.view();
            if has(&view) {
                return view;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it did not come to that: {:?}", self.telemetry.view());
    }

    fn requests(&self) -> Vec<Vec<String>> {
        self.shared.lock().unwrap().requests.clone()
    }
}

fn refusal(status: StatusCode) -> Answer {
    (status, None, Vec::new())
}

#[tokio::test]
async fn what_cannot_be_taken_now_is_sent_again_and_what_is_refused_is_dropped() {
    let pause = (header::RETRY_AFTER, HeaderValue::from_static("1"));
    let partial = ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess {
            rejected_spans: 1,
            error_message: "too old".to_owned(),
        }),
    };
    let answers = vec![
        (StatusCode::SERVICE_UNAVAILABLE, Some(pause), Vec::new()),
        refusal(StatusCode::OK),
        refusal(StatusCode::BAD_REQUEST),
        (StatusCode::OK, None, partial.encode_to_vec()),
    ];
    let world = World::new(&[("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b")], answers).await;
    world.tell(&["first"]);
    let view = world.until(|view| view.spans == 1).await;
    assert_eq!((view.dropped(), &view.trouble), (0, &None));
    world.tell(&["second"]);
    let view = world.until(|view| view.dropped() == 1).await;
    assert_eq!(view.trouble.as_deref(), Some("it answered 400 Bad Request"));
    world.tell(&["third", "fourth"]);
    let view = world.until(|view| view.spans == 2).await;
    assert_eq!((view.dropped_refused, view.dropped_full), (2, 0), "one of two");
    assert_eq!(
        world.requests(),
        [
            vec!["first"],
            vec!["first"],
            vec!["second"],
            vec!["third", "fourth"]
        ]
    );
    let headers = &world.shared.lock().unwrap().headers[0];
    assert_eq!(headers["x-key"], "a b");
    assert_eq!(headers[header::CONTENT_TYPE], "application/x-protobuf");
}

#[tokio::test]
async fn what_waits_leaves_at_the_stop_and_what_is_not_durable_never_leaves() {
    let variables = [("OTEL_BSP_SCHEDULE_DELAY", "3600000")];
    let mut world = World::new(&variables, Vec::new()).await;
    world.tell(&["last"]);
    world.stop.cancel();
    world.tasks.join_next().await.unwrap().unwrap();
    assert_eq!(world.requests(), [vec!["last"]]);

    let silent = World::new(&variables, Vec::new()).await;
    silent.tell(&["never"]);
    let stop = CancellationToken::new();
    stop.cancel();
    silent.telemetry.clone().run(stop, async || false).await;
    assert_eq!(silent.telemetry.view().dropped(), 1);
    assert!(silent.requests().is_empty());
}

#[tokio::test]
async fn a_whole_request_does_not_wait_for_its_time() {
    let variables = [
        ("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2"),
    ];
    let world = World::new(&variables, Vec::new()).await;
    world.tell(&["a"]);
    world.tell(&["b"]);
    world.until(|view| view.spans == 2).await;
    assert_eq!(world.requests(), [vec!["a", "b"]]);
    let context: TraceContext = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        .parse()
        .unwrap();
    world
        .telemetry
        .tell_log(1, Severity::Info, "nobody wants logs", &context, Vec::new());
    assert_eq!(world.telemetry.view().dropped(), 0);
}

#[tokio::test]
async fn nobody_there_is_tried_again_at_growing_intervals() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = listener.local_addr().unwrap();
    drop(listener);
    let given = Given {
        endpoint: Some(format!("http://{gone}")),
        bytes_per_second: None,
    };
    let find = |name: &str| match name {
        "OTEL_BSP_SCHEDULE_DELAY" => Some("10".to_owned()),
        "OTEL_BSP_MAX_QUEUE_SIZE" => Some("3".to_owned()),
        _ => None,
    };
    let settings = Settings::read(&given, find).unwrap().unwrap();
    let telemetry = Telemetry::new(settings, Service::default());
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(telemetry.clone().run(stop.clone(), async || true));
    let context: TraceContext = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        .parse()
        .unwrap();
    let tell = || {
        let span = Span::new(&context, [1; 8], SpanKind::Client, (1, 2)).named("x");
        telemetry.tell_spans(vec![span]);
    };
    tell();
    let mut tries = 0;
    while telemetry.view().trouble.is_none() {
        tries += 1;
        assert!(tries < 6_000, "nobody takes it");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for _ in 0..10 {
        tell();
    }
    let view = telemetry.view();
    assert!(
        view.dropped_full >= 7,
        "three wait, the others are dropped: {view:?}"
    );
    stop.cancel();
    tasks.join_next().await.unwrap().unwrap();
}
