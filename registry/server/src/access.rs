//! Who may push and pull: accounts, what publishers let others see, and the short tokens that the protocol's clients ask for.
//!
//! An account here has a name and a password; its members' roles stand with each publisher. Whoever mounts the registry may
//! know people by other means and name them at the door ([`Visitor`]). A token is a signed note of what may be done until
//! when, so none is stored and a flood of requests costs no memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use flowforge_protocol::{ConnectorName, Digest};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::publisher::{Publisher, Visibility};

/// How long a token lasts.
pub(crate) const TOKEN_LIFE_MS: u64 = 30 * 60 * 1_000;
/// Most scopes in one token.
const SCOPES_MAX: usize = 16;
/// Largest token, in bytes.
const TOKEN_BYTES_MAX: usize = 4096;

/// One account with a password of its own: a robot, or a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// SHA-256 of its password, which is long and random, so that nobody can guess it from this.
    pub password_digest: Digest,
    /// Milliseconds since 1970 UTC.
    pub created_at_ms: u64,
    /// Who made it, or gave it its last password.
    pub created_by: String,
}

/// Who comes through the door. Whoever mounts the registry may put one into the request's extensions; without it the
/// registry asks for credentials of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visitor {
    /// Whoever runs the registry.
    Operator,
    /// A host of the plane that the registry belongs to: it pulls what it is told to run.
    Host,
    /// Somebody with an account, here or at the plane.
    Account(String),
    /// Somebody who has not said who they are.
    Anonymous,
}

impl Visitor {
    /// The name under which it is kept who did something.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Operator => "operator",
            Self::Host => "host",
            Self::Account(name) => name,
            Self::Anonymous => "anonymous",
        }
    }
}

/// What is done with a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    Pull,
    Push,
}

/// What may be done with one repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scope {
    pub(crate) name: ConnectorName,
    pub(crate) actions: Vec<Action>,
}

/// Who asks, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ticket {
    pub(crate) visitor: Visitor,
    /// What was asked for and granted; everything that the visitor may do if they showed themselves.
    scopes: Option<Vec<Scope>>,
    until_ms: u64,
}

impl Ticket {
    /// Whether it is that of somebody who has shown nothing at all, not even a token.
    pub(crate) fn is_fresh_anonymous(&self) -> bool {
        self.visitor == Visitor::Anonymous && self.scopes.is_none()
    }

    /// The ticket of somebody who has shown who they are.
    pub(crate) fn whole(visitor: Visitor) -> Self {
        Self {
            visitor,
            scopes: None,
            until_ms: u64::MAX,
        }
    }
}

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Barred {
    /// Nobody knows who asks, or the token is no good any more.
    Unknown,
    /// The token is for something else; another one may do.
    OtherScope,
    /// This account may not push there.
    Forbidden,
    /// It is listed, and pulled by those with a grant only.
    NoGrant,
    /// For this visitor there is nothing of that name.
    Hidden,
}

/// Everybody who may do something here.
#[derive(Debug, Clone, Default)]
pub(crate) struct People {
    /// Whether public connectors are pulled without an account.
    pub(crate) anonymous_pull: bool,
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) publishers: BTreeMap<String, Arc<Publisher>>,
}

impl People {
    /// The account whose name and password these are.
    fn sign_in(&self, credentials: &str) -> Option<String> {
        let text = String::from_utf8(STANDARD.decode(credentials).ok()?).ok()?;
        let (name, password) = text.split_once(':')?;
        let given = Digest::of(password.as_bytes());
        // An unknown name costs the same comparison as a known one.
        let nobody = Digest::of(b"");
        let known = self.accounts.get(name);
        let expected = known.map_or(nobody, |account| account.password_digest);
        let same = bool::from(given.as_bytes().ct_eq(expected.as_bytes()));
        (same && known.is_some() && !password.is_empty()).then(|| name.to_owned())
    }

    /// Whether a visitor may do that, their ticket aside.
    pub(crate) fn may(
        &self,
        visitor: &Visitor,
        name: &ConnectorName,
        action: Action,
        now_ms: u64,
    ) -> Result<(), Barred> {
        let publisher = self.publishers.get(name.publisher());
        match (visitor, action) {
            (Visitor::Operator, _) | (Visitor::Host, Action::Pull) => Ok(()),
            (_, Action::Push) => {
                let account = match visitor {
                    Visitor::Account(account) => account,
                    Visitor::Host => return Err(Barred::Forbidden),
                    _ => return Err(Barred::Unknown),
                };
                let role = publisher.and_then(|publisher| publisher.role_of(account));
                role.map(drop).ok_or(Barred::Forbidden)
            }
            (_, Action::Pull) => self.may_pull(visitor, name, publisher, now_ms),
        }
    }

