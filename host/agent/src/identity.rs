//! Who this host is: two keys, made at the first start and never sent anywhere.
//!
//! The identity key (Ed25519) signs registration and receipts; the seal key (X25519) opens secrets that were sealed for
//! this host. Both are PEM files of mode 0600 in the folder `keys` of the data folder.

use std::io;
use std::path::{Path, PathBuf};

use flowforge_protocol::keys::{KeyError, SigningKey};
use flowforge_protocol::seal::SealKey;
use zeroize::Zeroizing;

use crate::clock::Entropy;
use crate::files::{self, Exposure};

/// The private keys of this host.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Signs what this host says.
    pub signing: SigningKey,
    /// Opens what was sealed for this host.
    pub seal: SealKey,
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read or written.
    #[error("cannot read or write the key file {}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the cause says.
        #[source]
        source: io::Error,
    },
    /// Others may read it: it may be known to them.
    #[error(
        "the key file {} {exposure}; `chmod 600` it, or delete it and start once with --join to enrol anew",
        path.display()
    )]
    Exposed {
        /// The file or folder.
        path: PathBuf,
        /// How far.
        exposure: Exposure,
    },
    /// Not a key.
    #[error("the key file {} is damaged; restore it from a backup, or delete it and start once with --join to enrol anew", path.display())]
    Damaged {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: KeyError,
    },
}

impl Identity {
    /// Reads the keys in this data folder, or makes them.
    ///
    /// A key file that exists and cannot be used is an error, never replaced.
    ///
    /// # Errors
    /// See [`IdentityError`].
    pub fn open_or_create(data_dir: &Path, entropy: &dyn Entropy) -> Result<Self, IdentityError> {
        let folder = data_dir.join("keys");
        files::make_private_dir(&folder).map_err(|source| IdentityError::File {
            path: folder.clone(),
            source,
        })?;
        let signing = key_file(
            &folder.join("identity.pem"),
            entropy,
            SigningKey::from_pem,
            |seed| {
                let key = SigningKey::from_seed(seed);
                let pem = key.to_pem();
                (key, pem)
            },
        )?;
        let seal = key_file(&folder.join("seal.pem"), entropy, SealKey::from_pem, |seed| {
            let key = SealKey::from_seed(seed);
            let pem = key.to_pem();
            (key, pem)
        })?;
        Ok(Self { signing, seal })
    }
}

fn key_file<K>(
    path: &Path,
    entropy: &dyn Entropy,
    read: impl FnOnce(&str) -> Result<K, KeyError>,
    make: impl FnOnce(&[u8; 32]) -> (K, Zeroizing<String>),
) -> Result<K, IdentityError> {
    let file_error = |source| IdentityError::File {
        path: path.to_owned(),
        source,
    };
    let Some(content) = files::read_if_present(path)
        .map_err(file_error)?
        .map(Zeroizing::new)
    else {
        let mut seed = Zeroizing::new([0_u8; 32]);
        entropy.fill(seed.as_mut());
        let (key, pem) = make(&seed);
        files::write_private(path, pem.as_bytes()).map_err(file_error)?;
        return Ok(key);
    };
    if let Some(exposure) = files::exposure(path).map_err(file_error)? {
        return Err(IdentityError::Exposed {
            path: path.to_owned(),
            exposure,
        });
    }
    // A file that is not text is no key file either; the empty text says so below.
    read(std::str::from_utf8(&content).unwrap_or("")).map_err(|source| IdentityError::Damaged {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::clock::SeededEntropy;

    fn open(folder: &Path, seed: u8) -> Result<Identity, IdentityError> {
        Identity::open_or_create(folder, &SeededEntropy::new([seed; 32]))
    }

    #[test]
    fn keys_are_made_once_and_only_this_user_may_read_them() {
        let folder = tempfile::tempdir().expect("folder");
        let first = open(folder.path(), 1).expect("made");
        let second = open(folder.path(), 2).expect("read");
        assert_eq!(first.signing.verifying_key(), second.signing.verifying_key());
        assert_eq!(first.seal.public(), second.seal.public());
        for name in ["identity.pem", "seal.pem"] {
            let mode = std::fs::metadata(folder.path().join("keys").join(name))
                .expect("file")
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        let left: Vec<_> = std::fs::read_dir(folder.path().join("keys"))
            .expect("list")
            .collect();
        assert_eq!(left.len(), 2, "no temporary file stays");
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_damaged_is_refused_and_kept() {
        let folder = tempfile::tempdir().expect("folder");
        open(folder.path(), 1).expect("made");
        let path = folder.path().join("keys/identity.pem");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("chmod");
        let error = open(folder.path(), 1).expect_err("exposed").to_string();
        assert!(
            error.contains("mode 640") && error.contains("chmod 600"),
            "{error}"
        );
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("chmod");
        std::fs::write(&path, "not a key").expect("write");
        assert!(matches!(
            open(folder.path(), 1),
            Err(IdentityError::Damaged { .. })
        ));
        assert_eq!(std::fs::read_to_string(&path).expect("kept"), "not a key");
    }
}
