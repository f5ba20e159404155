//! What this host shows on the hosts' line: a certificate, its key, and what it knows the control plane by.
//!
//! One file, so that key and certificate are always of each other. The key of the next certificate lies beside it from
//! before it is named to anybody until that certificate is here: a call that is repeated names the same key.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_protocol::keys::KeyError;
use flowforge_protocol::{Digest, SigningKey};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::claim::Granted;
use super::control::CertificateLife;
use crate::clock::Entropy;
use crate::files::{self, Exposure};

/// Certificate and key, in the data folder.
const FILE: &str = "keys/link.json";
/// The key of the next certificate, in the data folder.
const NEXT_KEY_FILE: &str = "keys/link-next.pem";

/// A certificate and its key.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// PKCS#8 PEM.
    key: Zeroized,
    /// Base64 of the DER.
    certificate: String,
    generation: u64,
    issued_at_ms: u64,
    expires_at_ms: u64,
    /// SHA-256 of the certificate that the server's is signed by.
    pub(crate) anchor: Digest,
    /// Digest of the secret of the invitation that it began with.
    pub(crate) invitation: Digest,
}

/// Text that is wiped when it is dropped.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
struct Zeroized(Zeroizing<String>);

impl From<String> for Zeroized {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl From<Zeroized> for String {
    fn from(text: Zeroized) -> Self {
        text.0.to_string()
    }
}

/// Why there is no credential.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// A file cannot be read or written.
    #[error("cannot read or write {}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the cause says.
        #[source]
        source: io::Error,
    },
    /// Others may read it.
    #[error("{} {exposure}; `chmod 600` it, and if they are not to be trusted, enrol anew", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// How far.
        exposure: Exposure,
    },
    /// It is not what this program wrote.
    #[error("{} is damaged ({reason}); restore it from a backup, or enrol anew with a new invitation", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The certificate that came is none.
    #[error("the certificate that came is none")]
    Certificate,
}

impl From<KeyError> for CredentialError {
    fn from(error: KeyError) -> Self {
        Self::Damaged {
            path: NEXT_KEY_FILE.into(),
            reason: error.to_string(),
        }
    }
}

/// What a certificate that is not the first goes on from.
pub(crate) trait Before {
    /// What the server is known by, and the invitation that it all began with.
    fn roots(&self) -> (Digest, Digest);
}

impl Before for Credential {
    fn roots(&self) -> (Digest, Digest) {
        (self.anchor, self.invitation)
    }
}

impl Before for flowforge_protocol::invitation::Invitation {
    fn roots(&self) -> (Digest, Digest) {
        (self.anchor, self.secret_digest())
    }
}

impl Credential {
    /// Of a certificate that was granted for this key.
    ///
    /// # Errors
    /// [`CredentialError::Certificate`].
    pub(crate) fn new(
        key: &SigningKey,
        granted: Granted,
        before: &impl Before,
    ) -> Result<Self, CredentialError> {
        if granted.certificate.is_empty() || granted.issued_at_ms >= granted.expires_at_ms {
            return Err(CredentialError::Certificate);
        }
        let (anchor, invitation) = before.roots();
        Ok(Self {
            key: key.to_pem().to_string().into(),
            certificate: STANDARD.encode(&granted.certificate),
            generation: granted.generation,
            issued_at_ms: granted.issued_at_ms,
            expires_at_ms: granted.expires_at_ms,
            anchor,
            invitation,
        })
    }

    /// The credential in a data folder, if there is one.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub fn read(data_dir: &Path) -> Result<Option<Self>, CredentialError> {
        let path = data_dir.join(FILE);
        let Some(bytes) = read_private(&path)? else {
            return Ok(None);
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| CredentialError::Damaged {
                path,
                reason: error.to_string(),
            })
    }

    pub(crate) fn write(&self, data_dir: &Path) -> Result<(), CredentialError> {
        let path = data_dir.join(FILE);
        let bytes = serde_json::to_vec_pretty(self).map_err(|error| CredentialError::Damaged {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        let bytes = Zeroizing::new(bytes);
        files::write_private(&path, &bytes).map_err(|source| CredentialError::File { path, source })
    }

    /// Removes it: this host has left.
    pub(crate) fn remove(data_dir: &Path) -> Result<(), CredentialError> {
        forget_next_key(data_dir)?;
        remove(&data_dir.join(FILE))
    }

    /// What the control plane knows the certificate by.
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(&STANDARD.decode(&self.certificate).unwrap_or_default())
    }

    /// Certificate and key as TLS takes them.
    pub(crate) fn tls(&self) -> Result<(Vec<u8>, Arc<PrivateKeyDer<'static>>), CredentialError> {
        let damaged = |reason: &dyn std::fmt::Display| CredentialError::Damaged {
            path: FILE.into(),
            reason: reason.to_string(),
        };
        let certificate = STANDARD
            .decode(&self.certificate)
            .map_err(|error| damaged(&error))?;
        let key =
            PrivatePkcs8KeyDer::from_pem_slice(self.key.0.as_bytes()).map_err(|error| damaged(&error))?;
        Ok((certificate, Arc::new(PrivateKeyDer::Pkcs8(key))))
    }

    /// How long it lives. The next one is asked for after two thirds of that, and up to a twentieth later, so that hosts
    /// that enrolled together do not renew together.
    pub(crate) fn life(&self) -> CertificateLife {
        let life_ms = self.expires_at_ms.saturating_sub(self.issued_at_ms);
        let spread = self.digest().as_bytes().first().copied().map_or(0, u64::from);
        let later_ms = life_ms / 20 * spread / 256;
        CertificateLife {
            generation: self.generation,
            renews_at_ms: self
                .issued_at_ms
                .saturating_add(life_ms / 3 * 2)
                .saturating_add(later_ms),
            expires_at_ms: self.expires_at_ms,
        }
    }
}

