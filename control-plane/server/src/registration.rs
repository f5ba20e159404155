//! Hosts that join, and the secrets they may have.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use flowforge_core::{Action, Actor, AuditEntry, Caller, Object, ObjectKind};
use flowforge_protocol::enrol::HostRegistration;
use flowforge_protocol::envelope::Signed;
use flowforge_protocol::job::CLOCK_TOLERANCE_MS;
use flowforge_protocol::labels::{LABEL_RULE, MAX_LABELS, is_word};
use flowforge_protocol::release::DRAFT_VERSION;
use flowforge_protocol::seal::{SealPublicKey, Sealed};
use flowforge_protocol::{Digest, HostId, VerifyingKey};
use flowforge_store::{NewHost, Registered, StoreError, StoredSecret, UsedNonce};

use crate::app::{App, LoadError};
use crate::entropy::{EntropyError, fresh};
use crate::fleet::hosts::HostEntry;
use crate::fleet::words::Word;
use crate::peers::Peer;
use crate::secrets::VaultError;

/// Names in one question for sealed secrets.
const MAX_NAMES: usize = 64;

/// What a host says about itself.
pub(crate) struct Registration {
    /// Absent if the host says that it registered before.
    pub(crate) token: Option<String>,
    pub(crate) name: String,
    pub(crate) identity_key: String,
    pub(crate) seal_key: String,
    pub(crate) proof: String,
}

/// Why a host was not admitted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegisterError {
    #[error(
        "this server knows neither the host's key nor its join token; start the host with --join and the host-join.json \
         from the server's data folder"
    )]
    Token,
    #[error("`{0}` is not a host name: expected 1 to 64 of letters, digits, `-`, `_`, `.`")]
    Name(String),
    #[error("{0} is not a key: expected base64 of 32 bytes")]
    Key(&'static str),
    #[error("the proof does not hold: {0}")]
    Proof(String),
    #[error("the host's labels are not labels: at most {MAX_LABELS}, each {LABEL_RULE}")]
    Labels,
    #[error("the host's clock differs from the server's by {0} s; set both right")]
    Clock(u64),
    #[error("this registration was used before")]
    Replayed,
    #[error("{} hosts are registered, and no more may be", flowforge_store::MAX_HOSTS)]
    TooMany,
    #[error("this identity key is that of a host of another project; give the host a data folder of its own")]
    Elsewhere,
    #[error("{0}")]
    Refused(String),
    #[error(
        "this host has a certificate: it calls on the hosts' line, and is not heard on this machine's own listener"
    )]
    OtherLine,
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RegisterError {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Token => "FF-HOST-001",
            Self::Name(_) => "FF-HOST-002",
            Self::Key(_) => "FF-HOST-003",
            Self::Proof(_) => "FF-HOST-004",
            Self::Clock(_) => "FF-HOST-005",
            Self::Replayed => "FF-HOST-006",
            Self::TooMany => "FF-HOST-007",
            Self::Elsewhere => "FF-HOST-008",
            Self::Labels => "FF-HOST-009",
            Self::Refused(_) => "FF-ENR-011",
            Self::OtherLine => "FF-ENR-014",
            Self::Entropy(_) | Self::Store(_) => "FF-API-500",
        }
    }
}

/// Why sealed secrets were not given.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealedError {
    #[error("ask for at most {MAX_NAMES} names at once")]
    TooMany,
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What there is to say to a host about one secret.
pub(crate) enum SealedAnswer {
    Sealed(StoredSecret, Sealed),
    Absent(String),
    NotGranted(String),
}

fn key_bytes(text: &str, what: &'static str) -> Result<[u8; 32], RegisterError> {
    let bytes = STANDARD.decode(text).map_err(|_| RegisterError::Key(what))?;
    bytes.try_into().map_err(|_| RegisterError::Key(what))
}

fn seal_public(bytes: &[u8; 32]) -> Option<SealPublicKey> {
    use std::fmt::Write as _;
    let mut text = "x25519:".to_owned();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text.parse().ok()
}

