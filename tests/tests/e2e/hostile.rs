//! Connectors that misbehave, through both planes: the step fails with its reason, the host goes on with other work.

use std::fs;

use flowforge_ports::{ConnectorMeta, embed_meta};
use flowforge_protocol::Digest;
use flowforge_tests::planes::Planes;
use serde_json::Value;

use super::programs;

/// Each export but the last does harm in its own way.
const HOSTILE: &str = r#"(component
  (core module $m
    (memory (export "memory") 1)
    (func (export "trap") (result i32) unreachable)
    (func (export "spin") (result i32) (loop $again (br $again)) unreachable)
    (func (export "eat") (result i32) (loop $again (drop (memory.grow (i32.const 16))) (br $again)) unreachable)
    (func $text (param $at i32) (param $length i32) (result i32)
      (i32.store (i32.const 0) (local.get $at))
      (i32.store (i32.const 4) (local.get $length))
      (i32.const 0))
    (func (export "huge") (result i32)
      (drop (memory.grow (i32.const 1600)))
      (call $text (i32.const 16) (i32.const 104857600)))
    (func (export "large") (result i32)
      (drop (memory.grow (i32.const 64)))
      (memory.fill (i32.const 16) (i32.const 120) (i32.const 3145728))
      (call $text (i32.const 16) (i32.const 3145728)))
    (func (export "outside") (result i32) (call $text (i32.const 16) (i32.const 104857600)))
    (func (export "fine") (result i32) i32.const 7))
  (core instance $i (instantiate $m))
  (func (export "trap") (result s32) (canon lift (core func $i "trap")))
  (func (export "spin") (result s32) (canon lift (core func $i "spin")))
  (func (export "eat") (result s32) (canon lift (core func $i "eat")))
  (func (export "huge") (result string) (canon lift (core func $i "huge") (memory (core memory $i "memory"))))
  (func (export "large") (result string) (canon lift (core func $i "large") (memory (core memory $i "memory"))))
  (func (export "outside") (result string) (canon lift (core func $i "outside") (memory (core memory $i "memory"))))
  (func (export "fine") (result s32) (canon lift (core func $i "fine"))))"#;

/// Wants what no host offers.
const WANTING: &str = r#"(component
  (import "test:wants/teleport@1.0.0" (instance (export "go" (func))))
  (core module $m (func (export "fine") (result i32) i32.const 7))
  (core instance $i (instantiate $m))
  (func (export "fine") (result s32) (canon lift (core func $i "fine"))))"#;

/// Operation, kind of the failure, and what its message says.
const HARM: [(&str, &str, &str); 6] = [
    ("trap", "internal", "unreachable"),
    ("spin", "limit", "the step took longer than 300 ms"),
    ("eat", "limit", "the limit is 64.0 MiB"),
    ("huge", "limit", "the limit is 64.0 MiB"),
    ("large", "limit", "larger than 2031616 bytes"),
    ("outside", "internal", "out of bounds"),
];

/// Publishes a component under this name through the command line.
fn publish(planes: &Planes, name: &str, component: &str) {
    try_publish(planes, name, component).unwrap();
}

fn try_publish(planes: &Planes, name: &str, component: &str) -> anyhow::Result<Value> {
    let meta = ConnectorMeta {
        name: name.to_owned(),
        version: "1.0.0".to_owned(),
        ..ConnectorMeta::default()
    };
    let bytes = embed_meta(&wat::parse_str(component).unwrap(), &meta).unwrap();
    let file = planes.data().join("component.wasm");
    fs::write(&file, bytes).unwrap();
    planes
        .flowforge()
        .json(&["connector", "publish", &file.to_string_lossy()])
}

fn publish_workflow(planes: &Planes, name: &str, connector: &str, operation: &str) -> Result<Value, String> {
    let folder = planes.data().join(name);
    fs::create_dir_all(&folder).unwrap();
    let source = format!(
        "workflow: {name}\nnodes:\n  step: {{ call: {connector}/{operation}, timeout: 300ms }}\noutput: {{ n: \"${{step}}\" }}\n"
    );
    fs::write(folder.join("workflow.yaml"), source).unwrap();
    planes
        .flowforge()
        .json(&["workflow", "publish", &folder.to_string_lossy()])
        .map_err(|error| error.to_string())
}

