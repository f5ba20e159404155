//! A connector to publish and to call.

use std::collections::BTreeMap;

use flowforge_ports::{ConnectorMeta, SecretSlot, embed_meta};
use flowforge_protocol::envelope::sign_document;
use flowforge_protocol::{Digest, Publication};

use crate::support::Plane;

/// A connector with one operation and one slot for a secret.
pub(crate) fn caller_component() -> Vec<u8> {
    let bytes = wat::parse_str(
        r#"(component
            (core module $m (func (export "run")))
            (core instance $i (instantiate $m))
            (func $run (canon lift (core func $i "run")))
            (export "run" (func $run)))"#,
    )
    .unwrap();
    let slot = SecretSlot {
        kind: "bearer".to_owned(),
        destinations: vec!["https://chat.example.com".to_owned()],
    };
    let meta = ConnectorMeta {
        name: "demo:caller".to_owned(),
        version: "0.1.0".to_owned(),
        secrets: BTreeMap::from([("auth".to_owned(), slot)]),
        ..ConnectorMeta::default()
    };
    embed_meta(&bytes, &meta).unwrap()
}

pub(crate) const CALLER: &str = r#"workflow: caller
secrets: [chat_token]
nodes:
  tell:
    call: demo:caller/run
    allow: ["https://chat.example.com"]
    secrets: { auth: chat_token }
output: { told: true }
"#;

/// Pushes the connector of [`caller_component`] as its publisher.
pub(crate) async fn push_caller(plane: &Plane) {
    push(plane, "demo:caller", caller_component()).await;
}

/// Pushes version 0.1.0 of a connector as its publisher.
pub(crate) async fn push(plane: &Plane, name: &str, bytes: Vec<u8>) {
    let publication = Publication {
        name: name.parse().unwrap(),
        version: "0.1.0".to_owned(),
        layer_digest: Digest::of(&bytes),
    };
    let publication = sign_document(&publication, &plane.key("publisher.pem")).unwrap();
    flowforge_registry::Client::new(&plane.handle.url)
        .unwrap()
        .push(bytes.into(), &publication)
        .await
        .unwrap();
}

/// Publishes [`CALLER`] with its connector.
pub(crate) async fn publish_caller(plane: &Plane) {
    push_caller(plane).await;
    plane.publish(CALLER).await;
}
