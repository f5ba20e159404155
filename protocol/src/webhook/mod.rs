//! How requests to a webhook prove who sent them, scheme by scheme, and how this system signs its own.
//!
//! Everything is checked over the bytes as they came, before anything is parsed, and compared in constant time. The time of
//! a request counts only once its signature is right, so that a stranger learns nothing about our clock.
//!
//! The own scheme's header is `x-flowforge-signature: t=SECONDS,v1=HEX`, where `HEX` is the HMAC-SHA256 of `SECONDS`, a full
//! stop and the body. Those of others stand in their own files.

mod others;
mod scheme;
mod standard;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

pub use scheme::{Proof, Scheme};
pub use standard::sign_standard;

/// Name of the header with a time.
pub const SIGNATURE_HEADER: &str = "x-flowforge-signature";
/// Name of the header without a time.
pub const HUB_SIGNATURE_HEADER: &str = "x-hub-signature-256";
/// Shortest key, in bytes: shorter ones are guessed.
pub const MIN_KEY_BYTES: usize = 16;
/// How far the time in a request may be from ours, in seconds, either way.
pub const TOLERANCE_SECONDS: u64 = 300;

/// Why a webhook's signature is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// The key is too short to be one; set a longer secret.
    #[error("the webhook's key is shorter than {MIN_KEY_BYTES} bytes")]
    KeyTooShort,
    /// The key has not the form that its scheme asks for.
    #[error("the webhook's key is not of the form {0}")]
    KeyForm(&'static str),
    /// A header that the scheme asks for is not there.
    #[error("the request has no header `{0}`: {1}")]
    Missing(&'static str, &'static str),
    /// The header that the trigger names for the token is not there.
    #[error("the request has no token: it is expected in the header that the trigger names")]
    NoToken,
    /// The header has another form.
    #[error("the signature header is not in the form {0}")]
    Header(&'static str),
    /// The time in the header is too far from ours.
    #[error("the signature's time is {off_seconds} s from this server's, allowed are {TOLERANCE_SECONDS}")]
    Stale {
        /// The difference.
        off_seconds: u64,
    },
    /// The signature is not this key's over this body.
    #[error("the signature does not match the body")]
    Mismatch,
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Result<Hmac<Sha256>, WebhookError> {
    if key.len() < MIN_KEY_BYTES {
        return Err(WebhookError::KeyTooShort);
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| WebhookError::KeyTooShort)?;
    for part in parts {
        mac.update(part);
    }
    Ok(mac)
}

/// The value of [`SIGNATURE_HEADER`] for a body sent at this time, in seconds since 1970 UTC.
///
/// # Errors
/// [`WebhookError::KeyTooShort`].
pub fn sign(key: &[u8], seconds: u64, body: &[u8]) -> Result<String, WebhookError> {
    let time = seconds.to_string();
    let mac = mac(key, &[time.as_bytes(), b".", body])?;
    Ok(format!(
        "t={time},v1={}",
        hex::encode(mac.finalize().into_bytes())
    ))
}

/// Checks the value of [`SIGNATURE_HEADER`], in constant time.
///
/// # Errors
/// [`WebhookError`]; the request must not have any effect.
pub fn verify(key: &[u8], now_seconds: u64, header: &str, body: &[u8]) -> Result<(), WebhookError> {
    let wrong = WebhookError::Header("`t=SECONDS,v1=HEX`");
    let (time, digits) = header
        .strip_prefix("t=")
        .and_then(|rest| rest.split_once(",v1="))
        .ok_or(wrong)?;
    let seconds: u64 = time.parse().map_err(|_| wrong)?;
    let given = hex::decode(digits).map_err(|_| wrong)?;
    mac(key, &[time.as_bytes(), b".", body])?
        .verify_slice(&given)
        .map_err(|_| WebhookError::Mismatch)?;
    fresh(seconds, now_seconds)
}

/// Refuses a request whose time is too far from ours.
fn fresh(seconds: u64, now_seconds: u64) -> Result<(), WebhookError> {
    let off_seconds = seconds.abs_diff(now_seconds);
    if off_seconds > TOLERANCE_SECONDS {
        return Err(WebhookError::Stale { off_seconds });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"0123456789abcdef";

    #[test]
    fn a_signature_holds_for_its_body_key_and_time() {
        let header = sign(KEY, 1_000_000, b"{}").unwrap();
        let check = |key, now, header: &str, body| verify(key, now, header, body);
        assert_eq!(check(KEY, 1_000_000, &header, b"{}"), Ok(()));
        assert_eq!(check(KEY, 1_000_300, &header, b"{}"), Ok(()));
        assert_eq!(check(KEY, 999_700, &header, b"{}"), Ok(()));
        assert_eq!(
            check(KEY, 1_000_301, &header, b"{}"),
            Err(WebhookError::Stale { off_seconds: 301 })
        );
        assert_eq!(
            check(KEY, 1_000_000, &header, b"{ }"),
            Err(WebhookError::Mismatch)
        );
        assert_eq!(
            check(b"0123456789abcdeX", 1_000_000, &header, b"{}"),
            Err(WebhookError::Mismatch)
        );
        let later = header.replace("t=1000000", "t=1000001");
        assert_eq!(check(KEY, 1_000_000, &later, b"{}"), Err(WebhookError::Mismatch));
        let cut = &header[..header.len() - 2];
        assert_eq!(check(KEY, 1_000_000, cut, b"{}"), Err(WebhookError::Mismatch));
        for wrong in ["", "t=1", "v1=00", "t=x,v1=00", "t=1,v1=0g"] {
            assert!(
                matches!(check(KEY, 1, wrong, b""), Err(WebhookError::Header(_))),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_key_must_be_long_enough() {
        assert_eq!(sign(&KEY[..15], 1, b"").unwrap_err(), WebhookError::KeyTooShort);
        assert_eq!(verify(b"", 1, "t=1,v1=00", b""), Err(WebhookError::KeyTooShort));
    }
}