/// Runs a workflow to its end, whatever that is.
fn run(planes: &Planes, workflow: &str) -> Value {
    let output = planes
        .flowforge()
        .command(&[
            "run",
            "start",
            workflow,
            "--wait",
            "--timeout",
            "60s",
            "--output",
            "json",
        ])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).expect(&said)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_does_harm_ends_its_own_run_only() {
    let folder = tempfile::tempdir().unwrap();
    let mut planes = Planes::start(programs(), folder.path(), "host").unwrap();
    planes.start_host(None).await.unwrap();
    let process = planes.host().unwrap().id();
    publish(&planes, "test:hostile", HOSTILE);
    publish_workflow(&planes, "fine", "test:hostile", "fine").unwrap();
    for (operation, kind, message) in HARM {
        publish_workflow(&planes, operation, "test:hostile", operation).unwrap();
        let harmed = run(&planes, operation);
        assert_eq!(harmed["state"], "FAILED", "{operation}: {harmed:#}");
        let failure = &harmed["outcome"]["failure"];
        assert_eq!(failure["kind"], kind, "{operation}: {harmed:#}");
        assert!(
            failure["message"].as_str().unwrap().contains(message),
            "{operation}: {failure:#}"
        );
        assert_eq!(harmed["outcome"]["node"], "step", "{operation}: {harmed:#}");
        assert_eq!(harmed["receipt"]["valid"], true, "{operation}: {harmed:#}");
        let fine = run(&planes, "fine");
        assert_eq!(
            (&fine["state"], &fine["output"]["n"]),
            (&"DONE".into(), &7.into()),
            "{fine:#}"
        );
    }
    let status = planes.host_status().unwrap();
    assert_eq!(status["pid"], process, "the host is the same process");
    planes.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_wants_what_no_host_offers_is_refused_by_its_import() {
    let folder = tempfile::tempdir().unwrap();
    let mut planes = Planes::start(programs(), folder.path(), "host").unwrap();
    planes.start_host(None).await.unwrap();
    let refused = try_publish(&planes, "test:wanting", WANTING)
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("test:wanting 1.0.0 was not published"),
        "{refused}"
    );
    assert!(
        refused.contains("it imports what no host offers: test:wants/teleport"),
        "{refused}"
    );
    let unknown = publish_workflow(&planes, "wanting", "test:wanting", "fine").unwrap_err();
    assert!(unknown.contains("test:wanting"), "{unknown}");
    publish(&planes, "test:hostile", HOSTILE);
    publish_workflow(&planes, "fine", "test:hostile", "fine").unwrap();
    assert_eq!(run(&planes, "fine")["state"], "DONE");
    planes.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_was_changed_in_the_registry_is_run_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let mut planes = Planes::start(programs(), folder.path(), "host").unwrap();
    planes.start_host(None).await.unwrap();
    publish(&planes, "test:hostile", HOSTILE);
    publish_workflow(&planes, "fine", "test:hostile", "fine").unwrap();
    let digest = Digest::of(&fs::read(planes.data().join("component.wasm")).unwrap());
    let stored = planes.data().join("plane/registry/blobs").join(digest.hex());
    let good = fs::read(&stored).unwrap();
    let mut changed = good.clone();
    *changed.last_mut().unwrap() ^= 1;
    fs::write(&stored, changed).unwrap();
    let refused = run(&planes, "fine");
    assert_eq!(refused["state"], "FAILED", "{refused:#}");
    let failure = &refused["outcome"]["failure"];
    assert_eq!(failure["code"], "FF-ADM-009", "{refused:#}");
    fs::write(&stored, good).unwrap();
    assert_eq!(run(&planes, "fine")["state"], "DONE");
    planes.stop().unwrap();
}
