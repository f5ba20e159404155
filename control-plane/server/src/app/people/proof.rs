//! What a request shows, and whom that speaks for.

use std::sync::Arc;

use flowforge_core::{Account, Actor};
use flowforge_identity::{SESSION_IDLE_MS, SESSION_LIFE_MS, Secret, SecretKind};
use flowforge_protocol::Digest;
use flowforge_store::{Shown, StoreError};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::app::App;

/// That something was used is written down this often at most, milliseconds.
const NOTED_EVERY_MS: u64 = 5 * 60 * 1_000;
/// How often it is looked at whether what opened a long connection is still good, milliseconds.
const LOOKED_AT_EVERY_MS: u64 = 10_000;
/// A session ends idle after the first, old after the second.
const LIVES: (u64, u64) = (SESSION_IDLE_MS, SESSION_LIFE_MS);

/// What a request shows of who makes it.
#[derive(Clone)]
pub(crate) enum Proof {
    /// Nothing.
    Nothing,
    /// In its `authorization`: a session of a host, of an account, an API token or the owner's.
    Bearer(Zeroizing<String>),
    /// In its cookie: a session of an account.
    Cookie(Zeroizing<String>),
}

/// By what an account was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Showing {
    /// A session, by the digest of its secret.
    Session(Digest),
    /// An API token.
    Token,
}

/// Who makes a request, and by what that was shown, if it is an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) actor: Actor,
    pub(crate) showing: Option<Showing>,
}

impl Known {
    fn plainly(actor: Actor) -> Self {
        Self { actor, showing: None }
    }

    fn account(shown: Shown, shown_by: &str, showing: Showing) -> Self {
        let account = Account {
            name: shown.account.into(),
            shown_by: shown_by.into(),
            roles: Arc::new(shown.roles),
            passes_on: shown.passes_on.map(Arc::new),
        };
        Self {
            actor: Actor::Account(account),
            showing: Some(showing),
        }
    }
}

impl App {
    /// Whom a proof speaks for now; none if what it shows is not known, or not good any more.
    pub(crate) async fn who(&self, proof: &Proof) -> Result<Option<Known>, StoreError> {
        match proof {
            Proof::Nothing if self.people.sign_in => Ok(Some(Known::plainly(Actor::Nobody))),
            Proof::Nothing => Ok(Some(Known::plainly(Actor::Owner))),
            Proof::Cookie(text) if self.people.sign_in => self.of_session_text(text).await,
            // Cookies of another server at another port of this machine come along: they say nothing here.
            Proof::Cookie(_) => Ok(Some(Known::plainly(Actor::Owner))),
            Proof::Bearer(text) => self.of_bearer(text).await,
        }
    }

    async fn of_bearer(&self, text: &str) -> Result<Option<Known>, StoreError> {
        if let Some(host) = self.hosts.of_session(text) {
            return Ok(Some(Known::plainly(Actor::Host(host.id.clone()))));
        }
        if !self.people.sign_in {
            return Ok(None);
        }
        if text.starts_with(SecretKind::Owner.prefix()) {
            let is_owner: bool = Digest::of(text.as_bytes())
                .as_bytes()
                .ct_eq(self.people.owner.as_bytes())
                .into();
            return Ok(is_owner.then(|| Known::plainly(Actor::Owner)));
        }
        if text.starts_with(SecretKind::Session.prefix()) {
            return self.of_session_text(text).await;
        }
        let Ok(token) = Secret::from_text(SecretKind::ApiToken, text) else {
            return Ok(None);
        };
        let (digest, now_ms) = (token.digest(), self.clock.now_ms());
        let Some(shown) = self.store.of_token(&self.scope, digest, now_ms).await? else {
            return Ok(None);
        };
        if now_ms.saturating_sub(shown.used_at_ms) >= NOTED_EVERY_MS {
            noted(self.store.token_used(&self.scope, digest, now_ms).await);
        }
        Ok(Some(Known::account(shown, "token", Showing::Token)))
    }

    async fn of_session_text(&self, text: &str) -> Result<Option<Known>, StoreError> {
        let Ok(secret) = Secret::from_text(SecretKind::Session, text) else {
            return Ok(None);
        };
        let (digest, now_ms) = (secret.digest(), self.clock.now_ms());
        let found = self.store.of_session(&self.scope, digest, now_ms, LIVES).await?;
        let Some(shown) = found else {
            return Ok(None);
        };
        if now_ms.saturating_sub(shown.used_at_ms) >= NOTED_EVERY_MS {
            noted(self.store.session_used(&self.scope, digest, now_ms).await);
        }
        Ok(Some(Known::account(shown, "session", Showing::Session(digest))))
    }

    /// Comes back when a proof does not speak for the same actor with the same roles any more.
    pub(crate) async fn no_longer(&self, proof: &Proof, known: &Known) {
        let Actor::Account(_) = known.actor else {
            return std::future::pending().await;
        };
        loop {
            let due_ms = self.clock.now_ms().saturating_add(LOOKED_AT_EVERY_MS);
            self.clock.sleep_until(due_ms).await;
            match self.who(proof).await {
                Ok(now) if now.as_ref() == Some(known) => {}
                Ok(_) => return,
                Err(error) => tracing::warn!(%error, "who follows could not be looked at"),
            }
        }
    }

    /// Forgets the sessions that ended by themselves.
    pub(crate) async fn forget_sessions(&self) -> Result<usize, StoreError> {
        let now_ms = self.clock.now_ms();
        self.store.forget_sessions(&self.scope, now_ms, LIVES).await
    }
}

/// What cannot be noted, on a full disk, does not keep anybody from reading.
fn noted(written: Result<(), StoreError>) {
    if let Err(error) = written {
        tracing::warn!(%error, "that a session or token was used could not be written down");
    }
}
