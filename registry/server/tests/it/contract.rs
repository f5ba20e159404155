//! What holds of every registry that speaks the protocol: the same questions to ours and to Debian's `docker-registry`.

use std::time::Duration;

use axum::http::StatusCode;
use bytes::Bytes;
use flowforge_protocol::Digest;
use flowforge_registry::{Client, ClientError};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::kit::{DEMO, Kit, MANIFEST, component, name, publication, serve};
use crate::programs::{Ended, spawn};

/// A registry by its address.
struct Registry {
    base: String,
    http: reqwest::Client,
}

impl Registry {
    fn at(base: &str) -> Self {
        Self {
            base: base.to_owned(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    async fn call(
        &self,
        method: Method,
        place: &str,
        kind: &str,
        body: impl Into<reqwest::Body>,
    ) -> Response {
        let uri = if place.starts_with("http") {
            place.to_owned()
        } else {
            format!("{}{place}", self.base)
        };
        let request = self.http.request(method, uri).header("content-type", kind);
        request.body(body.into()).send().await.unwrap()
    }

    async fn get(&self, place: &str) -> Response {
        self.call(Method::GET, place, "", "").await
    }

    async fn begin(&self) -> String {
        let begun = self
            .call(Method::POST, "/v2/demo/text/blobs/uploads/", "", "")
            .await;
        assert_eq!(begun.status(), StatusCode::ACCEPTED);
        text(&begun, "location")
    }

    /// Pushes a blob in two pieces.
    async fn push(&self, bytes: &Bytes) -> Value {
        let mut place = self.begin().await;
        let (first, second) = bytes.split_at(bytes.len() / 2);
        for (start, piece) in [(0, first), (first.len(), second)] {
            if piece.is_empty() {
                continue;
            }
            let patch = self
                .http
                .patch(absolute(&self.base, &place))
                .header("content-range", format!("{start}-{}", start + piece.len() - 1))
                .header("content-type", "application/octet-stream")
                .body(piece.to_vec());
            let taken = patch.send().await.unwrap();
            assert_eq!(taken.status(), StatusCode::ACCEPTED);
            assert_eq!(text(&taken, "range"), format!("0-{}", start + piece.len() - 1));
            place = text(&taken, "location");
        }
        let digest = Digest::of(bytes);
        let done = self
            .call(
                Method::PUT,
                &with_digest(&absolute(&self.base, &place), &digest),
                "application/octet-stream",
                "",
            )
            .await;
        assert_eq!(done.status(), StatusCode::CREATED);
        assert_eq!(text(&done, "docker-content-digest"), digest.to_string());
        json!({"mediaType": "application/wasm", "digest": digest, "size": bytes.len()})
    }
}

fn text(response: &Response, header: &str) -> String {
    let value = response
        .headers()
        .get(header)
        .unwrap_or_else(|| panic!("no header {header}"));
    value.to_str().unwrap().to_owned()
}

fn absolute(base: &str, place: &str) -> String {
    if place.starts_with('/') {
        format!("{base}{place}")
    } else {
        place.to_owned()
    }
}

fn with_digest(place: &str, digest: &Digest) -> String {
    let joint = if place.contains('?') { '&' } else { '?' };
    format!("{place}{joint}digest={digest}")
}

async fn code(response: Response) -> String {
    let body: Value = response.json().await.unwrap();
    body["errors"][0]["code"].as_str().unwrap().to_owned()
}

async fn blobs_come_in_pieces_and_go_whole_or_in_ranges(registry: &Registry) {
    let bytes = Bytes::from((0..100_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>());
    let blob = registry.push(&bytes).await;
    let place = format!("/v2/demo/text/blobs/{}", blob["digest"].as_str().unwrap());
    let head = registry.call(Method::HEAD, &place, "", "").await;
    assert_eq!(
        (head.status(), text(&head, "content-length")),
        (StatusCode::OK, "400000".to_owned())
    );
    assert_eq!(registry.get(&place).await.bytes().await.unwrap(), bytes);
    let part = registry
        .http
        .get(format!("{}{place}", registry.base))
        .header("range", "bytes=10-19");
    let part = part.send().await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.bytes().await.unwrap(), bytes[10..20]);
    let mount = format!(
        "/v2/demo/copy/blobs/uploads/?mount={}&from=demo/text",
        blob["digest"].as_str().unwrap()
    );
    assert_eq!(
        registry.call(Method::POST, &mount, "", "").await.status(),
        StatusCode::CREATED
    );
    let copy = place.replace("demo/text", "demo/copy");
    assert_eq!(registry.get(&copy).await.bytes().await.unwrap(), bytes);
}

async fn what_is_wrong_has_the_protocols_code(registry: &Registry) {
    let place = absolute(&registry.base, &registry.begin().await);
    let wrong = with_digest(&place, &Digest::of(b"promised"));
    let answer = registry
        .call(Method::PUT, &wrong, "application/octet-stream", "delivered")
        .await;
    assert_eq!(
        (answer.status(), code(answer).await.as_str()),
        (StatusCode::BAD_REQUEST, "DIGEST_INVALID")
    );
    let absent = Digest::of(b"absent");
    for (place, expected) in [
        ("/v2/demo/none/tags/list".to_owned(), "NAME_UNKNOWN"),
        (format!("/v2/demo/text/manifests/{absent}"), "MANIFEST_UNKNOWN"),
        (format!("/v2/demo/text/blobs/{absent}"), "BLOB_UNKNOWN"),
    ] {
        let answer = registry.get(&place).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{place}");
        assert_eq!(code(answer).await, expected, "{place}");
    }
    let cancelled = registry.begin().await;
    let place = absolute(&registry.base, &cancelled);
    assert_eq!(
        registry.call(Method::DELETE, &place, "", "").await.status(),
        StatusCode::NO_CONTENT
    );
    let gone = registry.get(&place).await;
    assert_eq!(
        (gone.status(), code(gone).await.as_str()),
        (StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN")
    );
}

async fn a_manifest_is_kept_byte_for_byte(registry: &Registry) {
    let layer = registry.push(&component("demo:text", "0.1.0", "contract")).await;
    let mut config = registry.push(&Bytes::from_static(b"{ }")).await;
    config["mediaType"] = json!("application/vnd.oci.empty.v1+json");
    let manifest = format!(
        "{{ \"schemaVersion\" : 2,\n\"mediaType\":\"{MANIFEST}\", \"config\":{config},\t\"layers\":[{layer}], \"annotations\":{{}} }}\n"
    );
    let digest = Digest::of(manifest.as_bytes());
    let place = format!("/v2/demo/text/manifests/{digest}");
    let put = registry
        .call(Method::PUT, &place, MANIFEST, manifest.clone())
        .await;
    assert_eq!(put.status(), StatusCode::CREATED);
    assert_eq!(text(&put, "docker-content-digest"), digest.to_string());
    assert!(put.headers().contains_key("location"));
    let get = registry
        .http
        .get(format!("{}{place}", registry.base))
        .header("accept", MANIFEST);
    let got = get.send().await.unwrap();
    assert_eq!(text(&got, "content-type"), MANIFEST);
    assert_eq!(got.text().await.unwrap(), manifest);
    let named = registry
        .call(
            Method::PUT,
            &place.replace(&digest.to_string(), &Digest::of(b"x").to_string()),
            MANIFEST,
            manifest,
        )
        .await;
    assert_eq!(
        (named.status(), code(named).await.as_str()),
        (StatusCode::BAD_REQUEST, "DIGEST_INVALID")
    );
}

/// Our client publishes and pulls, with the list of referrers or with the tag that stands for it.
async fn our_client_publishes_and_pulls(registry: &Registry) {
    let client = Client::new(&registry.base).unwrap();
    let demo = name("demo:text");
    for (version, extra) in [("0.2.0", "one"), ("0.3.0", "two")] {
        let bytes = component("demo:text", version, extra);
        let envelope = publication("demo:text", version, &bytes, DEMO);
        let pushed = client.push(bytes.clone(), &envelope).await.unwrap();
        assert_eq!(
            client.push(bytes.clone(), &envelope).await.unwrap(),
            pushed,
            "twice is once"
        );
        for reference in [version.to_owned(), pushed.manifest_digest.to_string()] {
            let pulled = client.pull(&demo, &reference).await.unwrap();
            assert_eq!(
                (pulled.bytes, pulled.layer_digest),
                (bytes.clone(), Digest::of(&bytes))
            );
            assert_eq!(pulled.publications, std::slice::from_ref(&envelope), "{version}");
        }
    }
    let tags = client.tags(&demo).await.unwrap();
    assert!(
        ["0.2.0", "0.3.0"]
            .iter()
            .all(|version| tags.iter().any(|tag| tag == version)),
        "{tags:?}"
    );
    let unknown = client.pull(&demo, "9.9.9").await.unwrap_err();
    assert!(matches!(unknown, ClientError::Refused { code, .. } if code == "MANIFEST_UNKNOWN"));
}

async fn contract(base: &str) {
    let registry = Registry::at(base);
    assert_eq!(registry.get("/v2/").await.status(), StatusCode::OK);
    blobs_come_in_pieces_and_go_whole_or_in_ranges(&registry).await;
    a_manifest_is_kept_byte_for_byte(&registry).await;
    what_is_wrong_has_the_protocols_code(&registry).await;
    our_client_publishes_and_pulls(&registry).await;
}

#[tokio::test]
async fn ours_keeps_the_contract() {
    let kit = Kit::new();
    let server = serve(kit.router()).await;
    contract(&server.base).await;
}

#[tokio::test]
async fn debians_keeps_the_same_contract() {
    let folder = tempfile::tempdir().unwrap();
    let (base, _program) = debians(folder.path()).await;
    contract(&base).await;
}

/// Debian's registry on a free port, as soon as it answers.
pub(crate) async fn debians(folder: &std::path::Path) -> (String, Ended) {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let config = format!(
        "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n\
         http:\n  addr: 127.0.0.1:{port}\n",
        folder.join("store").display()
    );
    let file = folder.join("config.yml");
    std::fs::write(&file, config).unwrap();
    let program = spawn("docker-registry", &["serve", &file.display().to_string()]);
    let base = format!("http://127.0.0.1:{port}");
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let answers = async {
        while http.get(format!("{base}/v2/")).send().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), answers)
        .await
        .unwrap();
    (base, program)
}
