//! Secrets that a guest names and never sees.

use flowforge_protocol::FailureKind;
use serde_json::{Value, json};

use crate::guests::{guest_with_imports, sender};
use crate::server::Server;
use crate::support::{Bench, used};

fn request(url: &str, slot: &str, placement: &Value) -> Value {
    json!({"request": {"method": "GET", "url": url, "headers": [], "auth": {"slot": slot, "placement": placement}}})
}

#[tokio::test]
async fn the_host_writes_the_secret_into_its_place() {
    let server = Server::answering("200 OK", "", b"").await;
    let place = server.destination();
    let bench = Bench::on_loopback()
        .allow(&place)
        .secret("auth", "bearer", "s3cret&", &place);
    let sender = bench.load(&sender()).await;
    let cases = [
        (json!({"kind": "bearer"}), "authorization: Bearer s3cret&\r\n"),
        (
            json!({"kind": "basic", "value": "me"}),
            "authorization: Basic bWU6czNjcmV0Jg==\r\n",
        ),
        (
            json!({"kind": "header", "value": {"name": "X-Key", "prefix": "Token "}}),
            "x-key: Token s3cret&\r\n",
        ),
        (
            json!({"kind": "query", "value": "key"}),
            "GET /p?a=1&key=s3cret%26 HTTP/1.1\r\n",
        ),
    ];
    for (placement, expected) in cases {
        let invoked = bench
            .call(
                &sender,
                "send",
                request(&format!("{place}/p?a=1"), "auth", &placement),
            )
            .await
            .expect("works");
        assert_eq!(invoked.usage.used, [used(&place, Some("auth_secret"), 1)]);
        let seen = server.requests().pop().expect("one");
        assert!(seen.contains(expected), "{expected}: {seen}");
        assert!(!invoked.output.to_string().contains("s3cret"));
    }
    assert!(
        bench
            .services
            .effects()
            .iter()
            .all(|next| *next == flowforge_protocol::Use::of(&*place).with_secret("auth_secret"))
    );
}

#[tokio::test]
async fn a_secret_goes_only_where_it_is_for() {
    let server = Server::answering("200 OK", "", b"").await;
    let place = server.destination();
    let bench = Bench::on_loopback()
        .allow(&place)
        .secret("auth", "bearer", "s3cret", "http://127.0.0.1:1");
    let sender = bench.load(&sender()).await;
    let failure = bench
        .failure(
            &sender,
            "send",
            request(&place, "auth", &json!({"kind": "bearer"})),
        )
        .await;
    assert_eq!(failure.code.as_deref(), Some("secret_denied"));
    assert!(failure.message.contains("is not for"), "{}", failure.message);
    let failure = bench
        .failure(
            &sender,
            "send",
            request(&place, "other", &json!({"kind": "bearer"})),
        )
        .await;
    assert!(
        failure.message.contains("slot `other` is not bound"),
        "{}",
        failure.message
    );
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_guest_cannot_set_the_place_itself() {
    let server = Server::answering("200 OK", "", b"").await;
    let place = server.destination();
    let bench = Bench::on_loopback()
        .allow(&place)
        .secret("auth", "bearer", "s3cret", &place);
    let sender = bench.load(&sender()).await;
    let mut own = request(&place, "auth", &json!({"kind": "bearer"}));
    own["request"]["headers"] = json!([{"name": "Authorization", "value": "Bearer mine"}]);
    let cases = [
        own,
        request(
            &format!("{place}/?key=mine"),
            "auth",
            &json!({"kind": "query", "value": "key"}),
        ),
        request(
            &place,
            "auth",
            &json!({"kind": "header", "value": {"name": "host", "prefix": ""}}),
        ),
        request(
            &place,
            "auth",
            &json!({"kind": "header", "value": {"name": "a b", "prefix": ""}}),
        ),
    ];
    for request in cases {
        let failure = bench.failure(&sender, "send", request.clone()).await;
        assert_eq!(
            failure.code.as_deref(),
            Some("invalid_request"),
            "{request}: {}",
            failure.message
        );
    }
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_secret_that_cannot_be_opened_ends_the_attempt() {
    let server = Server::answering("200 OK", "", b"").await;
    let place = server.destination();
    let bench = Bench::on_loopback()
        .allow(&place)
        .secret("auth", "bearer", "sealed", &place);
    let sender = bench.load(&sender()).await;
    let failure = bench
        .failure(
            &sender,
            "send",
            request(&place, "auth", &json!({"kind": "bearer"})),
        )
        .await;
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::Denied, "cannot be opened")
    );
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_value_that_no_header_can_hold_is_not_told() {
    let server = Server::answering("200 OK", "", b"").await;
    let place = server.destination();
    let bench = Bench::on_loopback()
        .allow(&place)
        .secret("auth", "bearer", "s3c\r\nret", &place);
    let sender = bench.load(&sender()).await;
    let failure = bench
        .failure(
            &sender,
            "send",
            request(&place, "auth", &json!({"kind": "bearer"})),
        )
        .await;
    assert!(
        failure.message.contains("cannot stand in a header"),
        "{}",
        failure.message
    );
    assert!(!failure.message.contains("s3c"));
}

#[tokio::test]
async fn a_guest_learns_kind_and_version_only() {
    let bench = Bench::new().secret("auth", "bearer", "s3cret", "https://h");
    let curious = guest_with_imports(
        "package test:curious;
         world w {
           import flowforge:connector/secrets@0.1.0;
           use flowforge:connector/secrets@0.1.0.{secret-info};
           export describe: func(slot: string) -> option<secret-info>;
         }",
        r#"(import "flowforge:connector/secrets@0.1.0" "describe" (func $describe (param i32 i32 i32)))"#,
        r#"(func (export "describe") (param i32 i32) (result i32)
             (call $describe (local.get 0) (local.get 1) (i32.const 1024))
             (i32.const 1024))"#,
    );
    let curious = bench.load(&curious).await;
    let told = bench.output(&curious, "describe", json!({"slot": "auth"})).await;
    assert_eq!(told, json!({"kind": "bearer", "version": 7}));
    assert_eq!(
        bench.output(&curious, "describe", json!({"slot": "nope"})).await,
        Value::Null
    );
}

