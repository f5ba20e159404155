//! What a collector of telemetry is told of runs: by the real programs, to a receiver that decodes what comes.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use flowforge_tests::collector::{Collector, Seen, hex, line_of, number, text};
use flowforge_tests::planes::Planes;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SpanStatus;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::components;
use super::kit::programs;

/// What came to the services outside: place and trace of each request.
#[derive(Default)]
struct Outside {
    came: Vec<(String, Option<String>)>,
    /// So many requests to `/charge` are told to come again.
    busy: usize,
}

type Shared = Arc<Mutex<Outside>>;

async fn answer(
    State(outside): State<Shared>,
    Path(place): Path<String>,
    headers: HeaderMap,
) -> (StatusCode, [(header::HeaderName, &'static str); 1], &'static str) {
    let trace = headers
        .get("traceparent")
        .map(|value| value.to_str().unwrap().to_owned());
    let mut outside = outside.lock().unwrap();
    outside.came.push((place.clone(), trace));
    let status = if place == "charge" && outside.busy > 0 {
        outside.busy -= 1;
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    (status, [(header::CONTENT_TYPE, "application/json")], "{}")
}

async fn outside() -> (Shared, String, JoinSet<()>) {
    let shared = Shared::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new()
        .route("/{place}", post(answer))
        .with_state(Arc::clone(&shared));
    let mut task = JoinSet::new();
    task.spawn(async move { axum::serve(listener, router).await.unwrap() });
    (shared, url, task)
}

fn came(outside: &Shared) -> Vec<(String, Option<String>)> {
    outside.lock().unwrap().came.clone()
}

/// One call that is tried again, a wait, and a loop of calls.
fn traced(url: &str) -> String {
    format!(
        r#"workflow: traced
triggers:
  web: {{ webhook: {{ path: traced, scheme: none }} }}
nodes:
  charge:
    call: flowforge:http/post
    with: {{ url: "{url}/charge?secret=in-the-address", json: {{ amount: 5 }} }}
    allow: ["{url}"]
    retry: {{ attempts: 3, first_delay: 10ms }}
  paid:
    after: charge.done
    wait: {{ signal: paid, timeout: 1h }}
  each:
    after: paid.done
    foreach: '["one", "two"]'
    as: place
    do:
      tell:
        call: flowforge:http/post
        with: {{ url: "{url}/${{place}}", json: {{}} }}
        allow: ["{url}"]
output: {{ count: "${{size(each)}}" }}
"#
    )
}

/// One call.
fn short(url: &str) -> String {
    format!(
        r#"workflow: short
nodes:
  charge:
    call: flowforge:http/post
    with: {{ url: "{url}/charge", json: {{}} }}
    allow: ["{url}"]
"#
    )
}

/// Both planes with a workflow, which tell this collector, or nobody.
async fn planes(folder: &std::path::Path, variables: &[(&str, &str)], workflow: &str) -> Planes {
    let mut planes = Planes::start_with(programs(), folder, "e2e-host", variables).unwrap();
    planes.start_host(None).await.unwrap();
    let http = components().join("flowforge.http.wasm");
    let flowforge = planes.flowforge();
    flowforge
        .json(&["connector", "publish", &http.to_string_lossy()])
        .unwrap();
    let file = planes.data().join("workflow.yaml");
    fs::write(&file, workflow).unwrap();
    flowforge
        .json(&["workflow", "publish", &file.to_string_lossy()])
        .unwrap();
    planes
}

fn run_to_its_end(planes: &Planes, workflow: &str) -> Value {
    let start = ["run", "start", workflow, "--wait", "--timeout", "60s"];
    let run = planes.flowforge().json(&start).unwrap();
    assert_eq!(run["state"], "DONE", "{run:#}");
    run
}

/// The spans of one trace by their identifiers; each is there once.
fn tree(seen: &Seen, trace: &str) -> HashMap<String, (String, Span)> {
    let mut tree = HashMap::new();
    for told in &seen.spans {
        if hex(&told.what.trace_id) == trace {
            let id = hex(&told.what.span_id);
            let twice = tree.insert(id, (told.service.clone(), told.what.clone()));
            assert!(twice.is_none(), "{} came twice", told.what.name);
        }
    }
    tree
}

fn status(span: &Span) -> i32 {
    span.status.as_ref().map_or(0, |status| status.code)
}

/// The names of a span and of all that it hangs from.
fn path_of(tree: &HashMap<String, (String, Span)>, span: &Span) -> Vec<String> {
    let mut names = vec![span.name.clone()];
    let mut parent = hex(&span.parent_span_id);
    while let Some((_, above)) = tree.get(&parent) {
        names.push(above.name.clone());
        parent = hex(&above.parent_span_id);
    }
    names
}

const SOON: [(&str, &str); 2] = [
    ("OTEL_BSP_SCHEDULE_DELAY", "100"),
    ("OTEL_METRIC_EXPORT_INTERVAL", "300"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_one_trace_from_its_order_to_its_requests_also_when_its_host_dies() {
    let (outside, url, _serving) = outside().await;
    outside.lock().unwrap().busy = 1;
    let collector = Collector::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let endpoint = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())];
    let variables = [&endpoint[..], &SOON].concat();
    let mut planes = planes(folder.path(), &variables, &traced(&url)).await;
    let run = planes.flowforge().json(&["run", "start", "traced"]).unwrap();
    let run = run["id"].as_str().unwrap().to_owned();
    // What came before the death is told before it, and not again after it.
    let is_told = |seen: &Seen| seen.spans.iter().any(|span| span.what.name == "step charge");
    collector.wait_for("the first step", is_told).await.unwrap();
    planes.kill_host().unwrap();
    planes.start_host(None).await.unwrap();
    planes
        .flowforge()
        .json(&["run", "signal", "paid", "--run", &run])
        .unwrap();
    let is_over = |seen: &Seen| seen.spans.iter().any(|span| span.what.name == "run traced");
    collector.wait_for("the run", is_over).await.unwrap();
    planes.stop().unwrap();

    let seen = collector.seen();
    assert!(seen.broken.is_empty(), "{:?}", seen.broken);
    let root = seen
        .spans
        .iter()
        .find(|span| span.what.name == "run traced")
        .unwrap();
    let trace = hex(&root.what.trace_id);
    let tree = tree(&seen, &trace);
    check_tree(&tree, &root.what, &run);
    check_requests(&tree, &came(&outside));
    check_lines(&seen, &trace, &run);
    check_numbers(&seen);
    let all = format!("{:?}", seen.spans);
    assert!(!all.contains("in-the-address"), "addresses may hold secrets");
}

fn check_tree(tree: &HashMap<String, (String, Span)>, root: &Span, run: &str) {
    assert!(root.parent_span_id.is_empty(), "nobody is above the run");
    assert_eq!(text(&root.attributes, "flowforge.run.id"), Some(run));
    assert_eq!(text(&root.attributes, "flowforge.run.outcome"), Some("done"));
    assert_eq!(status(root), i32::from(SpanStatus::Ok));
    let mut paths: Vec<String> = tree
        .values()
        .map(|(service, span)| format!("{service}: {}", path_of(tree, span).join(" < ")))
        .collect();
    paths.sort();
    let told = "POST < attempt < step tell < step each < run traced";
    let charged = "POST < attempt < step charge < run traced";
    let host = |path: &str| format!("flowforge-host: {path}");
    let mut expected = vec![
        host(told),
        host(told),
        host(charged),
        host(charged),
        host(&told[7..]),
        host(&told[7..]),
        host(&charged[7..]),
        host(&charged[7..]),
        host("step tell < step each < run traced"),
        host("step tell < step each < run traced"),
        host("step each < run traced"),
        host("step charge < run traced"),
        host("step paid < run traced"),
        host("run traced"),
        "flowforge-server: start traced < run traced".to_owned(),
    ];
    expected.sort();
    assert_eq!(paths, expected);
    for (service, span) in tree.values() {
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{span:#?}");
        if service == "flowforge-server" {
            // A run is ordered before it begins.
            continue;
        }
        if let Some((_, above)) = tree.get(&hex(&span.parent_span_id)) {
            let is_inside = above.start_time_unix_nano <= span.start_time_unix_nano;
            assert!(is_inside, "{} began before {}", span.name, above.name);
        }
    }
    let attempts = tree.values().filter(|(_, span)| span.name == "attempt");
    let failed: Vec<&Span> = attempts
        .map(|(_, span)| span)
        .filter(|span| status(span) == i32::from(SpanStatus::Error))
        .collect();
    assert_eq!(failed.len(), 1, "one was told to come again");
    assert_eq!(text(&failed[0].attributes, "error.type"), Some("unavailable"));
}

/// What each service outside saw is the span of the request that came to it.
fn check_requests(tree: &HashMap<String, (String, Span)>, came: &[(String, Option<String>)]) {
    let places: Vec<&str> = came.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(places.len(), 4, "{places:?}");
    let mut spans = HashSet::new();
    for (place, header) in came {
        let header = header.as_deref().expect("each request carries its trace");
        let parts: Vec<&str> = header.split('-').collect();
        assert_eq!((parts[0], parts[3]), ("00", "01"), "{header}");
        let (_, span) = &tree[parts[2]];
        assert!(spans.insert(parts[2]), "{place} has a span of its own");
        assert_eq!(hex(&span.trace_id), parts[1]);
        assert_eq!(span.kind, i32::from(SpanKind::Client));
        assert_eq!(text(&span.attributes, "http.request.method"), Some("POST"));
        assert_eq!(text(&span.attributes, "server.address"), Some("127.0.0.1"));
        assert!(number(&span.attributes, "http.response.status_code").is_some());
    }
}

/// The host's own line about the end of the run carries its trace.
fn check_lines(seen: &Seen, trace: &str, run: &str) {
    let ended = seen
        .lines
        .iter()
        .find(|line| line_of(&line.what) == "run ended")
        .expect("the host says so");
    assert_eq!(ended.service, "flowforge-host");
    assert_eq!(text(&ended.what.attributes, "flowforge.run.id"), Some(run));
    assert_eq!(hex(&ended.what.trace_id), trace);
}

fn check_numbers(seen: &Seen) {
    let last = |service: &str, name: &str| {
        let all = seen.metrics.iter().rev();
        let found = all
            .into_iter()
            .find(|metric| metric.service == service && metric.what.name == name);
        found.expect(name).what.data.clone().unwrap()
    };
    let histogram = |service: &str, name: &str| match last(service, name) {
        Data::Histogram(histogram) => histogram.data_points,
        _ => Vec::new(),
    };
    let requests = histogram("flowforge-host", "http.client.request.duration");
    // The first host process told of its own two, this one of the loop's.
    let count: u64 = requests.iter().map(|point| point.count).sum();
    assert_eq!(count, 2, "{requests:#?}");
    let runs = histogram("flowforge-host", "flowforge.run.duration");
    assert_eq!(runs[0].count, 1);
    let started = last("flowforge-server", "flowforge.runs_started");
    assert!(matches!(started, Data::Sum(sum) if sum.is_monotonic));
    last("flowforge-server", "http.server.request.duration");
    last("flowforge-host", "flowforge.host.runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_s_trace_goes_on_in_the_run_that_it_starts() {
    let (outside, url, _serving) = outside().await;
    let collector = Collector::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let endpoint = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())];
    let variables = [&endpoint[..], &SOON].concat();
    let planes = planes(folder.path(), &variables, &traced(&url)).await;
    let hook = format!("{}/hooks/traced", planes.api().context().server);
    let (trace, above) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let call = async |flags: &str| {
        let call = planes.api().http().post(&hook);
        let call = call.header("traceparent", format!("00-{trace}-{above}-{flags}"));
        let answer = call.body("{}").send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        let run = answer["run"].as_str().expect("a run").to_owned();
        let signal = ["run", "signal", "paid", "--run", &run];
        planes.flowforge().json(&signal).unwrap();
        run
    };
    // Whoever began a trace decides whether it is told; it is passed on in any case.
    let silent = call("00").await;
    for _ in 0..1_200 {
        if came(&outside).len() == 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let told = call("01").await;
    let is_over = |seen: &Seen| seen.spans.iter().any(|span| span.what.name == "run traced");
    let seen = collector.wait_for("the run", is_over).await.unwrap();
    let tree = tree(&seen, trace);
    let (_, root) = tree.values().find(|(_, span)| span.name == "run traced").unwrap();
    assert_eq!(hex(&root.parent_span_id), above);
    assert_eq!(text(&root.attributes, "flowforge.run.id"), Some(told.as_str()));
    assert_eq!(text(&root.attributes, "flowforge.run.trigger"), Some("webhook"));
    let of_silent = |span: &Span| text(&span.attributes, "flowforge.run.id") == Some(silent.as_str());
    assert!(!seen.spans.iter().any(|span| of_silent(&span.what)));
    let flags: Vec<String> = came(&outside)
        .into_iter()
        .map(|(_, header)| header.expect("it is passed on in any case"))
        .inspect(|header| assert!(header.contains(trace), "{header}"))
        .map(|header| header[header.len() - 2..].to_owned())
        .collect();
    assert_eq!(flags, ["00", "00", "00", "01", "01", "01"]);
    planes.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_when_no_collector_is_named() {
    let (outside, url, _serving) = outside().await;
    let collector = Collector::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let disabled = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()),
        ("OTEL_SDK_DISABLED", "true"),
    ];
    for variables in [&SOON[..], &[&SOON[..], &disabled].concat()] {
        let folder = folder.path().join(variables.len().to_string());
        let planes = planes(&folder, variables, &short(&url)).await;
        run_to_its_end(&planes, "short");
        let status = planes.host_status().unwrap();
        assert_eq!(status["telemetry"], Value::Null, "{status:#}");
        planes.stop().unwrap();
    }
    assert_eq!(collector.seen().requests, 0);
    let came = came(&outside);
    assert_eq!(came.len(), 2);
    assert!(came.iter().all(|(_, trace)| trace.is_none()), "{came:?}");
}

/// A collector that takes connections and never answers.
async fn black_hole() -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut task = JoinSet::new();
    task.spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    (url, task)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_collector_stops_nothing_and_what_is_dropped_is_counted() {
    let (_outside, url, _serving) = outside().await;
    let (silent, _holding) = black_hole().await;
    let folder = tempfile::tempdir().unwrap();
    let endpoint = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", silent.as_str()),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "2"),
        ("OTEL_BLRP_MAX_QUEUE_SIZE", "2"),
        ("FLOWFORGE_METRICS_ADDR", "127.0.0.1:0"),
    ];
    let variables = [&endpoint[..], &SOON].concat();
    let planes = planes(folder.path(), &variables, &short(&url)).await;
    for _ in 0..6 {
        run_to_its_end(&planes, "short");
    }
    let status = planes.host_status().unwrap();
    let telemetry = &status["telemetry"];
    assert_eq!(telemetry["collector"], silent, "{status:#}");
    assert!(telemetry["dropped_full"].as_u64().unwrap() > 0, "{telemetry:#}");
    assert_eq!(telemetry["spans"], 0, "{telemetry:#}");
    let address = planes
        .metrics()
        .expect("it says where its metrics are")
        .to_owned();
    let dropped = async || {
        let answer = planes.api().http().get(&address).send().await.unwrap();
        let text = answer.text().await.unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("flowforge_telemetry_dropped_total "))
            .expect("the metric is there");
        line.parse::<u64>().unwrap()
    };
    for _ in 0..1_200 {
        if dropped().await > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(dropped().await > 0, "the control plane counts, too");
    planes.stop().unwrap();
}
