//! API tokens of people and of programs: for some permissions, and for a time.

use std::collections::BTreeSet;

use flowforge_protocol::Digest;

/// Longest life of an API token, milliseconds: a year.
pub const TOKEN_LIFE_MAX_MS: u64 = 366 * 24 * 60 * 60 * 1_000;

/// What is kept of an API token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Digest of its secret.
    pub digest: Digest,
    /// The account that it speaks for.
    pub account: String,
    /// The project that it is for.
    pub project: String,
    /// The permissions that it passes on, by their names: it has them as long as its account has them, too.
    pub permissions: BTreeSet<String>,
    /// When it was made, milliseconds since 1970 UTC.
    pub made_at_ms: u64,
    /// From when on it is not good.
    pub expires_at_ms: u64,
    /// When it was revoked.
    pub revoked_at_ms: Option<u64>,
}

/// What a token is worth now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenState {
    /// It speaks for its account.
    Good,
    /// Its time is over.
    Expired,
    /// Somebody revoked it.
    Revoked,
}

impl ApiToken {
    /// What it is worth at this moment. One that was stored with a longer life than any may have ends after the longest.
    #[must_use]
    pub fn state(&self, now_ms: u64) -> TokenState {
        let end_ms = self
            .expires_at_ms
            .min(self.made_at_ms.saturating_add(TOKEN_LIFE_MAX_MS));
        if self.revoked_at_ms.is_some() {
            TokenState::Revoked
        } else if now_ms >= end_ms {
            TokenState::Expired
        } else {
            TokenState::Good
        }
    }

    /// Whether it passes this permission on in this project.
    #[must_use]
    pub fn passes_on(&self, permission: &str, project: &str) -> bool {
        self.project == project && self.permissions.contains(permission)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_for_some_things_in_one_project_and_for_a_time() {
        let token = ApiToken {
            digest: Digest::of(b"x"),
            account: "ann".into(),
            project: "billing".into(),
            permissions: BTreeSet::from(["read".to_owned(), "run".to_owned()]),
            made_at_ms: 1_000,
            expires_at_ms: 5_000,
            revoked_at_ms: None,
        };
        assert!(token.passes_on("run", "billing"));
        assert!(!token.passes_on("publish", "billing") && !token.passes_on("run", "default"));
        assert_eq!(token.state(4_999), TokenState::Good);
        assert_eq!(token.state(5_000), TokenState::Expired);
        let endless = ApiToken {
            expires_at_ms: u64::MAX,
            ..token.clone()
        };
        assert_eq!(endless.state(1_000 + TOKEN_LIFE_MAX_MS), TokenState::Expired);
        let revoked = ApiToken {
            revoked_at_ms: Some(2_000),
            ..token
        };
        assert_eq!(revoked.state(2_001), TokenState::Revoked);
    }
}
