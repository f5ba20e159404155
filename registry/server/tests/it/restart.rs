//! What survives, and what a damaged folder costs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use flowforge_protocol::Digest;
use flowforge_registry::{OpenError, Registry};
use semver::Version;

use crate::kit::{DEMO, Kit, STRANGER, component, config, key, name, publication, trust};

#[tokio::test]
async fn everything_that_was_confirmed_is_there_after_a_restart() {
    let kit = Kit::new();
    let manifest = kit.publish("0.1.0").await;
    // A version whose file could be taken for an unfinished one, if the names of both were of one kind.
    kit.publish("0.2.0-a.new").await;
    kit.publish("0.2.0").await;
    let before = kit.registry.latest(&name("demo:text")).unwrap();
    let mut later = config();
    later.now_ms = std::sync::Arc::new(|| 1_864_000_000_000);
    let kit = kit.restart(later);
    let after = kit.registry.latest(&name("demo:text")).unwrap();
    assert_eq!(format!("{before:?}"), format!("{after:?}"));
    assert_eq!(
        kit.get("/v2/demo/text/manifests/0.1.0").await.body,
        manifest.to_string()
    );
    assert_eq!(kit.get("/v2/demo/text/manifests/0.2.0-a.new").await.status, 200);
    let bytes = component("demo:text", "0.1.0", "");
    assert_eq!(kit.registry.component(&Digest::of(&bytes)).await.unwrap(), bytes);
    let subject = Digest::of(manifest.to_string().as_bytes());
    let referrers = kit
        .get(&format!("/v2/demo/text/referrers/{subject}"))
        .await
        .json();
    assert_eq!(referrers["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(kit.registry.list().len(), 1);
    // And the version is still taken, for other bytes.
    let other = kit
        .manifest_of("demo/text", &component("demo:text", "0.1.0", "other"))
        .await;
    assert_eq!(
        kit.put_manifest("demo/text", "0.1.0", &other).await.error().0,
        "DENIED"
    );
}

#[tokio::test]
async fn what_no_finished_push_names_is_removed() {
    let kit = Kit::new();
    kit.publish("0.1.0").await;
    let orphan = kit
        .blob("demo/text", "text/plain", &bytes::Bytes::from_static(b"orphan"))
        .await;
    kit.call(axum::http::Method::POST, "/v2/demo/text/blobs/uploads/", "")
        .await;
    let blobs = |kit: &Kit| fs::read_dir(kit.folder.path().join("blobs")).unwrap().count();
    let count = blobs(&kit);
    fs::write(kit.folder.path().join("uploads/new-0"), b"half").unwrap();
    let kit = kit.restart(config());
    assert_eq!(blobs(&kit), count - 1);
    assert_eq!(
        fs::read_dir(kit.folder.path().join("uploads")).unwrap().count(),
        0
    );
    let uri = format!("/v2/demo/text/blobs/{}", orphan["digest"].as_str().unwrap());
    assert_eq!(kit.get(&uri).await.error().0, "BLOB_UNKNOWN");
    assert!(
        kit.registry
            .get(&name("demo:text"), &Version::new(0, 1, 0))
            .is_some()
    );
}

#[tokio::test]
async fn a_key_that_is_no_longer_trusted_unpublishes_what_it_signed() {
    let kit = Kit::new();
    kit.publish("0.1.0").await;
    let mut changed = config();
    changed
        .trust
        .publishers
        .insert("demo".to_owned(), vec![key(STRANGER).verifying_key()]);
    let kit = kit.restart(changed);
    assert!(kit.registry.list().is_empty());
    // The new owner publishes the same bytes.
    let bytes = component("demo:text", "0.1.0", "");
    let manifest = kit.manifest_of("demo/text", &bytes).await;
    assert_eq!(
        kit.put_manifest("demo/text", "0.1.0", &manifest).await.status,
        201
    );
    let envelope = publication("demo:text", "0.1.0", &bytes, STRANGER);
    assert_eq!(
        kit.put_publication("demo/text", &manifest, &envelope)
            .await
            .status,
        201
    );
    assert_eq!(kit.registry.list().len(), 1);
    assert!(
        trust()
            .publisher_keys("demo")
            .contains(&key(DEMO).verifying_key())
    );
}

#[tokio::test]
async fn a_damaged_file_costs_only_what_it_describes() {
    let kit = Kit::new();
    kit.publish("0.1.0").await;
    let manifest = kit.publish("0.2.0").await;
    kit.publish("0.3.0").await;
    let repo = kit.folder.path().join("repos/demo/text");
    fs::write(repo.join("versions/0.1.0.json"), b"{").unwrap();
    let digest = Digest::of(manifest.to_string().as_bytes());
    fs::write(repo.join("manifests").join(digest.hex()), b"changed").unwrap();
    let kit = kit.restart(config());
    let versions = kit.registry.versions(&name("demo:text"));
    assert_eq!(versions.len(), 1);
    assert_eq!(versions[0].version, Version::new(0, 3, 0));
    assert_eq!(
        kit.get(&format!("/v2/demo/text/manifests/{digest}"))
            .await
            .error()
            .0,
        "MANIFEST_UNKNOWN"
    );
}

#[tokio::test]
async fn a_component_changed_on_the_disk_is_not_given_out() {
    let kit = Kit::new();
    kit.publish("0.1.0").await;
    let layer = kit.registry.latest(&name("demo:text")).unwrap().layer_digest;
    fs::write(kit.folder.path().join("blobs").join(layer.hex()), b"changed").unwrap();
    let error = kit.registry.component(&layer).await.unwrap_err();
    assert_eq!(error.code.as_str(), "UNKNOWN");
}

#[tokio::test]
async fn an_interface_that_was_lost_or_is_of_another_version_is_read_again() {
    let kit = Kit::new();
    kit.publish("0.1.0").await;
    let layer = kit.registry.latest(&name("demo:text")).unwrap().layer_digest;
    let file = kit
        .folder
        .path()
        .join("interfaces")
        .join(format!("{}.json", layer.hex()));
    let good = fs::read_to_string(&file).unwrap();
    let other = good
        .replacen(env!("CARGO_PKG_VERSION"), "0.0.0", 1)
        .replace("0.1.0", "9.9.9");
    fs::write(&file, other).unwrap();
    let kit = kit.restart(config());
    assert_eq!(fs::read_to_string(&file).unwrap(), good);
    fs::remove_file(&file).unwrap();
    let kit = kit.restart(config());
    assert_eq!(kit.registry.list().len(), 1);
}

#[test]
fn a_folder_is_open_in_one_process_at_a_time() {
    let kit = Kit::new();
    let again = Registry::open(kit.folder.path(), config());
    assert!(matches!(again.err(), Some(OpenError::Locked { .. })));
    let file = kit.folder.path().join("file");
    fs::write(&file, b"").unwrap();
    let no_folder = Registry::open(&file, config());
    assert!(matches!(no_folder.err(), Some(OpenError::Io { .. })));
}

#[tokio::test]
async fn everything_below_the_folder_is_for_this_user_alone() {
    let kit = Kit::new();
    kit.publish("0.1.0").await;
    let mut folders = vec![kit.folder.path().to_owned()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            if entry.file_type().unwrap().is_dir() {
                assert_eq!(mode, 0o700, "{}", entry.path().display());
                folders.push(entry.path());
            } else {
                assert_eq!(mode, 0o600, "{}", entry.path().display());
                files += 1;
            }
        }
    }
    assert!(files > 3, "{files} files");
}
