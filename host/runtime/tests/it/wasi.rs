//! Components that nobody wrote for FlowForge, and the baseline that they meet.

use std::sync::atomic::Ordering;

use flowforge_protocol::FailureKind;
use flowforge_runtime::LogLevel;
use serde_json::{Value, json};

use crate::guests::guest_with_imports;
use crate::server::Server;
use crate::support::Bench;

/// A command: writes a line and succeeds.
fn command() -> Vec<u8> {
    guest_with_imports(
        "package test:command;
         world w { import wasi:cli/stdout@0.2.0; import wasi:cli/stderr@0.2.0; export wasi:cli/run@0.2.0; }",
        r#"(import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
           (import "wasi:cli/stderr@0.2.0" "get-stderr" (func $stderr (result i32)))
           (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush" (func $write (param i32 i32 i32 i32)))"#,
        r#"(data (i32.const 16) "hello\nwor")
           (data (i32.const 32) "ld")
           (func (export "wasi:cli/run@0.2.0#run") (result i32)
             (local $out i32)
             (local.set $out (call $stdout))
             (call $write (local.get $out) (i32.const 16) (i32.const 9) (i32.const 1024))
             (call $write (local.get $out) (i32.const 32) (i32.const 2) (i32.const 1024))
             (call $write (call $stderr) (i32.const 16) (i32.const 6) (i32.const 1024))
             (i32.const 0))"#,
    )
}

#[tokio::test]
async fn a_plain_command_runs_as_a_node() {
    let bench = Bench::new();
    let command = bench.load(&command()).await;
    assert_eq!(command.interface().capabilities, []);
    assert_eq!(bench.output(&command, "run.run", Value::Null).await, Value::Null);
    let lines: Vec<(LogLevel, String)> = bench.services.lines();
    assert!(lines.contains(&(LogLevel::Info, "hello".to_owned())), "{lines:?}");
    assert!(lines.contains(&(LogLevel::Info, "world".to_owned())), "{lines:?}");
    assert!(lines.contains(&(LogLevel::Warn, "hello".to_owned())), "{lines:?}");
}

#[tokio::test]
async fn the_baseline_is_inert_but_for_the_clock() {
    let bench = Bench::new();
    let probe = guest_with_imports(
        "package test:probe;
         world w {
           import wasi:cli/environment@0.2.0;
           import wasi:clocks/wall-clock@0.2.0;
           import wasi:filesystem/preopens@0.2.0;
           import wasi:sockets/tcp-create-socket@0.2.0;
           export environment: func() -> u32;
           export folders: func() -> u32;
           export seconds: func() -> u64;
           export socket: func() -> u32;
         }",
        r#"(import "wasi:cli/environment@0.2.0" "get-environment" (func $environment (param i32)))
           (import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $folders (param i32)))
           (import "wasi:clocks/wall-clock@0.2.0" "now" (func $now (param i32)))
           (import "wasi:sockets/tcp-create-socket@0.2.0" "create-tcp-socket" (func $socket (param i32 i32)))"#,
        r#"(func (export "environment") (result i32) (call $environment (i32.const 1024)) (i32.load (i32.const 1028)))
           (func (export "folders") (result i32) (call $folders (i32.const 1024)) (i32.load (i32.const 1028)))
           (func (export "seconds") (result i64) (call $now (i32.const 1024)) (i64.load (i32.const 1024)))
           (func (export "socket") (result i32)
             (call $socket (i32.const 0) (i32.const 1024))
             (if (i32.load8_u (i32.const 1024)) (then (return (i32.load8_u (i32.const 1028)))))
             (i32.const 255))"#,
    );
    let probe = bench.load(&probe).await;
    assert_eq!(bench.output(&probe, "environment", Value::Null).await, json!(0));
    assert_eq!(bench.output(&probe, "folders", Value::Null).await, json!(0));
    assert_eq!(
        bench.output(&probe, "seconds", Value::Null).await,
        json!(1_700_000_000)
    );
    bench.services.now_ms.store(5_000, Ordering::SeqCst);
    assert_eq!(bench.output(&probe, "seconds", Value::Null).await, json!(5));
    // 1 is `access-denied`.
    assert_eq!(bench.output(&probe, "socket", Value::Null).await, json!(1));
}

