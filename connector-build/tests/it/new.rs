//! New connectors build as they are, and do what their tests say.

use std::fs;
use std::path::Path;

use flowforge_connector_build::{Built, Kind, Template, build, scaffold};
use flowforge_ports::{Effect, Trigger};
use flowforge_protocol::FailureKind;
use serde_json::json;

use crate::harness::{Host, options};

/// A new connector in this folder, built.
fn new_one(name: &str, template: Template, folder: &Path) -> Built {
    scaffold(name, template, Kind::Action, folder).unwrap();
    build(folder, &options(), &mut |_| {}).unwrap_or_else(|error| panic!("{error}"))
}

async fn builds_and_greets(template: Template) {
    let folder = tempfile::tempdir().unwrap();
    let built = new_one("acme:geo", template, &folder.path().join("geo"));
    let root = folder.path().join("geo");
    if template != Template::Rust {
        let world = scaffolded_world(template);
        let written = fs::read_to_string(root.join("wit/world.wit")).unwrap();
        assert_eq!(written, world, "the build writes the world that a new folder has");
    }
    assert_eq!(built.notes, []);
    assert_names_nothing_of(&built, folder.path());
    assert_names_nothing_of(&built, &options().cache_dir);
    assert_eq!(
        (built.meta.name.as_str(), built.meta.title.as_str()),
        ("acme:geo", "Geo")
    );
    let operation = built.interface.operation("greet").unwrap();
    assert_eq!(operation.effect, Effect::Pure);
    assert_eq!(operation.docs.as_deref(), Some("Greet one person."));
    let host = Host::new();
    let output = host.call(&built, "greet", json!({"name": "Ada"})).await.unwrap();
    assert_eq!(output, json!({"text": "Hello, Ada!", "name_length": 3}));
    let failure = host.call(&built, "greet", json!({"name": ""})).await.unwrap_err();
    assert_eq!(
        (failure.kind, failure.path.as_deref()),
        (FailureKind::Invalid, Some("name"))
    );
}

/// `wit/world.wit` of a new folder, before anything was built.
fn scaffolded_world(template: Template) -> String {
    let folder = tempfile::tempdir().unwrap();
    scaffold("acme:geo", template, Kind::Action, folder.path()).unwrap();
    fs::read_to_string(folder.path().join("wit/world.wit")).unwrap()
}

/// A component is for everyone: it does not tell in which folders of which machine it was made.
fn assert_names_nothing_of(built: &Built, folder: &Path) {
    let bytes = fs::read(&built.component).unwrap();
    let inner = folder.to_str().unwrap().trim_start_matches('/').as_bytes();
    let found = bytes.windows(inner.len()).position(|part| part == inner);
    assert!(found.is_none(), "the component names {}", folder.display());
}

