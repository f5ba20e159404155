//! Secrets: encrypted at rest, sealed to a host on request, never given back to people.
//!
//! A value is encrypted with the master key of the data folder; name and version are bound to it, so that a row cannot
//! be put in the place of another. Nothing in here is ever logged.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use flowforge_core::Scope;
use flowforge_protocol::seal::{self, MAX_SECRET_BYTES, SealContext, SealPublicKey, Sealed};
use flowforge_protocol::{HostId, webhook};
use flowforge_store::{MAX_SECRET_NAMES, MAX_SECRETS, NewSecret, SecretSet, Store, StoreError, StoredSecret};
use zeroize::Zeroizing;

use crate::entropy::{EntropyError, fresh};
use crate::fleet::bus::Bus;
use crate::fleet::words::Word;

const NONCE_BYTES: usize = 12;
/// Kinds of secrets.
pub(crate) const KINDS: [&str; 5] = ["bearer", "basic", "api-key", "hmac-key", "opaque"];

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

/// What is wrong with a secret that somebody wants to set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldFault {
    pub(crate) path: &'static str,
    pub(crate) message: String,
}

/// A secret as somebody wants it.
pub(crate) struct SecretDraft {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) value: Zeroizing<String>,
    pub(crate) destinations: Vec<String>,
}

impl SecretDraft {
    /// Every fault, with the field it is in.
    pub(crate) fn faults(&mut self) -> Vec<FieldFault> {
        let mut faults = Vec::new();
        let mut fault = |path, message: String| faults.push(FieldFault { path, message });
        let good_byte = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let starts = self.name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        if !starts || self.name.len() > 64 || !self.name.bytes().all(good_byte) {
            fault(
                "name",
                "expected snake_case, beginning with a letter, at most 64 characters".to_owned(),
            );
        }
        if !KINDS.contains(&self.kind.as_str()) {
            fault("kind", format!("expected one of {}", KINDS.join(", ")));
        }
        if self.value.is_empty() || self.value.len() > MAX_SECRET_BYTES {
            fault("value", format!("expected 1 to {MAX_SECRET_BYTES} bytes"));
        }
        if self.kind == "hmac-key" && self.value.len() < webhook::MIN_KEY_BYTES {
            fault(
                "value",
                format!(
                    "a key for signatures needs at least {} bytes",
                    webhook::MIN_KEY_BYTES
                ),
            );
        }
        if self.destinations.is_empty() && !matches!(self.kind.as_str(), "hmac-key" | "opaque") {
            fault(
                "destinations",
                "name at least one destination the value may be sent to".to_owned(),
            );
        }
        if self.destinations.len() > 32 {
            fault("destinations", "at most 32".to_owned());
        }
        for destination in &mut self.destinations {
            match normal_destination(destination) {
                Ok(normal) => *destination = normal,
                Err(message) => fault("destinations", message),
            }
        }
        faults
    }
}

/// `scheme://name[:port]` with the port written out.
fn normal_destination(text: &str) -> Result<String, String> {
    let wrong = || {
        format!(
            "`{text}` is not a destination: expected scheme://name or scheme://name:port, nothing after it"
        )
    };
    let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
    let default_port = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return Err(format!("`{text}`: the scheme must be https or http")),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (name, port) = match rest.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse::<u16>().map_err(|_| wrong())?),
        _ => (rest, default_port),
    };
    let good_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'[' | b']' | b':');
    if name.is_empty() || port == 0 || !name.bytes().all(good_byte) {
        return Err(wrong());
    }
    Ok(format!("{scheme}://{}:{port}", name.to_ascii_lowercase()))
}

