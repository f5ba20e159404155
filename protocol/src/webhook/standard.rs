//! The scheme of the "Standard Webhooks" specification, version 1: name, time and body under one signature.
//!
//! Its keys are written `whsec_` and the bytes in base64; the two forms with and without the prefix are the same key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::Mac as _;

use super::{WebhookError, fresh, mac, others::SIGNATURES_MAX};

/// The header with the name of the message, which its repetitions keep.
pub(super) const ID_HEADER: &str = "webhook-id";
/// The header with the time of this attempt.
pub(super) const TIME_HEADER: &str = "webhook-timestamp";
/// The header with the signatures.
pub(super) const SIGNATURE_HEADER: &str = "webhook-signature";

fn bytes_of(key: &[u8]) -> Result<Vec<u8>, WebhookError> {
    let text = key.strip_prefix(b"whsec_").unwrap_or(key);
    let wrong = WebhookError::KeyForm("`whsec_BASE64`");
    STANDARD.decode(text.trim_ascii()).map_err(|_| wrong)
}

/// The value of `webhook-signature` for a message of this name, sent at this time in seconds since 1970.
///
/// # Errors
/// [`WebhookError::KeyForm`] and [`WebhookError::KeyTooShort`].
pub fn sign_standard(key: &[u8], id: &str, seconds: u64, body: &[u8]) -> Result<String, WebhookError> {
    let time = seconds.to_string();
    let signed = [id.as_bytes(), b".", time.as_bytes(), b".", body];
    let mac = mac(&bytes_of(key)?, &signed)?;
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

/// Checks name, time and signatures of a request.
pub(super) fn verify(
    key: &[u8],
    now_seconds: u64,
    [id, time, header]: [&str; 3],
    body: &[u8],
) -> Result<(), WebhookError> {
    let wrong = WebhookError::Header("`v1,BASE64`, with the time in seconds beside it");
    let seconds: u64 = time.parse().map_err(|_| wrong)?;
    let expected = mac(
        &bytes_of(key)?,
        &[id.as_bytes(), b".", time.as_bytes(), b".", body],
    )?;
    let mut seen = false;
    // Other versions, `v1a` for one, may stand beside this one.
    let of_version = header.split(' ').filter_map(|part| part.strip_prefix("v1,"));
    for given in of_version.take(SIGNATURES_MAX) {
        seen = true;
        let given = STANDARD.decode(given).map_err(|_| wrong)?;
        if expected.clone().verify_slice(&given).is_ok() {
            return fresh(seconds, now_seconds);
        }
    }
    Err(if seen { WebhookError::Mismatch } else { wrong })
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example that the specification's libraries share.
    const KEY: &[u8] = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const TIME: &str = "1614265330";
    const NOW: u64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const RIGHT: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn the_example_of_the_specification_holds() {
        assert_eq!(verify(KEY, NOW, [ID, TIME, RIGHT], BODY), Ok(()));
        assert_eq!(sign_standard(KEY, ID, NOW, BODY).unwrap(), RIGHT);
        let without = KEY.strip_prefix(b"whsec_").unwrap();
        assert_eq!(verify(without, NOW, [ID, TIME, RIGHT], BODY), Ok(()));
    }

    #[test]
    fn one_right_signature_of_several_is_enough() {
        let other = format!("v1,{}", STANDARD.encode([0; 32]));
        let several = format!("v1a,AAAA {other} {RIGHT}");
        assert_eq!(verify(KEY, NOW, [ID, TIME, &several], BODY), Ok(()));
        assert_eq!(
            verify(KEY, NOW, [ID, TIME, &other], BODY),
            Err(WebhookError::Mismatch)
        );
    }

    #[test]
    fn name_time_and_body_are_all_signed() {
        for (id, time, body) in [
            ("msg_other", TIME, BODY),
            (ID, "1614265331", BODY),
            (ID, TIME, &b"{}"[..]),
        ] {
            assert_eq!(
                verify(KEY, NOW, [id, time, RIGHT], body),
                Err(WebhookError::Mismatch)
            );
        }
        assert_eq!(
            verify(KEY, NOW + 301, [ID, TIME, RIGHT], BODY),
            Err(WebhookError::Stale { off_seconds: 301 })
        );
        for wrong in ["", "v1a,AAAA", "v1,!!", "g0hM"] {
            assert!(
                matches!(
                    verify(KEY, NOW, [ID, TIME, wrong], BODY),
                    Err(WebhookError::Header(_))
                ),
                "{wrong}"
            );
        }
        assert_eq!(
            verify(b"not base64 at all", NOW, [ID, TIME, RIGHT], BODY),
            Err(WebhookError::KeyForm("`whsec_BASE64`"))
        );
        assert_eq!(
            verify(b"whsec_AAAA", NOW, [ID, TIME, RIGHT], BODY),
            Err(WebhookError::KeyTooShort)
        );
    }
}
