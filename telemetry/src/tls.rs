//! The connection to a collector: in clear, or by TLS with the machine's certificate authorities and one more.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

/// Either way.
pub(crate) type Line = Pin<Box<dyn Wire>>;

/// Bytes both ways.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Wire for T {}

/// Opens connections.
#[derive(Default)]
pub(crate) struct Dialer {
    certificate: Option<PathBuf>,
    /// Made at the first `https` request.
    tls: OnceLock<Result<TlsConnector, String>>,
}

impl Dialer {
    /// With the certificates of this file, too.
    pub(crate) fn new(certificate: Option<PathBuf>) -> Self {
        Self {
            certificate,
            tls: OnceLock::new(),
        }
    }

    /// A connection to the place of this address.
    ///
    /// # Errors
    /// Why there is none, for people.
    pub(crate) async fn connect(&self, url: &Url) -> Result<Line, String> {
        let port = url.port_or_known_default().unwrap_or(4318);
        let (address, name) = match url.host() {
            Some(Host::Domain(name)) => (
                name.to_owned(),
                ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?,
            ),
            Some(Host::Ipv4(ip)) => (ip.to_string(), ServerName::from(IpAddr::V4(ip))),
            Some(Host::Ipv6(ip)) => (ip.to_string(), ServerName::from(IpAddr::V6(ip))),
            None => return Err("the address has no name".to_owned()),
        };
        let tcp = TcpStream::connect((address, port))
            .await
            .map_err(|error| format!("no connection: {error}"))?;
        if url.scheme() != "https" {
            return Ok(Box::pin(tcp));
        }
        let made = self.tls.get_or_init(|| connector(self.certificate.as_deref()));
        let connector = made.clone()?;
        let tls = connector
            .connect(name, tcp)
            .await
            .map_err(|error| format!("no TLS: {error}"))?;
        Ok(Box::pin(tls))
    }
}

fn connector(certificate: Option<&Path>) -> Result<TlsConnector, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut extra = Vec::new();
    if let Some(path) = certificate {
        let cannot = |error: rustls::pki_types::pem::Error| format!("{}: {error}", path.display());
        for found in CertificateDer::pem_file_iter(path).map_err(cannot)? {
            extra.push(found.map_err(cannot)?);
        }
    }
    let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(extra, Arc::clone(&provider))
        .map_err(|error| format!("no certificate roots: {error}"))?;
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
