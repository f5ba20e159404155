//! Our own client against our own server, and against one that lies.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use bytes::Bytes;
use flowforge_protocol::Digest;
use flowforge_protocol::publication::verify_publication;
use flowforge_registry::{Client, ClientError};

use crate::kit::{DEMO, Kit, MANIFEST, STRANGER, component, config, name, publication, serve, trust};

#[tokio::test]
async fn a_component_is_pushed_published_and_pulled() {
    let kit = Kit::new();
    let server = serve(kit.router()).await;
    let bytes = component("demo:text", "0.1.0", "first");
    let envelope = publication("demo:text", "0.1.0", &bytes, DEMO);
    let pushed = server.client.push(bytes.clone(), &envelope).await.unwrap();
    assert_eq!(
        (pushed.name.as_str(), pushed.version.as_str()),
        ("demo:text", "0.1.0")
    );
    assert_eq!(pushed.layer_digest, Digest::of(&bytes));

    let demo = name("demo:text");
    assert_eq!(server.client.tags(&demo).await.unwrap(), ["0.1.0"]);
    for reference in ["0.1.0".to_owned(), pushed.manifest_digest.to_string()] {
        let pulled = server.client.pull(&demo, &reference).await.unwrap();
        assert_eq!(pulled.bytes, bytes);
        assert_eq!(pulled.publications, std::slice::from_ref(&envelope));
        let signed = verify_publication(
            pulled.publications[0].as_bytes(),
            &trust(),
            &demo,
            Some("0.1.0"),
            &pulled.layer_digest,
        );
        assert!(signed.is_ok());
    }
    // Its configuration has what other tools insist on.
    let manifest = kit.get("/v2/demo/text/manifests/0.1.0").await.json();
    let config = kit
        .get(&format!(
            "/v2/demo/text/blobs/{}",
            manifest["config"]["digest"].as_str().unwrap()
        ))
        .await;
    assert_eq!(
        config.json(),
        serde_json::json!({
            "created": "1970-01-01T00:00:00Z", "author": null, "architecture": "wasm", "os": "wasip2",
            "layerDigests": [Digest::of(&bytes)], "component": {"exports": ["label"], "imports": [], "target": null},
        })
    );
    // Doing it again is the same as once.
    assert_eq!(server.client.push(bytes, &envelope).await.unwrap(), pushed);
    assert_eq!(kit.registry.versions(&demo).len(), 1);
}

#[tokio::test]
async fn what_the_registry_refuses_reaches_the_publisher_in_words() {
    let kit = Kit::new();
    let server = serve(kit.router()).await;
    let bytes = component("demo:text", "0.1.0", "first");
    server
        .client
        .push(bytes.clone(), &publication("demo:text", "0.1.0", &bytes, DEMO))
        .await
        .unwrap();

    let other = component("demo:text", "0.1.0", "second");
    let error = server
        .client
        .push(other.clone(), &publication("demo:text", "0.1.0", &other, DEMO))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "demo:text 0.1.0 exists with different content; next free: 0.1.1 (DENIED)"
    );

    let error = server
        .client
        .push(other, &publication("demo:text", "0.1.0", &bytes, DEMO))
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::OtherComponent { .. }), "{error}");

    let text = Bytes::from_static(b"text");
    let error = server
        .client
        .push(text.clone(), &publication("demo:text", "0.2.0", &text, DEMO))
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::NotComponent(_)), "{error}");

    let error = server.client.push(bytes, "{}").await.unwrap_err();
    assert!(matches!(error, ClientError::BadPublication(_)), "{error}");

    let error = server.client.tags(&name("demo:none")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no connector demo:none (NAME_UNKNOWN)"
    );
}

#[tokio::test]
async fn a_signature_by_a_stranger_is_refused_and_nothing_is_listed() {
    let kit = Kit::new();
    let server = serve(kit.router()).await;
    let bytes = component("demo:text", "0.1.0", "");
    let error = server
        .client
        .push(
            bytes.clone(),
            &publication("demo:text", "0.1.0", &bytes, STRANGER),
        )
        .await
        .unwrap_err();
    assert!(
        matches!(&error, ClientError::Refused { code, .. } if code == "DENIED"),
        "{error}"
    );
    assert!(
        error.to_string().contains("`demo` is owned by another key"),
        "{error}"
    );
    assert!(kit.registry.list().is_empty());
    // The version is still free for its owner, with other bytes too.
    let good = component("demo:text", "0.1.0", "the real one");
    server
        .client
        .push(good.clone(), &publication("demo:text", "0.1.0", &good, DEMO))
        .await
        .unwrap();
    assert_eq!(kit.registry.list()[0].layer_digest, Digest::of(&good));
}

