//! Names to judged addresses to connections. Nothing else in the workspace opens a socket for a connector or an endpoint.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Host;

use crate::{Connection, Destination, EgressPolicy, Resolve, words};

/// Longest time for a name, and for one connection with its TLS handshake.
const RESOLVE_TIME_MAX: Duration = Duration::from_secs(10);
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);

/// Most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// Why there is no connection. Nothing was sent in any case.
#[derive(Debug)]
pub enum DialError {
    /// Every address is blocked.
    Blocked(String),
    /// No answer.
    Unreachable(String),
}

/// Opens connections by the policy.
pub struct Dialer {
    policy: EgressPolicy,
    resolver: Arc<dyn Resolve>,
    /// Made at the first `https` request: reading the platform's roots takes milliseconds.
    tls: OnceLock<Result<TlsConnector, String>>,
}

impl Dialer {
    /// By this policy; nothing is opened yet.
    #[must_use]
    pub fn new(policy: EgressPolicy) -> Self {
        let resolver = policy
            .resolver
            .clone()
            .unwrap_or_else(|| Arc::new(SystemResolver));
        Self {
            policy,
            resolver,
            tls: OnceLock::new(),
        }
    }

    /// A connection to one of the destination's judged addresses.
    ///
    /// # Errors
    /// See [`DialError`].
    pub async fn connect(&self, destination: &Destination) -> Result<Connection, DialError> {
        if let Some(other) = &self.policy.dial {
            let connection = other.dial(&destination.to_string()).await;
            return connection.map_err(DialError::Unreachable);
        }
        let addresses = self.judged_addresses(destination).await?;
        let mut last = String::new();
        for address in addresses {
            match tokio::time::timeout(CONNECT_TIME_MAX, self.connect_to(destination, address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(reason)) => last = reason,
                Err(_) => last = format!("no connection within {} s", CONNECT_TIME_MAX.as_secs()),
            }
        }
        Err(DialError::Unreachable(format!("{destination}: {last}")))
    }

    /// Resolves once. The addresses that are judged here are the ones that are dialled.
    async fn judged_addresses(&self, destination: &Destination) -> Result<Vec<SocketAddr>, DialError> {
        let found: Vec<IpAddr> = match &destination.host {
            Host::Ipv4(address) => vec![IpAddr::V4(*address)],
            Host::Ipv6(address) => vec![IpAddr::V6(*address)],
            Host::Domain(name) => {
                let unreachable = |reason: String| DialError::Unreachable(format!("{destination}: {reason}"));
                match tokio::time::timeout(RESOLVE_TIME_MAX, self.resolver.resolve(name)).await {
                    Ok(Ok(addresses)) if addresses.is_empty() => {
                        return Err(unreachable("the name has no address".to_owned()));
                    }
                    Ok(Ok(addresses)) => addresses,
                    Ok(Err(_)) => return Err(unreachable("the name cannot be resolved".to_owned())),
                    Err(_) => return Err(unreachable("the name server does not answer".to_owned())),
                }
            }
        };
        let mut open = Vec::with_capacity(found.len().min(ADDRESSES_MAX));
        let mut blocked = None;
        for address in found {
            let socket = SocketAddr::new(address, destination.port);
            match self.policy.judge(socket) {
                Ok(()) if open.len() < ADDRESSES_MAX => open.push(socket),
                Ok(()) => {}
                Err(reason) => blocked = Some(format!("{destination}, whose address {address} is {reason}")),
            }
        }
        match (open.is_empty(), blocked) {
            (true, Some(reason)) => Err(DialError::Blocked(reason)),
            _ => Ok(open),
        }
    }

    async fn connect_to(&self, destination: &Destination, address: SocketAddr) -> Result<Connection, String> {
        let tcp = TcpStream::connect(address)
            .await
            .map_err(|error| words::of_connect(&error))?;
        tcp.set_nodelay(true).map_err(|error| words::of_connect(&error))?;
        if !destination.secure {
            return Ok(Box::pin(tcp));
        }
        let connector = self
            .tls
            .get_or_init(|| tls_connector(&self.policy.extra_roots))
            .clone()?;
        let name = match &destination.host {
            Host::Domain(name) => ServerName::try_from(name.clone())
                .map_err(|_| "no certificate can be for such a name".to_owned())?,
            Host::Ipv4(address) => ServerName::from(IpAddr::V4(*address)),
            Host::Ipv6(address) => ServerName::from(IpAddr::V6(*address)),
        };
        let tls = connector
            .connect(name, tcp)
            .await
            .map_err(|error| words::of_tls(&error))?;
        Ok(Box::pin(tls))
    }
}

fn tls_connector(extra_roots: &[Vec<u8>]) -> Result<TlsConnector, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = extra_roots.iter().map(|der| CertificateDer::from(der.clone()));
    let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(roots, provider.clone());
    let verifier = verifier.map_err(|error| format!("no certificate roots: {error}"))?;
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The system's resolver.
struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, name: &str) -> std::io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(found.map(|socket| socket.ip()).collect())
    }
}
