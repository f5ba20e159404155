//! Wrong pushes: each is answered in the protocol's form with the mend, says the same in a trial, and publishes nothing.

use std::time::Duration;

use axum::http::StatusCode;
use bytes::Bytes;
use flowforge_protocol::Digest;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::kit::{DEMO, Kit, LABEL, STRANGER, bare, component, component_of, config, key, name, publication};

/// Pushes and publishes; returns what the registry says first against it.
async fn refusal(kit: &Kit, version: &str, bytes: &Bytes, by: u8) -> (String, String) {
    let manifest = kit.manifest_of("demo/text", bytes).await;
    let put = kit.put_manifest("demo/text", version, &manifest).await;
    if put.status != StatusCode::CREATED {
        return put.error();
    }
    let envelope = publication("demo:text", version, bytes, by);
    kit.put_publication("demo/text", &manifest, &envelope)
        .await
        .error()
}

/// What a trial of the same says first against it.
async fn trial(kit: &Kit, version: &str, bytes: &Bytes, by: u8) -> String {
    let envelope = publication("demo:text", version, bytes, by);
    let report = kit
        .registry
        .judge(
            &name("demo:text"),
            version,
            bytes.clone(),
            Some(envelope.as_bytes()),
        )
        .await;
    let report = report.unwrap();
    report.refusal().unwrap().1.to_owned()
}

#[tokio::test]
async fn a_trial_says_word_for_word_what_a_push_hears() {
    let kit = Kit::new();
    kit.publish("0.1.0").await;
    let broken = "export label: func(text: string, lang: string) -> string;";
    let odd = format!("import odd; {LABEL}");
    let rows = [
        (
            "0.1.1",
            Bytes::from_static(b"\0asm\x01\0\0\0"),
            DEMO,
            "MANIFEST_INVALID",
            "core WebAssembly module",
        ),
        (
            "0.1.1",
            component_of(broken, "demo:text", "0.1.1", ""),
            DEMO,
            "DENIED",
            "label · input lang: is new and must be given",
        ),
        (
            "0.1.1",
            component_of(&odd, "demo:text", "0.1.1", ""),
            DEMO,
            "MANIFEST_INVALID",
            "what no host offers: t:t/odd",
        ),
        (
            "0.1.1",
            component_of("", "demo:text", "0.1.1", ""),
            DEMO,
            "MANIFEST_INVALID",
            "exports no function",
        ),
        (
            "0.1.1",
            component("demo:text", "0.1.1", ""),
            STRANGER,
            "DENIED",
            "owned by another key",
        ),
        (
            "0.1.0",
            component("demo:text", "0.1.0", "other"),
            DEMO,
            "DENIED",
            "next free: 0.1.1",
        ),
        (
            "0.2.0",
            component("demo:text", "0.1.1", ""),
            DEMO,
            "MANIFEST_INVALID",
            "says that it is demo:text 0.1.1",
        ),
    ];
    for (version, bytes, by, code, words) in rows {
        let (found, message) = refusal(&kit, version, &bytes, by).await;
        assert!(found == code && message.contains(words), "{found}: {message}");
        assert_eq!(trial(&kit, version, &bytes, by).await, message);
        let listed = kit.get("/v2/demo/text/tags/list").await.json();
        assert_eq!(listed["tags"], json!(["0.1.0"]), "nothing was published");
    }
    // The same change under the version that it needs.
    let right = component_of(broken, "demo:text", "0.2.0", "");
    kit.publish_bytes("0.2.0", right).await;
}

#[tokio::test]
async fn a_version_with_build_metadata_is_refused_everywhere() {
    let kit = Kit::new();
    let bytes = component("demo:text", "0.1.0+linux", "");
    let manifest = kit.manifest_of("demo/text", &bytes).await;
    let (code, message) = kit
        .put_manifest("demo/text", "0.1.0%2Blinux", &manifest)
        .await
        .error();
    assert!(
        code == "MANIFEST_INVALID" && message.contains("cannot hold `+`"),
        "{message}"
    );
    // Pushed by digest, and signed for that version.
    let digest = Digest::of(manifest.to_string().as_bytes()).to_string();
    let put = kit.put_manifest("demo/text", &digest, &manifest).await;
    assert!(put.error().1.contains("cannot hold `+`"));
    assert_eq!(trial(&kit, "0.1.0+linux", &bytes, DEMO).await, message);
}

