//! Secrets: encrypted at rest, sealed to a host on request, never given back to people.
//!
//! A value is encrypted with the master key of the data folder; scope, name and version are bound to it, so that a row
//! cannot be put in the place of another. Nothing in here is ever logged.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use flowforge_core::Scope;
use flowforge_protocol::HostId;
use flowforge_protocol::seal::{self, SealContext, SealPublicKey, Sealed};
use flowforge_store::{
    MAX_SECRET_NAMES, MAX_SECRETS, NewSecret, SealedKey, SecretSet, Store, StoreError, StoredSecret,
};
use zeroize::Zeroizing;

use super::draft::SecretDraft;
use crate::entropy::{EntropyError, fresh};
use crate::fleet::bus::Bus;
use crate::fleet::words::Word;

const NONCE_BYTES: usize = 12;

/// Why a secret could not be kept or used.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum VaultError {
    #[error("secret {name} does not open with the master key of this data folder; set it again")]
    DoesNotOpen { name: String },
    #[error("secret {name} cannot be sealed to the host")]
    Seal { name: String },
    #[error("secret {name} was changed by somebody else at the same time; set it again")]
    Race { name: String },
    #[error(
        "there are {MAX_SECRETS} secrets, or {MAX_SECRET_NAMES} names of them with those that are deleted, and no more may be \
         set; delete one, or set a new value for one that is here"
    )]
    TooMany,
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Encrypts, decrypts and seals.
pub(crate) struct Secrets {
    scope: Scope,
    cipher: ChaCha20Poly1305,
    bus: Arc<Bus>,
    /// Keys of webhooks that were used, so that a request costs no query.
    hmac_keys: Mutex<KnownKeys>,
    /// Which values went to which host in the life of this process.
    given: Mutex<HashSet<(HostId, String, u32)>>,
}

/// A key that signs webhooks.
pub(crate) type WebhookKey = Arc<Zeroizing<Vec<u8>>>;

/// Emptied when any secret changes. A key that was read before such a change and comes after it is not kept: it may be the
/// old one.
#[derive(Default)]
struct KnownKeys {
    changes: u64,
    by_name: HashMap<String, WebhookKey>,
}

/// Secrets that are asked for at once when all are opened.
const OPENED_AT_ONCE: u32 = 100;
/// Values and hosts that are remembered at most; beyond that all are forgotten, and are written down once more.
const GIVEN_MAX: usize = 10_000;
/// How often a value is tried to be set when others set the same secret at the same moment.
const RACES_MAX: usize = 8;

impl Secrets {
    pub(crate) fn new(scope: Scope, master: &[u8; 32], bus: Arc<Bus>) -> Self {
        Self {
            scope,
            bus,
            cipher: ChaCha20Poly1305::new(master.into()),
            hmac_keys: Mutex::default(),
            given: Mutex::default(),
        }
    }

    /// Keeps a value whose draft has no faults. Of two that are set at once, the one that is stored later stays.
    pub(crate) async fn set(&self, store: &Store, draft: SecretDraft, now_ms: u64) -> Result<(), VaultError> {
        for _ in 0..RACES_MAX {
            let version = store
                .last_secret_version(&self.scope, &draft.name)
                .await?
                .saturating_add(1);
            let secret = self.encrypt(&draft, version, now_ms)?;
            let set = store.set_secret(&self.scope, secret).await?;
            self.changed();
            match set {
                SecretSet::Stored => return Ok(()),
                SecretSet::Raced => {}
                SecretSet::TooMany => return Err(VaultError::TooMany),
            }
        }
        Err(VaultError::Race { name: draft.name })
    }

    fn encrypt(&self, draft: &SecretDraft, version: u32, now_ms: u64) -> Result<NewSecret, VaultError> {
        let bound = bound_to(&self.scope, &draft.name, version);
        Ok(NewSecret {
            name: draft.name.clone(),
            kind: draft.kind.clone(),
            destinations: draft.destinations.clone(),
            drafts: draft.drafts,
            version,
            sealed: self.lock(&draft.name, draft.value.as_bytes(), &bound)?,
            at_ms: now_ms,
        })
    }

