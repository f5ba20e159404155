//! What an attempt used outside is known before each effect and after every end.

use flowforge_protocol::{FailureKind, Use};
use flowforge_runtime::StepError;
use serde_json::json;

use crate::egress::request;
use crate::guests::guest_with_imports;
use crate::server::Server;
use crate::support::{Bench, used};

/// A connector that posted and then trapped left nothing in the receipt's list of uses: the list of a failed attempt was
/// thrown away.
#[tokio::test]
async fn an_attempt_that_fails_after_its_effect_tells_what_it_used() {
    let server = Server::answering("200 OK", "", b"").await;
    let place = server.destination();
    let bench = Bench::on_loopback()
        .allow(&place)
        .secret("auth", "bearer", "s3cret", &place);
    let trapping = guest_with_imports(
        "package test:trapping;
         world w {
           import flowforge:connector/http@0.1.0;
           use flowforge:connector/http@0.1.0.{request};
           export send-and-trap: func(request: request);
         }",
        r#"(import "flowforge:connector/http@0.1.0" "send" (func $send (param i32 i32)))"#,
        r#"(func (export "send-and-trap") (param i32)
             (call $send (local.get 0) (i32.const 1024))
             (call $send (local.get 0) (i32.const 1024))
             unreachable)"#,
    );
    let trapping = bench.load(&trapping).await;
    let mut post = request("POST", &place);
    post["request"]["auth"] = json!({"slot": "auth", "placement": {"kind": "bearer"}});
    let Err(error) = bench.call(&trapping, "send_and_trap", post).await else {
        panic!("it traps");
    };
    assert!(
        matches!(&error, StepError::Failure { failure, .. } if failure.kind == FailureKind::Internal),
        "{error:?}"
    );
    assert_eq!(error.usage().used, [used(&place, Some("auth_secret"), 2)]);
    let next = Use::of(&*place).with_secret("auth_secret");
    assert_eq!(bench.services.effects(), [next.clone(), next]);
}

#[tokio::test]
async fn what_never_left_the_host_is_no_use() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let bench = Bench::on_loopback().allow(&place);
    let sender = bench.load(&crate::guests::sender()).await;
    let Err(error) = bench.call(&sender, "send", request("GET", &place)).await else {
        panic!("nobody listens");
    };
    assert_eq!((error.usage().used.len(), error.usage().effects), (0, 1));
    assert!(error.to_string().contains("nobody listens there"), "{error}");
}

/// Whoever watches a connector must hear of what it tried, and not only of what it was let do.
#[tokio::test]
async fn what_is_wanted_and_refused_is_told() {
    let bench = Bench::new().allow("https://open.example:443");
    let sender = bench.load(&crate::guests::sender()).await;
    let closed = request("GET", "https://closed.example");
    let mut unbound = request("GET", "https://open.example");
    unbound["request"]["auth"] = json!({"slot": "auth", "placement": {"kind": "bearer"}});
    for call in [closed, unbound] {
        assert!(bench.call(&sender, "send", call).await.is_err());
    }
    let denied = bench.services.denied.lock().expect("no panic").clone();
    assert_eq!(
        denied,
        [
            Use::of("https://closed.example:443"),
            Use::of("https://open.example:443").with_secret("auth"),
        ]
    );
    assert!(bench.services.effects().is_empty());
}
