//! Secrets that somebody carries: of a session, of an API token, of a one-time link, of the owner. Of the first three, which
//! are shown once, only a digest is kept.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flowforge_protocol::Digest;
use zeroize::Zeroizing;

/// Longest life of an API token, milliseconds: a year.
pub const TOKEN_LIFE_MAX_MS: u64 = 366 * 24 * 60 * 60 * 1_000;

/// Bytes of a secret.
const SECRET_BYTES: usize = 32;
/// Digits at the end of a secret by which one that was cut is told from one that is not known.
const CHECK_DIGITS: usize = 6;

/// What a secret is for. It stands in front of it, so that scanners of repositories find one that was left there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKind {
    /// In the cookie of a browser.
    Session,
    /// In the `authorization` of a program.
    ApiToken,
    /// In an address that is good once.
    Link,
    /// In the data folder: whoever may read that is the owner.
    Owner,
}

impl SecretKind {
    /// What the text of such a secret begins with.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Session => "ff-session-1.",
            Self::ApiToken => "ff-token-1.",
            Self::Link => "ff-link-1.",
            Self::Owner => "ff-owner-1.",
        }
    }
}

/// A secret of one kind, as its bearer has it.
#[derive(Clone)]
pub struct Secret {
    kind: SecretKind,
    bytes: Zeroizing<[u8; SECRET_BYTES]>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({:?})", self.kind)
    }
}

/// A text is no secret of this kind. The text is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// It begins otherwise.
    #[error("it does not begin with `{0}`")]
    Kind(&'static str),
    /// It was cut or changed.
    #[error("it was cut or changed on its way; copy it again as a whole")]
    Cut,
}

fn check(kind: SecretKind, body: &str) -> String {
    let digest = Digest::of_parts(&[kind.prefix().as_bytes(), body.as_bytes()]).hex();
    digest.chars().take(CHECK_DIGITS).collect()
}

impl Secret {
    /// Of fresh random bytes.
    #[must_use]
    pub fn from_entropy(kind: SecretKind, bytes: Zeroizing<[u8; SECRET_BYTES]>) -> Self {
        Self { kind, bytes }
    }

    /// The text that its bearer gets, once.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let body = Zeroizing::new(URL_SAFE_NO_PAD.encode(self.bytes.as_slice()));
        Zeroizing::new(format!(
            "{}{}.{}",
            self.kind.prefix(),
            body.as_str(),
            check(self.kind, &body)
        ))
    }

    /// Of the text that its bearer shows.
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn from_text(kind: SecretKind, text: &str) -> Result<Self, SecretError> {
        let rest = text
            .strip_prefix(kind.prefix())
            .ok_or(SecretError::Kind(kind.prefix()))?;
        let (body, end) = rest.split_once('.').ok_or(SecretError::Cut)?;
        if end != check(kind, body) {
            return Err(SecretError::Cut);
        }
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(body).map_err(|_| SecretError::Cut)?);
        let bytes = <[u8; SECRET_BYTES]>::try_from(bytes.as_slice()).map_err(|_| SecretError::Cut)?;
        Ok(Self {
            kind,
            bytes: Zeroizing::new(bytes),
        })
    }

    /// What it is kept and found by. 256 random bits need no slow digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of_parts(&[self.kind.prefix().as_bytes(), self.bytes.as_slice()])
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.as_slice()
    }
}

/// What a one-time link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKind {
    /// The first administrator makes their account: printed at the first start.
    FirstAdministrator,
    /// Somebody who was invited makes their account.
    Invitation,
    /// Somebody who forgot it sets a new password.
    PasswordReset,
}

impl LinkKind {
    /// How long such a link is good, milliseconds.
    #[must_use]
    pub fn life_ms(self) -> u64 {
        const HOUR_MS: u64 = 60 * 60 * 1_000;
        match self {
            Self::FirstAdministrator => 24 * HOUR_MS,
            Self::Invitation => 7 * 24 * HOUR_MS,
            Self::PasswordReset => HOUR_MS,
        }
    }

    /// As it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FirstAdministrator => "first-administrator",
            Self::Invitation => "invitation",
            Self::PasswordReset => "password-reset",
        }
    }

    /// The kind that is stored so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::FirstAdministrator, Self::Invitation, Self::PasswordReset];
        all.into_iter().find(|kind| kind.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(kind: SecretKind) -> Secret {
        Secret::from_entropy(kind, Zeroizing::new([3; 32]))
    }

    #[test]
    fn a_secret_is_read_as_it_was_shown_and_is_of_its_kind_only() {
        let session = secret(SecretKind::Session);
        let text = session.to_text();
        let read = Secret::from_text(SecretKind::Session, &text).expect("whole");
        assert_eq!(read.digest(), session.digest());
        assert_eq!(
            Secret::from_text(SecretKind::ApiToken, &text).expect_err("another kind"),
            SecretError::Kind("ff-token-1.")
        );
        assert_ne!(
            session.digest(),
            secret(SecretKind::ApiToken).digest(),
            "the same bytes are another secret"
        );
        assert_eq!(format!("{session:?}"), "Secret(Session)");
    }

    #[test]
    fn every_cut_or_changed_text_is_told_from_one_that_is_not_known() {
        let text = secret(SecretKind::ApiToken).to_text();
        for end in SecretKind::ApiToken.prefix().len()..text.len() {
            let error = Secret::from_text(SecretKind::ApiToken, &text[..end]).expect_err("cut");
            assert_eq!(error, SecretError::Cut);
        }
        let changed = text.replacen("AwMD", "AwME", 1);
        assert_eq!(
            Secret::from_text(SecretKind::ApiToken, &changed).expect_err("changed"),
            SecretError::Cut
        );
    }
}
