//! HTTPS: the certificate must be for the name that was granted, whatever the address.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use flowforge_protocol::Failure;
use flowforge_runtime::{EgressPolicy, Resolve};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::egress::request;
use crate::guests::sender;
use crate::support::Bench;

const ROOT: &[u8] = include_bytes!("tls/root.der");
const CERTIFICATE: &[u8] = include_bytes!("tls/server.der");
const KEY: &[u8] = include_bytes!("tls/server.key.der");

/// Every name is this machine.
struct Local;

#[async_trait]
impl Resolve for Local {
    async fn resolve(&self, _name: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(vec![[127, 0, 0, 1].into()])
    }
}

/// A server for `secure.example` that answers `200` to everyone. Gives its port.
async fn server(tasks: &mut JoinSet<()>) -> u16 {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(CERTIFICATE)],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(KEY)),
        )
        .expect("the key belongs to the certificate");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            answer(&acceptor, stream).await;
        }
    });
    port
}

async fn answer(acceptor: &TlsAcceptor, stream: TcpStream) {
    // A client that does not trust the certificate hangs up here.
    let Ok(mut stream) = acceptor.accept(stream).await else {
        return;
    };
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await;
    let _ = stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .await;
    let _ = stream.shutdown().await;
}

fn bench(extra_roots: Vec<Vec<u8>>, place: &str) -> Bench {
    Bench::with(|config| {
        config.egress = EgressPolicy {
            loopback: true,
            extra_roots,
            resolver: Some(Arc::new(Local)),
            ..EgressPolicy::default()
        }
    })
    .allow(place)
}

async fn refusal(bench: &Bench, request: Value) -> Failure {
    let sender = bench.load(&sender()).await;
    bench.failure(&sender, "send", request).await
}

#[tokio::test]
async fn a_trusted_server_of_the_right_name_is_spoken_to() {
    let mut tasks = JoinSet::new();
    let place = format!("https://secure.example:{}", server(&mut tasks).await);
    let bench = bench(vec![ROOT.to_vec()], &place);
    let sender = bench.load(&sender()).await;
    let invoked = bench
        .call(&sender, "send", request("GET", &place))
        .await
        .expect("works");
    assert_eq!(invoked.output["status"], 200);
    assert_eq!(invoked.usage.used, [crate::support::used(&place, None, 1)]);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let mut tasks = JoinSet::new();
    let place = format!("https://other.example:{}", server(&mut tasks).await);
    let failure = refusal(&bench(vec![ROOT.to_vec()], &place), request("GET", &place)).await;
    assert_eq!(
        failure.code.as_deref(),
        Some("unreachable"),
        "{}",
        failure.message
    );
    assert!(
        failure.message.contains("its certificate is for another name"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn a_certificate_of_an_unknown_root_is_refused() {
    let mut tasks = JoinSet::new();
    let place = format!("https://secure.example:{}", server(&mut tasks).await);
    let failure = refusal(&bench(Vec::new(), &place), request("GET", &place)).await;
    assert_eq!(
        failure.code.as_deref(),
        Some("unreachable"),
        "{}",
        failure.message
    );
    assert!(
        failure.message.contains("signed by nobody who is trusted here"),
        "{}",
        failure.message
    );
}
