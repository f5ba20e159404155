//! The two private key files we read and write: PKCS#8 version 1 for Ed25519 and X25519, in PEM.
//!
//! Both are one fixed prefix and 32 bytes of key, so the file is always three lines. Source: RFC 8410 §7, RFC 7468.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// DER before the key bytes of an Ed25519 private key.
pub(crate) const ED25519_PRIVATE: [u8; 16] = [
    0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
];
/// DER before the key bytes of an X25519 private key.
pub(crate) const X25519_PRIVATE: [u8; 16] = [
    0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20,
];

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

pub(crate) fn encode_private(prefix: [u8; 16], key: &[u8; 32]) -> Zeroizing<String> {
    let mut der = Zeroizing::new([0_u8; 48]);
    let (head, tail) = der.split_at_mut(16);
    head.copy_from_slice(&prefix);
    tail.copy_from_slice(key);
    let mut text = Zeroizing::new(String::with_capacity(128));
    text.push_str(BEGIN);
    text.push('\n');
    STANDARD.encode_string(der.as_slice(), &mut text);
    text.push('\n');
    text.push_str(END);
    text.push('\n');
    text
}

pub(crate) fn decode_private(prefix: [u8; 16], text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let body = text.trim().strip_prefix(BEGIN)?.strip_suffix(END)?.trim();
    // 48 bytes are 64 characters: one line, so there is no white space to skip.
    if body.len() != 64 {
        return None;
    }
    let mut der = Zeroizing::new([0_u8; 48]);
    let written = STANDARD.decode_slice(body, der.as_mut_slice()).ok()?;
    let secret = der.strip_prefix(&prefix).filter(|_| written == 48)?;
    let mut key = Zeroizing::new([0_u8; 32]);
    if secret.len() != key.len() {
        return None;
    }
    key.copy_from_slice(secret);
    Some(key)
}
