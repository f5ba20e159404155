//! What anybody may push: not served as a version, bounded, and gone after its time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use bytes::Bytes;
use flowforge_protocol::Digest;
use flowforge_registry::{Code, Collected};
use serde_json::{Value, json};

use crate::kit::{DEMO, Kit, LABEL, MANIFEST, bare, component, config, name, publication};

const HOUR: u64 = 60 * 60 * 1_000;

fn with_clock() -> (Kit, Arc<AtomicU64>) {
    let clock = Arc::new(AtomicU64::new(1_764_000_000_000));
    let mut config = config();
    let now = Arc::clone(&clock);
    config.now_ms = Arc::new(move || now.load(Ordering::Relaxed));
    config.unsigned_life = Duration::from_secs(24 * 60 * 60);
    (Kit::with(config), clock)
}

async fn status(kit: &Kit, reference: &str) -> StatusCode {
    let uri = format!("/v2/demo/text/manifests/{reference}");
    kit.get(&uri).await.status
}

fn digest_of(manifest: &Value) -> String {
    Digest::of(manifest.to_string().as_bytes()).to_string()
}

/// Something that refers to a manifest, of anybody.
async fn put_junk(kit: &Kit, subject: &str, n: usize) -> Value {
    let empty = Bytes::from_static(b"{}");
    let empty = kit
        .blob("demo/text", "application/vnd.oci.empty.v1+json", &empty)
        .await;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "x/junk", "config": empty, "layers": [],
        "subject": {"mediaType": MANIFEST, "digest": subject, "size": 1}, "annotations": {"n": n.to_string()},
    });
    let put = kit
        .put_manifest("demo/text", &digest_of(&manifest), &manifest)
        .await;
    assert_eq!(put.status, StatusCode::CREATED, "{:?}", put.body);
    manifest
}

/// A component that says nothing of itself could be pushed by anybody under any name and version, and was served by that
/// tag to whoever asked for the version.
#[tokio::test]
async fn a_tag_stands_only_for_what_is_published() {
    let kit = Kit::new();
    kit.publish("0.1.0").await;
    let stranger = kit.manifest_of("demo/text", &Bytes::from(bare(LABEL))).await;
    let put = kit.put_manifest("demo/text", "9.9.9", &stranger).await;
    assert_eq!(put.status, StatusCode::CREATED);
    assert_eq!(status(&kit, "9.9.9").await, StatusCode::NOT_FOUND);
    assert_eq!(status(&kit, &digest_of(&stranger)).await, StatusCode::OK);
    assert_eq!(status(&kit, "0.1.0").await, StatusCode::OK);
    // The owner publishes a version of that number all the same.
    let owned = kit.publish("9.9.9").await;
    let got = kit.get("/v2/demo/text/manifests/9.9.9").await;
    assert_eq!(got.body, owned.to_string());
}

#[tokio::test]
async fn what_is_not_published_in_time_leaves_and_what_is_stays() {
    let (kit, clock) = with_clock();
    let published = kit.publish("0.1.0").await;
    let pushed = component("demo:text", "0.2.0", "");
    let waiting = kit.manifest_of("demo/text", &pushed).await;
    kit.put_manifest("demo/text", "0.2.0", &waiting).await;
    let junk = put_junk(&kit, &digest_of(&published), 0).await;
    let orphan = kit.blob("demo/other", "x", &Bytes::from_static(b"orphan")).await;
    assert_eq!(kit.registry.collect().await.unwrap(), Collected::default());
    clock.fetch_add(HOUR + 1, Ordering::Relaxed);
    let collected = kit.registry.collect().await.unwrap();
    assert_eq!((collected.manifests, collected.blobs), (0, 1), "the orphan");
    let path = format!("/v2/demo/other/blobs/{}", orphan["digest"].as_str().unwrap());
    assert_eq!(kit.get(&path).await.status, StatusCode::NOT_FOUND);
    clock.fetch_add(23 * HOUR, Ordering::Relaxed);
    let collected = kit.registry.collect().await.unwrap();
    assert_eq!(collected.manifests, 2);
    for manifest in [&waiting, &junk] {
        assert_eq!(status(&kit, &digest_of(manifest)).await, StatusCode::NOT_FOUND);
    }
    let kit = kit.restart(config());
    assert_eq!(status(&kit, "0.1.0").await, StatusCode::OK);
    let layer = published["layers"][0]["digest"].as_str().unwrap();
    let layer = kit.get(&format!("/v2/demo/text/blobs/{layer}")).await;
    assert_eq!(layer.status, StatusCode::OK);
    // What left can be pushed and published anew.
    kit.publish("0.2.0").await;
    assert_eq!(kit.registry.versions(&name("demo:text")).len(), 2);
}

