//! Keys of a workspace on this machine: made at the first start, one file each.
//!
//! The roles are apart from the first day: this process signs jobs with the scheduler key and nothing else. Release,
//! grant and publisher keys are made here for development, and read by the command line; they may be moved elsewhere. Only
//! a development server signs with its owner's release and grant keys, which lie beside it, what the owner tries and
//! publishes from drafts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flowforge_identity::{Secret, SecretKind};
use flowforge_protocol::keys::KeyError;
use flowforge_protocol::trust::ANY_PUBLISHER;
use flowforge_protocol::{Digest, SigningKey, TrustRoot, VerifyingKey};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::entropy::{EntropyError, fresh};
use crate::folder::{FolderError, create_private_dir, read_if_present, read_secret, write_private};

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A file cannot be read or written.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A key file holds no key.
    #[error("{path} holds no usable key; restore it from a backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// A file of another kind is not what this program writes.
    #[error("{path} is not readable: {detail}; restore it from a backup")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// A key that the trust root needs is gone.
    #[error("{path} is missing, and the trust root names its public half; restore it from a backup")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// What this process needs to sign, seal and admit.
#[derive(Debug)]
pub struct Keys {
    /// Whom the workspace believes for what.
    pub trust_root: TrustRoot,
    /// Signs jobs.
    pub scheduler: SigningKey,
    pub(crate) secrets: Zeroizing<[u8; 32]>,
    /// The owner's keys, in development and as long as they lie beside it.
    pub(crate) owner: Option<OwnerKeys>,
    pub(crate) join_token: Zeroizing<String>,
    /// What its owner shows where people sign in: whoever may read the folder is the owner.
    pub(crate) owner_token: Zeroizing<String>,
    /// Folder of the key files.
    pub folder: PathBuf,
}

/// The keys that say what may run and what it may use.
#[derive(Debug)]
pub(crate) struct OwnerKeys {
    pub(crate) release: SigningKey,
    pub(crate) grant: SigningKey,
}

impl Keys {
    /// Reads the owner's keys too, if they are here.
    ///
    /// # Errors
    /// One of them is damaged.
    pub(crate) fn with_owner(mut self) -> Result<Self, KeysError> {
        let release = read_key(&self.folder.join("release.pem"))?;
        let grant = read_key(&self.folder.join("grant.pem"))?;
        self.owner = release
            .zip(grant)
            .map(|(release, grant)| OwnerKeys { release, grant });
        Ok(self)
    }

    /// Reads the keys below the data folder; makes those of a first start.
    ///
    /// # Errors
    /// See [`KeysError`].
    pub fn open(data: &Path, workspace: &str) -> Result<Self, KeysError> {
        let folder = data.join("keys");
        create_private_dir(&folder)?;
        let root_file = data.join("trust-root.json");
        let trust_root = match read_if_present(&root_file)? {
            Some(bytes) => {
                flowforge_protocol::parse_strict(&bytes, 1 << 20).map_err(|error| KeysError::Unreadable {
                    path: root_file,
                    detail: error.to_string(),
                })?
            }
            None => first_trust_root(&folder, &root_file, workspace)?,
        };
        let path = folder.join("scheduler.pem");
        let scheduler = read_key(&path)?.ok_or(KeysError::Missing { path })?;
        Ok(Self {
            trust_root,
            scheduler,
            secrets: secrets_key(&folder.join("secrets.key"))?,
            owner: None,
            join_token: join_token(&folder.join("join.token"))?,
            owner_token: owner_token(&folder.join("owner.token"))?,
            folder,
        })
    }

    /// True if this is the token that admits hosts; compared in constant time.
    #[must_use]
    pub fn admits(&self, token: &str) -> bool {
        use subtle::ConstantTimeEq as _;
        let (given, expected) = (
            Digest::of(token.as_bytes()),
            Digest::of(self.join_token.as_bytes()),
        );
        given.as_bytes().ct_eq(expected.as_bytes()).into()
    }

    /// Writes what the command line and a host on this machine need to find this server; where people sign in, with what
    /// the owner shows.
    ///
    /// # Errors
    /// See [`FolderError`].
    pub fn write_addresses(&self, data: &Path, url: &str, sign_in: bool) -> Result<(), FolderError> {
        #[derive(Serialize)]
        struct Client<'a> {
            server: &'a str,
            keys_dir: &'a Path,
            #[serde(skip_serializing_if = "Option::is_none")]
            token: Option<&'a str>,
        }
        #[derive(Serialize)]
        struct Join<'a> {
            server: &'a str,
            token: &'a str,
            trust_root: &'a TrustRoot,
        }
        let client = Client {
            server: url,
            keys_dir: &self.folder,
            token: sign_in.then_some(self.owner_token.as_str()),
        };
        let join = Join {
            server: url,
            token: &self.join_token,
            trust_root: &self.trust_root,
        };
        write_json(&data.join("client.json"), &client)?;
        write_json(&data.join("host-join.json"), &join)
    }
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), FolderError> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| FolderError::from_io(path, std::io::Error::other(error)))?;
    bytes.push(b'\n');
    write_private(path, &bytes)
}

