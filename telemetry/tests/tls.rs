//! A collector behind TLS, known by a certificate that the settings name.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test, what cannot go on ends with the reason"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_telemetry::{Given, Service, Settings, Span, SpanKind, Telemetry, TraceContext, View};
use rcgen::CertifiedKey;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// A server that takes everything, with a certificate of its own; that is written to this file.
async fn collector(certificate: &Path, tasks: &mut JoinSet<()>) -> u16 {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let text = STANDARD.encode(cert.der());
    let pem = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
    std::fs::write(certificate, pem).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            take(&acceptor, stream).await;
        }
    });
    port
}

async fn take(acceptor: &TlsAcceptor, stream: TcpStream) {
    // A client that does not trust the certificate hangs up here.
    let Ok(mut stream) = acceptor.accept(stream).await else {
        return;
    };
    let mut request = [0; 16 * 1024];
    let _ = stream.read(&mut request).await;
    let _ = stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .await;
    let _ = stream.shutdown().await;
}

async fn told(port: u16, certificate: Option<&Path>, has: impl Fn(&View) -> bool) -> View {
    let given = Given {
        endpoint: Some(format!("https://127.0.0.1:{port}")),
        bytes_per_second: None,
    };
    let find = |name: &str| match name {
        "OTEL_BSP_SCHEDULE_DELAY" => Some("10".to_owned()),
        "OTEL_METRICS_EXPORTER" | "OTEL_LOGS_EXPORTER" => Some("none".to_owned()),
        "OTEL_EXPORTER_OTLP_CERTIFICATE" => certificate.map(|path| path.display().to_string()),
        _ => None,
    };
    let settings = Settings::read(&given, find).unwrap().unwrap();
    let telemetry = Telemetry::new(settings, Service::default());
    let mut tasks = JoinSet::new();
    tasks.spawn(telemetry.clone().run(CancellationToken::new(), async || true));
    let context: TraceContext = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        .parse()
        .unwrap();
    telemetry.tell_spans(vec![
        Span::new(&context, [1; 8], SpanKind::Internal, (1, 2)).named("x"),
    ]);
    for _ in 0..6_000 {
        let view = telemetry.view();
        if has(&view) {
            return view;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not come to that: {:?}", telemetry.view());
}

#[tokio::test]
async fn only_a_collector_of_a_known_certificate_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = folder.path().join("collector.pem");
    let mut tasks = JoinSet::new();
    let port = collector(&certificate, &mut tasks).await;
    let view = told(port, Some(&certificate), |view| view.spans == 1).await;
    assert_eq!(view.trouble, None);
    let view = told(port, None, |view| view.trouble.is_some()).await;
    let trouble = view.trouble.unwrap();
    assert!(trouble.starts_with("no TLS: "), "{trouble}");
    assert_eq!(view.spans, 0);
}
