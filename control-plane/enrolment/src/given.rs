//! A certificate that the operator has from elsewhere, in the place of one of the own authority's.

use flowforge_protocol::Digest;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Certificates in one file at most.
const MAX_CHAIN: usize = 8;

/// Why files cannot be used as the server's certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GivenError {
    /// No certificate is in it.
    #[error(
        "there is no PEM certificate in it; expected the server's first, and the ones that signed it behind it"
    )]
    NoCertificate,
    /// The one that signed it is missing: hosts could not know it.
    #[error(
        "there is only the server's own certificate in it: put the one that signed it behind it, because that is what hosts \
         know the server by when the server's is renewed"
    )]
    NoSigner,
    /// More than anybody needs.
    #[error("there are more than {MAX_CHAIN} certificates in it")]
    TooMany,
    /// No private key is in it.
    #[error("there is no unencrypted PEM private key in it")]
    NoKey,
}

/// The server's certificate with those that signed it, and its key.
#[derive(Debug)]
pub struct GivenCertificate {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl GivenCertificate {
    /// Reads the contents of two PEM files.
    ///
    /// # Errors
    /// [`GivenError`], for people; it does not name the file.
    pub fn read(chain: &[u8], key: &[u8]) -> Result<Self, GivenError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .take(MAX_CHAIN + 1)
            .collect::<Result<_, _>>()
            .map_err(|_| GivenError::NoCertificate)?;
        match chain.len() {
            0 => return Err(GivenError::NoCertificate),
            1 => return Err(GivenError::NoSigner),
            count if count > MAX_CHAIN => return Err(GivenError::TooMany),
            _ => {}
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| GivenError::NoKey)?;
        Ok(Self { chain, key })
    }

    /// What hosts know the server by: the last certificate of the file.
    #[must_use]
    pub fn anchor(&self) -> Option<Digest> {
        self.chain.last().map(|certificate| Digest::of(certificate))
    }
}
