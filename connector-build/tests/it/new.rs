//! New connectors build as they are, and do what their tests say.

use flowforge_connector_build::{Template, build, scaffold};
use flowforge_ports::Effect;
use flowforge_protocol::FailureKind;
use serde_json::json;

use crate::harness::{Host, options};

async fn builds_and_greets(template: Template) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("geo");
    scaffold("acme:geo", template, &folder).unwrap();
    let built = build(&folder, &options(), &mut |_| {}).unwrap_or_else(|error| panic!("{error}"));
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