    /// A value, encrypted; it opens only with what it is bound to.
    fn lock(&self, name: &str, value: &[u8], bound: &[u8]) -> Result<Vec<u8>, VaultError> {
        let nonce = fresh::<NONCE_BYTES>()?;
        let payload = Payload {
            msg: value,
            aad: bound,
        };
        let encrypted = self.cipher.encrypt(&Nonce::from(nonce), payload);
        let mut sealed = nonce.to_vec();
        sealed.extend(encrypted.map_err(|_| VaultError::Seal {
            name: name.to_owned(),
        })?);
        Ok(sealed)
    }

    /// What was encrypted, if it opens with what it is said to be bound to.
    fn unlock(&self, sealed: &[u8], bound: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload {
            msg: ciphertext,
            aad: bound,
        };
        let opened = self.cipher.decrypt(&Nonce::from(*nonce), payload);
        opened.ok().map(Zeroizing::new)
    }

    /// The key of a webhook endpoint, encrypted as one of its versions.
    pub(crate) fn lock_endpoint(&self, name: &str, version: u32, key: &str) -> Result<SealedKey, VaultError> {
        let bound = bound_to_endpoint(&self.scope, name, version);
        let sealed = self.lock(name, key.as_bytes(), &bound)?;
        Ok(SealedKey { sealed, version })
    }

    /// The key of a webhook endpoint, to sign with.
    pub(crate) fn open_endpoint(
        &self,
        name: &str,
        key: &SealedKey,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let bound = bound_to_endpoint(&self.scope, name, key.version);
        let opened = self.unlock(&key.sealed, &bound);
        opened.ok_or_else(|| VaultError::DoesNotOpen {
            name: format!("of webhook endpoint {name}"),
        })
    }

    /// A secret was thrown away, or has come back: keys of webhooks are read anew.
    pub(crate) fn changed(&self) {
        self.forget_keys();
        self.bus.say(Word::Secrets);
    }

    /// A secret may have changed.
    pub(crate) fn forget_keys(&self) {
        let mut known = self.hmac_keys.lock().unwrap_or_else(PoisonError::into_inner);
        known.changes += 1;
        known.by_name.clear();
    }

    fn open(&self, secret: &StoredSecret) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let closed = || VaultError::DoesNotOpen {
            name: secret.name.clone(),
        };
        let open = |bound: &[u8]| self.unlock(&secret.sealed, bound);
        open(&bound_to(&self.scope, &secret.name, secret.version))
            .or_else(|| open(&bound_without_scope(&secret.name, secret.version)))
            .ok_or_else(closed)
    }

    /// Opens every secret that can be used; answers how many there are.
    pub(crate) async fn open_all(&self, store: &Store) -> Result<u64, VaultError> {
        let (mut opened, mut after) = (0, String::new());
        loop {
            let heads = store.secrets(&self.scope, &after, OPENED_AT_ONCE, false).await?;
            let Some(last) = heads.last() else {
                return Ok(opened);
            };
            after.clone_from(&last.name);
            for head in &heads {
                // One that was thrown away meanwhile need not open.
                if let Some(secret) = store.secret(&self.scope, &head.name).await? {
                    self.open(&secret)?;
                    opened += 1;
                }
            }
        }
    }

    /// True if this value goes to this host for the first time that is remembered here.
    pub(crate) fn is_first_for(&self, host: &HostId, secret: &StoredSecret) -> bool {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if given.len() >= GIVEN_MAX {
            given.clear();
        }
        given.insert((host.clone(), secret.name.clone(), secret.version))
    }

    /// The value, sealed so that only this host can open it.
    pub(crate) fn seal_for(
        &self,
        secret: &StoredSecret,
        host: &HostId,
        key: &SealPublicKey,
    ) -> Result<Sealed, VaultError> {
        let value = self.open(secret)?;
        let context = SealContext {
            workspace: self.scope.workspace(),
            project: self.scope.project(),
            host,
            secret: &secret.name,
            version: u64::from(secret.version),
            kind: &secret.kind,
            destinations: &secret.destinations,
        };
        seal::seal(key, &context, &value, &fresh::<32>()?).map_err(|_| VaultError::Seal {
            name: secret.name.clone(),
        })
    }

    /// The key that signs the requests of a webhook, if it is set.
    pub(crate) async fn webhook_key(
        &self,
        store: &Store,
        name: &str,
    ) -> Result<Option<WebhookKey>, VaultError> {
        let (known, changes) = {
            let known = self.hmac_keys.lock().unwrap_or_else(PoisonError::into_inner);
            (known.by_name.get(name).cloned(), known.changes)
        };
        if known.is_some() {
            return Ok(known);
        }
        let Some(secret) = store.secret(&self.scope, name).await? else {
            return Ok(None);
        };
        let key = Arc::new(self.open(&secret)?);
        self.remember_key(name, &key, changes);
        Ok(Some(key))
    }

    /// Keeps a key that was read when there had been so many changes.
    fn remember_key(&self, name: &str, key: &WebhookKey, changes: u64) {
        let mut known = self.hmac_keys.lock().unwrap_or_else(PoisonError::into_inner);
        if known.changes == changes {
            known.by_name.insert(name.to_owned(), Arc::clone(key));
        }
    }
}

