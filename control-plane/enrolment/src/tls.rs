//! TLS of the hosts' listener: 1.3 only, certificates of hosts asked for and checked against the own authority.

use std::sync::{Arc, PoisonError, RwLock};

use flowforge_protocol::SigningKey;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, ServerConfig, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;

use crate::authority::{Authority, AuthorityError, private_key};
use crate::given::GivenCertificate;

/// Why the listener has no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Certificate and key do not fit each other, or the library does not take them.
    #[error("certificate and key cannot be used together")]
    Identity(#[source] rustls::Error),
    /// The key is none.
    #[error(transparent)]
    Key(#[from] AuthorityError),
    /// Certificates of hosts cannot be checked.
    #[error("certificates of hosts cannot be checked: {0}")]
    Verifier(String),
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// What the server shows; it is replaced while the listener is open.
#[derive(Debug)]
pub struct ServerIdentity {
    shown: RwLock<Arc<CertifiedKey>>,
}

impl ServerIdentity {
    /// A certificate of the own authority's, with the authority's behind it, so that hosts find what they know.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn own(authority: &Authority, certificate: Vec<u8>, key: &SigningKey) -> Result<Self, TlsError> {
        let shown = own(authority, certificate, key)?;
        Ok(Self {
            shown: RwLock::new(Arc::new(shown)),
        })
    }

    /// The operator's.
    ///
    /// # Errors
    /// [`TlsError::Identity`].
    pub fn given(given: &GivenCertificate) -> Result<Self, TlsError> {
        let shown = CertifiedKey::from_der(given.chain.clone(), given.key.clone_key(), &provider());
        Ok(Self {
            shown: RwLock::new(Arc::new(shown.map_err(TlsError::Identity)?)),
        })
    }

    /// From now on another certificate of the own authority's is shown.
    ///
    /// # Errors
    /// [`TlsError`]; the one before is shown on then.
    pub fn replace(
        &self,
        authority: &Authority,
        certificate: Vec<u8>,
        key: &SigningKey,
    ) -> Result<(), TlsError> {
        let shown = own(authority, certificate, key)?;
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(shown);
        Ok(())
    }
}

fn own(authority: &Authority, certificate: Vec<u8>, key: &SigningKey) -> Result<CertifiedKey, TlsError> {
    let chain = vec![CertificateDer::from(certificate), authority.certificate().clone()];
    CertifiedKey::from_der(chain, private_key(key)?, &provider()).map_err(TlsError::Identity)
}

impl ResolvesServerCert for ServerIdentity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(
            &self.shown.read().unwrap_or_else(PoisonError::into_inner),
        ))
    }
}

/// Settings of the hosts' listener. A caller without a certificate gets in too: it may ask for one, and the doors behind
/// this let it do nothing else. Whether a certificate has ended is judged by `time`. No session is resumed, so that every connection shows its certificate anew.
///
/// # Errors
/// [`TlsError::Verifier`].
pub fn server_config(
    authority: &Authority,
    identity: Arc<ServerIdentity>,
    time: Arc<dyn TimeProvider>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let verifier_error = |error: &dyn std::fmt::Display| TlsError::Verifier(error.to_string());
    let mut roots = RootCertStore::empty();
    roots
        .add(authority.certificate().clone())
        .map_err(|error| verifier_error(&error))?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .allow_unauthenticated()
        .build()
        .map_err(|error| verifier_error(&error))?;
    let mut config = ServerConfig::builder_with_details(provider(), time)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(TlsError::Identity)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(identity);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
