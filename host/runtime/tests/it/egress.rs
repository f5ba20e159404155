//! Outgoing HTTP through `flowforge:connector/http`.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use flowforge_protocol::{Failure, FailureKind, Use};
use flowforge_runtime::{Connection, Dial, EgressPolicy, Resolve, StepError};
use serde_json::{Value, json};

use crate::guests::sender;
use crate::server::{Reply, Server};
use crate::support::{Bench, used};

/// A request with nothing but a method and an address.
pub(crate) fn request(method: &str, url: &str) -> Value {
    json!({"request": {"method": method, "url": url, "headers": []}})
}

fn with(mut request: Value, field: &str, value: Value) -> Value {
    request["request"][field] = value;
    request
}

fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

async fn refusal(bench: &Bench, request: Value) -> Failure {
    let sender = bench.load(&sender()).await;
    bench.failure(&sender, "send", request).await
}

fn code(failure: &Failure) -> &str {
    failure.code.as_deref().unwrap_or_default()
}

#[tokio::test]
async fn a_granted_destination_is_reached_after_the_intent_is_durable() {
    let server = Server::answering("200 OK", "x-seen: yes\r\n", b"{\"a\":1}").await;
    let bench = Bench::on_loopback().allow(&server.destination());
    let sender = bench.load(&sender()).await;
    let post = with(
        request("POST", &format!("{}/path?q=1", server.destination())),
        "body",
        json!({"kind": "bytes", "value": base64(b"hello")}),
    );
    let post = with(post, "headers", json!([{"name": "X-Mine", "value": "1"}]));
    let invoked = bench.call(&sender, "send", post).await.expect("works");
    assert_eq!(invoked.output["status"], 200);
    assert_eq!(
        invoked.output["body"],
        json!({"kind": "bytes", "value": base64(b"{\"a\":1}")})
    );
    let headers = invoked.output["headers"].as_array().expect("a list");
    assert!(headers.contains(&json!({"name": "x-seen", "value": "yes"})));
    assert_eq!(invoked.usage.used, [used(&server.destination(), None, 1)]);
    assert_eq!(invoked.usage.effects, 1);
    assert_eq!(bench.services.effects(), [Use::of(server.destination())]);
    let seen = server.requests();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].starts_with("POST /path?q=1 HTTP/1.1\r\n"), "{}", seen[0]);
    assert!(
        seen[0].contains(&format!("host: 127.0.0.1:{}\r\n", server.port)),
        "{}",
        seen[0]
    );
    assert!(seen[0].contains("x-mine: 1\r\n"), "{}", seen[0]);
    assert!(seen[0].ends_with("\r\n\r\nhello"), "{}", seen[0]);
}

#[tokio::test]
async fn a_destination_without_a_grant_is_denied_and_nothing_leaves() {
    let server = Server::answering("200 OK", "", b"").await;
    let other_port = if server.port == 1 { 2 } else { 1 };
    let bench = Bench::on_loopback()
        .allow(&format!("http://127.0.0.1:{other_port}"))
        .allow(&format!("https://127.0.0.1:{}", server.port))
        .allow(&format!("http://localhost:{}", server.port))
        .allow("not a destination")
        .allow(&format!("http://127.0.0.1:{}/path", server.port));
    let failure = refusal(&bench, request("GET", &server.destination())).await;
    assert_eq!(
        (failure.kind, code(&failure)),
        (FailureKind::Rejected, "destination_denied")
    );
    assert!(
        failure.message.contains(&server.destination()),
        "{}",
        failure.message
    );
    assert_eq!(bench.services.effects(), []);
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_grant_does_not_open_a_blocked_address() {
    let server = Server::answering("200 OK", "", b"").await;
    for host in [
        "127.0.0.1",
        "localhost",
        "[::ffff:127.0.0.1]",
        "0x7f.1",
        "10.0.0.1",
        "169.254.169.254",
        "[64:ff9b::7f00:1]",
    ] {
        let place = format!("http://{host}:{}", server.port);
        let bench = Bench::new().allow(&place);
        let failure = refusal(&bench, request("GET", &place)).await;
        assert_eq!(
            code(&failure),
            "destination_denied",
            "{host}: {}",
            failure.message
        );
        assert!(failure.message.contains("address"), "{host}: {}", failure.message);
    }
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn the_hosts_own_listeners_stay_closed() {
    let server = Server::answering("200 OK", "", b"").await;
    let closed = format!("127.0.0.1:{}", server.port).parse().expect("an address");
    let bench = Bench::with(|config| {
        config.egress = EgressPolicy {
            loopback: true,
            closed: vec![closed],
            ..EgressPolicy::default()
        }
    });
    let failure = refusal(
        &bench.allow(&server.destination()),
        request("GET", &server.destination()),
    )
    .await;
    assert!(
        failure.message.contains("closed by this host"),
        "{}",
        failure.message
    );
}

/// Answers first with a public address and then with loopback, as a rebinding name server does.
struct Rebinding {
    asked: AtomicUsize,
}

#[async_trait]
impl Resolve for Rebinding {
    async fn resolve(&self, _name: &str) -> std::io::Result<Vec<IpAddr>> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst);
        let blocked: IpAddr = [10, 0, 0, 1].into();
        let local: IpAddr = [127, 0, 0, 1].into();
        Ok(if turn == 0 {
            vec![blocked, local]
        } else {
            vec![blocked]
        })
    }
}