/// Encrypts, decrypts and seals.
pub(crate) struct Vault {
    scope: Scope,
    cipher: ChaCha20Poly1305,
    bus: Arc<Bus>,
    /// Keys of webhooks that were used, so that a request costs no query.
    hmac_keys: Mutex<KnownKeys>,
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

/// How often a value is tried to be set when others set the same secret at the same moment.
const RACES_MAX: usize = 8;

impl Vault {
    pub(crate) fn new(scope: Scope, master: &[u8; 32], bus: Arc<Bus>) -> Self {
        Self {
            scope,
            bus,
            cipher: ChaCha20Poly1305::new(master.into()),
            hmac_keys: Mutex::default(),
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
        let nonce = fresh::<NONCE_BYTES>()?;
        let payload = Payload {
            msg: draft.value.as_bytes(),
            aad: &bound_to(&draft.name, version),
        };
        let encrypted = self.cipher.encrypt(&Nonce::from(nonce), payload);
        let mut sealed = nonce.to_vec();
        sealed.extend(encrypted.map_err(|_| VaultError::Seal {
            name: draft.name.clone(),
        })?);
        Ok(NewSecret {
            name: draft.name.clone(),
            kind: draft.kind.clone(),
            destinations: draft.destinations.clone(),
            version,
            sealed,
            at_ms: now_ms,
        })
    }

    /// Removes a value. False if there was none.
    pub(crate) async fn delete(&self, store: &Store, name: String) -> Result<bool, VaultError> {
        let deleted = store.delete_secret(&self.scope, name).await?;
        self.changed();
        Ok(deleted)
    }

    /// A secret changed, here.
    fn changed(&self) {
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
        let (nonce, ciphertext) = secret
            .sealed
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or_else(closed)?;
        let payload = Payload {
            msg: ciphertext,
            aad: &bound_to(&secret.name, secret.version),
        };
        self.cipher
            .decrypt(&Nonce::from(*nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_| closed())
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

fn bound_to(name: &str, version: u32) -> Vec<u8> {
    format!("flowforge.secret.v1\n{name}\n{version}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::words::ServerTag;

    fn draft(kind: &str, value: &str, destinations: &[&str]) -> SecretDraft {
        SecretDraft {
            name: "chat_token".to_owned(),
            kind: kind.to_owned(),
            value: Zeroizing::new(value.to_owned()),
            destinations: destinations.iter().map(|d| (*d).to_owned()).collect(),
        }
    }

    fn vault_with(key: u8) -> Vault {
        let bus = Arc::new(Bus::alone(ServerTag(1)));
        Vault::new(Scope::default_of("dev"), &[key; 32], bus)
    }

    fn paths(mut draft: SecretDraft) -> Vec<&'static str> {
        draft.faults().into_iter().map(|fault| fault.path).collect()
    }

    #[test]
    fn a_value_opens_only_under_its_name_and_version() {
        let vault = vault_with(7);
        let nonce = [1_u8; NONCE_BYTES];
        let aad = bound_to("a", 1);
        let payload = Payload {
            msg: b"value",
            aad: &aad,
        };
        let mut sealed = nonce.to_vec();
        sealed.extend(vault.cipher.encrypt(&Nonce::from(nonce), payload).unwrap());
        let row = |name: &str, version, sealed: &[u8]| StoredSecret {
            name: name.to_owned(),
            kind: "opaque".to_owned(),
            destinations: Vec::new(),
            version,
            sealed: sealed.to_vec(),
            updated_at_ms: 0,
        };
        assert_eq!(vault.open(&row("a", 1, &sealed)).unwrap().as_slice(), b"value");
        assert!(vault.open(&row("b", 1, &sealed)).is_err());
        assert!(vault.open(&row("a", 2, &sealed)).is_err());
        assert!(vault.open(&row("a", 1, &sealed[..5])).is_err());
        assert!(vault_with(8).open(&row("a", 1, &sealed)).is_err());
        assert!(!sealed.windows(5).any(|window| window == b"value"));
    }

    /// A request that read the old key while the new one was set brought the old one back into memory, for ever.
    #[test]
    fn a_key_that_was_read_before_a_change_is_not_remembered_after_it() {
        let vault = vault_with(7);
        let key = Arc::new(Zeroizing::new(b"old".to_vec()));
        let before = vault.hmac_keys.lock().unwrap().changes;
        vault.forget_keys();
        vault.remember_key("hook_key", &key, before);
        assert!(vault.hmac_keys.lock().unwrap().by_name.is_empty());
        vault.remember_key("hook_key", &key, before + 1);
        assert_eq!(vault.hmac_keys.lock().unwrap().by_name.len(), 1);
    }

    #[test]
    fn faults_name_their_fields() {
        assert!(paths(draft("bearer", "t", &["https://chat.example.com"])).is_empty());
        assert_eq!(paths(draft("bearer", "t", &[])), ["destinations"]);
        assert_eq!(paths(draft("token", "t", &["https://a"])), ["kind"]);
        assert_eq!(paths(draft("hmac-key", "short", &[])), ["value"]);
        assert!(paths(draft("hmac-key", "0123456789abcdef", &[])).is_empty());
        assert_eq!(paths(draft("opaque", "", &[])), ["value"]);
        let mut wrong_name = draft("opaque", "v", &[]);
        wrong_name.name = "Chat-Token".to_owned();
        assert_eq!(paths(wrong_name), ["name"]);
    }

    #[test]
    fn destinations_get_their_port_and_nothing_else() {
        assert_eq!(
            normal_destination("https://Chat.example.com/").unwrap(),
            "https://chat.example.com:443"
        );
        assert_eq!(
            normal_destination("http://127.0.0.1:7481").unwrap(),
            "http://127.0.0.1:7481"
        );
        assert_eq!(normal_destination("http://[::1]").unwrap(), "http://[::1]:80");
        for wrong in [
            "chat.example.com",
            "ftp://a",
            "https://a/b",
            "https://a?b",
            "https://u@a",
            "https://a:x",
            "https://",
        ] {
            assert!(normal_destination(wrong).is_err(), "{wrong}");
        }
    }
}