impl App {
    /// Admits a host; returns its id and the secret of its session. A refusal of somebody without the right key or token
    /// is written down.
    pub(crate) async fn register(
        &self,
        peer: &Peer,
        registration: Registration,
    ) -> Result<(HostId, String), RegisterError> {
        let caller = self.caller(Actor::Nobody, None);
        let name: String = registration.name.chars().take(64).collect();
        let registered = self.admit(&caller, peer, registration).await;
        if let Err(
            error @ (RegisterError::Token
            | RegisterError::Proof(_)
            | RegisterError::Replayed
            | RegisterError::Elsewhere),
        ) = &registered
        {
            let object = Object::new(ObjectKind::Host, name);
            let why = format!("{}: {error}", error.code());
            self.note_refused(&caller, Action::RegisterHost, object, why)
                .await;
        }
        registered
    }

    async fn admit(
        &self,
        caller: &Caller,
        peer: &Peer,
        registration: Registration,
    ) -> Result<(HostId, String), RegisterError> {
        let good_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let name = registration.name;
        if name.is_empty() || name.len() > 64 || !name.bytes().all(good_byte) {
            return Err(RegisterError::Name(name.chars().take(80).collect()));
        }
        let identity_key = key_bytes(&registration.identity_key, "identityKey")?;
        let seal_key = key_bytes(&registration.seal_key, "sealKey")?;
        let key = VerifyingKey::from_bytes(&identity_key).map_err(|_| RegisterError::Key("identityKey"))?;
        let seal = seal_public(&seal_key).ok_or(RegisterError::Key("sealKey"))?;
        let proof =
            Signed::<HostRegistration>::open(registration.proof.as_bytes(), std::slice::from_ref(&key))
                .map_err(|error| RegisterError::Proof(error.to_string()))?;
        let token = registration.token.as_deref();
        let expected = HostRegistration {
            workspace: self.workspace().to_owned(),
            token: token.map(|token| Digest::of(token.as_bytes())),
            name: name.clone(),
            identity_key: key,
            seal_key: seal,
            labels: proof.labels.clone(),
            issued_at_ms: proof.issued_at_ms,
            nonce: proof.nonce,
        };
        if *proof.document() != expected {
            return Err(RegisterError::Proof(
                "it speaks of another workspace, token, name or key".to_owned(),
            ));
        }
        if proof.labels.len() > MAX_LABELS || !proof.labels.iter().all(|word| is_word(word)) {
            return Err(RegisterError::Labels);
        }
        let labels = proof.labels.clone();
        let nonce = self.check_moment(&proof)?;
        self.find_key(&identity_key).await?;
        self.admits(peer, token, &identity_key)?;
        // A host of the line has the name that it was invited under.
        let invited = match peer {
            Peer::Host { host, .. } => self.hosts.get(host).map(|entry| entry.state().host.name.clone()),
            _ => None,
        };
        let session = URL_SAFE_NO_PAD.encode(fresh::<32>()?);
        let now_ms = self.clock.now_ms();
        let by = if token.is_some() {
            "its join token"
        } else {
            "its key"
        };
        let object = Object::new(ObjectKind::Host, &name);
        let entry = AuditEntry::done(caller, Action::RegisterHost, object, now_ms);
        let host = self
            .store
            .noting(Some(entry.with(format!("let in by {by}"))))
            .register_host(
                &self.scope,
                NewHost {
                    id: HostId::from_entropy(fresh::<16>()?),
                    name: invited.unwrap_or(name),
                    identity_key,
                    seal_key,
                    session_hash: Digest::of(session.as_bytes()),
                    labels,
                    given_labels: None,
                    at_ms: now_ms,
                    nonce: Some(nonce),
                },
            )
            .await?;
        let host = match host {
            Registered::Host(host) => *host,
            Registered::TooMany => return Err(RegisterError::TooMany),
            Registered::Elsewhere => return Err(RegisterError::Elsewhere),
            Registered::Replayed => return Err(RegisterError::Replayed),
        };
        tracing::info!(host = %host.id, name = host.name, "a host registered");
        let id = host.id.clone();
        self.hosts.registered(host, self.clock.monotonic_ms());
        self.bus.say(Word::Host(id.clone()));
        Ok((id, session))
    }

