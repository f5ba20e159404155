//! The distribution protocol, as the clients in use speak it.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use bytes::Bytes;
use flowforge_protocol::Digest;
use serde_json::{Value, json};

use crate::kit::{Kit, MANIFEST, component, config};

#[tokio::test]
async fn the_registry_says_what_it_is() {
    let kit = Kit::new();
    for uri in ["/v2/", "/v2"] {
        let answer = kit.get(uri).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("docker-distribution-api-version"), "registry/2.0");
        assert!(
            !answer.headers.contains_key("www-authenticate"),
            "no sign-in is asked for"
        );
    }
    let request = Request::get("/.well-known/wasm-pkg/registry.json").header("host", "127.0.0.1:7400");
    let answer = kit.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(
        answer.json(),
        json!({"preferredProtocol": "oci", "oci": {"registry": "127.0.0.1:7400"}})
    );
}

#[tokio::test]
async fn an_unknown_repository_is_that_and_nothing_else() {
    let kit = Kit::new();
    for uri in ["/v2/demo/none/tags/list", "/v2/demo/none/manifests/0.1.0"] {
        let answer = kit.get(uri).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert_eq!(answer.error().0, "NAME_UNKNOWN", "{uri}");
    }
    kit.publish("0.1.0").await;
    assert_eq!(
        kit.get("/v2/demo/text/manifests/0.2.0").await.error().0,
        "MANIFEST_UNKNOWN"
    );
    let fallback = format!("/v2/demo/text/manifests/sha256-{}", Digest::of(b"x").hex());
    assert_eq!(kit.get(&fallback).await.error().0, "MANIFEST_UNKNOWN");
    let blob = format!("/v2/demo/text/blobs/{}", Digest::of(b"x"));
    assert_eq!(kit.get(&blob).await.error().0, "BLOB_UNKNOWN");
    assert_eq!(
        kit.get("/v2/demo/text/blobs/sha256:00").await.error().0,
        "DIGEST_INVALID"
    );
    for uri in [
        "/v2/Demo/text/tags/list",
        "/v2/demo/te_xt/tags/list",
        "/v2/..%2F/x/tags/list",
    ] {
        assert_eq!(kit.get(uri).await.error().0, "NAME_INVALID", "{uri}");
    }
    for uri in ["/v2/one/tags/list", "/v2/a/b/c/manifests/0.1.0", "/v2/x"] {
        let answer = kit.get(uri).await;
        assert_eq!(
            (answer.status, answer.error().0.as_str()),
            (StatusCode::NOT_FOUND, "NAME_UNKNOWN"),
            "{uri}"
        );
    }
}

