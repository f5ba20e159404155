use std::os::unix::fs::PermissionsExt as _;

use flowforge_protocol::{Digest, FailureKind};
use flowforge_runtime::artefacts::{ArtefactError, ArtefactStore as _, FileStore, Quota};
use serde_json::{Value, json};

use crate::guests::{archivist, sender};
use crate::server::Server;
use crate::support::Bench;

#[tokio::test]
async fn a_guest_makes_an_artefact_and_another_reads_it() {
    let bench = Bench::new();
    let archivist = bench.load(&archivist()).await;
    let made = bench
        .output(&archivist, "make", json!({"name": "a.txt", "content": "hello"}))
        .await;
    let digest = Digest::of(b"hello");
    assert_eq!(
        made,
        json!({"digest": digest.to_string(), "name": "a.txt", "media_type": "text/plain", "size": 5})
    );
    assert_eq!(
        std::fs::read(bench.services.store().path(&digest)).expect("is there"),
        b"hello"
    );
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).expect("is there").permissions().mode() & 0o777;
    let path = bench.services.store().path(&digest);
    assert_eq!(
        (mode(&path), path.parent().map(mode)),
        (0o600, Some(0o700)),
        "what steps made is for this user alone"
    );
    assert_eq!(
        bench.output(&archivist, "read", json!({"artefact": made})).await,
        json!("hello")
    );
    assert_eq!(bench.services.effects(), []);
}

