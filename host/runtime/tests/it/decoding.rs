//! Responses that a transfer or a charset encoded, and those that end wrongly.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::egress::request;
use crate::guests::{guest_with_imports, sender};
use crate::server::{Reply, Server};
use crate::support::Bench;

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).expect("memory");
    encoder.finish().expect("memory")
}

/// A service that answered in gzip whatever it was asked made every step fail with "not UTF-8 at byte 1".
#[tokio::test]
async fn an_encoded_response_arrives_decoded_in_memory_and_as_an_artefact() {
    let content = b"{\"count\":3}";
    let server = Server::answering("200 OK", "content-encoding: gzip\r\netag: x\r\n", &gzip(content)).await;
    let bench = Bench::on_loopback().allow(&server.destination());
    let sender = bench.load(&sender()).await;
    let output = bench
        .output(&sender, "send", request("GET", &server.destination()))
        .await;
    assert_eq!(
        output["body"],
        json!({"kind": "bytes", "value": "eyJjb3VudCI6M30="})
    );
    assert_eq!(
        output["headers"],
        json!([{"name": "etag", "value": "x"}]),
        "what described the encoded body is left out"
    );
    let mut saved = request("GET", &server.destination());
    saved["request"]["save_as"] = json!("a.json");
    let output = bench.output(&sender, "send", saved).await;
    assert_eq!(output["body"]["value"]["size"], json!(content.len()));
    assert!(
        server.requests()[0].contains("accept-encoding: gzip, deflate, br\r\n"),
        "{:?}",
        server.requests()
    );
    let mut own = request("GET", &server.destination());
    own["request"]["headers"] = json!([{"name": "Accept-Encoding", "value": "gzip"}]);
    bench.output(&sender, "send", own).await;
    assert!(
        server.requests()[2].contains("accept-encoding: gzip\r\n"),
        "{:?}",
        server.requests()
    );
}

#[tokio::test]
async fn the_bound_counts_what_comes_out() {
    let bomb = gzip(&vec![0; 3 << 20]);
    assert!(bomb.len() < 10_000);
    let server = Server::answering("200 OK", "content-encoding: gzip\r\n", &bomb).await;
    let bench = Bench::on_loopback().allow(&server.destination());
    let sender = bench.load(&sender()).await;
    let failure = bench
        .failure(&sender, "send", request("GET", &server.destination()))
        .await;
    assert_eq!(failure.code.as_deref(), Some("too_large"), "{}", failure.message);
}

#[tokio::test]
async fn what_cannot_be_decoded_is_told_apart_from_an_unknown_outcome() {
    let body = gzip(b"whole");
    let answers = [
        ("content-encoding: zstd\r\n", b"xx".to_vec(), "`zstd`"),
        (
            "content-encoding: gzip\r\n",
            b"a text that is not encoded at all".to_vec(),
            "is not",
        ),
        (
            "content-encoding: gzip\r\n",
            body[..body.len() - 4].to_vec(),
            "ends too early",
        ),
    ];
    for (headers, body, words) in answers {
        let server = Server::answering("200 OK", headers, &body).await;
        let bench = Bench::on_loopback().allow(&server.destination());
        let sender = bench.load(&sender()).await;
        let failure = bench
            .failure(&sender, "send", request("POST", &server.destination()))
            .await;
        assert_eq!(
            failure.code.as_deref(),
            Some("malformed_response"),
            "{words}: {}",
            failure.message
        );
        assert!(failure.message.contains(words), "{words}: {}", failure.message);
    }
}

#[tokio::test]
async fn a_body_that_ends_too_early_is_an_unknown_outcome_in_plain_words() {
    let cut = Server::start(Reply::Bytes(
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".to_vec(),
    ))
    .await;
    let bench = Bench::on_loopback().allow(&cut.destination());
    let sender = bench.load(&sender()).await;
    for save_as in [Value::Null, json!("a.bin")] {
        let mut get = request("GET", &cut.destination());
        get["request"]["save_as"] = save_as;
        let failure = bench.failure(&sender, "send", get).await;
        assert_eq!(failure.code.as_deref(), Some("timed_out"), "{}", failure.message);
        assert!(
            failure.message.contains("closed before the whole response"),
            "{}",
            failure.message
        );
    }
}

#[tokio::test]
async fn a_header_value_keeps_every_byte() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-latin: caf\xe9\r\nx-utf8: caf\xc3\xa9\r\n\r\n";
    let server = Server::start(Reply::Bytes(head.to_vec())).await;
    let bench = Bench::on_loopback().allow(&server.destination());
    let sender = bench.load(&sender()).await;
    let mut get = request("GET", &server.destination());
    get["request"]["headers"] = json!([{"name": "x-mine", "value": "café"}]);
    let output = bench.output(&sender, "send", get).await;
    let headers = output["headers"].as_array().expect("a list");
    assert!(
        headers.contains(&json!({"name": "x-latin", "value": "café"})),
        "{headers:?}"
    );
    assert!(
        headers.contains(&json!({"name": "x-utf8", "value": "café"})),
        "{headers:?}"
    );
    assert!(
        server.requests()[0].contains("x-mine: café\r\n"),
        "{:?}",
        server.requests()
    );
}

#[tokio::test]
async fn a_wait_is_read_from_both_forms() {
    for (headers, wait) in [
        ("retry-after: 3\r\n", json!(3000)),
        (
            "date: Wed, 21 Oct 2026 07:28:00 GMT\r\nretry-after: Wed, 21 Oct 2026 07:28:06 GMT\r\n",
            json!(6000),
        ),
        ("", Value::Null),
    ] {
        let server = Server::answering("503 Service Unavailable", headers, b"").await;
        let bench = Bench::on_loopback().allow(&server.destination());
        let sender = bench.load(&sender()).await;
        let output = bench
            .output(&sender, "send", request("GET", &server.destination()))
            .await;
        assert_eq!(output["retry_after_ms"], wait, "{headers}");
    }
}

#[tokio::test]
async fn a_guest_has_text_decoded_by_the_host() {
    let reader = guest_with_imports(
        "package test:reader;
         world w {
           import flowforge:connector/http@0.1.0;
           use flowforge:connector/http@0.1.0.{text-error};
           export text: func(bytes: list<u8>, content-type: option<string>) -> result<string, text-error>;
         }",
        r#"(import "flowforge:connector/http@0.1.0" "decode-text" (func $decode (param i32 i32 i32 i32 i32 i32)))"#,
        r#"(func (export "text") (param i32 i32 i32 i32 i32) (result i32)
             (call $decode (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (i32.const 1024))
             (i32.const 1024))"#,
    );
    let bench = Bench::new();
    let reader = bench.load(&reader).await;
    let latin = json!({"bytes": "TWVu/A==", "content_type": "text/plain; charset=iso-8859-1"});
    assert_eq!(bench.output(&reader, "text", latin).await, json!("Menü"));
    let failure = bench.failure(&reader, "text", json!({"bytes": "/w=="})).await;
    assert_eq!(failure.code.as_deref(), Some("malformed"), "{}", failure.message);
    assert_eq!(bench.services.effects(), []);
}
