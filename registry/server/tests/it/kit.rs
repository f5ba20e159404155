//! A registry in a temporary folder, components to push, and raw requests.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use bytes::Bytes;
use flowforge_ports::{ConnectorMeta, embed_meta, hollow_component};
use flowforge_protocol::envelope::sign_document;
use flowforge_protocol::publication::PUBLICATION_TYPE;
use flowforge_protocol::publisher::PublisherKeyStatement;
use flowforge_protocol::{ConnectorName, Digest, Publication, SigningKey, TrustRoot};
use flowforge_registry::{Client, Door, NewKey, Registry, RegistryConfig, Visitor};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The publisher `demo`'s key, and that of somebody else.
pub(crate) const DEMO: u8 = 1;
pub(crate) const STRANGER: u8 = 2;

pub(crate) fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

pub(crate) fn trust() -> TrustRoot {
    TrustRoot {
        workspace: "default".to_owned(),
        version: 1,
        release_keys: Vec::new(),
        grant_keys: Vec::new(),
        scheduler_keys: Vec::new(),
        publishers: BTreeMap::from([("demo".to_owned(), vec![key(DEMO).verifying_key()])]),
    }
}

pub(crate) fn name(text: &str) -> ConnectorName {
    text.parse().unwrap()
}

/// What the components of most tests offer.
pub(crate) const LABEL: &str = "export label: func(text: string) -> string;";

/// A component with this world that says nothing of itself.
pub(crate) fn bare(world: &str) -> Vec<u8> {
    let mut resolve = wit_parser::Resolve::default();
    let text = format!("package t:t;\ninterface odd {{ f: func(); }}\nworld w {{\n{world}\n}}\n");
    let package = resolve.push_str("t.wit", &text).unwrap();
    let world = resolve.select_world(&[package], Some("w")).unwrap();
    hollow_component(&resolve, world).unwrap()
}

/// A component that says that it is this version; `summary` makes its bytes differ.
pub(crate) fn component(name: &str, version: &str, summary: &str) -> Bytes {
    component_of(LABEL, name, version, summary)
}

/// The same with this world.
pub(crate) fn component_of(world: &str, name: &str, version: &str, summary: &str) -> Bytes {
    let meta = ConnectorMeta {
        name: name.to_owned(),
        version: version.to_owned(),
        summary: summary.to_owned(),
        ..ConnectorMeta::default()
    };
    embed_meta(&bare(world), &meta).unwrap().into()
}

pub(crate) fn publication(name: &str, version: &str, bytes: &[u8], by: u8) -> String {
    let statement = Publication {
        name: name.parse().unwrap(),
        version: version.to_owned(),
        layer_digest: Digest::of(bytes),
    };
    sign_document(&statement, &key(by)).unwrap()
}

pub(crate) struct Kit {
    pub(crate) folder: TempDir,
    pub(crate) registry: Registry,
    door: Door,
}

/// What the key with this number, signed by that one, says of a publisher's key.
pub(crate) fn key_statement(publisher: &str, of: u8, by: u8) -> String {
    let statement = PublisherKeyStatement {
        publisher: publisher.to_owned(),
        key: key(of).verifying_key(),
    };
    sign_document(&statement, &key(by)).unwrap()
}