#[tokio::test]
async fn a_file_above_the_limit_is_refused_while_it_comes() {
    let kit = Kit::new();
    let large = Bytes::from(vec![0_u8; 40 * 1024 * 1024]);
    let uri = format!("/v2/demo/text/blobs/uploads/?digest={}", Digest::of(&large));
    let answer = kit.call(axum::http::Method::POST, &uri, large.clone()).await;
    assert_eq!(
        (answer.status, answer.error().0.as_str()),
        (StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID")
    );
    assert_eq!(
        std::fs::read_dir(kit.folder.path().join("uploads"))
            .unwrap()
            .count(),
        0
    );
    let asked = kit
        .call(
            axum::http::Method::POST,
            "/connectors/judgement?name=demo:text&version=0.1.0",
            large,
        )
        .await;
    assert_eq!(asked.error().0, "SIZE_INVALID");
}

#[tokio::test]
async fn a_manifest_that_lies_about_its_imports_is_refused() {
    let kit = Kit::new();
    let world = format!("import odd; {LABEL}");
    for (bytes, claimed, words) in [
        (
            component("demo:text", "0.1.0", ""),
            json!(["wasi:http/outgoing-handler@0.2.0"]),
            "does not have",
        ),
        (
            component_of(&world, "demo:text", "0.1.0", ""),
            json!([]),
            "what no host offers",
        ),
    ] {
        let mut manifest = kit.manifest_of("demo/text", &bytes).await;
        let config = json!({"component": {"imports": claimed, "exports": []}}).to_string();
        manifest["config"] = kit
            .blob(
                "demo/text",
                "application/vnd.wasm.config.v0+json",
                &Bytes::from(config),
            )
            .await;
        let (code, message) = kit.put_manifest("demo/text", "0.1.0", &manifest).await.error();
        assert!(code == "MANIFEST_INVALID" && message.contains(words), "{message}");
    }
    assert!(kit.registry.list().is_empty());
}

#[tokio::test]
async fn a_publisher_one_letter_from_another_is_refused() {
    let mut config = config();
    for publisher in ["dema", "zeta"] {
        config
            .trust
            .publishers
            .insert(publisher.to_owned(), vec![key(DEMO).verifying_key()]);
    }
    let kit = Kit::with(config);
    kit.publish("0.1.0").await;
    let push = async |publisher: &str| {
        let connector = format!("{publisher}:text");
        let repo = format!("{publisher}/text");
        let bytes = component(&connector, "0.1.0", "");
        let manifest = kit.manifest_of(&repo, &bytes).await;
        let put = kit.put_manifest(&repo, "0.1.0", &manifest).await;
        if put.status != StatusCode::CREATED {
            return put;
        }
        let envelope = publication(&connector, "0.1.0", &bytes, DEMO);
        kit.put_publication(&repo, &manifest, &envelope).await
    };
    let (code, message) = push("dema").await.error();
    assert!(
        code == "DENIED" && message.contains("`dema` is easily taken for `demo`"),
        "{message}"
    );
    assert_eq!(push("zeta").await.status, StatusCode::CREATED);
}

/// Two publishers with the same right push other bytes under one version, at the same time and in every order of steps:
/// one wins, the other hears it, and what is served is whole.
#[tokio::test]
async fn of_two_publishers_racing_for_a_version_one_wins() {
    for round in 0..8_u32 {
        let kit = Kit::new();
        let race = async |summary: &str| {
            let bytes = component("demo:text", "0.1.0", summary);
            let manifest = kit.manifest_of("demo/text", &bytes).await;
            let put = kit.put_manifest("demo/text", "0.1.0", &manifest).await;
            if put.status != StatusCode::CREATED {
                return (put, bytes);
            }
            if round % 2 == 0 {
                tokio::task::yield_now().await;
            }
            let envelope = publication("demo:text", "0.1.0", &bytes, DEMO);
            (
                kit.put_publication("demo/text", &manifest, &envelope).await,
                bytes,
            )
        };
        let ((first, a), (second, b)) = tokio::join!(race("first"), race("second"));
        let won = [&first, &second]
            .iter()
            .filter(|answer| answer.status == StatusCode::CREATED)
            .count();
        assert_eq!(won, 1, "{:?} {:?}", first.body, second.body);
        let (lost, winner) = if first.status == StatusCode::CREATED {
            (second, a)
        } else {
            (first, b)
        };
        let (code, message) = lost.error();
        assert!(
            code == "DENIED" && message.contains("exists with different content"),
            "{message}"
        );
        let entry = kit.registry.latest(&name("demo:text")).unwrap();
        assert_eq!(entry.layer_digest, Digest::of(&winner));
        let by_tag = kit.get("/v2/demo/text/manifests/0.1.0").await.json();
        assert_eq!(by_tag["layers"][0]["digest"], json!(entry.layer_digest));
    }
}

/// Until a version is published anybody may move its tag; whoever signs names a manifest, and that one is published.
#[tokio::test]
async fn a_tag_moved_by_a_stranger_does_not_stop_its_owner() {
    let kit = Kit::new();
    let bytes = component("demo:text", "0.1.0", "");
    let manifest = kit.manifest_of("demo/text", &bytes).await;
    kit.put_manifest("demo/text", "0.1.0", &manifest).await;
    let junk = kit.manifest_of("demo/text", &Bytes::from(bare(LABEL))).await;
    assert_eq!(
        kit.put_manifest("demo/text", "0.1.0", &junk).await.status,
        StatusCode::CREATED
    );
    let envelope = publication("demo:text", "0.1.0", &bytes, DEMO);
    let published = kit.put_publication("demo/text", &manifest, &envelope).await;
    assert_eq!(published.status, StatusCode::CREATED, "{:?}", published.body);
    let served = kit.get("/v2/demo/text/manifests/0.1.0").await;
    assert_eq!(served.body, manifest.to_string());
    let moved = kit.put_manifest("demo/text", "0.1.0", &junk).await.error();
    assert!(moved.1.contains("exists with different content"), "{}", moved.1);
}

/// A connection that is cut in the middle of a piece: what came is kept, and the client goes on from there.
#[tokio::test]
async fn an_upload_that_was_cut_is_resumed() {
    let kit = Kit::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    let router = kit.router();
    tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
    let begun = kit
        .call(axum::http::Method::POST, "/v2/demo/text/blobs/uploads/", "")
        .await;
    let place = begun.header("location").to_owned();
    let content: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();

    let mut cut = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "PATCH {place} HTTP/1.1\r\nhost: x\r\ncontent-range: 0-199999\r\ncontent-length: {}\r\n\r\n",
        content.len()
    );
    cut.write_all(head.as_bytes()).await.unwrap();
    cut.write_all(&content[..120_000]).await.unwrap();
    cut.flush().await.unwrap();
    let offset = || async {
        let status = kit.get(&place).await;
        let (_, last) = status.header("range").split_once('-').unwrap();
        last.parse::<usize>().unwrap() + 1
    };
    // What was sent before the cut arrives; when, is the network's business.
    drop(cut);
    let arrived = async {
        while offset().await != 120_000 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), arrived)
        .await
        .unwrap();

    let mut go_on = TcpStream::connect(address).await.unwrap();
    let start = 120_000;
    let head = format!(
        "PATCH {place} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-range: {start}-199999\r\ncontent-length: {}\r\n\r\n",
        content.len() - start
    );
    go_on.write_all(head.as_bytes()).await.unwrap();
    go_on.write_all(&content[start..]).await.unwrap();
    let mut answer = String::new();
    go_on.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    let digest = Digest::of(&content);
    let done = kit
        .call(axum::http::Method::PUT, &format!("{place}?digest={digest}"), "")
        .await;
    assert_eq!(done.status, StatusCode::CREATED);
    assert_eq!(
        kit.get(&format!("/v2/demo/text/blobs/{digest}")).await.body,
        content
    );
}

#[tokio::test]
async fn a_critical_advisory_keeps_a_version_out() {
    let kit = Kit::new();
    let advisory: Value = json!({
        "id": "FFSA-2026-0001", "summary": "Writes the token into its log.",
        "affected": [{"package": {"ecosystem": "FlowForge", "name": "demo:text"},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "0.2.0"}]}]}],
        "database_specific": {"severity": "CRITICAL"},
    });
    kit.registry
        .advise(serde_json::from_value(advisory).unwrap())
        .await
        .unwrap();
    let kit = kit.restart(config());
    let bytes = component("demo:text", "0.1.0", "");
    let (code, message) = refusal(&kit, "0.1.0", &bytes, DEMO).await;
    assert_eq!(code, "DENIED");
    assert_eq!(
        message,
        "FFSA-2026-0001: Writes the token into its log. (use 0.2.0 or later)"
    );
    kit.publish("0.2.0").await;
}
