//! What counts as published, and what the catalogue then says.

use axum::http::StatusCode;
use flowforge_protocol::{ConnectorName, Digest};
use semver::Version;

use crate::kit::{DEMO, Kit, STRANGER, component, config, key, name, publication};

fn demo() -> ConnectorName {
    name("demo:text")
}

#[tokio::test]
async fn a_component_without_its_publisher_is_not_listed() {
    let kit = Kit::new();
    let bytes = component("demo:text", "0.1.0", "");
    let manifest = kit.manifest_of("demo/text", &bytes).await;
    assert_eq!(
        kit.put_manifest("demo/text", "0.1.0", &manifest).await.status,
        StatusCode::CREATED
    );
    assert!(kit.registry.list().is_empty());
    assert_eq!(
        kit.get("/v2/demo/text/tags/list").await.json()["tags"],
        serde_json::json!([])
    );
    let layer = Digest::of(&bytes);
    let missing = kit.get(&format!("/connectors/{layer}/publication")).await;
    assert_eq!(missing.error().0, "MANIFEST_UNKNOWN");
    assert_eq!(
        kit.registry.component(&layer).await.unwrap_err().code.as_str(),
        "BLOB_UNKNOWN"
    );

    let envelope = publication("demo:text", "0.1.0", &bytes, DEMO);
    assert_eq!(
        kit.put_publication("demo/text", &manifest, &envelope)
            .await
            .status,
        StatusCode::CREATED
    );
    assert_eq!(
        kit.get("/v2/demo/text/tags/list").await.json()["tags"],
        serde_json::json!(["0.1.0"])
    );
    assert_eq!(kit.registry.component(&layer).await.unwrap(), bytes);
    for query in ["", "?name=demo:text"] {
        let found = kit.get(&format!("/connectors/{layer}/publication{query}")).await;
        assert_eq!(found.body, envelope);
        assert_eq!(found.header("content-type"), "application/json");
    }
    let other = kit
        .get(&format!("/connectors/{layer}/publication?name=demo:other"))
        .await;
    assert_eq!(other.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_publication_must_be_by_the_owner_and_about_these_bytes() {
    let kit = Kit::new();
    let bytes = component("demo:text", "0.1.0", "");
    let manifest = kit.manifest_of("demo/text", &bytes).await;
    kit.put_manifest("demo/text", "0.1.0", &manifest).await;
    for (envelope, code, words) in [
        (
            publication("demo:text", "0.1.0", &bytes, STRANGER),
            "DENIED",
            "owned by another key",
        ),
        (
            publication("demo:text", "0.1.0", b"other", DEMO),
            "DENIED",
            "expected demo:text",
        ),
        (
            publication("demo:other", "0.1.0", &bytes, DEMO),
            "DENIED",
            "expected demo:text",
        ),
        (
            publication("demo:text", "0.2.0", &bytes, DEMO),
            "MANIFEST_INVALID",
            "says that it is demo:text 0.1.0",
        ),
        ("{}".to_owned(), "DENIED", "not a signed envelope"),
        ("x".repeat(20_000), "SIZE_INVALID", "above the limit"),
    ] {
        let (found, message) = kit
            .put_publication("demo/text", &manifest, &envelope)
            .await
            .error();
        assert!(
            found == code && message.contains(words),
            "{envelope}: {found} {message}"
        );
        assert!(kit.registry.list().is_empty());
    }
}

#[tokio::test]
async fn nobody_publishes_under_a_name_without_keys() {
    let kit = Kit::new();
    let bytes = component("acme:text", "0.1.0", "");
    let manifest = kit.manifest_of("acme/text", &bytes).await;
    kit.put_manifest("acme/text", "0.1.0", &manifest).await;
    let envelope = publication("acme:text", "0.1.0", &bytes, DEMO);
    let (code, message) = kit
        .put_publication("acme/text", &manifest, &envelope)
        .await
        .error();
    assert_eq!(code, "DENIED");
    assert_eq!(
        message,
        "nobody may publish under `acme` here; make it with `flowforge publisher new acme`"
    );
}

#[tokio::test]
async fn a_publication_comes_after_its_component() {
    let kit = Kit::new();
    let bytes = component("demo:text", "0.1.0", "");
    let manifest = kit.manifest_of("demo/text", &bytes).await;
    let envelope = publication("demo:text", "0.1.0", &bytes, DEMO);
    let (code, message) = kit
        .put_publication("demo/text", &manifest, &envelope)
        .await
        .error();
    assert_eq!(code, "MANIFEST_INVALID");
    assert!(message.contains("push the component first"), "{message}");
}

#[tokio::test]
async fn the_catalogue_names_what_is_published() {
    let kit = Kit::new();
    for version in ["0.9.0", "0.10.0", "1.0.0-rc.1"] {
        kit.publish(version).await;
    }
    let entry = kit.registry.latest(&demo()).unwrap();
    assert_eq!(
        entry.version,
        Version::new(0, 10, 0),
        "a pre-release is not the latest, and versions are no text"
    );
    assert_eq!(entry.publisher_key, key(DEMO).verifying_key().id());
    assert_eq!(entry.published_at_ms, 1_764_000_000_000);
    let bytes = component("demo:text", "0.10.0", "");
    assert_eq!(
        (entry.layer_digest, entry.size_bytes),
        (Digest::of(&bytes), bytes.len() as u64)
    );
    assert_eq!(entry.interface.meta.as_ref().unwrap().version, "0.10.0");
    let versions: Vec<_> = kit
        .registry
        .versions(&demo())
        .iter()
        .map(|entry| entry.version.to_string())
        .collect();
    assert_eq!(versions, ["1.0.0-rc.1", "0.10.0", "0.9.0"]);
    assert_eq!(kit.registry.list().len(), 1);
    assert!(kit.registry.get(&demo(), &Version::new(0, 9, 0)).is_some());
    assert!(kit.registry.get(&demo(), &Version::new(0, 9, 1)).is_none());
    assert!(kit.registry.by_digest(&Digest::of(&bytes), None).is_some());
}

#[tokio::test]
async fn the_same_bytes_again_leave_the_tag_where_the_signature_hangs() {
    let kit = Kit::new();
    let first = kit.publish("0.1.0").await;
    let mut again = first.clone();
    again["annotations"] = serde_json::json!({"pushed": "again"});
    assert_eq!(
        kit.put_manifest("demo/text", "0.1.0", &again).await.status,
        StatusCode::CREATED
    );
    let by_tag = kit.get("/v2/demo/text/manifests/0.1.0").await;
    assert_eq!(by_tag.body, first.to_string());
    let digest = Digest::of(again.to_string().as_bytes());
    let by_digest = kit.get(&format!("/v2/demo/text/manifests/{digest}")).await;
    assert_eq!(by_digest.body, again.to_string());
    // The owner may sign the new manifest as well; it is the same version.
    let envelope = publication("demo:text", "0.1.0", &component("demo:text", "0.1.0", ""), DEMO);
    assert_eq!(
        kit.put_publication("demo/text", &again, &envelope).await.status,
        StatusCode::CREATED
    );
    assert_eq!(kit.registry.versions(&demo()).len(), 1);
}

#[tokio::test]
async fn other_bytes_for_a_published_version_are_denied() {
    let kit = Kit::new();
    kit.publish("0.1.0").await;
    kit.publish("0.1.1").await;
    let other = component("demo:text", "0.1.0", "other");
    let manifest = kit.manifest_of("demo/text", &other).await;
    let answer = kit.put_manifest("demo/text", "0.1.0", &manifest).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let (code, message) = answer.error();
    assert_eq!(code, "DENIED");
    assert_eq!(
        message,
        "demo:text 0.1.0 exists with different content; next free: 0.1.2"
    );
}

#[tokio::test]
async fn a_component_that_says_nothing_of_itself_can_be_published() {
    let kit = Kit::new();
    let bytes = bytes::Bytes::from(crate::kit::bare(crate::kit::LABEL));
    let manifest = kit.manifest_of("demo/foreign", &bytes).await;
    assert_eq!(
        kit.put_manifest("demo/foreign", "2.0.0", &manifest).await.status,
        StatusCode::CREATED
    );
    let envelope = publication("demo:foreign", "2.0.0", &bytes, DEMO);
    assert_eq!(
        kit.put_publication("demo/foreign", &manifest, &envelope)
            .await
            .status,
        StatusCode::CREATED
    );
    let entry = kit.registry.latest(&name("demo:foreign")).unwrap();
    assert_eq!(entry.interface.meta, None);
}

#[tokio::test]
async fn the_catalogue_is_as_large_as_its_folder_allows() {
    let mut small = config();
    small.store_bytes_max = 200;
    let kit = Kit::with(small);
    let bytes = vec![7_u8; 201];
    let uri = format!("/v2/demo/text/blobs/uploads/?digest={}", Digest::of(&bytes));
    let (code, message) = kit.call(axum::http::Method::POST, &uri, bytes).await.error();
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("DENIED", "the registry is full: it may keep 200 bytes")
    );
    kit.blob("demo/text", "x", &vec![7_u8; 200].into()).await;
}