    /// Whether a host with this key may have a session. On this machine the join token admits new ones; on the hosts' line
    /// the certificate must be that host's. A host of the line is not heard elsewhere.
    fn admits(&self, peer: &Peer, token: Option<&str>, identity_key: &[u8; 32]) -> Result<(), RegisterError> {
        let known = self.hosts.id_of_key(identity_key);
        if let Some(message) = known.as_ref().and_then(|host| self.peers.refusal(host)) {
            return Err(RegisterError::Refused(message));
        }
        let is_admitted = match (peer, &known) {
            (Peer::ThisMachine, Some(host)) if self.peers.held(host).is_some() => {
                return Err(RegisterError::OtherLine);
            }
            // The key alone speaks for a host that was admitted before.
            (Peer::ThisMachine, known) => {
                known.is_some() || token.is_some_and(|token| self.keys.admits(token))
            }
            (Peer::Host { host, .. }, Some(known)) => host == known,
            (Peer::Host { .. } | Peer::Stranger | Peer::Refused { .. }, _) => false,
        };
        if is_admitted {
            Ok(())
        } else {
            Err(RegisterError::Token)
        }
    }

    /// Looks whether a host with this key was admitted before at another server, if it was not here.
    async fn find_key(&self, identity_key: &[u8; 32]) -> Result<(), StoreError> {
        if self.hosts.id_of_key(identity_key).is_none() && self.bus.is_shared() {
            self.look_at_hosts().await?;
        }
        Ok(())
    }

    /// A registration is of use only about when it was made, and, as the store sees to, once.
    fn check_moment(&self, proof: &HostRegistration) -> Result<UsedNonce, RegisterError> {
        let now_ms = self.clock.now_ms();
        let differs_ms = now_ms.abs_diff(proof.issued_at_ms);
        if differs_ms > CLOCK_TOLERANCE_MS {
            return Err(RegisterError::Clock(differs_ms / 1_000));
        }
        Ok(UsedNonce {
            nonce: proof.nonce.to_string(),
            issued_at_ms: proof.issued_at_ms,
            forget_before_ms: now_ms.saturating_sub(CLOCK_TOLERANCE_MS),
        })
    }

    /// Secrets sealed to a host, one answer for each name. Only those that the grants of a run it has not ended name.
    pub(crate) async fn sealed_secrets(
        &self,
        host: &Arc<HostEntry>,
        names: &[String],
    ) -> Result<Vec<SealedAnswer>, SealedError> {
        if names.len() > MAX_NAMES {
            return Err(SealedError::TooMany);
        }
        let (mut granted, mut to_drafts) = (BTreeSet::new(), BTreeSet::new());
        for digest in self.store.open_releases(&host.scope, &host.id).await? {
            if let Some(release) = self.release(&digest).await? {
                let names = release.secrets().into_iter().map(str::to_owned);
                match release.release.version {
                    DRAFT_VERSION => to_drafts.extend(names),
                    _ => granted.extend(names),
                }
            }
        }
        let seal_key = host.state().host.seal_key;
        let mut sealed = Vec::with_capacity(names.len());
        for name in names {
            let (granted, to_drafts) = (granted.contains(name), to_drafts.contains(name));
            if !granted && !to_drafts {
                sealed.push(SealedAnswer::NotGranted(name.clone()));
                continue;
            }
            let Some(secret) = self.store.secret(&host.scope, name).await? else {
                sealed.push(SealedAnswer::Absent(name.clone()));
                continue;
            };
            if !granted && !secret.drafts {
                sealed.push(SealedAnswer::NotGranted(name.clone()));
                continue;
            }
            let key = seal_public(&seal_key).ok_or_else(|| VaultError::Seal { name: name.clone() })?;
            let value = self.secrets.seal_for(&secret, &host.id, &key)?;
            if self.secrets.is_first_for(&host.id, &secret) {
                let caller = self.caller(Actor::Host(host.id.clone()), None);
                let object = Object::new(ObjectKind::Secret, name);
                let entry = AuditEntry::done(&caller, Action::SealSecret, object, self.clock.now_ms());
                let entry = entry.with(format!("version {}", secret.version));
                self.store.note(&host.scope, entry).await?;
            }
            sealed.push(SealedAnswer::Sealed(secret, value));
        }
        Ok(sealed)
    }
}
