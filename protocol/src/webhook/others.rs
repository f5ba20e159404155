//! The schemes of other services that stand in one header or two: GitHub, Stripe, Slack, and a shared word.

use hmac::Mac as _;

use super::{WebhookError, fresh, mac};

/// Name of Stripe's header.
pub(super) const STRIPE_HEADER: &str = "stripe-signature";
/// Name of Slack's header with the time.
pub(super) const SLACK_TIME_HEADER: &str = "x-slack-request-timestamp";
/// Name of Slack's header with the signature.
pub(super) const SLACK_HEADER: &str = "x-slack-signature";

/// Most signatures that are looked at in one header: a key that is being changed makes two.
pub(super) const SIGNATURES_MAX: usize = 8;

/// `sha256=HEX`, over the body.
pub(super) fn verify_hub(key: &[u8], header: &str, body: &[u8]) -> Result<(), WebhookError> {
    let wrong = WebhookError::Header("`sha256=HEX`");
    let given = header
        .strip_prefix("sha256=")
        .and_then(|digits| hex::decode(digits).ok())
        .ok_or(wrong)?;
    mac(key, &[body])?
        .verify_slice(&given)
        .map_err(|_| WebhookError::Mismatch)
}

/// `t=SECONDS,v1=HEX`, with more than one `v1` while a key is being changed, and parts of other names beside them. Gives
/// the signature that is right.
pub(super) fn verify_stripe(
    key: &[u8],
    now_seconds: u64,
    header: &str,
    body: &[u8],
) -> Result<String, WebhookError> {
    let wrong = WebhookError::Header("`t=SECONDS,v1=HEX`");
    let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
    let (_, time) = parts().find(|(name, _)| *name == "t").ok_or(wrong)?;
    let seconds: u64 = time.parse().map_err(|_| wrong)?;
    let mut given = Vec::new();
    for (_, digits) in parts().filter(|(name, _)| *name == "v1").take(SIGNATURES_MAX) {
        given.push(hex::decode(digits).map_err(|_| wrong)?);
    }
    if given.is_empty() {
        return Err(wrong);
    }
    let expected = mac(key, &[time.as_bytes(), b".", body])?;
    let right = given
        .iter()
        .find(|signature| expected.clone().verify_slice(signature).is_ok())
        .ok_or(WebhookError::Mismatch)?;
    fresh(seconds, now_seconds)?;
    Ok(format!("t={time},v1={}", hex::encode(right)))
}

/// `v0=HEX`, over `v0:SECONDS:BODY`.
pub(super) fn verify_slack(
    key: &[u8],
    now_seconds: u64,
    time: &str,
    header: &str,
    body: &[u8],
) -> Result<(), WebhookError> {
    let wrong = WebhookError::Header("`v0=HEX`, with the time in seconds beside it");
    let seconds: u64 = time.parse().map_err(|_| wrong)?;
    let given = header
        .strip_prefix("v0=")
        .and_then(|digits| hex::decode(digits).ok())
        .ok_or(wrong)?;
    mac(key, &[b"v0:", time.as_bytes(), b":", body])?
        .verify_slice(&given)
        .map_err(|_| WebhookError::Mismatch)?;
    fresh(seconds, now_seconds)
}

/// The word in `Bearer WORD`.
pub(super) fn bearer(header: &str) -> Option<&str> {
    let (kind, word) = header.split_once(' ')?;
    kind.eq_ignore_ascii_case("bearer").then_some(word.trim())
}

/// Whether a word is the key. Their codes are compared: neither length nor place of a difference shows in the time.
pub(super) fn verify_token(key: &[u8], given: &str) -> Result<(), WebhookError> {
    let expected = mac(key, &[key])?.finalize().into_bytes();
    mac(key, &[given.as_bytes()])?
        .verify_slice(&expected)
        .map_err(|_| WebhookError::Mismatch)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(verify_hub(b"", "sha256=00", b""), Err(WebhookError::KeyTooShort));
    }

    /// Stripe's manual says how the parts are put together and gives a time; the digits here were computed by another
    /// program from that description. The key is the whole word, with what stands before its underline.
    #[test]
    fn stripes_header_has_a_time_and_may_have_two_signatures() {
        let key = b"whsec_test_secret_of_stripe";
        let body = br#"{"id":"evt_1"}"#;
        let right = "219a42e1ddcb82aa598135e688e5bbebca5efb000e8c5852fd85dab65c70d251";
        let other = "00".repeat(32);
        let check = |now, header: &str| verify_stripe(key, now, header, body);
        let normal = format!("t=1492774577,v1={right}");
        assert_eq!(check(1_492_774_577, &normal).unwrap(), normal);
        for header in [
            format!("t=1492774577,v1={other},v1={right},v0={other}"),
            format!("v0={other}, v1={right}, t=1492774577"),
        ] {
            assert_eq!(check(1_492_774_877, &header).unwrap(), normal, "{header}");
        }
        assert_eq!(
            check(1_492_774_878, &normal),
            Err(WebhookError::Stale { off_seconds: 301 })
        );
        let later = normal.replace("577", "578");
        assert_eq!(check(1_492_774_577, &later), Err(WebhookError::Mismatch));
        // The signature of an older form is none of this one.
        let downgraded = format!("t=1492774577,v0={right}");
        for wrong in ["", "t=1", "v1=00", "t=x,v1=00", "t=1,v1=0g", &downgraded] {
            assert!(matches!(check(1, wrong), Err(WebhookError::Header(_))), "{wrong}");
        }
        let many = format!("t=1492774577{},v1={right}", ",v1=00".repeat(SIGNATURES_MAX));
        assert_eq!(
            check(1_492_774_577, &many),
            Err(WebhookError::Mismatch),
            "no more are looked at"
        );
    }

    #[test]
    fn slacks_form_is_that_of_its_manual() {
        // Key, time, body and signature of the example in Slack's manual.
        let key = b"8f742231b10e8888abcd99yyyzzz85a5";
        let body = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V\
            &channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=\
            &response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
            &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        let header = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
        let check = |now, time, header, body| verify_slack(key, now, time, header, body);
        assert_eq!(check(1_531_420_618, "1531420618", header, &body[..]), Ok(()));
        assert_eq!(
            check(1_531_420_919, "1531420618", header, body),
            Err(WebhookError::Stale { off_seconds: 301 })
        );
        assert_eq!(
            check(1_531_420_618, "1531420619", header, body),
            Err(WebhookError::Mismatch)
        );
        assert_eq!(
            check(1_531_420_618, "1531420618", header, b"token="),
            Err(WebhookError::Mismatch)
        );
        for (time, header) in [
            ("soon", header),
            ("1531420618", "a2114d"),
            ("1531420618", "v0=0g"),
        ] {
            assert!(
                matches!(
                    check(1_531_420_618, time, header, body),
                    Err(WebhookError::Header(_))
                ),
                "{time} {header}"
            );
        }
    }

    #[test]
    fn a_token_is_the_whole_key_and_nothing_less() {
        let key = b"a word of enough bytes";
        assert_eq!(verify_token(key, "a word of enough bytes"), Ok(()));
        for wrong in [
            "",
            "a word of enough byte",
            "a word of enough bytes ",
            "A word of enough bytes",
        ] {
            assert_eq!(verify_token(key, wrong), Err(WebhookError::Mismatch), "{wrong}");
        }
        assert_eq!(verify_token(b"short", "short"), Err(WebhookError::KeyTooShort));
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer abc"), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
    }
}
