//! Clients that others wrote, against our registry on loopback: open, and with accounts.

use flowforge_protocol::Digest;
use flowforge_registry::Client;

use crate::access::guarded;
use crate::kit::{DEMO, Kit, Server, component, name, publication, serve};
use crate::programs::{done, python_with_oras, run};

/// A registry with a published version, and its address as these clients write it.
async fn served(kit: &Kit) -> (Server, String) {
    let server = serve(kit.router()).await;
    let address = server.base.replace("http://", "");
    (server, address)
}

/// Runs a program on a thread of its own, so that the registry goes on serving.
async fn in_background<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_copies_a_version_out_and_in_again() {
    let kit = Kit::new();
    let (server, address) = served(&kit).await;
    let bytes = component("demo:text", "0.1.0", "skopeo");
    let envelope = publication("demo:text", "0.1.0", &bytes, DEMO);
    let pushed = server.client.push(bytes.clone(), &envelope).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let layout = format!("oci:{}:0.1.0", folder.path().display());

    let from = format!("docker://{address}/demo/text:0.1.0");
    let out = layout.clone();
    in_background(move || {
        done(
            "skopeo",
            &["copy", "--insecure-policy", "--src-tls-verify=false", &from, &out],
        )
    })
    .await;
    let copied = std::fs::read(folder.path().join("blobs/sha256").join(Digest::of(&bytes).hex())).unwrap();
    assert_eq!(copied, bytes);
    let manifest = folder
        .path()
        .join("blobs/sha256")
        .join(pushed.manifest_digest.hex());
    assert!(manifest.is_file(), "the manifest came with its own digest");

    // Into another registry: pushed, and published as soon as its owner's statement is there.
    let other = Kit::new();
    let (server, address) = served(&other).await;
    let to = format!("docker://{address}/demo/text:0.1.0");
    in_background(move || {
        done(
            "skopeo",
            &[
                "copy",
                "--insecure-policy",
                "--dest-tls-verify=false",
                &layout,
                &to,
            ],
        )
    })
    .await;
    assert!(other.registry.list().is_empty(), "nobody signed it there");
    let again = server.client.push(bytes, &envelope).await.unwrap();
    assert_eq!(again, pushed);
    let place = format!("docker://{address}/demo/text");
    let tags = in_background(move || done("skopeo", &["list-tags", "--tls-verify=false", &place])).await;
    assert!(tags.contains("\"0.1.0\""), "{tags}");
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_signs_in_with_a_token() {
    let kit = guarded(false).await;
    let (_server, address) = served(&kit).await;
    let folder = tempfile::tempdir().unwrap();
    let source = Kit::new();
    let (server, elsewhere) = served(&source).await;
    let bytes = component("demo:text", "0.1.0", "");
    let envelope = publication("demo:text", "0.1.0", &bytes, DEMO);
    server.client.push(bytes, &envelope).await.unwrap();
    let copy = |to: String, credentials: String| {
        let from = format!("docker://{elsewhere}/demo/text:0.1.0");
        let auth = folder.path().join("auth.json").display().to_string();
        in_background(move || {
            let tls = ["--src-tls-verify=false", "--dest-tls-verify=false"];
            run(
                "skopeo",
                &[
                    "copy",
                    "--insecure-policy",
                    "--authfile",
                    &auth,
                    tls[0],
                    tls[1],
                    "--dest-creds",
                    &credentials,
                    &from,
                    &to,
                ],
            )
        })
    };
    let to = format!("docker://{address}/demo/text:0.1.0");
    let account = |name: &str| format!("{name}:{}", kit.password(name));
    let good = copy(to.clone(), account("robot")).await;
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    let wrong = copy(to, "robot:wrong".to_owned()).await;
    assert!(!wrong.status.success());
    let foreign = copy(format!("docker://{address}/demo/text:0.2.0"), account("other")).await;
    assert!(!foreign.status.success());
    assert!(
        String::from_utf8_lossy(&foreign.stderr).contains("denied"),
        "{foreign:?}"
    );
}

/// Pushes a file as a component, and pulls a version.
const ORAS: &str = r#"
import sys, os
import oras.client
action, target, path, account = sys.argv[1:5]
client = oras.client.OrasClient(insecure=True, tls_verify=False)
if account:
    name, password = account.split(":")
    client.auth.set_basic_auth(name, password)
if action == "push":
    os.chdir(os.path.dirname(path))
    answer = client.push(target, files=[os.path.basename(path) + ":application/wasm"], do_chunked=True, chunk_size=64)
    assert answer.status_code == 201, answer.status_code
else:
    for file in client.pull(target, outdir=path):
        print(file)
"#;

#[tokio::test(flavor = "multi_thread")]
async fn oras_pushes_and_pulls() {
    let python = python_with_oras();
    let guarded = guarded(false).await;
    let robot = format!("robot:{}", guarded.password("robot"));
    for (kit, account) in [(Kit::new(), String::new()), (guarded.kit, robot)] {
        let (server, address) = served(&kit).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("text.wasm");
        let bytes = component("demo:text", "0.1.0", "oras");
        std::fs::write(&file, &bytes).unwrap();
        let oras = |action: &'static str, path: std::path::PathBuf| {
            let (python, target) = (python.clone(), format!("{address}/demo/text:0.1.0"));
            let account = account.clone();
            in_background(move || {
                done(
                    &python,
                    &["-c", ORAS, action, &target, &path.display().to_string(), &account],
                )
            })
        };
        oras("push", file.clone()).await;
        assert!(kit.registry.list().is_empty(), "nobody signed it");
        let envelope = publication("demo:text", "0.1.0", &bytes, DEMO);
        if account.is_empty() {
            server.client.push(bytes.clone(), &envelope).await.unwrap();
        } else {
            publish_as(&server, &account, &bytes, &envelope).await;
        }
        assert_eq!(kit.registry.versions(&name("demo:text")).len(), 1);
        let into = folder.path().join("pulled");
        oras("pull", into.clone()).await;
        assert_eq!(std::fs::read(into.join("text.wasm")).unwrap(), bytes);
    }
}

/// Our client with an account's name and password.
async fn publish_as(server: &Server, account: &str, bytes: &bytes::Bytes, envelope: &str) {
    let (user, password) = account.split_once(':').unwrap();
    let client = Client::new(&server.base)
        .unwrap()
        .with_account(user, password)
        .unwrap();
    client.push(bytes.clone(), envelope).await.unwrap();
    let pulled = client.pull(&name("demo:text"), "0.1.0").await.unwrap();
    assert_eq!(pulled.publications, [envelope]);
}
