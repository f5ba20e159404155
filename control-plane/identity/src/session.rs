//! Sessions of browsers: a secret in a cookie that no script can read, and a second one that only our pages know.

use flowforge_protocol::Digest;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::secret::Secret;

/// A session that nobody used for so long has ended, milliseconds: 12 hours.
pub const SESSION_IDLE_MS: u64 = 12 * 60 * 60 * 1_000;
/// A session ends after so long, whatever is done with it, milliseconds: 7 days.
pub const SESSION_LIFE_MS: u64 = 7 * 24 * 60 * 60 * 1_000;
/// Name of the cookie. Its prefix makes browsers refuse it from a page that is not served by TLS from this very name.
const SECURE_NAME: &str = "__Host-ff-session";
/// The same on this machine, where there is no TLS.
const LOOPBACK_NAME: &str = "ff-session";

/// What is kept of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Digest of its secret.
    pub digest: Digest,
    /// Name of the account.
    pub account: String,
    /// When it began, milliseconds since 1970 UTC.
    pub began_at_ms: u64,
    /// When it was used last.
    pub used_at_ms: u64,
    /// When somebody ended it.
    pub ended_at_ms: Option<u64>,
    /// Number of the account's sign-ins when it began: all sessions end when the account's number is higher.
    pub epoch: u64,
}

/// What a session is worth now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionState {
    /// It speaks for its account.
    Good,
    /// Nobody used it for too long, or it is too old.
    Expired,
    /// Its owner or an administrator ended it, or the password changed.
    Ended,
}

impl Session {
    /// What it is worth at this moment; `epoch` is the account's.
    #[must_use]
    pub fn state(&self, epoch: u64, now_ms: u64) -> SessionState {
        if self.ended_at_ms.is_some() || self.epoch < epoch {
            SessionState::Ended
        } else if now_ms >= self.used_at_ms.saturating_add(SESSION_IDLE_MS)
            || now_ms >= self.began_at_ms.saturating_add(SESSION_LIFE_MS)
        {
            SessionState::Expired
        } else {
            SessionState::Good
        }
    }
}

/// The cookie that gives a browser its session: not for scripts, not for requests that come from other sites.
#[must_use]
pub fn cookie(secret: &Secret, secure: bool) -> String {
    let (name, rest) = attributes(secure);
    let max_age = SESSION_LIFE_MS / 1_000;
    format!("{name}={}; Max-Age={max_age}; {rest}", secret.to_text().as_str())
}

/// The cookie that takes it away.
#[must_use]
pub fn expired_cookie(secure: bool) -> String {
    let (name, rest) = attributes(secure);
    format!("{name}=; Max-Age=0; {rest}")
}

fn attributes(secure: bool) -> (&'static str, &'static str) {
    if secure {
        (SECURE_NAME, "Path=/; HttpOnly; SameSite=Strict; Secure")
    } else {
        (LOOPBACK_NAME, "Path=/; HttpOnly; SameSite=Strict")
    }
}

/// The second secret: a page of ours sends it in a header, a page of another site cannot know it.
///
/// It follows from the session's secret, so nothing more is kept, and it ends with the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsrfToken(String);

impl CsrfToken {
    /// Of a session's secret.
    #[must_use]
    pub fn of(secret: &Secret) -> Self {
        // HMAC takes keys of any length.
        let bytes = Hmac::<Sha256>::new_from_slice(secret.bytes()).map(|mut mac| {
            mac.update(b"flowforge csrf 1");
            mac.finalize().into_bytes()
        });
        let hex = bytes.map(|bytes| Digest::of(&bytes).hex()).unwrap_or_default();
        Self(hex)
    }

    /// As the page sends it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is what the page sent.
    #[must_use]
    pub fn is(&self, sent: &str) -> bool {
        !self.0.is_empty() && bool::from(self.0.as_bytes().ct_eq(sent.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::secret::SecretKind;

    fn secret(byte: u8) -> Secret {
        Secret::from_entropy(SecretKind::Session, Zeroizing::new([byte; 32]))
    }

    #[test]
    fn a_session_ends_by_itself_by_hand_and_with_the_password() {
        let session = Session {
            digest: secret(1).digest(),
            account: "ann".into(),
            began_at_ms: 1_000,
            used_at_ms: 2_000,
            ended_at_ms: None,
            epoch: 3,
        };
        assert_eq!(session.state(3, 2_000 + SESSION_IDLE_MS - 1), SessionState::Good);
        assert_eq!(session.state(3, 2_000 + SESSION_IDLE_MS), SessionState::Expired);
        assert_eq!(
            session.state(4, 2_001),
            SessionState::Ended,
            "the password changed"
        );
        let used = Session {
            used_at_ms: 1_000 + SESSION_LIFE_MS,
            ..session.clone()
        };
        assert_eq!(
            used.state(3, 1_000 + SESSION_LIFE_MS),
            SessionState::Expired,
            "however much it is used"
        );
        let ended = Session {
            ended_at_ms: Some(5),
            ..session
        };
        assert_eq!(ended.state(3, 2_001), SessionState::Ended);
    }

    #[test]
    fn no_script_and_no_other_site_gets_at_the_cookie() {
        let text = cookie(&secret(1), true);
        assert!(text.starts_with("__Host-ff-session=ff-session-1."), "{text}");
        for attribute in ["HttpOnly", "SameSite=Strict", "Secure", "Path=/"] {
            assert!(text.contains(attribute), "{text}");
        }
        assert!(!text.contains("Domain"), "{text}");
        assert!(!cookie(&secret(1), false).contains("Secure"));
        assert!(expired_cookie(true).contains("Max-Age=0"));
    }

    #[test]
    fn what_a_page_sends_belongs_to_its_session_only() {
        let token = CsrfToken::of(&secret(1));
        assert!(token.is(token.as_str()) && token.as_str().len() == 64);
        for wrong in ["", CsrfToken::of(&secret(2)).as_str(), &token.as_str()[..63]] {
            assert!(!token.is(wrong), "{wrong}");
        }
        assert!(!secret(1).to_text().contains(token.as_str()));
    }
}
