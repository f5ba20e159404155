//! Opening a connection to the control plane: to its address or through a proxy, in clear on this machine, else by TLS 1.3.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use flowforge_protocol::Digest;
use futures::future::BoxFuture;
use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::pin::{ForeignIssuer, Pinned};
use super::proxy::{ConnectRefused, Proxy};
use crate::clock::Clock;

/// How long one address may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a proxy may take to connect, and a TLS handshake to end.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no connection. Each message says what to do where something can be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// The address is none.
    #[error("`{0}` is no address of a control plane")]
    Address(String),
    /// The name is not known.
    #[error("the name {name} has no address here: {source}")]
    Name {
        /// The name.
        name: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Nobody answers.
    #[error("{address}: {source}")]
    Connect {
        /// Name and port.
        address: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It took too long.
    #[error("{what} took longer than {} s", HANDSHAKE_TIMEOUT.as_secs())]
    TooLong {
        /// What took so long.
        what: &'static str,
    },
    /// The proxy cannot be reached.
    #[error("the proxy {proxy} cannot be reached: {source}")]
    ProxyAway {
        /// The proxy.
        proxy: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The proxy gave no connection.
    #[error("the proxy {proxy}: {source}")]
    Proxy {
        /// The proxy.
        proxy: String,
        /// Why.
        #[source]
        source: ConnectRefused,
    },
    /// TLS was not agreed on.
    #[error("{}", tls_words(.target, .source))]
    Tls {
        /// Name and port.
        target: String,
        /// What the library says.
        source: io::Error,
    },
}

/// What is wrong with TLS, for people.
fn tls_words(target: &str, error: &io::Error) -> String {
    use rustls::CertificateError as Certificate;
    let found = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match found {
        Some(rustls::Error::InvalidCertificate(Certificate::Other(other))) => {
            match other.0.downcast_ref::<ForeignIssuer>() {
                Some(foreign) => format!(
                    "{target}: {foreign}; if something on the way inspects TLS, exempt {target} from it: an inspecting proxy \
                     is not trusted, whatever authorities this machine trusts"
                ),
                None => format!("{target}: {other}"),
            }
        }
        Some(rustls::Error::InvalidCertificate(Certificate::NotValidYetContext { time, not_before })) => {
            format!(
                "{target}: this machine's clock is {} behind the moment from which the server's certificate is good; set it first",
                span(not_before.as_secs().saturating_sub(time.as_secs()))
            )
        }
        Some(rustls::Error::InvalidCertificate(Certificate::ExpiredContext { time, not_after })) => format!(
            "{target}: the server's certificate ended {} ago by this machine's clock; set the clock, or renew the certificate",
            span(time.as_secs().saturating_sub(not_after.as_secs()))
        ),
        Some(rustls::Error::InvalidCertificate(
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
        )) => format!("{target}: the server's certificate is for another name"),
        Some(rustls::Error::AlertReceived(alert)) => format!("{target} ended the TLS handshake: {alert:?}"),
        Some(rustls::Error::InvalidMessage(_)) => format!("{target}: what answers there does not speak TLS"),
        Some(other) => format!("{target}: {other}"),
        None => format!("{target}: the connection broke in the TLS handshake: {error}"),
    }
}

fn span(seconds: u64) -> String {
    match seconds {
        0..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// TLS cannot be done with what is here.
#[derive(Debug, thiserror::Error)]
#[error(
    "this host's certificate and key are of no use for TLS; restore keys/link.json from a backup, or enrol anew"
)]
pub struct TlsSetupError(#[from] rustls::Error);

/// What TLS is done with.
#[derive(Clone)]
pub(crate) struct TlsParts {
    /// What the invitation named.
    pub(crate) anchor: Digest,
    /// This host's certificate and its key, DER; none before it has one.
    pub(crate) own: Option<(Vec<u8>, Arc<PrivateKeyDer<'static>>)>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The host's clock, in the words of the library.
#[derive(Clone)]
struct HostTime(Arc<dyn Clock>);

impl std::fmt::Debug for HostTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HostTime")
    }
}

impl TimeProvider for HostTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(self.0.now_ms())))
    }
}

impl TlsParts {
    /// The settings of a client.
    pub(crate) fn config(&self) -> Result<ClientConfig, TlsSetupError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = Pinned::new(self.anchor, Arc::clone(&provider));
        let builder =
            ClientConfig::builder_with_details(provider, Arc::new(HostTime(Arc::clone(&self.clock))))
                .with_protocol_versions(&[&rustls::version::TLS13])?
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match &self.own {
            Some((certificate, key)) => {
                let chain = vec![CertificateDer::from(certificate.clone())];
                builder.with_client_auth_cert(chain, key.clone_key())?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = rustls::client::Resumption::disabled();
        Ok(config)
    }
}

/// Opens connections.
#[derive(Clone, Default)]
pub(crate) struct Dialer {
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) proxy: Option<Proxy>,
}

impl Dialer {
    async fn dial(self, uri: Uri) -> Result<TokioIo<Wire>, DialError> {
        let wrong = || DialError::Address(uri.to_string());
        let host = uri.host().ok_or_else(wrong)?.trim_matches(['[', ']']).to_owned();
        let default_port = if self.tls.is_some() { 443 } else { 80 };
        let port = uri.port_u16().unwrap_or(default_port);
        let target = match host.contains(':') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        };
        let stream = match &self.proxy {
            Some(proxy) => through(proxy, &target).await?,
            None => reach(&host, port).await?,
        };
        let Some(tls) = self.tls else {
            return Ok(TokioIo::new(Wire::Clear(stream)));
        };
        let name = ServerName::try_from(host).map_err(|_| wrong())?;
        let shaken =
            tokio::time::timeout(HANDSHAKE_TIMEOUT, TlsConnector::from(tls).connect(name, stream)).await;
        let stream = shaken
            .map_err(|_| DialError::TooLong {
                what: "the TLS handshake",
            })?
            .map_err(|source| DialError::Tls { target, source })?;
        Ok(TokioIo::new(Wire::Tls(Box::new(stream))))
    }
}

/// A connection to the first address of a name that answers.
async fn reach(host: &str, port: u16) -> Result<TcpStream, DialError> {
    let addresses = tokio::net::lookup_host((host, port))
        .await
        .map_err(|source| DialError::Name {
            name: host.to_owned(),
            source,
        })?;
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Calls are small and awaited; a failure costs latency only.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(DialError::Connect {
        address: format!("{host}:{port}"),
        source: last,
    })
}

async fn through(proxy: &Proxy, target: &str) -> Result<TcpStream, DialError> {
    let away = |source| DialError::ProxyAway {
        proxy: proxy.to_string(),
        source,
    };
    let mut stream = match reach(&proxy.host, proxy.port).await {
        Ok(stream) => stream,
        Err(DialError::Name { source, .. } | DialError::Connect { source, .. }) => return Err(away(source)),
        Err(other) => return Err(other),
    };
    let connected = tokio::time::timeout(HANDSHAKE_TIMEOUT, proxy.connect(&mut stream, target)).await;
    connected
        .map_err(|_| DialError::TooLong { what: "the proxy" })?
        .map_err(|source| DialError::Proxy {
            proxy: proxy.to_string(),
            source,
        })?;
    Ok(stream)
}

impl tower::Service<Uri> for Dialer {
    type Response = TokioIo<Wire>;
    type Error = DialError;
    type Future = BoxFuture<'static, Result<TokioIo<Wire>, DialError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().dial(uri))
    }
}

/// An open connection.
pub(crate) enum Wire {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_write_vectored(context, pieces),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Clear(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
