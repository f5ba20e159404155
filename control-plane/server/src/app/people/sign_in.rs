//! Sign-in by name and password, and what a person does with the own account: sessions and the password.

use std::sync::Arc;

use flowforge_core::{Account, Action, Actor, Caller, Denied, Object, ObjectKind};
use flowforge_identity::{PasswordHash, PasswordRule, Secret, SecretKind, Wait, check_password};
use flowforge_protocol::{Digest, VerifyingKey};
use flowforge_store::{Member, NewSession, StoreError, StoredSession};
use zeroize::Zeroizing;

use super::{Showing, is_name, listed_by, secret};
use crate::app::App;
use crate::entropy::{EntropyError, fresh};

/// Longest text that a browser or a program is remembered by.
const AGENT_MAX: usize = 200;

/// Why somebody could not be signed in, by fault of this server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignInError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    #[error("it may not be done")]
    Denied(#[from] Box<Denied>),
    #[error("a password could not be hashed")]
    Hashing,
}

/// A session that has begun, with the secret that its bearer gets.
pub(crate) struct Begun {
    pub(crate) secret: Secret,
    pub(crate) account: Account,
}

/// What became of a try to sign in.
pub(crate) enum SignedIn {
    Begun(Box<Begun>),
    /// Name or password is wrong.
    Wrong,
    /// There were too many tries: after so many milliseconds again.
    Wait(u64),
}

/// What became of a new password.
pub(crate) enum PasswordChanged {
    Changed,
    /// The old one is another one.
    Wrong,
    /// The new one is not taken.
    Rule(PasswordRule),
    Wait(u64),
}

/// The text that something calls itself, short and printable.
pub(super) fn agent_of(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(AGENT_MAX).collect()
}

impl App {
    /// Hashes a password on a thread of its own, a few at a time.
    pub(super) async fn hash(&self, password: Zeroizing<String>) -> Result<PasswordHash, SignInError> {
        let salt = fresh::<16>()?;
        self.hashing(move || PasswordHash::new(&password, &salt)).await
    }

    async fn verify(&self, hash: PasswordHash, password: Zeroizing<String>) -> Result<bool, SignInError> {
        self.hashing(move || hash.verifies(&password)).await
    }

