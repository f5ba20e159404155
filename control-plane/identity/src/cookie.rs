//! The cookie of a session, which no script can read, and the second secret, which only our pages know.

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

/// The text of the session's secret in a `Cookie` header, if it is there.
#[must_use]
pub fn cookie_of(header: &str, secure: bool) -> Option<&str> {
    let (wanted, _) = attributes(secure);
    let mut pairs = header.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value)
}

const fn attributes(secure: bool) -> (&'static str, &'static str) {
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
        Self(bytes.map(|bytes| Digest::of(&bytes).hex()).unwrap_or_default())
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
    fn the_session_is_found_among_other_cookies() {
        let given = "theme=dark; ff-session=abc; other-ff-session=x";
        assert_eq!(cookie_of(given, false), Some("abc"));
        assert_eq!(
            cookie_of(given, true),
            None,
            "the name with its prefix is another one"
        );
        assert_eq!(cookie_of("", false), None);
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
