//! A host and a control plane over their real line: loopback HTTP, the registry's bytes, the sandbox.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a fixture that cannot be built fails the test"
)]

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_failpoints::FailPoints;
use flowforge_host::join::Join;
use flowforge_host::link::line::Way;
use flowforge_host::{Host, HostConfig, HostLimits, Seams, SiteSettings, Stop};
use flowforge_protocol::envelope::{sign, sign_document};
use flowforge_protocol::{Digest, Publication, SigningKey};
use flowforge_registry::client::Client;
use flowforge_runtime::CompileWorker;
use flowforge_server::{Config, Handle, Service};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Adds one, without any import.
const GUEST: &str = r#"(component
  (core module $m (func (export "add") (param i32) (result i32) local.get 0 i32.const 1 i32.add))
  (core instance $i (instantiate $m))
  (func (export "add") (param "n" s32) (result s32) (canon lift (core func $i "add"))))"#;

fn chain() -> String {
    let mut source = "workflow: chain\ninput:\n  n: { type: integer, default: 0 }\ntriggers:\n  web: { webhook: { path: chain, answer: result } }\nnodes:\n".to_owned();
    for step in 0..10 {
        let from = if step == 0 {
            "input.n".to_owned()
        } else {
            format!("s{}", step - 1)
        };
        source.push_str(&format!(
            "  s{step}: {{ call: test:adder/add, with: {{ n: \"${{{from}}}\" }} }}\n"
        ));
    }
    source + "output: { n: \"${s9}\" }\n"
}