fn first_trust_root(folder: &Path, root_file: &Path, workspace: &str) -> Result<TrustRoot, KeysError> {
    let make = |name: &str| -> Result<VerifyingKey, KeysError> {
        let path = folder.join(name);
        // A first start that was interrupted left some of them; they are as good as new ones.
        if let Some(key) = read_key(&path)? {
            return Ok(key.verifying_key());
        }
        let key = SigningKey::from_seed(&Zeroizing::new(fresh::<32>()?));
        write_private(&path, key.to_pem().as_bytes())?;
        Ok(key.verifying_key())
    };
    let root = TrustRoot {
        workspace: workspace.to_owned(),
        version: 1,
        release_keys: vec![make("release.pem")?],
        grant_keys: vec![make("grant.pem")?],
        scheduler_keys: vec![make("scheduler.pem")?],
        publishers: BTreeMap::from([(ANY_PUBLISHER.to_owned(), vec![make("publisher.pem")?])]),
    };
    write_json(root_file, &root)?;
    Ok(root)
}

pub(crate) fn read_key(path: &Path) -> Result<Option<SigningKey>, KeysError> {
    let Some(bytes) = read_secret(path)?.map(Zeroizing::new) else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&bytes);
    SigningKey::from_pem(&text)
        .map(Some)
        .map_err(|source| KeysError::Damaged {
            path: path.to_owned(),
            source,
        })
}

fn secrets_key(path: &Path) -> Result<Zeroizing<[u8; 32]>, KeysError> {
    if let Some(bytes) = read_secret(path)?.map(Zeroizing::new) {
        let key = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| KeysError::Unreadable {
            path: path.to_owned(),
            detail: format!("{} bytes, expected 32", bytes.len()),
        })?;
        return Ok(Zeroizing::new(key));
    }
    let key = Zeroizing::new(fresh::<32>()?);
    write_private(path, key.as_slice())?;
    Ok(key)
}

fn join_token(path: &Path) -> Result<Zeroizing<String>, KeysError> {
    if let Some(bytes) = read_secret(path)? {
        let token = String::from_utf8(bytes).unwrap_or_default().trim().to_owned();
        if token.len() >= 32 {
            return Ok(Zeroizing::new(token));
        }
        return Err(KeysError::Unreadable {
            path: path.to_owned(),
            detail: "expected a token of at least 32 characters".to_owned(),
        });
    }
    let token = Zeroizing::new(URL_SAFE_NO_PAD.encode(fresh::<32>()?));
    write_private(path, token.as_bytes())?;
    Ok(token)
}

fn owner_token(path: &Path) -> Result<Zeroizing<String>, KeysError> {
    let kind = SecretKind::Owner;
    if let Some(bytes) = read_secret(path)? {
        let text = Zeroizing::new(String::from_utf8(bytes).unwrap_or_default().trim().to_owned());
        return match Secret::from_text(kind, &text) {
            Ok(_) => Ok(text),
            Err(error) => Err(KeysError::Unreadable {
                path: path.to_owned(),
                detail: error.to_string(),
            }),
        };
    }
    let token = Secret::from_entropy(kind, Zeroizing::new(fresh::<32>()?)).to_text();
    write_private(path, token.as_bytes())?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_start_finds_the_keys_of_the_first() {
        let data = tempfile::tempdir().unwrap();
        let first = Keys::open(data.path(), "dev").unwrap();
        let second = Keys::open(data.path(), "other").unwrap();
        assert_eq!(first.trust_root, second.trust_root);
        assert_eq!(second.trust_root.workspace, "dev");
        assert_eq!(*first.secrets, *second.secrets);
        assert!(second.admits(&first.join_token));
        assert_eq!(first.owner_token, second.owner_token);
        assert!(!second.admits("another token"));
    }

    #[test]
    fn every_role_has_a_key_of_its_own() {
        let data = tempfile::tempdir().unwrap();
        let root = Keys::open(data.path(), "dev").unwrap().trust_root;
        let mut all = [
            root.release_keys,
            root.grant_keys,
            root.scheduler_keys,
            root.publishers["*"].clone(),
        ]
        .concat();
        all.sort_by_key(|key| *key.as_bytes());
        all.dedup();
        assert_eq!(all.len(), 4);
    }

    #[test]
    fn a_lost_or_damaged_scheduler_key_is_named() {
        let data = tempfile::tempdir().unwrap();
        Keys::open(data.path(), "dev").unwrap();
        let path = data.path().join("keys/scheduler.pem");
        std::fs::write(&path, "nonsense").unwrap();
        let error = Keys::open(data.path(), "dev").unwrap_err();
        assert!(
            error.to_string().contains("scheduler.pem holds no usable key"),
            "{error}"
        );
        std::fs::remove_file(&path).unwrap();
        let error = Keys::open(data.path(), "dev").unwrap_err();
        assert!(matches!(error, KeysError::Missing { .. }), "{error:?}");
    }
}
