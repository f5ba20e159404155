//! People: how they show who they are, and who of them belongs here with which roles.
//!
//! Owns: what a request shows and whom that speaks for, sign-in by name and password, one-time links, sessions, API tokens,
//! members. Leaves to others: what a role permits (`core`), how secrets and passwords are made (`identity`), what a request
//! looks like (`http`). Invariants: what somebody carries is never written down, neither here nor in the log; hashing is
//! bounded, whoever asks for it; a name that is not known costs as much as a wrong password.

mod links;
mod members;
mod proof;
mod sign_in;
mod tokens;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flowforge_identity::{PasswordHash, Secret, SecretKind, Throttle};
use flowforge_protocol::Digest;
use tokio::sync::Semaphore;

use crate::entropy::{EntropyError, fresh};

pub use links::FirstLinkError;
pub(crate) use links::{Joined, LinkFor, LinkMade};
pub(crate) use members::MemberError;
pub(crate) use proof::{Known, Proof, Showing};
pub(crate) use sign_in::{Begun, PasswordChanged, SignedIn};
pub(crate) use tokens::{TokenError, TokenWanted};

/// Names whose failed tries are remembered.
const THROTTLED_MAX: usize = 10_000;
/// Passwords that are hashed at the same time; each takes 19 MiB.
const HASHING_MAX: usize = 2;
/// Longest name of an account.
pub(crate) const NAME_MAX: usize = 64;
/// Names that no account has: those of other actors.
const RESERVED: [&str; 5] = ["local", "owner", "plane", "host", "nobody"];
/// What a name must be.
pub(crate) const NAME_RULE: &str = "expected 1 to 64 characters of a-z, 0-9, `.`, `_` and `-`, a letter first, and none of: \
    local, owner, plane, host, nobody";

/// The URL for people is none.
#[derive(Debug, thiserror::Error)]
pub enum PeopleUrlError {
    /// It is not an address.
    #[error("`{0}` is not where people can find a server: expected https://NAME or https://NAME:PORT")]
    Shape(String),
    /// Nobody signs in.
    #[error("a URL for people of other machines needs sign-in, and this server has none")]
    NoSignIn,
}

/// What this process knows of people in general; who they are is in the store.
pub(crate) struct People {
    /// Whether people sign in.
    pub(crate) sign_in: bool,
    /// Where people find this server, for the links that they are sent.
    base: String,
    /// `NAME` or `NAME:PORT` of the URL by which people of other machines come, through a program that speaks TLS.
    authority: Option<String>,
    owner: Digest,
    throttle: Mutex<Throttle>,
    hashing: Arc<Semaphore>,
    nobody: PasswordHash,
}

impl People {
    /// `owner_token` is what the owner shows; `local` and `url` are where people of this machine and of other ones find this
    /// server.
    pub(crate) fn new(
        sign_in: bool,
        local: &str,
        url: Option<&str>,
        owner_token: &str,
    ) -> Result<Self, PeopleUrlError> {
        if url.is_some() && !sign_in {
            return Err(PeopleUrlError::NoSignIn);
        }
        let authority = url.map(authority_of).transpose()?;
        Ok(Self {
            sign_in,
            base: url.unwrap_or(local).to_owned(),
            authority,
            owner: Digest::of(owner_token.as_bytes()),
            throttle: Mutex::new(Throttle::new(THROTTLED_MAX)),
            hashing: Arc::new(Semaphore::new(HASHING_MAX)),
            nobody: PasswordHash::of_nobody(),
        })
    }

    /// Whether a request to this host came by the URL for people of other machines, so by TLS.
    pub(crate) fn is_public(&self, host: &str) -> bool {
        self.authority
            .as_deref()
            .is_some_and(|authority| authority.eq_ignore_ascii_case(host))
    }

    /// The address by which a one-time link is used. The part behind `#` is not sent to servers, so it is in none of their
    /// logs.
    pub(crate) fn address_of(&self, secret: &str) -> String {
        format!("{}/join#{secret}", self.base)
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn authority_of(url: &str) -> Result<String, PeopleUrlError> {
    let authority = url.strip_prefix("https://").unwrap_or_default();
    let is_sign = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']');
    if authority.is_empty() || authority.len() > 255 || !authority.bytes().all(is_sign) {
        return Err(PeopleUrlError::Shape(url.chars().take(200).collect()));
    }
    Ok(authority.to_owned())
}

/// Whether an account can have this name.
pub(crate) fn is_name(name: &str) -> bool {
    let is_sign = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
    (1..=NAME_MAX).contains(&name.len())
        && name.bytes().all(is_sign)
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !RESERVED.contains(&name)
}

/// A fresh secret of this kind.
fn secret(kind: SecretKind) -> Result<Secret, EntropyError> {
    Ok(Secret::from_entropy(
        kind,
        zeroize::Zeroizing::new(fresh::<32>()?),
    ))
}

/// What something is listed by whose secret has this digest: it tells nothing of the secret.
fn listed_by(digest: &Digest) -> String {
    let hex = Digest::of_parts(&[b"flowforge listed id 1", digest.as_bytes()]).hex();
    hex.chars().take(16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "http://127.0.0.1:7400";

    #[test]
    fn a_name_is_short_plain_and_nobody_elses() {
        for good in ["a", "ann", "ann.lee-2_x"] {
            assert!(is_name(good), "{good}");
        }
        let long = "a".repeat(NAME_MAX + 1);
        for wrong in [
            "", "Ann", "1ann", "-ann", "ann lee", "ann\n", "änn", "plane", "local", &long,
        ] {
            assert!(!is_name(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_url_for_people_is_https_without_a_path_and_needs_sign_in() {
        let people = People::new(true, HERE, Some("https://plane.example.com:8443"), "t").unwrap();
        assert!(people.is_public("plane.example.com:8443") && people.is_public("PLANE.example.com:8443"));
        assert!(!people.is_public("plane.example.com") && !people.is_public("127.0.0.1:7400"));
        assert_eq!(people.address_of("s"), "https://plane.example.com:8443/join#s");
        assert!(!People::new(true, HERE, None, "t").unwrap().is_public(""));
        for wrong in [
            "http://plane.example.com",
            "https://",
            "https://a/b",
            "https://a@b",
            "https://a\n",
        ] {
            assert!(People::new(true, HERE, Some(wrong), "t").is_err(), "{wrong}");
        }
        assert!(People::new(false, HERE, Some("https://a"), "t").is_err());
    }
}
