//! The second factor: codes of an authenticator (RFC 6238: SHA-1, six digits, thirty seconds), and codes for when it is lost.

use flowforge_protocol::Digest;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// How long a code is shown, milliseconds.
pub const STEP_MS: u64 = 30_000;
/// How many codes there are for when the authenticator is lost.
pub const RECOVERY_CODES: usize = 10;
/// Bytes of a key: as many as SHA-1 gives.
const KEY_BYTES: usize = 20;
/// Codes of so many steps before and after are taken, too: clocks differ.
const DRIFT_STEPS: u64 = 1;

/// The key that the authenticator has, too. It is kept encrypted by whoever keeps it.
#[derive(Clone)]
pub struct CodeKey(Zeroizing<[u8; KEY_BYTES]>);

impl std::fmt::Debug for CodeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CodeKey")
    }
}

/// What a code is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeUse {
    /// It is good, and of this step: to be kept, because no code of it or of an earlier one is taken again.
    Good(u64),
    /// It is another one.
    Wrong,
    /// It was right, and used before.
    Replayed,
}

impl CodeKey {
    /// Of fresh random bytes.
    #[must_use]
    pub fn from_entropy(bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        Self(bytes)
    }

    /// The bytes, for whoever encrypts them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// What the authenticator reads from a picture or as text.
    #[must_use]
    pub fn uri(&self, workspace: &str, account: &str) -> Zeroizing<String> {
        let label = |text: &str| -> String {
            text.bytes()
                .map(|b| match b {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(b).to_string(),
                    other => format!("%{other:02X}"),
                })
                .collect()
        };
        let secret = base32(self.0.as_slice());
        Zeroizing::new(format!(
            "otpauth://totp/FlowForge%20{0}:{1}?secret={2}&issuer=FlowForge%20{0}",
            label(workspace),
            label(account),
            secret.as_str()
        ))
    }

    fn code(&self, step: u64) -> String {
        let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(self.0.as_slice()) else {
            return String::new();
        };
        mac.update(&step.to_be_bytes());
        let hash = mac.finalize().into_bytes();
        let offset = hash.last().map_or(0, |last| usize::from(last & 0x0f));
        let four = hash.get(offset..).and_then(|rest| rest.first_chunk::<4>());
        let number = four.map_or(0, |four| u32::from_be_bytes(*four) & 0x7fff_ffff) % 1_000_000;
        format!("{number:06}")
    }

    /// Looks at a code that somebody typed; `last_step` is that of the last code that was taken.
    #[must_use]
    pub fn judge(&self, typed: &str, last_step: Option<u64>, now_ms: u64) -> CodeUse {
        let typed: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
        let now = now_ms / STEP_MS;
        let steps = now.saturating_sub(DRIFT_STEPS)..=now.saturating_add(DRIFT_STEPS);
        let found = steps.fold(None, |found, step| {
            let is_it = bool::from(self.code(step).as_bytes().ct_eq(typed.as_bytes()));
            if is_it { Some(step) } else { found }
        });
        match found {
            None => CodeUse::Wrong,
            Some(step) if last_step.is_some_and(|last| step <= last) => CodeUse::Replayed,
            Some(step) => CodeUse::Good(step),
        }
    }

    /// A code for when the authenticator is lost, of ten fresh random bytes: shown once, kept as its digest, good once.
    #[must_use]
    pub fn recovery_code(bytes: &[u8; 10]) -> (Zeroizing<String>, Digest) {
        let text = base32(bytes);
        let parts: Vec<String> = text
            .as_bytes()
            .chunks(4)
            .map(|part| String::from_utf8_lossy(part).to_lowercase())
            .collect();
        let code = Zeroizing::new(parts.join("-"));
        let digest = Self::recovery_digest(&code);
        (code, digest)
    }

    /// What a recovery code is found by, however it was typed.
    #[must_use]
    pub fn recovery_digest(typed: &str) -> Digest {
        let plain: Zeroizing<String> = Zeroizing::new(
            typed
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .map(|c| c.to_ascii_lowercase())
                .collect(),
        );
        Digest::of_parts(&[b"flowforge recovery code 1", plain.as_bytes()])
    }
}

/// RFC 4648 base 32 without padding.
fn base32(bytes: &[u8]) -> Zeroizing<String> {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(5) * 8));
    let (mut held, mut bits) = (0_u32, 0_u32);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            let place = (held >> bits) & 31;
            text.push(
                ALPHABET
                    .get(place as usize)
                    .map_or('A', |letter| char::from(*letter)),
            );
        }
    }
    if bits > 0 {
        let place = (held << (5 - bits)) & 31;
        text.push(
            ALPHABET
                .get(place as usize)
                .map_or('A', |letter| char::from(*letter)),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, with the last six of its eight digits.
    #[test]
    fn codes_are_those_of_the_standard() {
        let key = CodeKey::from_entropy(Zeroizing::new(*b"12345678901234567890"));
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(key.code(seconds / 30), code, "{seconds}");
        }
        assert_eq!(
            base32(b"12345678901234567890").as_str(),
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        );
        assert_eq!(base32(b"foob").as_str(), "MZXW6YQ");
        assert!(
            key.uri("acme", "ann lee")
                .starts_with("otpauth://totp/FlowForge%20acme:ann%20lee?secret=GEZD")
        );
    }

    #[test]
    fn a_code_is_good_about_its_time_and_once() {
        let key = CodeKey::from_entropy(Zeroizing::new([5; 20]));
        let now_ms = 1_790_000_000_000;
        let step = now_ms / STEP_MS;
        let code = key.code(step);
        assert_eq!(key.judge(&code, None, now_ms), CodeUse::Good(step));
        assert_eq!(
            key.judge(&format!("{} {}", &code[..3], &code[3..]), None, now_ms),
            CodeUse::Good(step)
        );
        assert_eq!(key.judge(&code, None, now_ms + STEP_MS), CodeUse::Good(step));
        assert_eq!(key.judge(&code, None, now_ms + 2 * STEP_MS), CodeUse::Wrong);
        assert_eq!(key.judge(&code, Some(step), now_ms), CodeUse::Replayed);
        assert_eq!(
            key.judge(&key.code(step - 1), Some(step), now_ms),
            CodeUse::Replayed,
            "an earlier one, too"
        );
        for wrong in ["", "12345", "abcdef", "1234567"] {
            assert_eq!(key.judge(wrong, None, now_ms), CodeUse::Wrong, "{wrong}");
        }
    }

    #[test]
    fn a_recovery_code_is_found_however_it_is_typed() {
        let (code, digest) = CodeKey::recovery_code(&[9; 10]);
        assert_eq!(code.len(), 19, "four by four: {}", code.as_str());
        assert_eq!(
            CodeKey::recovery_digest(&code.to_uppercase().replace('-', " ")),
            digest
        );
        assert_ne!(CodeKey::recovery_digest("another"), digest);
    }
}