/// The content of a file of this user alone.
fn read_private(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, CredentialError> {
    let file = |source| CredentialError::File {
        path: path.to_owned(),
        source,
    };
    let Some(bytes) = files::read_if_present(path).map_err(file)?.map(Zeroizing::new) else {
        return Ok(None);
    };
    match files::exposure(path).map_err(file)? {
        None => Ok(Some(bytes)),
        Some(exposure) => Err(CredentialError::Exposed {
            path: path.to_owned(),
            exposure,
        }),
    }
}

/// The key of the next certificate: the one that lies there, or a new one, on the disk before it is answered.
pub(crate) fn next_key(data_dir: &Path, entropy: &dyn Entropy) -> Result<SigningKey, CredentialError> {
    let path = data_dir.join(NEXT_KEY_FILE);
    if let Some(bytes) = read_private(&path)? {
        return Ok(SigningKey::from_pem(std::str::from_utf8(&bytes).unwrap_or(""))?);
    }
    let mut seed = Zeroizing::new([0_u8; 32]);
    entropy.fill(seed.as_mut());
    let key = SigningKey::from_seed(&seed);
    files::write_private(&path, key.to_pem().as_bytes())
        .map_err(|source| CredentialError::File { path, source })?;
    Ok(key)
}

/// The next certificate is here: its key lies beside it now.
pub(crate) fn forget_next_key(data_dir: &Path) -> Result<(), CredentialError> {
    remove(&data_dir.join(NEXT_KEY_FILE))
}

fn remove(path: &Path) -> Result<(), CredentialError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(CredentialError::File {
            path: path.to_owned(),
            source: error,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use flowforge_protocol::HostId;

    use super::*;
    use crate::clock::SeededEntropy;

    fn credential(folder: &Path) -> Credential {
        files::make_private_dir(&folder.join("keys")).expect("folder");
        let key = next_key(folder, &SeededEntropy::new([1; 32])).expect("key");
        let granted = Granted {
            host: HostId::from_entropy([1; 16]),
            workspace: "dev".into(),
            certificate: vec![1, 2, 3],
            generation: 4,
            issued_at_ms: 1_000,
            expires_at_ms: 301_000,
        };
        let invitation = flowforge_protocol::invitation::Invitation {
            server: "https://plane:1".into(),
            anchor: Digest::of(b"anchor"),
            trust_root: Digest::of(b"root"),
            workspace: "dev".into(),
            name: "edge".into(),
            expires_at_ms: 1,
            secret: Zeroizing::new([9; 32]),
        };
        Credential::new(&key, granted, &invitation).expect("credential")
    }

    #[test]
    fn it_is_read_as_written_and_by_this_user_alone() {
        let folder = tempfile::tempdir().expect("folder");
        let made = credential(folder.path());
        made.write(folder.path()).expect("written");
        let read = Credential::read(folder.path()).expect("read").expect("there");
        assert_eq!((read.digest(), read.life()), (made.digest(), made.life()));
        let path = folder.path().join(FILE);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("chmod");
        let error = Credential::read(folder.path())
            .err()
            .expect("exposed")
            .to_string();
        assert!(
            error.contains("mode 644") && error.contains("chmod 600"),
            "{error}"
        );
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("chmod");
        std::fs::write(&path, "{}").expect("write");
        assert!(matches!(
            Credential::read(folder.path()),
            Err(CredentialError::Damaged { .. })
        ));
        Credential::remove(folder.path()).expect("removed");
        assert!(Credential::read(folder.path()).expect("read").is_none());
    }

    #[test]
    fn the_next_one_is_due_after_two_thirds_and_before_three_quarters() {
        let folder = tempfile::tempdir().expect("folder");
        let life = credential(folder.path()).life();
        assert!((201_000..217_000).contains(&life.renews_at_ms), "{life:?}");
    }

    #[test]
    fn the_key_of_the_next_certificate_is_the_same_until_it_is_forgotten() {
        let folder = tempfile::tempdir().expect("folder");
        files::make_private_dir(&folder.path().join("keys")).expect("folder");
        let entropy = SeededEntropy::new([1; 32]);
        let make = || next_key(folder.path(), &entropy).expect("key").verifying_key();
        let first = make();
        assert_eq!(first, make());
        forget_next_key(folder.path()).expect("forgotten");
        assert_ne!(first, make());
    }
}
