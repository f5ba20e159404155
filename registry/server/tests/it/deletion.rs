//! What may be deleted, and what no collection touches.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, StatusCode};
use bytes::Bytes;
use flowforge_protocol::Digest;
use serde_json::Value;

use crate::kit::{Answer, Kit, component, config, name, trust};

fn digest_of(manifest: &Value) -> String {
    Digest::of(manifest.to_string().as_bytes()).to_string()
}

async fn delete(kit: &Kit, place: &str) -> Answer {
    kit.call(Method::DELETE, &format!("/v2/demo/text/{place}"), Body::empty())
        .await
}

#[tokio::test]
async fn what_is_published_is_not_deleted_and_what_was_only_pushed_is() {
    let kit = Kit::new();
    let published = kit.publish("0.1.0").await;
    let waiting = kit
        .manifest_of("demo/text", &component("demo:text", "0.2.0", ""))
        .await;
    kit.put_manifest("demo/text", "0.2.0", &waiting).await;
    for place in [
        "manifests/0.1.0".to_owned(),
        format!("manifests/{}", digest_of(&published)),
    ] {
        let refused = delete(&kit, &place).await;
        assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED);
        let (code, message) = refused.error();
        assert!(
            code == "UNSUPPORTED" && message.contains("connector yank"),
            "{message}"
        );
    }
    let layer = waiting["layers"][0]["digest"].as_str().unwrap();
    let named = delete(&kit, &format!("blobs/{layer}")).await;
    assert_eq!(named.error().0, "UNSUPPORTED", "its manifest is still there");
    assert_eq!(delete(&kit, "manifests/0.2.0").await.status, StatusCode::ACCEPTED);
    assert_eq!(
        delete(&kit, "manifests/0.2.0").await.error().0,
        "MANIFEST_UNKNOWN"
    );
    let gone = kit
        .get(&format!("/v2/demo/text/manifests/{}", digest_of(&waiting)))
        .await;
    assert_eq!(gone.error().0, "MANIFEST_UNKNOWN");
    assert_eq!(
        delete(&kit, &format!("blobs/{layer}")).await.status,
        StatusCode::ACCEPTED
    );
    assert_eq!(
        delete(&kit, &format!("blobs/{layer}")).await.error().0,
        "BLOB_UNKNOWN"
    );
    assert_eq!(delete(&kit, "blobs/sha256:00").await.error().0, "DIGEST_INVALID");
    let none = kit
        .call(Method::DELETE, "/v2/demo/none/manifests/0.1.0", Body::empty())
        .await;
    assert_eq!(none.error().0, "NAME_UNKNOWN");
    // Nothing of it comes back, and the version can be pushed anew.
    let kit = kit.restart(config());
    assert_eq!(kit.registry.versions(&name("demo:text")).len(), 1);
    kit.publish("0.2.0").await;
}

/// A publisher whose key was taken out of the trust root lost its bytes a day later: what releases named by digest was
/// gone when the key came back.
#[tokio::test]
async fn what_was_published_once_is_kept_even_while_its_signer_is_not_trusted() {
    let kit = Kit::new();
    let published = kit.publish("0.1.0").await;
    let mut distrusting = config();
    distrusting.trust.publishers.clear();
    distrusting.now_ms = Arc::new(|| 1_864_000_000_000);
    distrusting.unsigned_life = Duration::ZERO;
    let kit = kit.restart(distrusting);
    assert!(kit.registry.list().is_empty());
    kit.registry.collect().await.unwrap();
    let refused = delete(&kit, &format!("manifests/{}", digest_of(&published))).await;
    assert_eq!(refused.error().0, "UNSUPPORTED");
    let mut trusting = config();
    trusting.trust = trust();
    let kit = kit.restart(trusting);
    let layer = Digest::of(&component("demo:text", "0.1.0", ""));
    assert!(kit.registry.component(&layer).await.is_ok());
    assert_eq!(kit.registry.list().len(), 1);
}

#[tokio::test]
async fn unsigned_bytes_of_one_repository_have_a_bound_of_their_own() {
    let mut small = config();
    small.unsigned_repo_bytes_max = 5_000;
    let kit = Kit::with(small);
    kit.publish("0.1.0").await;
    kit.blob("demo/text", "x", &Bytes::from(vec![7; 5_001])).await;
    let more = vec![8_u8; 10];
    let uri = format!("/v2/demo/text/blobs/uploads/?digest={}", Digest::of(&more));
    let (code, message) = kit.call(Method::POST, &uri, more.clone()).await.error();
    assert!(
        code == "TOOMANYREQUESTS" && message.contains("pushed to demo:text"),
        "{message}"
    );
    // Another repository is not held up by it, and what is published does not count.
    kit.blob("demo/other", "x", &more.into()).await;
    let junk = Digest::of(&vec![7_u8; 5_001]);
    assert_eq!(
        delete(&kit, &format!("blobs/{junk}")).await.status,
        StatusCode::ACCEPTED
    );
    kit.publish("0.1.1").await;
}

#[tokio::test]
async fn the_catalogue_of_repositories_comes_in_pages() {
    let kit = Kit::new();
    assert_eq!(
        kit.get("/v2/_catalog").await.json()["repositories"],
        serde_json::json!([])
    );
    kit.publish("0.1.0").await;
    kit.blob("demo/junk", "x", &Bytes::from_static(b"unsigned")).await;
    let all = kit.get("/v2/_catalog").await;
    assert_eq!(all.json(), serde_json::json!({"repositories": ["demo/text"]}));
    assert!(!all.headers.contains_key("link"));
    assert_eq!(
        kit.get("/v2/_catalog?last=demo%2Ftext").await.json()["repositories"],
        serde_json::json!([])
    );
    let first = kit.get("/v2/_catalog?n=1").await;
    assert_eq!(first.json()["repositories"], serde_json::json!(["demo/text"]));
}