/// What an author's first `cargo fmt --check` says, over the new crate and the copy of the SDK.
#[test]
fn a_new_rust_connector_is_formatted() {
    for kind in [Kind::Action, Kind::PollTrigger, Kind::WebhookTrigger] {
        let folder = tempfile::tempdir().unwrap();
        scaffold("acme:geo", Template::Rust, kind, folder.path()).unwrap();
        let output = std::process::Command::new("cargo")
            .args(["fmt", "--check"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{kind:?}: {}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}

/// Two people with the same source get the same digest, wherever and whenever they build.
fn gives_the_same_bytes_in_another_folder_later(template: Template) {
    // A name of its own: the finished file is removed, and other tests read theirs.
    let name = "acme:twice";
    let folder = tempfile::tempdir().unwrap();
    let first = new_one(name, template, &folder.path().join("one"));
    let kept = fs::read(&first.component).unwrap();
    fs::remove_file(&first.component).unwrap();
    let other = folder.path().join("in/another/two");
    scaffold(name, template, Kind::Action, &other).unwrap();
    // No part of a component, but of what the cache knows it by: the second one is compiled, not taken from there.
    let note = format!(
        "built by {} at {:?}\n",
        std::process::id(),
        std::time::SystemTime::now()
    );
    fs::write(other.join("NOTES.md"), note).unwrap();
    let second = build(&other, &options(), &mut |_| {}).unwrap();
    assert!(!second.cached, "it was compiled");
    assert!(kept == fs::read(&second.component).unwrap());
    assert_eq!(first.digest, second.digest);
}

#[test]
fn the_same_rust_source_gives_the_same_bytes() {
    gives_the_same_bytes_in_another_folder_later(Template::Rust);
}

#[test]
fn the_same_typescript_source_gives_the_same_bytes() {
    gives_the_same_bytes_in_another_folder_later(Template::TypeScript);
}

#[test]
fn the_same_javascript_source_gives_the_same_bytes() {
    gives_the_same_bytes_in_another_folder_later(Template::JavaScript);
}

/// What Python remembers of its files, and the seed of its hashes, once made each build another component.
#[test]
fn the_same_python_source_gives_the_same_bytes() {
    gives_the_same_bytes_in_another_folder_later(Template::Python);
}

#[tokio::test]
async fn a_new_rust_connector_builds() {
    builds_and_greets(Template::Rust).await;
}

#[tokio::test]
async fn a_new_typescript_connector_builds() {
    builds_and_greets(Template::TypeScript).await;
}

#[tokio::test]
async fn a_new_javascript_connector_builds() {
    builds_and_greets(Template::JavaScript).await;
}

#[tokio::test]
async fn a_new_python_connector_builds() {
    builds_and_greets(Template::Python).await;
}

/// A new trigger is one by its bytes, and its batch goes on where the last one ended.
async fn polls(template: Template) {
    let folder = tempfile::tempdir().unwrap();
    scaffold("acme:items", template, Kind::PollTrigger, folder.path()).unwrap();
    let built = build(folder.path(), &options(), &mut |_| {}).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(built.notes, []);
    let operation = built.interface.operation("new_items").unwrap();
    assert_eq!(
        (operation.trigger, operation.effect),
        (Some(Trigger::Poll), Effect::Idempotent)
    );
}

#[tokio::test]
async fn a_new_poll_trigger_in_typescript_builds() {
    polls(Template::TypeScript).await;
}

#[tokio::test]
async fn a_new_poll_trigger_in_rust_builds() {
    polls(Template::Rust).await;
}

#[tokio::test]
async fn a_new_poll_trigger_in_python_builds() {
    polls(Template::Python).await;
}

/// A new webhook trigger reads a request into its events.
async fn reads_a_hook(template: Template) {
    let folder = tempfile::tempdir().unwrap();
    scaffold("acme:hook", template, Kind::WebhookTrigger, folder.path()).unwrap();
    let built = build(folder.path(), &options(), &mut |_| {}).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(built.notes, []);
    let operation = built.interface.operation("read_items").unwrap();
    assert_eq!(
        (operation.trigger, operation.effect),
        (Some(Trigger::Webhook), Effect::Pure)
    );
    let host = Host::new();
    // {"items":[{"id":"1","title":"Rain"}]}
    let request = json!({"headers": [], "body": "eyJpdGVtcyI6W3siaWQiOiIxIiwidGl0bGUiOiJSYWluIn1dfQ=="});
    let output = host
        .call(&built, "read_items", json!({ "request": request }))
        .await
        .unwrap();
    assert_eq!(output, json!([{"id": "1", "title": "Rain"}]));
    // Hello
    let request = json!({"headers": [], "body": "SGVsbG8="});
    let failure = host
        .call(&built, "read_items", json!({ "request": request }))
        .await
        .unwrap_err();
    assert_eq!(
        (failure.kind, failure.path.as_deref()),
        (FailureKind::Invalid, Some("request.body"))
    );
}

#[tokio::test]
async fn a_new_webhook_trigger_in_typescript_reads() {
    reads_a_hook(Template::TypeScript).await;
}

#[tokio::test]
async fn a_new_webhook_trigger_in_rust_reads() {
    reads_a_hook(Template::Rust).await;
}

#[tokio::test]
async fn a_new_webhook_trigger_in_python_reads() {
    reads_a_hook(Template::Python).await;
}