/// A grant that was signed for the old value opened its places for a new value that was set for another place.
#[tokio::test]
async fn a_value_goes_only_where_it_was_sealed_for_whatever_the_grant_says() {
    let server = Server::answering("200 OK", "", b"").await;
    let place = server.destination();
    let bench = Bench::on_loopback()
        .allow(&place)
        .secret("auth", "bearer", "s3cret", &place);
    *bench.services.sealed_for.lock().expect("no panic") = Some(vec!["https://elsewhere.example".to_owned()]);
    let sender = bench.load(&sender()).await;
    let failure = bench
        .failure(
            &sender,
            "send",
            request(&place, "auth", &json!({"kind": "bearer"})),
        )
        .await;
    assert_eq!(failure.code.as_deref(), Some("secret_denied"));
    assert!(
        failure.message.contains("was set for other places"),
        "{}",
        failure.message
    );
    assert_eq!(server.requests(), Vec::<String>::new());
}

/// A service that echoes what it was sent gave the password of `authorization: Basic` back in base64.
#[tokio::test]
async fn an_echo_of_what_was_written_is_found_in_every_encoding() {
    use base64::Engine as _;
    let pair = base64::engine::general_purpose::STANDARD.encode("svc:correct-horse");
    let hex: String = "correct-horse"
        .bytes()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let echo = format!("x-basic: {pair}\r\nx-hex: {hex}\r\nx-plain: correct-horse\r\n");
    let server = Server::answering("200 OK", &echo, b"").await;
    let place = server.destination();
    let bench = Bench::on_loopback()
        .allow(&place)
        .secret("auth", "basic", "correct-horse", &place);
    let sender = bench.load(&sender()).await;
    let basic = json!({"kind": "basic", "value": "svc"});
    let output = bench
        .output(&sender, "send", request(&place, "auth", &basic))
        .await;
    let shown = output["headers"].to_string();
    assert_eq!(shown.matches("[secret auth_secret]").count(), 3, "{shown}");
}

#[tokio::test]
async fn a_response_that_holds_the_secret_is_not_stored() {
    let body = [
        vec![b'.'; 70_000],
        b"token=correct-horse".to_vec(),
        vec![b'.'; 70_000],
    ]
    .concat();
    let server = Server::answering("200 OK", "", &body).await;
    let place = server.destination();
    let bench = Bench::on_loopback()
        .allow(&place)
        .secret("auth", "bearer", "correct-horse", &place);
    let sender = bench.load(&sender()).await;
    let mut get = request(&place, "auth", &json!({"kind": "bearer"}));
    get["request"]["save_as"] = json!("a.txt");
    let failure = bench.failure(&sender, "send", get).await;
    assert_eq!(failure.code.as_deref(), Some("not_kept"), "{}", failure.message);
    assert!(failure.message.contains("`auth_secret`"), "{}", failure.message);
    assert_eq!(bench.services.store().bytes(), 0);
}