/// A component that called itself a publication counted as signed: it never left, and its bytes were in no quota.
#[tokio::test]
async fn what_only_calls_itself_a_publication_is_not_signed() {
    let (kit, clock) = with_clock();
    let mut manifest = kit
        .manifest_of("demo/text", &component("demo:text", "0.1.0", ""))
        .await;
    manifest["artifactType"] = json!(flowforge_protocol::publication::PUBLICATION_TYPE);
    let put = kit.put_manifest("demo/text", "0.1.0", &manifest).await;
    assert_eq!(put.status, StatusCode::CREATED, "{:?}", put.body);
    clock.fetch_add(25 * HOUR, Ordering::Relaxed);
    assert_eq!(kit.registry.collect().await.unwrap().manifests, 1);
    assert_eq!(status(&kit, &digest_of(&manifest)).await, StatusCode::NOT_FOUND);
}

/// Junk that referred to a connector's manifests filled its repository, for ever: its owner could publish nothing more.
#[tokio::test]
async fn a_flood_of_junk_keeps_no_owner_out() {
    let (kit, clock) = with_clock();
    let published = kit.publish("0.1.0").await;
    let subject = digest_of(&published);
    let mut first = None;
    for n in 0..70 {
        clock.fetch_add(1, Ordering::Relaxed);
        let junk = put_junk(&kit, &subject, n).await;
        first.get_or_insert(junk);
    }
    for n in 70..340 {
        clock.fetch_add(1, Ordering::Relaxed);
        put_junk(&kit, &Digest::of(&n.to_string().into_bytes()).to_string(), n).await;
    }
    let first = digest_of(&first.unwrap());
    assert_eq!(
        status(&kit, &first).await,
        StatusCode::NOT_FOUND,
        "the oldest left"
    );
    assert_eq!(status(&kit, "0.1.0").await, StatusCode::OK);
    kit.publish("0.1.1").await;
    let bytes = component("demo:text", "0.1.1", "");
    let again = publication("demo:text", "0.1.1", &bytes, DEMO);
    assert!(again.contains("payload"));
    assert_eq!(kit.registry.versions(&name("demo:text")).len(), 2);
}

#[tokio::test]
async fn unsigned_bytes_have_a_bound_of_their_own() {
    let clock = Arc::new(AtomicU64::new(1_764_000_000_000));
    let mut config = config();
    let now = Arc::clone(&clock);
    config.now_ms = Arc::new(move || now.load(Ordering::Relaxed));
    config.unsigned_bytes_max = 10_000;
    let kit = Kit::with(config);
    kit.publish("0.1.0").await;
    kit.blob("demo/junk", "x", &vec![7; 10_001].into()).await;
    let more = vec![8_u8; 10];
    let uri = format!("/v2/demo/junk/blobs/uploads/?digest={}", Digest::of(&more));
    let refused = kit.call(axum::http::Method::POST, &uri, more.clone()).await;
    assert_eq!(refused.error().0, Code::TooManyRequests.as_str());
    clock.fetch_add(HOUR + 1, Ordering::Relaxed);
    kit.registry.collect().await.unwrap();
    kit.blob("demo/junk", "x", &more.into()).await;
    assert_eq!(status(&kit, "0.1.0").await, StatusCode::OK);
}