#[tokio::test]
async fn a_name_is_resolved_once_and_only_judged_addresses_are_dialled() {
    let server = Server::answering("200 OK", "", b"ok").await;
    let resolver = Arc::new(Rebinding {
        asked: AtomicUsize::new(0),
    });
    let policy = EgressPolicy {
        loopback: true,
        resolver: Some(resolver.clone()),
        ..EgressPolicy::default()
    };
    let place = format!("http://rebind.example:{}", server.port);
    let bench = Bench::with(|config| config.egress = policy).allow(&place);
    let sender = bench.load(&sender()).await;
    let output = bench.output(&sender, "send", request("GET", &place)).await;
    assert_eq!(output["status"], 200);
    assert_eq!(resolver.asked.load(Ordering::SeqCst), 1);
    assert!(server.requests()[0].contains(&format!("host: rebind.example:{}", server.port)));
    let failure = bench.failure(&sender, "send", request("GET", &place)).await;
    assert!(
        failure.message.contains("10.0.0.1 is a private address"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn redirects_are_shown_unless_asked_to_follow() {
    let target = Server::answering("200 OK", "", b"").await;
    let location = format!("location: {}/\r\n", target.destination());
    let server = Server::answering("302 Found", &location, b"").await;
    let bench = Bench::on_loopback()
        .allow(&server.destination())
        .allow(&target.destination());
    let sender = bench.load(&sender()).await;
    let output = bench
        .output(&sender, "send", request("GET", &server.destination()))
        .await;
    assert_eq!(output["status"], 302);
    assert_eq!(target.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn requests_that_break_a_rule_are_refused_before_anything_leaves() {
    let server = Server::answering("200 OK", "", b"").await;
    let bench = Bench::on_loopback()
        .allow(&server.destination())
        .allow("http://user@127.0.0.1");
    let good = request("GET", &server.destination());
    let header =
        |name: &str, value: &str| with(good.clone(), "headers", json!([{"name": name, "value": value}]));
    let many: Vec<Value> = (0..101)
        .map(|n| json!({"name": format!("x-{n}"), "value": ""}))
        .collect();
    let large = "x".repeat(64 << 10);
    let cases = [
        (header("host", "evil.example"), "`host` is set by the host"),
        (
            header("Transfer-Encoding", "chunked"),
            "`transfer-encoding` is set by the host",
        ),
        (
            header("Proxy-Authorization", "x"),
            "`proxy-authorization` is set by the host",
        ),
        (header("connection", "close"), "`connection` is set by the host"),
        (header("x-bad", "a\r\nevil: 1"), "control characters"),
        (header("bad name", "x"), "not a header name"),
        (header("x-large", &large), "bytes of header fields"),
        (with(good.clone(), "headers", json!(many)), "101 header fields"),
        (request("G T", &server.destination()), "not a method"),
        (request("CONNECT", &server.destination()), "CONNECT"),
        (request("GET", "ftp://127.0.0.1/"), "ftp"),
        (request("GET", "/relative"), "not an address"),
        (
            request("GET", &format!("http://user:pw@127.0.0.1:{}", server.port)),
            "user information",
        ),
        (
            with(
                good.clone(),
                "body",
                json!({"kind": "bytes", "value": base64(&vec![0; (2 << 20) + 1])}),
            ),
            "send an artefact",
        ),
    ];
    let sender = bench.load(&sender()).await;
    let mut bench = bench;
    bench.limits.hostcall_bytes = 256 << 20;
    for (request, expected) in cases {
        let failure = bench.failure(&sender, "send", request).await;
        assert_eq!(
            code(&failure),
            "invalid_request",
            "{expected}: {}",
            failure.message
        );
        assert!(
            failure.message.contains(expected),
            "{expected}: {}",
            failure.message
        );
    }
    assert_eq!(server.requests(), Vec::<String>::new());
    assert_eq!(bench.services.effects(), []);
}

#[tokio::test]
async fn a_refused_effect_ends_the_attempt_as_the_hosts_own_trouble() {
    let server = Server::answering("200 OK", "", b"").await;
    let bench = Bench::on_loopback().allow(&server.destination());
    *bench.services.refuse.lock().expect("no panic") = Some("the journal has stopped".to_owned());
    let sender = bench.load(&sender()).await;
    match bench
        .call(&sender, "send", request("GET", &server.destination()))
        .await
    {
        Err(StepError::Host { reason, .. }) => {
            assert!(reason.contains("the journal has stopped"), "{reason}")
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_response_may_be_as_large_as_the_limit_and_not_larger() {
    let server = Server::answering("200 OK", "", &[7; 1000]).await;
    let mut bench = Bench::on_loopback().allow(&server.destination());
    let sender = bench.load(&sender()).await;
    bench.limits.body_bytes = 1000;
    assert_eq!(
        bench
            .output(&sender, "send", request("GET", &server.destination()))
            .await["status"],
        200
    );
    bench.limits.body_bytes = 999;
    let failure = bench
        .failure(&sender, "send", request("GET", &server.destination()))
        .await;
    assert_eq!(code(&failure), "too_large");
    let endless = Server::start(Reply::Bytes(
        [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &[7; 1000]].concat(),
    ))
    .await;
    bench.grants.destinations.push(endless.destination());
    let failure = bench
        .failure(&sender, "send", request("GET", &endless.destination()))
        .await;
    assert_eq!(code(&failure), "too_large", "{}", failure.message);
}

#[tokio::test]
async fn a_response_with_too_many_headers_is_no_response() {
    let fields: String = (0..101).map(|n| format!("x-{n}: 1\r\n")).collect();
    let server = Server::answering("200 OK", &fields, b"").await;
    let bench = Bench::on_loopback().allow(&server.destination());
    let failure = refusal(&bench, request("GET", &server.destination())).await;
    assert_eq!(code(&failure), "malformed_response", "{}", failure.message);
    assert!(
        failure.message.contains("more header fields"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_an_unknown_outcome() {
    let silent = Server::start(Reply::Silence).await;
    let closing = Server::start(Reply::Close).await;
    let bench = Bench::on_loopback()
        .allow(&silent.destination())
        .allow(&closing.destination());
    let failure = refusal(
        &bench,
        with(request("GET", &silent.destination()), "timeout_ms", json!(50)),
    )
    .await;
    assert_eq!(code(&failure), "timed_out", "{}", failure.message);
    let failure = refusal(&bench, request("GET", &closing.destination())).await;
    assert_eq!(code(&failure), "timed_out", "{}", failure.message);
}

#[tokio::test]
async fn a_step_that_runs_out_of_time_with_an_effect_begun_has_an_unknown_outcome() {
    let silent = Server::start(Reply::Silence).await;
    let mut bench = Bench::on_loopback().allow(&silent.destination());
    let sender = bench.load(&sender()).await;
    bench.limits.wall = Duration::from_millis(100);
    let failure = bench
        .failure(&sender, "send", request("GET", &silent.destination()))
        .await;
    // The exchange's own deadline is the step's: whichever is noticed first, nobody may call the outcome known.
    assert!(
        failure.kind == FailureKind::TimedOut || code(&failure) == "timed_out",
        "{failure:?}"
    );
}

#[tokio::test]
async fn nobody_there_means_nothing_was_sent() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let bench = Bench::on_loopback().allow(&place);
    let failure = refusal(&bench, request("GET", &place)).await;
    assert_eq!(code(&failure), "unreachable", "{}", failure.message);
}

#[tokio::test]
async fn a_server_without_a_trusted_certificate_gets_nothing() {
    let server = Server::start(Reply::Close).await;
    let place = format!("https://127.0.0.1:{}", server.port);
    let bench = Bench::on_loopback().allow(&place);
    let failure = refusal(&bench, request("GET", &place)).await;
    assert_eq!(code(&failure), "unreachable", "{}", failure.message);
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn requests_of_one_step_are_counted() {
    let server = Server::answering("200 OK", "", b"").await;
    let mut bench = Bench::on_loopback().allow(&server.destination());
    let sender = bench.load(&sender()).await;
    bench.limits.requests = 1;
    assert_eq!(
        bench
            .output(&sender, "send", request("GET", &server.destination()))
            .await["status"],
        200
    );
    let failure = bench
        .failure(&sender, "send_twice", request("GET", &server.destination()))
        .await;
    assert!(
        failure.message.contains("more than 1 requests"),
        "{}",
        failure.message
    );
    assert_eq!(server.requests().len(), 2);
}

/// Services that exist only here: none of them answers.
#[derive(Default)]
struct Nowhere {
    asked: std::sync::Mutex<Vec<String>>,
}

#[async_trait]
impl Dial for Nowhere {
    async fn dial(&self, destination: &str) -> Result<Connection, String> {
        self.asked.lock().expect("a list").push(destination.to_owned());
        Err("nobody is there".to_owned())
    }
}

#[tokio::test]
async fn another_way_to_connect_is_asked_for_granted_places_only_and_opens_no_socket() {
    let server = Server::answering("200 OK", "", b"ok").await;
    let nowhere = Arc::new(Nowhere::default());
    let bench = Bench::with(|config| {
        config.egress = EgressPolicy {
            dial: Some(nowhere.clone()),
            ..EgressPolicy::default()
        }
    });
    let denied = refusal(&bench, request("GET", "http://other.example")).await;
    assert_eq!(code(&denied), "destination_denied", "{}", denied.message);
    let failure = refusal(
        &bench.allow(&server.destination()),
        request("GET", &server.destination()),
    )
    .await;
    assert!(failure.message.contains("nobody is there"), "{}", failure.message);
    assert_eq!(*nowhere.asked.lock().expect("a list"), [server.destination()]);
    assert_eq!(server.requests(), Vec::<String>::new());
}
