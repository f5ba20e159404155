//! Who may push and pull: accounts of people and robots, and the short tokens that the protocol's clients ask for.
//!
//! A registry without accounts is open to whoever reaches it. One with accounts asks for a token; anonymous ones pull if
//! that is allowed. A token is a signed note of what may be done until when, so none is stored and a flood of requests
//! costs no memory. Its key lives as long as the process: after a restart clients ask for another.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use flowforge_protocol::{ConnectorName, Digest};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// How long a token lasts.
pub(crate) const TOKEN_LIFE_MS: u64 = 30 * 60 * 1_000;
/// Most scopes in one token.
const SCOPES_MAX: usize = 16;
/// Largest token, in bytes.
const TOKEN_BYTES_MAX: usize = 4096;

/// One account.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// SHA-256 of its password, which is long and random, such as those of `openssl rand -hex 32`.
    pub password_digest: Digest,
    /// Publishers under whose names it may push.
    pub publishers: Vec<String>,
}

/// Everybody who may do something here.
pub struct Accounts {
    anonymous_pull: bool,
    accounts: BTreeMap<String, Account>,
    key: [u8; 32],
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Accounts")
            .field("anonymous_pull", &self.anonymous_pull)
            .field("accounts", &self.accounts.keys())
            .finish_non_exhaustive()
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
    /// The account; nothing for anonymous ones.
    account: Option<String>,
    /// What was asked for and granted; everything that the account may do if it came with its password.
    scopes: Option<Vec<Scope>>,
    until_ms: u64,
}

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Barred {
    /// Nobody knows who asks, or the token is no good any more.
    Unknown,
    /// The token is for something else; another one may do.
    OtherScope,
    /// This account may not do that.
    Forbidden,
}

