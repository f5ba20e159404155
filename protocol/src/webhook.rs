//! The signature of an incoming webhook: HMAC-SHA256 with a shared key.
//!
//! The header is `x-flowforge-signature: t=SECONDS,v1=HEX`, where `HEX` is the HMAC of `SECONDS`, a full stop and the
//! body as received. Senders that cannot do that may send the habit of others, `x-hub-signature-256: sha256=HEX`, over
//! the body alone: it has no time, so a recorded request can be sent again. The caller chooses which it accepts.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Name of the header with a time.
pub const SIGNATURE_HEADER: &str = "x-flowforge-signature";
/// Name of the header without a time.
pub const HUB_SIGNATURE_HEADER: &str = "x-hub-signature-256";
/// Shortest key, in bytes: shorter ones are guessed.
pub const MIN_KEY_BYTES: usize = 16;
/// How far the time in the header may be from ours, in seconds, either way.
pub const TOLERANCE_SECONDS: u64 = 300;

/// Why a webhook's signature is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// The key is too short to be one; set a longer secret.
    #[error("the webhook's key is shorter than {MIN_KEY_BYTES} bytes")]
    KeyTooShort,
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
    // Only after the signature: a stranger learns nothing about our clock.
    let off_seconds = seconds.abs_diff(now_seconds);
    if off_seconds > TOLERANCE_SECONDS {
        return Err(WebhookError::Stale { off_seconds });
    }
    Ok(())
}

/// Checks the value of [`HUB_SIGNATURE_HEADER`], in constant time.
///
/// # Errors
/// [`WebhookError`]; the request must not have any effect.
pub fn verify_hub(key: &[u8], header: &str, body: &[u8]) -> Result<(), WebhookError> {
    let wrong = WebhookError::Header("`sha256=HEX`");
    let given = header
        .strip_prefix("sha256=")
        .and_then(|digits| hex::decode(digits).ok())
        .ok_or(wrong)?;
    mac(key, &[body])?
        .verify_slice(&given)
        .map_err(|_| WebhookError::Mismatch)
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
    fn the_hub_form_is_the_hmac_of_the_body() {
        // HMAC-SHA256 of "Hello, World!" with the key "It's a Secret to Everybody", as GitHub's manual gives it.
        let key = b"It's a Secret to Everybody";
        let header = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert_eq!(verify_hub(key, header, b"Hello, World!"), Ok(()));
        assert_eq!(
            verify_hub(key, header, b"Hello, World"),
            Err(WebhookError::Mismatch)
        );
        assert!(verify_hub(key, "757107", b"").is_err());
    }

    #[test]
    fn a_key_must_be_long_enough() {
        assert_eq!(sign(&KEY[..15], 1, b"").unwrap_err(), WebhookError::KeyTooShort);
        assert_eq!(verify(b"", 1, "t=1,v1=00", b""), Err(WebhookError::KeyTooShort));
        assert_eq!(verify_hub(b"", "sha256=00", b""), Err(WebhookError::KeyTooShort));
    }
}