struct Plane {
    handle: Handle,
    http: reqwest::Client,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Plane {
    async fn start(folder: &TempDir) -> Self {
        let config = Config::new(
            folder.path().join("plane"),
            "127.0.0.1:0".parse().expect("address"),
        );
        let service = Service::open(config).await.expect("opens");
        let (handle, stop) = (service.handle(), CancellationToken::new());
        let mut tasks = JoinSet::new();
        let serving = stop.clone();
        tasks.spawn(async move { service.run(serving).await.expect("serves") });
        let http = reqwest::Client::builder().no_proxy().build().expect("client");
        Self {
            handle,
            http,
            stop,
            tasks,
        }
    }

    async fn stop(mut self) {
        self.stop.cancel();
        self.tasks.join_next().await.expect("task").expect("stops");
    }

    fn key(&self, name: &str) -> SigningKey {
        let text = std::fs::read_to_string(self.handle.keys_dir.join(name)).expect("key file");
        SigningKey::from_pem(&text).expect("key")
    }

    async fn ask(&self, query: &str, variables: Value) -> Value {
        let call = json!({"query": query, "variables": variables});
        let answer = self
            .http
            .post(format!("{}/graphql", self.handle.url))
            .json(&call)
            .send()
            .await
            .expect("answers");
        let mut answer: Value = answer.json().await.expect("JSON");
        assert!(answer.get("errors").is_none(), "{query}: {answer:#}");
        answer["data"].take()
    }

    async fn publish(&self, source: &str) {
        let component = wat::parse_str(GUEST).expect("wat");
        let publication = Publication {
            name: "test:adder".parse().expect("name"),
            version: "1.0.0".into(),
            layer_digest: Digest::of(&component),
        };
        let envelope = sign_document(&publication, &self.key("publisher.pem")).expect("signs");
        Client::new(&self.handle.url)
            .expect("client")
            .push(component.into(), &envelope)
            .await
            .expect("pushes");
        let query = "mutation($source: String!) { prepareRelease(input: { source: $source }) { __typename \
            ... on PreparedRelease { release grants } ... on WorkflowProblem { diagnostics { message line } } } }";
        let prepared = self.ask(query, json!({"source": source})).await["prepareRelease"].take();
        let payload = |field: &str| {
            STANDARD
                .decode(prepared[field].as_str().unwrap_or_else(|| panic!("{prepared:#}")))
                .expect("base64")
        };
        let input = json!({
            "release": sign(flowforge_protocol::release::RELEASE_TYPE, &payload("release"), &self.key("release.pem")),
            "grants": sign(flowforge_protocol::grants::GRANT_SET_TYPE, &payload("grants"), &self.key("grant.pem")),
        });
        let query = "mutation($input: PublishReleaseInput!) { publishRelease(input: $input) { __typename ... on Problem { message } } }";
        let published = self.ask(query, json!({ "input": input })).await["publishRelease"].take();
        assert_eq!(published["__typename"], "PublishReleaseSuccess", "{published:#}");
    }

    async fn call(&self, n: i64) -> Value {
        self.call_with(&json!({ "n": n })).await
    }

    async fn call_with(&self, body: &Value) -> Value {
        let request = self
            .http
            .post(format!("{}/hooks/chain", self.handle.url))
            .json(body);
        let answer = request.send().await.expect("answers");
        assert!(
            answer.status().is_success(),
            "{}: {}",
            answer.status(),
            answer.text().await.unwrap_or_default()
        );
        answer.json().await.expect("JSON")
    }
}

fn host_config(folder: &TempDir) -> HostConfig {
    HostConfig {
        data_dir: folder.path().join("host"),
        join: Join::read(&folder.path().join("plane/host-join.json")).expect("join file"),
        way: Way::default(),
        name: "edge".into(),
        limits: HostLimits::default(),
        shutdown_grace: Duration::from_secs(10),
        loopback_destinations: false,
        site: SiteSettings::default(),
        telemetry: None,
        evaluation_timeout: flowforge_host::config::EVALUATION_TIMEOUT,
        compile_worker: CompileWorker::InProcess,
    }
}

/// Keeps what it is given.
const KEEPING: &str = "
workflow: chain
input:
  text: { type: string }
triggers:
  web: { webhook: { path: chain, answer: result } }
nodes:
  first: { set: { text: \"${input.text}\" } }
  second: { set: { text: \"${first.text}\" } }
output: { text: \"${second.text}\" }
";

/// Whether a program in another language finds every digest of a run in its evidence.
fn verified_elsewhere(evidence: &Value) {
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("verify_run.py");
    let mut python = std::process::Command::new("python3")
        .arg(script)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("python3 starts");
    let input = python.stdin.take().expect("stdin");
    serde_json::to_writer(input, evidence).expect("writes");
    assert!(
        python.wait().expect("ends").success(),
        "the evidence does not verify"
    );
}

/// The values of a run are erased: nobody gives them any more, the host drops what it had, and the run still verifies.
async fn erased_on_both_sides(plane: &Plane, host: &flowforge_host::HostHandle, before: &Value, text: &str) {
    let change = "mutation($input: EraseRunInput!) { eraseRun(input: $input) { __typename ... on EraseRunSuccess { run { id } } \
        ... on Problem { message code } } }";
    let erase = json!({"input": {"id": before["id"], "reason": "ana asked"}});
    let erased = plane.ask(change, erase.clone()).await["eraseRun"].take();
    assert_eq!(erased["__typename"], "EraseRunSuccess", "{erased:#}");
    let again = plane.ask(change, erase).await["eraseRun"].take();
    assert_eq!(again["__typename"], "RunStateProblem", "{again:#}");
    let query = "query($id: String!) { run(id: $id) { id state input output outcome trigger view erased { by atMs } \
        receipt { valid reason } evidence { release grants receipt lines nextSeq } } }";
    let run = plane.ask(query, json!({"id": before["id"]})).await["run"].take();
    assert_eq!(run["erased"]["by"], "erased by local: ana asked", "{run:#}");
    assert_eq!(
        (&run["state"], &run["input"], &run["output"]),
        (&json!("DONE"), &json!(null), &json!(null))
    );
    assert_eq!(run["receipt"], json!({"valid": true, "reason": null}));
    assert!(run["outcome"]["absent"]["bytes"].is_u64(), "{run:#}");
    let mut evidence = run["evidence"].clone();
    evidence["id"] = run["id"].clone();
    let lines = STANDARD
        .decode(evidence["lines"].as_str().expect("lines"))
        .expect("base64");
    let lines = String::from_utf8(lines).expect("JSON");
    assert!(
        !lines.contains("\"value\":") && lines.lines().count() >= 4,
        "{lines}"
    );
    assert!(
        !run.to_string().contains(&text[..64]),
        "no value is shown anywhere"
    );
    verified_elsewhere(&evidence);
    while host.status().journal.bytes >= text.len() as u64 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_large_value_is_on_both_sides_once_and_every_reader_sees_it() {
    let folder = tempfile::tempdir().expect("folder");
    let plane = Plane::start(&folder).await;
    plane.publish(KEEPING).await;
    let config = host_config(&folder);
    let seams = Seams::real(&config, FailPoints::inert()).expect("seams");
    let host = Host::open(config, seams).expect("opens");
    let (handle, stop) = (host.handle(), Stop::default());
    let mut tasks = JoinSet::new();
    tasks.spawn(host.run(stop.clone()));
    let text = "0123456789abcdef".repeat(8 * 1024);
    let given = json!({ "text": text });
    assert_eq!(plane.call_with(&given).await, given);
    let query = "{ run(id: \"last\") { id state output receipt { valid reason } \
        evidence { release grants receipt lines nextSeq } } }";
    let run = loop {
        let run = plane.ask(query, json!({})).await["run"].take();
        if !run["receipt"].is_null() {
            break run;
        }
    };
    assert_eq!(run["output"], given);
    assert_eq!(run["receipt"], json!({"valid": true, "reason": null}));
    let mut evidence = run["evidence"].clone();
    assert!(evidence["nextSeq"].is_null());
    evidence["id"] = run["id"].clone();
    verified_elsewhere(&evidence);
    let lines = STANDARD
        .decode(evidence["lines"].as_str().expect("lines"))
        .expect("base64");
    let lines = String::from_utf8(lines).expect("JSON");
    assert_eq!(
        lines.matches("\"stored\"").count(),
        0,
        "values stand beside their records"
    );
    let held = lines.matches(text.as_str()).count();
    assert!(
        held >= 4,
        "the input, two steps and the output hold it, found {held}"
    );
    // Once in the signed order, in base64, and once for all records.
    let kept = handle.status().journal.bytes;
    assert!(
        kept < 3 * text.len() as u64,
        "{kept} bytes are kept for {held} records"
    );
    erased_on_both_sides(&plane, &handle, &run, &text).await;
    stop.drain.cancel();
    tasks
        .join_next()
        .await
        .expect("task")
        .expect("no panic")
        .expect("stops");
    plane.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_webhook_is_answered_with_the_output_of_a_signed_run() {
    let folder = tempfile::tempdir().expect("folder");
    let plane = Plane::start(&folder).await;
    plane.publish(&chain()).await;
    let config = host_config(&folder);
    let seams = Seams::real(&config, FailPoints::inert()).expect("seams");
    let host = Host::open(config, seams).expect("opens");
    let stop = Stop::default();
    let mut tasks = JoinSet::new();
    tasks.spawn(host.run(stop.clone()));
    assert_eq!(plane.call(5).await, json!({"n": 15}));
    let query = "{ run(id: \"last\") { state records receipt { valid reason } host { name } } }";
    let run = loop {
        let run = plane.ask(query, json!({})).await["run"].take();
        if !run["receipt"].is_null() {
            break run;
        }
    };
    assert_eq!(
        (run["state"].as_str(), run["host"]["name"].as_str()),
        (Some("DONE"), Some("edge")),
        "{run:#}"
    );
    assert_eq!(run["receipt"], json!({"valid": true, "reason": null}), "{run:#}");
    stop.drain.cancel();
    tasks
        .join_next()
        .await
        .expect("task")
        .expect("no panic")
        .expect("stops");
    plane.stop().await;
}