/// A registry that serves these bytes for every blob, and this manifest for every reference.
fn liar(manifest: String, blob: Bytes) -> Router {
    let manifests = get(move || async move { manifest });
    Router::new()
        .route("/v2/demo/text/manifests/{reference}", manifests)
        .route("/v2/demo/text/blobs/{digest}", get(move || async move { blob }))
        .fallback(|| async { StatusCode::NOT_FOUND })
}

#[tokio::test]
async fn wrong_bytes_are_noticed_by_whoever_pulls() {
    let good = component("demo:text", "0.1.0", "");
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.wasm.config.v0+json", "digest": Digest::of(b"{}"), "size": 2},
        "layers": [{"mediaType": "application/wasm", "digest": Digest::of(&good), "size": good.len()}],
    })
    .to_string();
    let mut evil = good.to_vec();
    evil[10] ^= 1;
    let server = serve(liar(manifest.clone(), evil.into())).await;
    let demo = name("demo:text");
    let wrong = |error: ClientError, expected: Digest| {
        assert!(
            matches!(error, ClientError::WrongBytes { expected: e, .. } if e == expected),
            "{error}"
        );
    };
    wrong(
        server.client.pull(&demo, "0.1.0").await.unwrap_err(),
        Digest::of(&good),
    );
    wrong(
        server.client.blob(&demo, &Digest::of(&good)).await.unwrap_err(),
        Digest::of(&good),
    );
    // Another manifest than the one that was asked for by digest.
    let asked = Digest::of(b"another");
    wrong(
        server.client.pull(&demo, &asked.to_string()).await.unwrap_err(),
        asked,
    );
}

#[tokio::test]
async fn a_server_that_is_no_registry_or_not_there_is_named() {
    let server = serve(Router::new().fallback(|| async { (StatusCode::OK, "hello") })).await;
    let demo = name("demo:text");
    let error = server.client.tags(&demo).await.unwrap_err();
    assert!(
        matches!(
            error,
            ClientError::Protocol {
                what: "a list of versions",
                ..
            }
        ),
        "{error}"
    );
    let bytes = component("demo:text", "0.1.0", "");
    let error = server
        .client
        .push(bytes.clone(), &publication("demo:text", "0.1.0", &bytes, DEMO))
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::Protocol { .. }), "{error}");
    // A port that was just given back: nobody listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = Client::new(&base).unwrap().tags(&demo).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the registry at {base} cannot be reached")
    );
}

#[tokio::test]
async fn an_upload_is_never_sent_to_another_server() {
    let elsewhere = axum::routing::post(|| async {
        (
            StatusCode::ACCEPTED,
            [("location", "http://127.0.0.2:1/v2/demo/text/blobs/uploads/x")],
        )
    });
    let server = serve(Router::new().route("/v2/demo/text/blobs/uploads/", elsewhere)).await;
    let bytes = component("demo:text", "0.1.0", "");
    let error = server
        .client
        .push(bytes.clone(), &publication("demo:text", "0.1.0", &bytes, DEMO))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the registry answered an upload with a place on another server"
    );
}

#[tokio::test]
async fn a_version_is_carried_to_another_registry_byte_for_byte() {
    let (from, to) = (Kit::new(), Kit::new());
    let (source, target) = (serve(from.router()).await, serve(to.router()).await);
    let demo = name("demo:text");
    for version in ["0.1.0", "0.2.0"] {
        let bytes = component("demo:text", version, "");
        let envelope = publication("demo:text", version, &bytes, DEMO);
        source.client.push(bytes, &envelope).await.unwrap();
        let fetched = source.client.fetch(&demo, version).await.unwrap();
        assert_eq!(fetched.referrers.len(), 1);
        for _ in 0..2 {
            target.client.store(&demo, version, &fetched).await.unwrap();
        }
        assert_eq!(target.client.fetch(&demo, version).await.unwrap(), fetched);
    }
    let listed = |kit: &Kit| format!("{:?}", kit.registry.versions(&demo));
    assert_eq!(listed(&to), listed(&from));
    // A registry that trusts somebody else under this name takes nothing of it.
    let mut distrusting = config();
    distrusting.trust.publishers.clear();
    let closed = Kit::with(distrusting);
    let fetched = source.client.fetch(&demo, "0.1.0").await.unwrap();
    let refused = serve(closed.router())
        .await
        .client
        .store(&demo, "0.1.0", &fetched)
        .await;
    assert!(matches!(refused, Err(ClientError::Refused { code, .. }) if code == "DENIED"));
    assert!(closed.registry.list().is_empty());
}