impl Accounts {
    /// Accounts by their names.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn new(anonymous_pull: bool, accounts: BTreeMap<String, Account>) -> Result<Self, std::io::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(std::io::Error::other)?;
        Ok(Self {
            anonymous_pull,
            accounts,
            key,
        })
    }

    /// Who presents these credentials: those of an `Authorization` header.
    pub(crate) fn present(&self, header: Option<&str>, now_ms: u64) -> Result<Ticket, Barred> {
        let Some(header) = header else {
            return Err(Barred::Unknown);
        };
        match header.split_once(' ') {
            Some((scheme, credentials)) if scheme.eq_ignore_ascii_case("basic") => {
                let account = self.sign_in(credentials.trim()).ok_or(Barred::Unknown)?;
                Ok(Ticket {
                    account: Some(account),
                    scopes: None,
                    until_ms: now_ms.saturating_add(TOKEN_LIFE_MS),
                })
            }
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                self.read(token.trim(), now_ms).ok_or(Barred::Unknown)
            }
            _ => Err(Barred::Unknown),
        }
    }

    /// The account whose name and password these are.
    fn sign_in(&self, credentials: &str) -> Option<String> {
        let text = String::from_utf8(STANDARD.decode(credentials).ok()?).ok()?;
        let (name, password) = text.split_once(':')?;
        let given = Digest::of(password.as_bytes()).to_string();
        // An unknown name costs the same comparison as a known one.
        let nobody = Digest::of(b"").to_string();
        let known = self.accounts.get(name);
        let expected = known.map_or(nobody, |account| account.password_digest.to_string());
        let same = bool::from(given.as_bytes().ct_eq(expected.as_bytes()));
        (same && known.is_some() && !password.is_empty()).then(|| name.to_owned())
    }

    /// A token for the repositories of these scopes, with all that whoever asks may do there.
    ///
    /// # Errors
    /// [`Barred::Unknown`]: the credentials are wrong, or nobody may pull without.
    pub(crate) fn issue(
        &self,
        header: Option<&str>,
        wanted: Vec<Scope>,
        now_ms: u64,
    ) -> Result<String, Barred> {
        let account = match header {
            Some(_) => self.present(header, now_ms)?.account,
            None if self.anonymous_pull => None,
            None => return Err(Barred::Unknown),
        };
        let mut granted = wanted;
        granted.truncate(SCOPES_MAX);
        for Scope { name, actions } in &mut granted {
            // Some clients ask for a token to pull and then push with it; whoever knows the password could ask again.
            *actions = [Action::Pull, Action::Push]
                .into_iter()
                .filter(|action| self.may(account.as_deref(), name, *action))
                .collect();
        }
        let ticket = Ticket {
            account,
            scopes: Some(granted),
            until_ms: now_ms.saturating_add(TOKEN_LIFE_MS),
        };
        let payload = serde_json::to_vec(&ticket).map_err(|_| Barred::Unknown)?;
        let mac = self.mac(&payload).ok_or(Barred::Unknown)?.finalize().into_bytes();
        Ok(format!(
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
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        mac.update(payload);
        Some(mac)
    }

    /// What the account may do at all.
    fn may(&self, account: Option<&str>, name: &ConnectorName, action: Action) -> bool {
        let known = account.and_then(|account| self.accounts.get(account));
        match action {
            Action::Pull => self.anonymous_pull || known.is_some(),
            Action::Push => known.is_some_and(|account| {
                account
                    .publishers
                    .iter()
                    .any(|publisher| publisher == name.publisher())
            }),
        }
    }

    /// Whether this ticket lets its holder do that.
    pub(crate) fn admit(&self, ticket: &Ticket, name: &ConnectorName, action: Action) -> Result<(), Barred> {
        let in_scope = ticket.scopes.as_ref().is_none_or(|scopes| {
            scopes
                .iter()
                .any(|scope| scope.name == *name && scope.actions.contains(&action))
        });
        let may = self.may(ticket.account.as_deref(), name, action);
        match (may, in_scope, &ticket.account) {
            (true, true, _) => Ok(()),
            (true, false, _) => Err(Barred::OtherScope),
            (false, _, Some(_)) => Err(Barred::Forbidden),
            // Whoever is known may be allowed more.
            (false, _, None) => Err(Barred::Unknown),
        }
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
mod tests {
    use super::*;

    fn accounts(anonymous_pull: bool) -> Accounts {
        let robot = Account {
            password_digest: Digest::of(b"long and random"),
            publishers: vec!["acme".to_owned()],
        };
        Accounts::new(anonymous_pull, BTreeMap::from([("robot".to_owned(), robot)])).unwrap()
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    fn name(text: &str) -> ConnectorName {
        text.parse().unwrap()
    }

    #[test]
    fn a_password_lets_its_account_push_under_its_publishers_names_only() {
        let accounts = accounts(true);
        let ticket = accounts
            .present(Some(&basic("robot:long and random")), 0)
            .unwrap();
        assert_eq!(accounts.admit(&ticket, &name("acme:geo"), Action::Push), Ok(()));
        assert_eq!(
            accounts.admit(&ticket, &name("zeta:geo"), Action::Push),
            Err(Barred::Forbidden)
        );
        assert_eq!(accounts.admit(&ticket, &name("zeta:geo"), Action::Pull), Ok(()));
        for wrong in [
            "robot:wrong",
            "robot:",
            "nobody:long and random",
            "nobody:",
            "robot",
            "",
        ] {
            assert_eq!(
                accounts.present(Some(&basic(wrong)), 0),
                Err(Barred::Unknown),
                "{wrong}"
            );
        }
        for wrong in ["Basic !", "Digest x", "Bearer x.y", ""] {
            assert_eq!(accounts.present(Some(wrong), 0), Err(Barred::Unknown), "{wrong}");
        }
    }

    #[test]
    fn a_token_is_for_what_it_was_asked_for_and_for_half_an_hour() {
        let accounts = accounts(true);
        let scopes = vec![
            parse_scope("repository:acme/geo:pull,push").unwrap(),
            parse_scope("repository:zeta/geo:push").unwrap(),
        ];
        let token = accounts
            .issue(Some(&basic("robot:long and random")), scopes, 1_000)
            .unwrap();
        let header = format!("Bearer {token}");
        let ticket = accounts
            .present(Some(&header), 1_000 + TOKEN_LIFE_MS - 1)
            .unwrap();
        assert_eq!(accounts.admit(&ticket, &name("acme:geo"), Action::Push), Ok(()));
        assert_eq!(
            accounts.admit(&ticket, &name("acme:other"), Action::Push),
            Err(Barred::OtherScope)
        );
        assert_eq!(
            accounts.admit(&ticket, &name("zeta:geo"), Action::Push),
            Err(Barred::Forbidden)
        );
        assert_eq!(
            accounts.present(Some(&header), 1_000 + TOKEN_LIFE_MS),
            Err(Barred::Unknown)
        );
        // Another life of the registry, and a changed letter.
        assert_eq!(
            Accounts::new(true, BTreeMap::new())
                .unwrap()
                .present(Some(&header), 1_000),
            Err(Barred::Unknown)
        );
        let mut forged = header.into_bytes();
        forged[10] ^= 1;
        let forged = String::from_utf8_lossy(&forged).into_owned();
        assert_eq!(accounts.present(Some(&forged), 1_000), Err(Barred::Unknown));
    }

    #[test]
    fn anonymous_ones_pull_where_that_is_allowed() {
        let pull = || vec![parse_scope("repository:acme/geo:pull,push").unwrap()];
        let open = accounts(true);
        let token = format!("Bearer {}", open.issue(None, pull(), 0).unwrap());
        let ticket = open.present(Some(&token), 0).unwrap();
        assert_eq!(open.admit(&ticket, &name("acme:geo"), Action::Pull), Ok(()));
        assert_eq!(
            open.admit(&ticket, &name("acme:geo"), Action::Push),
            Err(Barred::Unknown)
        );
        assert_eq!(accounts(false).issue(None, pull(), 0), Err(Barred::Unknown));
    }

    #[test]
    fn a_scope_names_a_repository() {
        assert_eq!(
            parse_scope("repository:acme/geo:*").unwrap().actions,
            [Action::Pull, Action::Push]
        );
        for wrong in ["registry:catalog:*", "repository:geo:pull", "repository:a/b", "x"] {
            assert_eq!(parse_scope(wrong), None, "{wrong}");
        }
    }
}