    async fn hashing<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, SignInError> {
        let place = Arc::clone(&self.people.hashing).acquire_owned().await;
        let place = place.map_err(|_| SignInError::Hashing)?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(place);
            done
        });
        done.await.map_err(|_| SignInError::Hashing)
    }

    /// Counts a try before it is made, so that tries at the same moment count, too.
    fn may_try(&self, name: &str) -> Result<(), u64> {
        let keys = [format!("name:{name}")];
        let now_ms = self.clock.monotonic_ms();
        let mut throttle = self.people.throttle();
        match throttle.may_try(&keys, now_ms) {
            Wait::For(ms) => Err(ms),
            Wait::Now => {
                throttle.failed(&keys, now_ms);
                Ok(())
            }
        }
    }

    /// Whether this is the password of the account; a name that is not known takes as long.
    async fn is_password(
        &self,
        name: &str,
        password: Zeroizing<String>,
    ) -> Result<Option<PasswordHash>, SignInError> {
        let known = self.store.password_of(&self.scope, name).await?;
        let hash = known.map_or_else(
            || self.people.nobody.clone(),
            |known| PasswordHash::stored(known.hash),
        );
        let is_it = self.verify(hash.clone(), password).await?;
        if is_it {
            self.people.throttle().succeeded(&format!("name:{name}"));
        }
        Ok(is_it.then_some(hash))
    }

    /// Signs somebody in. `agent` is what the browser or program calls itself.
    pub(crate) async fn sign_in(
        &self,
        request: Option<&str>,
        name: &str,
        password: Zeroizing<String>,
        agent: &str,
    ) -> Result<SignedIn, SignInError> {
        if !is_name(name) {
            return Ok(SignedIn::Wrong);
        }
        if let Err(ms) = self.may_try(name) {
            return Ok(SignedIn::Wait(ms));
        }
        let nobody = self.caller(Actor::Nobody, request);
        let object = Object::new(ObjectKind::Account, name);
        let Some(hash) = self.is_password(name, password).await? else {
            let why = "the name or the password is wrong".to_owned();
            self.note_refused(&nobody, Action::SignIn, object, why).await;
            return Ok(SignedIn::Wrong);
        };
        let Some(member) = self.store.member(&self.scope, name).await? else {
            return Ok(SignedIn::Wrong);
        };
        let begun = begun(member, "password")?;
        let caller = self.caller(Actor::Account(begun.account.clone()), request);
        let allowed = self.allow(&caller, Action::SignIn, object).await?;
        let new = self.new_session(&begun.secret, agent);
        let stored = hash.as_str().to_owned();
        let is_good = allowed
            .change()
            .begin_session(allowed.scope(), name.to_owned(), stored, new)
            .await?;
        // Else the password was changed, or the member removed, while it was compared.
        Ok(if is_good {
            SignedIn::Begun(Box::new(begun))
        } else {
            SignedIn::Wrong
        })
    }

    pub(super) fn new_session(&self, secret: &Secret, agent: &str) -> NewSession {
        let digest = secret.digest();
        NewSession {
            id: listed_by(&digest),
            digest,
            at_ms: self.clock.now_ms(),
            agent: agent_of(agent),
        }
    }

    /// The sessions of whoever asks, newest first, each with whether it is the one that asks.
    pub(crate) async fn sessions_of(
        &self,
        caller: &Caller,
        showing: Option<&Showing>,
    ) -> Result<Vec<(StoredSession, bool)>, SignInError> {
        let name = caller.actor.name();
        let object = Object::new(ObjectKind::Account, name);
        let allowed = self.allow(caller, Action::ReadAccount, object).await?;
        let sessions = allowed.store().sessions(allowed.scope(), name).await?;
        let is_own = |session: &StoredSession| showing == Some(&Showing::Session(session.digest));
        Ok(sessions
            .into_iter()
            .map(|session| {
                let own = is_own(&session);
                (session, own)
            })
            .collect())
    }

    /// Ends a session of whoever asks. False if it has none with this id.
    pub(crate) async fn end_session(&self, caller: &Caller, id: &str) -> Result<bool, SignInError> {
        let object = Object::new(ObjectKind::Session, id);
        let allowed = self.allow(caller, Action::EndSession, object).await?;
        let (change, name) = (allowed.change(), caller.actor.name().to_owned());
        Ok(change.end_session(allowed.scope(), name, id.to_owned()).await?)
    }

    /// Ends the session that asks for it.
    pub(crate) async fn sign_out(&self, caller: &Caller, session: &Digest) -> Result<bool, SignInError> {
        self.end_session(caller, &listed_by(session)).await
    }

    /// Gives whoever asks another password; all sessions end, but for the one that asks.
    pub(crate) async fn change_password(
        &self,
        caller: &Caller,
        showing: Option<&Showing>,
        old: Zeroizing<String>,
        new: Zeroizing<String>,
    ) -> Result<PasswordChanged, SignInError> {
        let name = caller.actor.name();
        let object = Object::new(ObjectKind::Account, name);
        let allowed = self.allow(caller, Action::ChangePassword, object.clone()).await?;
        if let Err(rule) = check_password(name, &new) {
            return Ok(PasswordChanged::Rule(rule));
        }
        if let Err(ms) = self.may_try(name) {
            return Ok(PasswordChanged::Wait(ms));
        }
        if self.is_password(name, old).await?.is_none() {
            let why = "the old password is another one".to_owned();
            self.note_refused(caller, Action::ChangePassword, object, why)
                .await;
            return Ok(PasswordChanged::Wrong);
        }
        let hash = self.hash(new).await?.as_str().to_owned();
        let keep = match showing {
            Some(Showing::Session(digest)) => Some(*digest),
            Some(Showing::Token) | None => None,
        };
        let change = allowed.change();
        let changed = change.set_password(allowed.scope(), name.to_owned(), hash, keep);
        Ok(match changed.await? {
            true => PasswordChanged::Changed,
            false => PasswordChanged::Wrong,
        })
    }
}

impl App {
    /// Keeps the public key with which whoever asks signs answers. False if that is nobody with an account.
    pub(crate) async fn set_signing_key(
        &self,
        caller: &Caller,
        key: VerifyingKey,
    ) -> Result<bool, SignInError> {
        let name = caller.actor.name();
        let object = Object::new(ObjectKind::Account, name);
        let allowed = self.allow(caller, Action::SetSigningKey, object.clone()).await?;
        let change = allowed.about(object, Some(key.to_string())).change();
        let kept = change.set_signing_key(allowed.scope(), name.to_owned(), key);
        Ok(kept.await?)
    }
}

/// A session that is to begin for a member.
pub(super) fn begun(member: Member, shown_by: &str) -> Result<Begun, EntropyError> {
    Ok(Begun {
        secret: secret(SecretKind::Session)?,
        account: Account {
            name: member.name.into(),
            shown_by: shown_by.into(),
            roles: Arc::new(member.roles),
            passes_on: None,
        },
    })
}
