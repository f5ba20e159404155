//! What a component must be before it may be a version.

use axum::http::StatusCode;
use bytes::Bytes;
use serde_json::json;

use crate::kit::{Kit, LABEL, bare, component};

async fn refused(kit: &Kit, repo: &str, tag: &str, manifest: &serde_json::Value) -> (String, String) {
    let answer = kit.put_manifest(repo, tag, manifest).await;
    assert_ne!(answer.status, StatusCode::CREATED);
    let repo = kit.get(&format!("/v2/{repo}/manifests/{tag}")).await;
    assert_eq!(repo.status, StatusCode::NOT_FOUND, "nothing was kept");
    answer.error()
}

#[tokio::test]
async fn only_components_pass() {
    let kit = Kit::new();
    for (bytes, words) in [
        (&b"hello"[..], "not a WebAssembly file"),
        (&b""[..], "not a WebAssembly file"),
        (&b"\0asm\x01\0\0\0"[..], "core WebAssembly module"),
        (&b"\0asm\x0d\0\x01\0\x07\xff"[..], "malformed"),
    ] {
        let manifest = kit.manifest_of("demo/text", &Bytes::from_static(bytes)).await;
        let (code, message) = refused(&kit, "demo/text", "0.1.0", &manifest).await;
        assert!(code == "MANIFEST_INVALID" && message.contains(words), "{message}");
    }
}

#[tokio::test]
async fn a_component_is_exactly_one_wasm_layer() {
    let kit = Kit::new();
    let good = kit
        .manifest_of("demo/text", &component("demo:text", "0.1.0", ""))
        .await;
    let layer = good["layers"][0].clone();
    let mut two = good.clone();
    two["layers"] = json!([layer, layer]);
    let mut none = good.clone();
    none["layers"] = json!([]);
    let mut other = good.clone();
    other["layers"][0]["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar");
    for manifest in [two, none, other] {
        let (code, message) = refused(&kit, "demo/text", "0.1.0", &manifest).await;
        assert!(
            code == "MANIFEST_INVALID" && message.contains("expected exactly one layer"),
            "{message}"
        );
    }
    let mut foreign = good;
    foreign["layers"][0]["urls"] = json!(["http://elsewhere.example/x.wasm"]);
    let (_, message) = refused(&kit, "demo/text", "0.1.0", &foreign).await;
    assert!(message.contains("push the blob itself"), "{message}");
}

#[tokio::test]
async fn a_component_is_pushed_under_its_own_name_and_version() {
    let kit = Kit::new();
    for (repo, tag) in [("demo/other", "0.1.0"), ("demo/text", "0.2.0")] {
        let manifest = kit.manifest_of(repo, &component("demo:text", "0.1.0", "")).await;
        let (code, message) = refused(&kit, repo, tag, &manifest).await;
        let words = format!(
            "says that it is demo:text 0.1.0, it was pushed as {} {tag}",
            repo.replace('/', ":")
        );
        assert!(
            code == "MANIFEST_INVALID" && message.contains(&words),
            "{message}"
        );
    }
}

#[tokio::test]
async fn a_tag_is_a_version() {
    let kit = Kit::new();
    let manifest = kit.manifest_of("demo/text", &Bytes::from(bare(LABEL))).await;
    for tag in ["latest", "1.0", "v1.0.0", "1.0.0%2Bbuild"] {
        let (code, message) = refused(&kit, "demo/text", tag, &manifest).await;
        assert!(
            code == "MANIFEST_INVALID" && message.contains("is not a version"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn what_a_manifest_names_must_be_there_in_its_size() {
    let kit = Kit::new();
    let good = kit
        .manifest_of("demo/text", &component("demo:text", "0.1.0", ""))
        .await;
    let mut missing = good.clone();
    missing["layers"][0]["digest"] = json!(flowforge_protocol::Digest::of(b"nothing"));
    assert_eq!(
        refused(&kit, "demo/text", "0.1.0", &missing).await.0,
        "MANIFEST_BLOB_UNKNOWN"
    );
    let mut wrong = good.clone();
    wrong["layers"][0]["size"] = json!(1);
    assert_eq!(
        refused(&kit, "demo/text", "0.1.0", &wrong).await.0,
        "SIZE_INVALID"
    );
    // What another repository has is not here: otherwise anybody could ask whether a secret blob exists.
    assert_eq!(
        refused(&kit, "demo/thief", "0.1.0", &good).await.0,
        "MANIFEST_BLOB_UNKNOWN"
    );
}

#[tokio::test]
async fn a_manifest_is_what_its_digest_says() {
    let kit = Kit::new();
    let manifest = kit
        .manifest_of("demo/text", &component("demo:text", "0.1.0", ""))
        .await;
    let other = flowforge_protocol::Digest::of(b"other").to_string();
    assert_eq!(
        refused(&kit, "demo/text", &other, &manifest).await.0,
        "DIGEST_INVALID"
    );
    let broken = kit
        .call(axum::http::Method::PUT, "/v2/demo/text/manifests/0.1.0", "{")
        .await;
    assert_eq!(broken.error().0, "MANIFEST_INVALID");
    let large = kit
        .call(
            axum::http::Method::PUT,
            "/v2/demo/text/manifests/0.1.0",
            vec![b' '; 300_000],
        )
        .await;
    assert_eq!(large.error().0, "SIZE_INVALID");
}
