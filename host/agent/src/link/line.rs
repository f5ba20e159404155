//! The hosts' line as this host is on it: what it knows the control plane by, what it shows, and the way there.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use flowforge_protocol::Digest;

use super::control::CertificateLife;
use super::credential::{Credential, CredentialError};
use super::dial::{Dialer, TlsParts, TlsSetupError};
use super::proxy::Proxy;
use crate::clock::Clock;

/// The way to the control plane.
#[derive(Debug, Clone, Default)]
pub struct Way {
    /// A proxy, if one must be asked.
    pub proxy: Option<Proxy>,
}

/// Who this host is on the line.
enum Shown {
    /// Nobody yet: it asks for a certificate.
    Nothing {
        anchor: Digest,
    },
    Credential(Arc<Credential>),
}

/// The hosts' line.
pub struct Line {
    data_dir: PathBuf,
    way: Way,
    clock: Arc<dyn Clock>,
    shown: Mutex<Shown>,
}

impl Line {
    /// The line of a host that has no certificate yet.
    #[must_use]
    pub fn stranger(data_dir: &Path, way: Way, clock: Arc<dyn Clock>, anchor: Digest) -> Self {
        Self {
            data_dir: data_dir.to_owned(),
            way,
            clock,
            shown: Mutex::new(Shown::Nothing { anchor }),
        }
    }

    /// The line of the host whose data folder this is.
    #[must_use]
    pub fn of_host(data_dir: &Path, way: Way, clock: Arc<dyn Clock>, credential: Credential) -> Self {
        Self {
            data_dir: data_dir.to_owned(),
            way,
            clock,
            shown: Mutex::new(Shown::Credential(Arc::new(credential))),
        }
    }

    /// The same without a certificate.
    pub(super) fn as_stranger(&self) -> Self {
        let anchor = match &*self.shown.lock().unwrap_or_else(PoisonError::into_inner) {
            Shown::Nothing { anchor } => *anchor,
            Shown::Credential(credential) => credential.anchor,
        };
        Self::stranger(&self.data_dir, self.way.clone(), Arc::clone(&self.clock), anchor)
    }

    pub(super) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    pub(super) fn credential(&self) -> Option<Arc<Credential>> {
        match &*self.shown.lock().unwrap_or_else(PoisonError::into_inner) {
            Shown::Nothing { .. } => None,
            Shown::Credential(credential) => Some(Arc::clone(credential)),
        }
    }

    pub(super) fn shows(&self, credential: Credential) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Shown::Credential(Arc::new(credential));
    }

    pub(super) fn life(&self) -> Option<CertificateLife> {
        Some(self.credential()?.life())
    }

    pub(super) fn dialer(&self) -> Result<Dialer, TlsSetupError> {
        let (anchor, own) = match &*self.shown.lock().unwrap_or_else(PoisonError::into_inner) {
            Shown::Nothing { anchor } => (*anchor, None),
            Shown::Credential(credential) => (credential.anchor, Some(credential.tls()?)),
        };
        let parts = TlsParts {
            anchor,
            own,
            clock: Arc::clone(&self.clock),
        };
        Ok(Dialer {
            tls: Some(Arc::new(parts.config()?)),
            proxy: self.way.proxy.clone(),
        })
    }
}

impl From<CredentialError> for TlsSetupError {
    fn from(error: CredentialError) -> Self {
        Self::from(rustls::Error::General(error.to_string()))
    }
}