    fn may_pull(
        &self,
        visitor: &Visitor,
        name: &ConnectorName,
        publisher: Option<&Arc<Publisher>>,
        now_ms: u64,
    ) -> Result<(), Barred> {
        let account = match visitor {
            Visitor::Account(account) => Some(account),
            _ if self.anonymous_pull => None,
            _ => return Err(Barred::Unknown),
        };
        let Some(publisher) = publisher else { return Ok(()) };
        let is_let = || account.is_some_and(|account| publisher.lets_pull(account, name.name(), now_ms));
        match publisher.visibility_of(name.name()) {
            Visibility::Public => Ok(()),
            _ if is_let() => Ok(()),
            Visibility::Private => Err(Barred::Hidden),
            // Whoever says who they are may have a grant.
            Visibility::Listed if account.is_none() => Err(Barred::Unknown),
            Visibility::Listed => Err(Barred::NoGrant),
        }
    }

    /// Whether a connector stands in lists for this visitor.
    pub(crate) fn sees(&self, visitor: &Visitor, name: &ConnectorName, now_ms: u64) -> bool {
        let publisher = self.publishers.get(name.publisher());
        let visibility = publisher.map_or(Visibility::Public, |publisher| {
            publisher.visibility_of(name.name())
        });
        visibility != Visibility::Private || self.may(visitor, name, Action::Pull, now_ms).is_ok()
    }

    /// Whether this ticket lets its holder do that.
    pub(crate) fn admit(
        &self,
        ticket: &Ticket,
        name: &ConnectorName,
        action: Action,
        now_ms: u64,
    ) -> Result<(), Barred> {
        self.may(&ticket.visitor, name, action, now_ms)?;
        let in_scope = ticket.scopes.as_ref().is_none_or(|scopes| {
            let mut scopes = scopes.iter();
            scopes.any(|scope| scope.name == *name && scope.actions.contains(&action))
        });
        match in_scope {
            true => Ok(()),
            false => Err(Barred::OtherScope),
        }
    }

    /// Who presents these credentials: those of an `Authorization` header.
    pub(crate) fn present(
        &self,
        key: &TokenKey,
        header: Option<&str>,
        now_ms: u64,
    ) -> Result<Ticket, Barred> {
        let Some(header) = header else {
            return Err(Barred::Unknown);
        };
        match header.split_once(' ') {
            Some((scheme, credentials)) if scheme.eq_ignore_ascii_case("basic") => {
                let account = self.sign_in(credentials.trim()).ok_or(Barred::Unknown)?;
                Ok(Ticket::whole(Visitor::Account(account)))
            }
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                key.read(token.trim(), now_ms).ok_or(Barred::Unknown)
            }
            _ => Err(Barred::Unknown),
        }
    }

    /// A token for the repositories of these scopes, with all that the visitor may do there.
    pub(crate) fn issue(
        &self,
        key: &TokenKey,
        visitor: &Visitor,
        wanted: Vec<Scope>,
        now_ms: u64,
    ) -> Option<String> {
        let mut granted = wanted;
        granted.truncate(SCOPES_MAX);
        for Scope { name, actions } in &mut granted {
            // Some clients ask for a token to pull and then push with it; whoever knows the password could ask again.
            *actions = [Action::Pull, Action::Push]
                .into_iter()
                .filter(|action| self.may(visitor, name, *action, now_ms).is_ok())
                .collect();
        }
        key.write(&Ticket {
            visitor: visitor.clone(),
            scopes: Some(granted),
            until_ms: now_ms.saturating_add(TOKEN_LIFE_MS),
        })
    }
}

/// What tokens are signed with. It lies in the registry's folder, so that every process that has the folder takes them.
pub(crate) struct TokenKey(pub(crate) [u8; 32]);

impl TokenKey {
    fn write(&self, ticket: &Ticket) -> Option<String> {
        let payload = serde_json::to_vec(ticket).ok()?;
        let mac = self.mac(&payload)?.finalize().into_bytes();
        Some(format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(payload),
            URL_SAFE_NO_PAD.encode(mac)
        ))
    }

    fn read(&self, token: &str, now_ms: u64) -> Option<Ticket> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (payload, mac) = token.split_once('.')?;
        let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
        self.mac(&payload)?
            .verify_slice(&URL_SAFE_NO_PAD.decode(mac).ok()?)
            .ok()?;
        let ticket: Ticket = serde_json::from_slice(&payload).ok()?;
        (ticket.until_ms > now_ms).then_some(ticket)
    }

    fn mac(&self, payload: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(payload);
        Some(mac)
    }
}

/// Reads `repository:PUBLISHER/NAME:pull,push`; nothing for what names no repository of ours.
pub(crate) fn parse_scope(text: &str) -> Option<Scope> {
    let (path, actions) = text.strip_prefix("repository:")?.rsplit_once(':')?;
    let name = path.replacen('/', ":", 1).parse().ok()?;
    let actions = actions.split(',').flat_map(|action| match action {
        "pull" => vec![Action::Pull],
        "push" => vec![Action::Push],
        "*" => vec![Action::Pull, Action::Push],
        _ => Vec::new(),
    });
    Some(Scope {
        name,
        actions: actions.collect(),
    })
}

#[cfg(test)]
mod tests;