#[tokio::test]
async fn an_artefact_that_did_not_come_in_by_a_port_cannot_be_opened() {
    let bench = Bench::new();
    let archivist = bench.load(&archivist()).await;
    let made = bench
        .output(&archivist, "make", json!({"name": "a.txt", "content": "hello"}))
        .await;
    let failure = bench
        .failure(&archivist, "open_named", json!({"digest": made["digest"]}))
        .await;
    assert_eq!(
        failure.code.as_deref(),
        Some("not_granted"),
        "{}",
        failure.message
    );
    let failure = bench
        .failure(&archivist, "forge", json!({"digest": made["digest"]}))
        .await;
    assert_eq!(failure.kind, FailureKind::Internal);
    assert!(
        failure.message.contains("neither got nor made"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn a_wrong_artefact_value_is_refused_with_its_path() {
    let bench = Bench::new();
    let archivist = bench.load(&archivist()).await;
    let failure = bench
        .failure(
            &archivist,
            "read",
            json!({"artefact": {"digest": "md5:00", "name": "a", "media_type": "b", "size": 1}}),
        )
        .await;
    assert_eq!(
        (failure.kind, failure.path.as_deref()),
        (FailureKind::Invalid, Some("artefact"))
    );
    let absent =
        json!({"digest": Digest::of(b"absent").to_string(), "name": "a", "media_type": "b", "size": 1});
    let failure = bench
        .failure(&archivist, "read", json!({"artefact": absent}))
        .await;
    assert!(
        failure.message.contains("is not on this host"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn artefacts_have_limits_in_size_name_and_number() {
    let mut bench = Bench::new();
    let archivist = bench.load(&archivist()).await;
    bench.limits.artefact_bytes = 4;
    let make = async |bench: &Bench, name: &str, content: &str| {
        let input = json!({"name": name, "content": content});
        bench
            .call(&archivist, "make", input)
            .await
            .map_err(|error| error.to_string())
    };
    assert!(make(&bench, "a", "1234").await.is_ok());
    assert!(
        make(&bench, "a", "12345")
            .await
            .expect_err("is refused")
            .contains("too_large")
    );
    for name in ["../a", "a/b", "", ".."] {
        assert!(
            make(&bench, name, "1")
                .await
                .expect_err("is refused")
                .contains("not a file name"),
            "{name}"
        );
    }
    bench.limits.resources = 16;
    let failure = bench.failure(&archivist, "hoard", Value::Null).await;
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::Limit, "the connector holds more than 16 resources")
    );
    let unfinished = bench.folder.path().join("artefacts/tmp");
    assert_eq!(std::fs::read_dir(unfinished).expect("is there").count(), 0);
}

#[tokio::test]
async fn a_response_can_be_saved_and_an_artefact_sent() {
    let server = Server::answering("200 OK", "content-type: image/png\r\n", &[9; 100_000]).await;
    let bench = Bench::on_loopback().allow(&server.destination());
    let sender = bench.load(&sender()).await;
    let get = json!({"request": {"method": "GET", "url": server.destination(), "headers": [], "save_as": "pic.png"}});
    let output = bench.output(&sender, "send", get).await;
    let artefact = &output["body"]["value"];
    assert_eq!(artefact["digest"], json!(Digest::of(&[9; 100_000]).to_string()));
    assert_eq!(
        (&artefact["name"], &artefact["media_type"]),
        (&json!("pic.png"), &json!("image/png"))
    );
    let put = json!({"request": {"method": "PUT", "url": server.destination(), "headers": [], "body": {"kind": "artefact", "value": artefact}}});
    assert_eq!(bench.output(&sender, "send", put).await["status"], 200);
    let sent = server.requests().pop().expect("one");
    assert_eq!(sent.matches('\u{9}').count(), 100_000);
}

#[tokio::test]
async fn a_store_removes_what_an_earlier_process_left_unfinished() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = FileStore::open(folder.path()).expect("opens");
    let mut writer = store.create().await.expect("begins");
    writer.write(b"half").await.expect("writes");
    std::mem::forget(writer);
    let store = FileStore::open(folder.path()).expect("opens");
    assert_eq!(
        std::fs::read_dir(folder.path().join("tmp"))
            .expect("is there")
            .count(),
        0
    );
    let absent = Digest::of(b"half");
    assert!(!store.contains(&absent));
    assert!(matches!(store.open(&absent).await, Err(ArtefactError::Absent(digest)) if digest == absent));
    store.remove(&absent).expect("removing what is not there is fine");
}

/// With `save-as`, a disk that failed after the response had come was told as "nothing was sent", so a payment was sent
/// again.
#[tokio::test]
async fn a_response_that_cannot_be_stored_is_never_told_as_unsent() {
    let server = Server::answering("200 OK", "", &[9; 1000]).await;
    let mut bench = Bench::on_loopback().allow(&server.destination());
    let sender = bench.load(&sender()).await;
    let post = json!({"request": {"method": "POST", "url": server.destination(), "headers": [], "save_as": "a.bin"}});
    bench.limits.artefacts_bytes = 999;
    let failure = bench.failure(&sender, "send", post.clone()).await;
    assert_eq!(failure.code.as_deref(), Some("not_kept"), "{}", failure.message);
    bench.limits.artefacts_bytes = 1000;
    // What was refused was given back.
    assert_eq!(
        bench.output(&sender, "send", post.clone()).await["status"],
        json!(200)
    );
    std::fs::remove_dir_all(bench.folder.path().join("artefacts/tmp")).expect("is there");
    let failure = bench.failure(&sender, "send", post).await;
    assert_eq!(failure.code.as_deref(), Some("storage"), "{}", failure.message);
}

#[tokio::test]
async fn artefacts_have_a_quota_in_the_attempt_and_in_the_run() {
    let mut bench = Bench::new();
    let archivist = bench.load(&archivist()).await;
    *bench.services.quota.lock().expect("no panic") = Some(std::sync::Arc::new(Quota::new("run", 10)));
    let make = |content: &str| json!({"name": "a", "content": content});
    bench.output(&archivist, "make", make("12345678")).await;
    let failure = bench.failure(&archivist, "make", make("abc")).await;
    assert_eq!(failure.code.as_deref(), Some("quota"));
    assert!(
        failure.message.contains("this run would take more than 10 bytes"),
        "{}",
        failure.message
    );
    bench.output(&archivist, "make", make("ab")).await;
    bench.limits.artefacts_bytes = 4;
    let failure = bench.failure(&archivist, "make", make("12345")).await;
    assert!(
        failure
            .message
            .contains("this attempt would take more than 4 bytes"),
        "{}",
        failure.message
    );
}