/// Makes a publisher that nobody but whoever runs the registry may change.
pub(crate) async fn publisher(registry: &Registry, name: &str, n: u8) {
    let (key, by_itself) = (key(n).verifying_key(), key_statement(name, n, n));
    let first = NewKey {
        key: &key,
        by_itself: &by_itself,
        by_another: None,
    };
    registry
        .create_publisher(name, &Visitor::Operator, first)
        .await
        .unwrap();
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The one error of the answer.
    pub(crate) fn error(&self) -> (String, String) {
        let errors = self.json()["errors"].as_array().unwrap().clone();
        assert_eq!(errors.len(), 1);
        let field = |name: &str| errors[0][name].as_str().unwrap().to_owned();
        (field("code"), field("message"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .unwrap_or_else(|| panic!("no header {name}"))
            .to_str()
            .unwrap()
    }
}

pub(crate) fn config() -> RegistryConfig {
    let mut config = RegistryConfig::new(trust());
    config.now_ms = std::sync::Arc::new(|| 1_764_000_000_000);
    config
}

impl Kit {
    pub(crate) fn new() -> Self {
        Self::with(config())
    }

    pub(crate) fn with(config: RegistryConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path(), config).unwrap();
        Self {
            folder,
            registry,
            door: Door::Open,
        }
    }

    /// The same with a door that asks everybody who they are.
    pub(crate) fn guarded(self) -> Self {
        Self {
            door: Door::Guarded,
            ..self
        }
    }

    pub(crate) fn router(&self) -> Router {
        self.registry.router(self.door)
    }

    /// The same folder, opened anew.
    pub(crate) fn restart(self, config: RegistryConfig) -> Self {
        let Self {
            folder,
            registry,
            door,
        } = self;
        drop(registry);
        let registry = Registry::open(folder.path(), config).unwrap();
        Self {
            folder,
            registry,
            door,
        }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 64 * 1024 * 1024).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    pub(crate) async fn call(&self, method: Method, uri: &str, body: impl Into<Body>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .body(body.into())
            .unwrap();
        self.send(request).await
    }

    pub(crate) async fn get(&self, uri: &str) -> Answer {
        self.call(Method::GET, uri, Body::empty()).await
    }

    /// Pushes a blob in one piece; returns its descriptor.
    pub(crate) async fn blob(&self, repo: &str, kind: &str, bytes: &Bytes) -> Value {
        let digest = Digest::of(bytes);
        let uri = format!("/v2/{repo}/blobs/uploads/?digest={digest}");
        let answer = self.call(Method::POST, &uri, bytes.clone()).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{:?}", answer.body);
        json!({"mediaType": kind, "digest": digest, "size": bytes.len()})
    }

    /// Pushes a component's blobs; returns its manifest, not yet pushed.
    pub(crate) async fn manifest_of(&self, repo: &str, component: &Bytes) -> Value {
        let layer = self.blob(repo, "application/wasm", component).await;
        let config = Bytes::from_static(b"{\"architecture\":\"wasm\"}");
        let config = self
            .blob(repo, "application/vnd.wasm.config.v0+json", &config)
            .await;
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]})
    }

    pub(crate) async fn put_manifest(&self, repo: &str, reference: &str, manifest: &Value) -> Answer {
        let uri = format!("/v2/{repo}/manifests/{reference}");
        self.call(Method::PUT, &uri, manifest.to_string()).await
    }

    /// Pushes a publication that refers to a manifest.
    pub(crate) async fn put_publication(&self, repo: &str, subject: &Value, envelope: &str) -> Answer {
        let statement = self
            .blob(repo, PUBLICATION_TYPE, &envelope.to_owned().into())
            .await;
        let empty = self
            .blob(
                repo,
                "application/vnd.oci.empty.v1+json",
                &Bytes::from_static(b"{}"),
            )
            .await;
        let subject = subject.to_string();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": PUBLICATION_TYPE, "config": empty, "layers": [statement],
            "subject": {"mediaType": MANIFEST, "digest": Digest::of(subject.as_bytes()), "size": subject.len()},
        });
        let digest = Digest::of(manifest.to_string().as_bytes());
        self.put_manifest(repo, &digest.to_string(), &manifest).await
    }

    /// Pushes and publishes a version of `demo:text`; returns its manifest.
    pub(crate) async fn publish(&self, version: &str) -> Value {
        let component = component("demo:text", version, "");
        self.publish_bytes(version, component).await
    }

    /// The same with these bytes.
    pub(crate) async fn publish_bytes(&self, version: &str, component: Bytes) -> Value {
        let manifest = self.manifest_of("demo/text", &component).await;
        let answer = self.put_manifest("demo/text", version, &manifest).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{:?}", answer.body);
        let envelope = publication("demo:text", version, &component, DEMO);
        let answer = self.put_publication("demo/text", &manifest, &envelope).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{:?}", answer.body);
        manifest
    }
}

/// A server on loopback; it ends with the test.
pub(crate) struct Server {
    pub(crate) base: String,
    pub(crate) client: Client,
    _tasks: JoinSet<()>,
}

pub(crate) async fn serve(router: Router) -> Server {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
    Server {
        client: Client::new(&base).unwrap(),
        base,
        _tasks: tasks,
    }
}
