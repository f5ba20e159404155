//! API tokens: made by a person for a program, for some permissions and for a time.

use std::collections::BTreeSet;

use flowforge_core::{Action, Caller, Denied, Object, ObjectKind, Permission};
use flowforge_identity::{SecretKind, TOKEN_LIFE_MAX_MS};
use flowforge_store::{NewToken, StoreError, StoredToken};
use zeroize::Zeroizing;

use super::{listed_by, secret};
use crate::app::App;
use crate::entropy::EntropyError;

/// Shortest life of a token, milliseconds: a minute.
const LIFE_MIN_MS: u64 = 60_000;
/// Longest name of a token, characters.
const NAME_CHARS_MAX: usize = 64;

/// A token that somebody wants.
pub(crate) struct TokenWanted {
    pub(crate) name: String,
    pub(crate) permissions: BTreeSet<Permission>,
    pub(crate) life_ms: u64,
}

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    #[error("it may not be done")]
    Denied(#[from] Box<Denied>),
    #[error("{1}")]
    Input(&'static str, String),
}

impl TokenWanted {
    fn fault(&self) -> Option<TokenError> {
        let wrong = |field, message: &str| Some(TokenError::Input(field, message.to_owned()));
        let count = self.name.chars().count();
        if count == 0 || count > NAME_CHARS_MAX || self.name.chars().any(char::is_control) {
            return wrong("name", "expected 1 to 64 printable characters");
        }
        if !(LIFE_MIN_MS..=TOKEN_LIFE_MAX_MS).contains(&self.life_ms) {
            return wrong("lifeMs", "expected a minute to 366 days");
        }
        let never = [Permission::KeepAccount, Permission::SignIn, Permission::Serve];
        if self.permissions.is_empty() {
            return wrong("permissions", "name one at least");
        }
        let refused = never.into_iter().find(|never| self.permissions.contains(never))?;
        let message = format!("no token passes on `{}`", refused.as_str());
        wrong("permissions", &message)
    }
}

impl App {
    /// Makes a token for whoever asks; its text is told here and never again.
    pub(crate) async fn make_token(
        &self,
        caller: &Caller,
        wanted: TokenWanted,
    ) -> Result<(StoredToken, Zeroizing<String>), TokenError> {
        let account = caller.actor.name().to_owned();
        let object = Object::new(ObjectKind::Account, &account);
        let allowed = self.allow(caller, Action::MakeToken, object).await?;
        if let Some(fault) = wanted.fault() {
            return Err(fault);
        }
        let secret = secret(SecretKind::ApiToken)?;
        let (digest, now_ms) = (secret.digest(), self.clock.now_ms());
        let new = NewToken {
            digest,
            id: listed_by(&digest),
            account,
            name: wanted.name,
            permissions: wanted.permissions,
            made_at_ms: now_ms,
            expires_at_ms: now_ms.saturating_add(wanted.life_ms),
        };
        let stored = StoredToken {
            id: new.id.clone(),
            account: new.account.clone(),
            name: new.name.clone(),
            permissions: new.permissions.clone(),
            made_at_ms: new.made_at_ms,
            expires_at_ms: new.expires_at_ms,
            used_at_ms: None,
        };
        let words: Vec<&str> = new.permissions.iter().map(|held| held.as_str()).collect();
        let detail = format!("{}: {}", new.name, words.join(", "));
        let change = allowed
            .about(Object::new(ObjectKind::Token, &new.id), Some(detail))
            .change();
        if !change.make_token(allowed.scope(), new).await? {
            let message = "this account has too many tokens; revoke some".to_owned();
            return Err(TokenError::Input("", message));
        }
        Ok((stored, secret.to_text()))
    }

    /// The tokens of whoever asks, newest first.
    pub(crate) async fn tokens_of(&self, caller: &Caller) -> Result<Vec<StoredToken>, TokenError> {
        let name = caller.actor.name();
        let object = Object::new(ObjectKind::Account, name);
        let allowed = self.allow(caller, Action::ReadAccount, object).await?;
        Ok(allowed.store().tokens(allowed.scope(), name).await?)
    }

    /// Revokes a token of whoever asks. False if it has none with this id.
    pub(crate) async fn revoke_token(&self, caller: &Caller, id: &str) -> Result<bool, TokenError> {
        let object = Object::new(ObjectKind::Token, id);
        let allowed = self.allow(caller, Action::RevokeToken, object).await?;
        let (change, name) = (allowed.change(), caller.actor.name().to_owned());
        Ok(change.revoke_token(allowed.scope(), name, id.to_owned()).await?)
    }
}