/// Asks for a path over `wasi:http` and gives the status, or 1000 and the number of the error.
fn fetcher() -> Vec<u8> {
    guest_with_imports(
        "package test:fetcher;
         world w {
           import wasi:http/types@0.2.0;
           import wasi:http/outgoing-handler@0.2.0;
           export fetch: func(authority: string, path: string) -> u32;
           export fetch-with-own-token: func(authority: string, path: string) -> u32;
           export flood-headers: func();
         }",
        r#"(import "wasi:http/types@0.2.0" "[constructor]fields" (func $fields (result i32)))
           (import "wasi:http/types@0.2.0" "[method]fields.append" (func $append (param i32 i32 i32 i32 i32 i32)))
           (import "wasi:http/types@0.2.0" "[constructor]outgoing-request" (func $request (param i32) (result i32)))
           (import "wasi:http/types@0.2.0" "[method]outgoing-request.set-path-with-query" (func $path (param i32 i32 i32 i32) (result i32)))
           (import "wasi:http/types@0.2.0" "[method]outgoing-request.set-scheme" (func $scheme (param i32 i32 i32 i32 i32) (result i32)))
           (import "wasi:http/types@0.2.0" "[method]outgoing-request.set-authority" (func $authority (param i32 i32 i32 i32) (result i32)))
           (import "wasi:http/types@0.2.0" "[method]future-incoming-response.subscribe" (func $subscribe (param i32) (result i32)))
           (import "wasi:http/types@0.2.0" "[method]future-incoming-response.get" (func $get (param i32 i32)))
           (import "wasi:http/types@0.2.0" "[method]incoming-response.status" (func $status (param i32) (result i32)))
           (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
           (import "wasi:http/outgoing-handler@0.2.0" "handle" (func $handle (param i32 i32 i32 i32)))"#,
        r#"(data (i32.const 16) "authorizationmine")
           (func $fetch (param $fields i32) (param $a i32) (param $al i32) (param $p i32) (param $pl i32) (result i32)
             (local $request i32) (local $future i32)
             (local.set $request (call $request (local.get $fields)))
             (drop (call $scheme (local.get $request) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))
             (drop (call $authority (local.get $request) (i32.const 1) (local.get $a) (local.get $al)))
             (drop (call $path (local.get $request) (i32.const 1) (local.get $p) (local.get $pl)))
             (call $handle (local.get $request) (i32.const 0) (i32.const 0) (i32.const 1024))
             (if (i32.load8_u (i32.const 1024)) (then (return (i32.add (i32.const 2000) (i32.load8_u (i32.const 1032))))))
             (local.set $future (i32.load (i32.const 1032)))
             (call $block (call $subscribe (local.get $future)))
             (call $get (local.get $future) (i32.const 1024))
             (if (i32.load8_u (i32.const 1040)) (then (return (i32.add (i32.const 1000) (i32.load8_u (i32.const 1048))))))
             (call $status (i32.load (i32.const 1048))))
           (func (export "fetch") (param i32 i32 i32 i32) (result i32)
             (call $fetch (call $fields) (local.get 0) (local.get 1) (local.get 2) (local.get 3)))
           (func (export "flood-headers") (local $fields i32)
             (local.set $fields (call $fields))
             (loop $again
               (call $append (local.get $fields) (i32.const 16) (i32.const 5) (i32.const 16) (i32.const 17) (i32.const 2048))
               (br $again)))
           (func (export "fetch-with-own-token") (param i32 i32 i32 i32) (result i32)
             (local $fields i32)
             (local.set $fields (call $fields))
             (call $append (local.get $fields) (i32.const 16) (i32.const 13) (i32.const 29) (i32.const 4) (i32.const 1024))
             (call $fetch (local.get $fields) (local.get 0) (local.get 1) (local.get 2) (local.get 3)))"#,
    )
}

/// What the guest gives for `HTTP-request-denied`.
const DENIED: u32 = 1015;

#[tokio::test]
async fn a_foreign_component_reaches_what_its_node_may_reach() {
    let server = Server::answering("418 I'm a teapot", "", b"short and stout").await;
    let bench = Bench::on_loopback().allow(&server.destination());
    let fetcher = bench.load(&fetcher()).await;
    let input = json!({"authority": format!("127.0.0.1:{}", server.port), "path": "/tea?x=1"});
    let invoked = bench.call(&fetcher, "fetch", input).await.expect("works");
    assert_eq!(invoked.output, json!(418));
    assert_eq!(
        invoked.usage.used,
        [crate::support::used(&server.destination(), None, 1)]
    );
    assert_eq!(
        bench.services.effects(),
        [flowforge_protocol::Use::of(server.destination())]
    );
    let seen = server.requests();
    assert!(seen[0].starts_with("GET /tea?x=1 HTTP/1.1\r\n"), "{}", seen[0]);
    assert_eq!(seen[0].matches("host: ").count(), 1, "{}", seen[0]);
}

#[tokio::test]
async fn a_foreign_component_is_denied_the_rest_and_the_log_says_why() {
    let server = Server::answering("200 OK", "", b"").await;
    let bench = Bench::on_loopback();
    let fetcher = bench.load(&fetcher()).await;
    let input = json!({"authority": format!("127.0.0.1:{}", server.port), "path": "/"});
    assert_eq!(bench.output(&fetcher, "fetch", input).await, json!(DENIED));
    let lines = bench.services.lines();
    assert!(
        lines[0].1.contains("this node may not reach http://127.0.0.1"),
        "{lines:?}"
    );
    assert_eq!(bench.services.effects(), []);
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn the_grant_attaches_a_secret_to_a_foreign_request() {
    let server = Server::answering("200 OK", "", b"").await;
    let place = server.destination();
    let bench = Bench::on_loopback()
        .allow(&place)
        .secret("auth", "bearer", "s3cret", &place);
    let fetcher = bench.load(&fetcher()).await;
    let input = json!({"authority": format!("127.0.0.1:{}", server.port), "path": "/"});
    let invoked = bench.call(&fetcher, "fetch", input.clone()).await.expect("works");
    assert_eq!(invoked.output, json!(200));
    assert!(server.requests()[0].contains("authorization: Bearer s3cret\r\n"));
    assert!(
        invoked
            .usage
            .used
            .contains(&crate::support::used(&place, Some("auth_secret"), 1))
    );
    assert_eq!(
        bench
            .output(&fetcher, "fetch_with_own_token", input.clone())
            .await,
        json!(DENIED)
    );
    let two = bench.secret("more", "bearer", "other", &place);
    assert_eq!(two.output(&fetcher, "fetch", input).await, json!(DENIED));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_refused_effect_ends_a_foreign_step_too() {
    let server = Server::answering("200 OK", "", b"").await;
    let bench = Bench::on_loopback().allow(&server.destination());
    *bench.services.refuse.lock().expect("no panic") = Some("stopping".to_owned());
    let fetcher = bench.load(&fetcher()).await;
    let input = json!({"authority": format!("127.0.0.1:{}", server.port), "path": "/"});
    let error = bench
        .call(&fetcher, "fetch", input)
        .await
        .expect_err("is refused");
    assert!(error.to_string().contains("stopping"), "{error}");
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_panic_message_survives_the_trap() {
    let bench = Bench::new();
    let panicking = guest_with_imports(
        "package test:panicking;
         world w { import wasi:cli/stderr@0.2.0; export boom: func(); }",
        r#"(import "wasi:cli/stderr@0.2.0" "get-stderr" (func $stderr (result i32)))
           (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush" (func $write (param i32 i32 i32 i32)))"#,
        r#"(data (i32.const 16) "thread '<unnamed>' (1) panicked at src/lib.rs:9:5:\nno such row\nnote: run with `RUST_BACKTRACE=1` environment variable\n")
           (func (export "boom")
             (call $write (call $stderr) (i32.const 16) (i32.const 118) (i32.const 1024))
             unreachable)"#,
    );
    let panicking = bench.load(&panicking).await;
    let failure = bench.failure(&panicking, "boom", Value::Null).await;
    assert_eq!(failure.kind, FailureKind::Internal);
    assert!(
        failure
            .message
            .starts_with("panicked at src/lib.rs:9:5: no such row ("),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn header_fields_of_a_foreign_component_have_a_limit() {
    let bench = Bench::new();
    let fetcher = bench.load(&fetcher()).await;
    let failure = bench.failure(&fetcher, "flood_headers", Value::Null).await;
    assert_eq!(failure.kind, FailureKind::Limit);
    assert_eq!(
        failure.message,
        "the connector sets more than 65536 bytes of header fields"
    );
}

/// What a component drew from WASI was the machine's own: a test that draws differed from one run to the next.
#[tokio::test]
async fn randomness_of_wasi_is_the_executors() {
    let bench = Bench::new();
    let drawing = guest_with_imports(
        "package test:drawing;
         world w { import wasi:random/random@0.2.0; export draw: func() -> u64; }",
        r#"(import "wasi:random/random@0.2.0" "get-random-u64" (func $draw (result i64)))"#,
        r#"(func (export "draw") (result i64) (call $draw))"#,
    );
    let drawing = bench.load(&drawing).await;
    // The executor of these tests counts bytes; sixteen went into the seed of the insecure generator.
    assert_eq!(
        bench.output(&drawing, "draw", Value::Null).await,
        json!(u64::from_le_bytes([16, 17, 18, 19, 20, 21, 22, 23]))
    );
}