#[tokio::test]
async fn nothing_can_be_deleted() {
    let kit = Kit::new();
    let manifest = kit.publish("0.1.0").await;
    let digest = Digest::of(manifest.to_string().as_bytes());
    let layer = manifest["layers"][0]["digest"].as_str().unwrap();
    for uri in [
        format!("/v2/demo/text/manifests/{digest}"),
        "/v2/demo/text/manifests/0.1.0".to_owned(),
        format!("/v2/demo/text/blobs/{layer}"),
    ] {
        let answer = kit.call(Method::DELETE, &uri, Body::empty()).await;
        assert_eq!(
            (answer.status, answer.error().0.as_str()),
            (StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED")
        );
    }
    assert_eq!(
        kit.get("/v2/demo/text/manifests/0.1.0").await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_manifest_comes_back_byte_for_byte() {
    let kit = Kit::new();
    let bytes = component("demo:text", "0.1.0", "");
    let manifest = kit.manifest_of("demo/text", &bytes).await;
    // Odd white space, an order of its own, and a field of the future.
    let text = format!(
        "\n{{ \"future\" : [1.50,\t{{}}], \"layers\":{}, \"config\":{},\r\n\"mediaType\":\"{MANIFEST}\", \"schemaVersion\":2 }}\n",
        manifest["layers"], manifest["config"]
    );
    let put = kit
        .call(Method::PUT, "/v2/demo/text/manifests/0.1.0", text.clone())
        .await;
    assert_eq!(put.status, StatusCode::CREATED);
    let digest = Digest::of(text.as_bytes()).to_string();
    assert_eq!(put.header("docker-content-digest"), digest);
    assert_eq!(
        put.header("location"),
        format!("/v2/demo/text/manifests/{digest}")
    );
    let uri = format!("/v2/demo/text/manifests/{digest}");
    let got = kit.get(&uri).await;
    assert_eq!(got.body, text);
    assert_eq!(got.header("content-type"), MANIFEST);
    let head = kit.call(Method::HEAD, &uri, Body::empty()).await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    assert_eq!(head.header("docker-content-digest"), digest);
    assert_eq!(head.header("content-length"), text.len().to_string());
}

#[tokio::test]
async fn all_tags_come_without_a_limit_and_pages_with_one() {
    let kit = Kit::new();
    for patch in 0..120 {
        kit.publish(&format!("0.1.{patch}")).await;
    }
    let all = kit.get("/v2/demo/text/tags/list").await;
    let all = all.json()["tags"].as_array().unwrap().clone();
    assert_eq!(all.len(), 120);
    let mut sorted = all.clone();
    sorted.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    assert_eq!(all, sorted);
    // The same, fifty at a time, along the links.
    let (mut next, mut pages, mut paged) =
        ("/v2/demo/text/tags/list?n=50".to_owned(), 0, Vec::<Value>::new());
    loop {
        let page = kit.get(&next).await;
        pages += 1;
        assert_eq!(page.json()["name"], "demo/text");
        paged.extend(page.json()["tags"].as_array().unwrap().clone());
        let Some(link) = page.headers.get("link") else {
            break;
        };
        let (place, relation) = link.to_str().unwrap().split_once("; ").unwrap();
        assert_eq!(relation, "rel=\"next\"");
        next = place.trim_matches(['<', '>']).to_owned();
    }
    assert_eq!((pages, paged), (3, all));
    let none = kit.get("/v2/demo/text/tags/list?n=0").await;
    assert_eq!(none.json()["tags"], json!([]));
    assert!(!none.headers.contains_key("link"));
}

#[tokio::test]
async fn referrers_are_listed_by_kind() {
    let kit = Kit::new();
    let manifest = kit.publish("0.1.0").await.to_string();
    let subject = Digest::of(manifest.as_bytes());
    let note = kit
        .blob("demo/text", "text/plain", &Bytes::from_static(b"a note"))
        .await;
    let about = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "text/x-note", "annotations": {"by": "me"},
        "config": kit.blob("demo/text", "application/vnd.oci.empty.v1+json", &Bytes::from_static(b"{}")).await,
        "layers": [note], "subject": {"mediaType": MANIFEST, "digest": subject, "size": manifest.len()},
    });
    let digest = Digest::of(about.to_string().as_bytes());
    let put = kit.put_manifest("demo/text", &digest.to_string(), &about).await;
    assert_eq!(
        (put.status, put.header("oci-subject")),
        (StatusCode::CREATED, subject.to_string().as_str())
    );

    let all = kit.get(&format!("/v2/demo/text/referrers/{subject}")).await;
    assert_eq!(
        all.header("content-type"),
        "application/vnd.oci.image.index.v1+json"
    );
    assert!(!all.headers.contains_key("oci-filters-applied"));
    assert_eq!(all.json()["manifests"].as_array().unwrap().len(), 2);
    let notes = kit
        .get(&format!(
            "/v2/demo/text/referrers/{subject}?artifactType=text%2Fx-note"
        ))
        .await;
    assert_eq!(notes.header("oci-filters-applied"), "artifactType");
    let size = about.to_string().len();
    assert_eq!(
        notes.json()["manifests"],
        json!([{"mediaType": MANIFEST, "digest": digest, "size": size, "artifactType": "text/x-note", "annotations": {"by": "me"}}])
    );
    // What nobody refers to has an empty list, and is no error.
    let nothing = Digest::of(b"nothing");
    for uri in [
        format!("/v2/demo/text/referrers/{nothing}"),
        format!("/v2/demo/none/referrers/{nothing}"),
    ] {
        let empty = kit.get(&uri).await;
        assert_eq!(
            (empty.status, &empty.json()["manifests"]),
            (StatusCode::OK, &json!([]))
        );
    }
}

/// Begins an upload; returns its place.
async fn begin(kit: &Kit) -> String {
    let begun = kit
        .call(Method::POST, "/v2/demo/text/blobs/uploads/", Body::empty())
        .await;
    assert_eq!(begun.status, StatusCode::ACCEPTED);
    begun.header("location").to_owned()
}

async fn patch(kit: &Kit, place: &str, range: &str, bytes: &'static [u8]) -> crate::kit::Answer {
    let request = Request::patch(place)
        .header("content-range", range)
        .body(bytes.into())
        .unwrap();
    kit.send(request).await
}

#[tokio::test]
async fn a_blob_comes_in_pieces() {
    let kit = Kit::new();
    let place = begin(&kit).await;
    let first = patch(&kit, &place, "0-4", b"hello").await;
    assert_eq!(
        (first.status, first.header("range")),
        (StatusCode::ACCEPTED, "0-4")
    );
    assert_eq!(first.header("location"), place);
    // Out of order, then where it stands, then on.
    let wrong = patch(&kit, &place, "7-11", b"world").await;
    assert_eq!(wrong.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(
        (wrong.header("range"), wrong.error().0.as_str()),
        ("0-4", "BLOB_UPLOAD_INVALID")
    );
    let status = kit.get(&place).await;
    assert_eq!(
        (status.status, status.header("range")),
        (StatusCode::NO_CONTENT, "0-4")
    );
    let second = patch(&kit, &place, "bytes 5-10", b" world").await;
    assert_eq!(second.header("range"), "0-10");
    let digest = Digest::of(b"hello world");
    let done = kit
        .call(Method::PUT, &format!("{place}?digest={digest}"), Body::empty())
        .await;
    assert_eq!(done.status, StatusCode::CREATED);
    assert_eq!(done.header("docker-content-digest"), digest.to_string());
    assert_eq!(kit.get(done.header("location")).await.body, "hello world");
    assert_eq!(
        kit.get(&place).await.error().0,
        "BLOB_UPLOAD_UNKNOWN",
        "the upload is over"
    );
}

#[tokio::test]
async fn a_blob_comes_in_one_piece_after_a_beginning_or_empty() {
    let kit = Kit::new();
    for content in [&b"all of it"[..], b""] {
        let place = begin(&kit).await;
        let digest = Digest::of(content);
        let done = kit
            .call(Method::PUT, &format!("{place}?digest={digest}"), content)
            .await;
        assert_eq!(done.status, StatusCode::CREATED);
        let head = kit
            .call(
                Method::HEAD,
                &format!("/v2/demo/text/blobs/{digest}"),
                Body::empty(),
            )
            .await;
        assert_eq!(head.header("content-length"), content.len().to_string());
    }
}

#[tokio::test]
async fn a_blob_is_served_in_ranges() {
    let kit = Kit::new();
    let blob = kit
        .blob("demo/text", "text/plain", &Bytes::from_static(b"0123456789"))
        .await;
    let uri = format!("/v2/demo/text/blobs/{}", blob["digest"].as_str().unwrap());
    let ask = |range: &str| {
        let request = Request::get(&uri)
            .header("range", range)
            .header("accept", MANIFEST);
        kit.send(request.body(Body::empty()).unwrap())
    };
    let part = ask("bytes=3-5").await;
    assert_eq!(
        (part.status, part.header("content-range")),
        (StatusCode::PARTIAL_CONTENT, "bytes 3-5/10")
    );
    assert_eq!(part.body, "345");
    assert_eq!(ask("bytes=7-").await.body, "789");
    let beyond = ask("bytes=10-").await;
    assert_eq!(
        (beyond.status, beyond.header("content-range")),
        (StatusCode::RANGE_NOT_SATISFIABLE, "bytes */10")
    );
    assert_eq!(ask("lines=1").await.body, "0123456789");
}

#[tokio::test]
async fn wrong_uploads_leave_nothing() {
    let kit = Kit::new();
    let place = begin(&kit).await;
    let digest = Digest::of(b"promised");
    let wrong = kit
        .call(Method::PUT, &format!("{place}?digest={digest}"), "delivered")
        .await;
    let (code, message) = wrong.error();
    assert_eq!(code, "DIGEST_INVALID");
    assert!(message.contains(&digest.to_string()), "{message}");
    assert_eq!(kit.get(&place).await.error().0, "BLOB_UPLOAD_UNKNOWN");

    let place = begin(&kit).await;
    assert_eq!(
        kit.call(Method::PUT, &place, "x").await.error().0,
        "DIGEST_INVALID"
    );
    assert_eq!(
        kit.call(Method::PUT, &format!("{place}?digest=x"), "x")
            .await
            .error()
            .0,
        "DIGEST_INVALID"
    );
    assert_eq!(
        patch(&kit, &place, "nonsense", b"x").await.error().0,
        "BLOB_UPLOAD_INVALID"
    );
    // Another repository's upload is not there.
    let foreign = place.replace("demo/text", "demo/other");
    assert_eq!(
        patch(&kit, &foreign, "0-0", b"x").await.error().0,
        "BLOB_UPLOAD_UNKNOWN"
    );
    let cancelled = kit.call(Method::DELETE, &place, Body::empty()).await;
    assert_eq!(cancelled.status, StatusCode::NO_CONTENT);
    assert_eq!(kit.get(&place).await.error().0, "BLOB_UPLOAD_UNKNOWN");
    let left = |folder: &str| std::fs::read_dir(kit.folder.path().join(folder)).unwrap().count();
    assert_eq!((left("uploads"), left("blobs")), (0, 0));
}

#[tokio::test]
async fn size_and_number_of_uploads_are_bounded() {
    let mut small = config();
    small.component_bytes_max = 10;
    small.uploads_max = 2;
    let kit = Kit::with(small);
    let place = begin(&kit).await;
    assert_eq!(
        patch(&kit, &place, "0-9", b"0123456789").await.status,
        StatusCode::ACCEPTED
    );
    let beyond = patch(&kit, &place, "10-10", b"x").await;
    assert_eq!(
        (beyond.status, beyond.error().0.as_str()),
        (StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID")
    );
    assert_eq!(kit.get(&place).await.error().0, "BLOB_UPLOAD_UNKNOWN");

    let (first, _second) = (begin(&kit).await, begin(&kit).await);
    let third = kit
        .call(Method::POST, "/v2/demo/text/blobs/uploads/", Body::empty())
        .await;
    assert_eq!(
        (third.status, third.error().0.as_str()),
        (StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS")
    );
    kit.call(Method::DELETE, &first, Body::empty()).await;
    begin(&kit).await;
}

#[tokio::test]
async fn an_upload_that_stands_still_gives_up_its_place() {
    let mut small = config();
    small.uploads_max = 1;
    small.upload_idle = std::time::Duration::ZERO;
    let kit = Kit::with(small);
    let idle = begin(&kit).await;
    begin(&kit).await;
    assert_eq!(kit.get(&idle).await.error().0, "BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn a_body_that_stops_is_not_waited_for_for_ever() {
    let mut impatient = config();
    impatient.body_wait = std::time::Duration::ZERO;
    let kit = Kit::with(impatient);
    let place = begin(&kit).await;
    let stalled = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
    let answer = kit.send(Request::patch(&place).body(stalled).unwrap()).await;
    let (code, message) = answer.error();
    assert_eq!(
        (answer.status, code.as_str()),
        (StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID")
    );
    assert!(message.contains("no bytes came for 0 s"), "{message}");
}

#[tokio::test]
async fn the_registry_lives_beside_other_routes() {
    use tower::ServiceExt as _;
    let kit = Kit::new();
    let host = axum::Router::new()
        .route("/healthz", axum::routing::get(|| async { "ok" }))
        .fallback(|| async { (StatusCode::NOT_FOUND, "the host's own") })
        .merge(kit.router());
    for (uri, words) in [
        ("/healthz", "ok"),
        ("/nowhere", "the host's own"),
        ("/v2/x", "NAME_UNKNOWN"),
        ("/v2/", "{}"),
    ] {
        let response = host
            .clone()
            .oneshot(Request::get(uri).body(Body::empty()).unwrap())
            .await
            .unwrap();
        let body = axum::body::to_bytes(response.into_body(), 1024).await.unwrap();
        assert!(String::from_utf8_lossy(&body).contains(words), "{uri}: {body:?}");
    }
}