/// What a value is bound to: it does not open in another project, under another name, or as another version.
fn bound_to(scope: &Scope, name: &str, version: u32) -> Vec<u8> {
    let (workspace, project) = (scope.workspace(), scope.project());
    format!("flowforge.secret.v2\n{workspace}\n{project}\n{name}\n{version}").into_bytes()
}

/// What the key of a webhook endpoint is bound to. No secret's name has a colon.
fn bound_to_endpoint(scope: &Scope, name: &str, version: u32) -> Vec<u8> {
    bound_to(scope, &format!("endpoint:{name}"), version)
}

/// What values were bound to that were set before there were projects; the next value of each is bound to its scope.
fn bound_without_scope(name: &str, version: u32) -> Vec<u8> {
    format!("flowforge.secret.v1\n{name}\n{version}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::words::ServerTag;

    fn secrets_of(scope: Scope, key: u8) -> Secrets {
        Secrets::new(scope, &[key; 32], Arc::new(Bus::alone(ServerTag(1))))
    }

    #[test]
    fn a_value_opens_only_under_its_name_and_version() {
        let secrets = secrets_of(Scope::default_of("dev"), 7);
        let nonce = [1_u8; NONCE_BYTES];
        let sealed_with = |aad: &[u8]| {
            let payload = Payload { msg: b"value", aad };
            let mut sealed = nonce.to_vec();
            sealed.extend(secrets.cipher.encrypt(&Nonce::from(nonce), payload).unwrap());
            sealed
        };
        let sealed = sealed_with(&bound_to(&secrets.scope, "a", 1));
        let row = |name: &str, version, sealed: &[u8]| StoredSecret {
            name: name.to_owned(),
            kind: "opaque".to_owned(),
            destinations: Vec::new(),
            drafts: false,
            version,
            sealed: sealed.to_vec(),
            updated_at_ms: 0,
        };
        assert_eq!(secrets.open(&row("a", 1, &sealed)).unwrap().as_slice(), b"value");
        assert!(secrets.open(&row("b", 1, &sealed)).is_err());
        assert!(secrets.open(&row("a", 2, &sealed)).is_err());
        assert!(secrets.open(&row("a", 1, &sealed[..5])).is_err());
        assert!(
            secrets_of(Scope::default_of("dev"), 8)
                .open(&row("a", 1, &sealed))
                .is_err()
        );
        let elsewhere = secrets_of(Scope::new("dev", "other"), 7);
        assert!(
            elsewhere.open(&row("a", 1, &sealed)).is_err(),
            "of another project"
        );
        let older = sealed_with(&bound_without_scope("a", 1));
        assert_eq!(secrets.open(&row("a", 1, &older)).unwrap().as_slice(), b"value");
        assert!(secrets.open(&row("b", 1, &older)).is_err());
        assert!(!sealed.windows(5).any(|window| window == b"value"));
    }

    /// A request that read the old key while the new one was set brought the old one back into memory, for ever.
    #[test]
    fn a_key_that_was_read_before_a_change_is_not_remembered_after_it() {
        let secrets = secrets_of(Scope::default_of("dev"), 7);
        let key = Arc::new(Zeroizing::new(b"old".to_vec()));
        let before = secrets.hmac_keys.lock().unwrap().changes;
        secrets.changed();
        secrets.remember_key("hook_key", &key, before);
        assert!(secrets.hmac_keys.lock().unwrap().by_name.is_empty());
        secrets.remember_key("hook_key", &key, before + 1);
        assert_eq!(secrets.hmac_keys.lock().unwrap().by_name.len(), 1);
    }
}
