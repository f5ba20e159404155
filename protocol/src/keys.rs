//! Ed25519 keys: who signs, who is believed, and how both look in files and documents.
//!
//! Owns the key types and their text forms. Leaves reading files and drawing randomness to its callers. Invariant: a
//! [`VerifyingKey`] is a canonical point that is not of small order, so that a signature binds to one key and one
//! message; a [`SigningKey`] cannot be printed and is wiped when dropped.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::Signer as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::Digest;
use crate::pem;

/// A private signing key. Its bytes are wiped when it is dropped; it has no `Debug` of its secret.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The key that these 32 random bytes are the seed of.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The public half.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey::from_point(self.0.verifying_key())
    }

    /// The key as text for a file of mode 0600: PKCS#8 in PEM, as `openssl genpkey -algorithm ed25519` writes it.
    #[must_use]
    pub fn to_pem(&self) -> Zeroizing<String> {
        pem::encode_private(pem::ED25519_PRIVATE, self.0.as_bytes())
    }

    /// The key of a PKCS#8 PEM file.
    ///
    /// # Errors
    /// [`KeyError`]: the text is no such file, or holds a key for another algorithm.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let seed =
            pem::decode_private(pem::ED25519_PRIVATE, text).ok_or(KeyError::File { algorithm: "Ed25519" })?;
        Ok(Self::from_seed(&seed))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.verifying_key().id())
    }
}

/// A public key that signatures are checked with. Written `ed25519:` and 64 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    point: ed25519_dalek::VerifyingKey,
    id: KeyId,
}

impl VerifyingKey {
    /// The key with these bytes.
    ///
    /// # Errors
    /// [`KeyError::Point`]: the bytes are no point, not its canonical form, or a point of small order, which would
    /// accept signatures for any message.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let point = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::Point)?;
        let canonical = point.to_edwards().compress().to_bytes() == *bytes;
        if !canonical || point.is_weak() {
            return Err(KeyError::Point);
        }
        Ok(Self::from_point(point))
    }

    fn from_point(point: ed25519_dalek::VerifyingKey) -> Self {
        let id = KeyId(Digest::of(point.as_bytes()));
        Self { point, id }
    }

    /// The 32 bytes of the key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.point.as_bytes()
    }

    /// The key's name: the digest of its bytes.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Whether this is a signature of the message, by the strict rules: canonical, no small-order parts.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        self.point.verify_strict(message, &signature).is_ok()
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ed25519:{}", hex::encode(self.as_bytes()))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for VerifyingKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_bytes(&parse_prefixed(text, "ed25519:").ok_or(KeyError::Text { prefix: "ed25519:" })?)
    }
}

impl Serialize for VerifyingKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for VerifyingKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::parse(deserializer)
    }
}

/// Names a key: the digest of its 32 public bytes. A hint in an envelope, never a reason to believe one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(Digest);

impl KeyId {
    /// The first eight hexadecimal digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        self.0.hex().chars().take(8).collect()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for KeyId {
    type Err = crate::digest::ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Why something is no key. The offending text is never repeated: it may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be used; make a new key or restore the file.
    #[error("not an unencrypted PKCS#8 PEM file with one {algorithm} private key")]
    File {
        /// The algorithm that was wanted.
        algorithm: &'static str,
    },
    /// The text is not in the form of a public key.
    #[error("not a public key: expected `{prefix}` and 64 lower-case hexadecimal digits")]
    Text {
        /// The algorithm and its colon.
        prefix: &'static str,
    },
    /// The bytes are not usable as a public key.
    #[error("not a public key: the bytes are no canonical point, or one of small order")]
    Point,
}

/// 32 bytes written as a prefix and 64 lower-case hexadecimal digits.
pub(crate) fn parse_prefixed(text: &str, prefix: &str) -> Option<[u8; 32]> {
    crate::hex_array(text.strip_prefix(prefix)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> SigningKey {
        SigningKey::from_seed(&[n; 32])
    }

    #[test]
    fn a_key_file_reads_back() {
        let text = key(7).to_pem();
        assert!(text.starts_with("-----BEGIN PRIVATE KEY-----\n"));
        let again = SigningKey::from_pem(&text).unwrap();
        assert_eq!(again.verifying_key(), key(7).verifying_key());
    }

    #[test]
    fn the_key_file_of_the_standard_reads() {
        // The example of RFC 8410 §10.3 and its public key of §10.1, with the line ends of another system.
        let text = "-----BEGIN PRIVATE KEY-----\r\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\r\n-----END PRIVATE KEY-----\r\n";
        let public = SigningKey::from_pem(text).unwrap().verifying_key();
        assert_eq!(
            public.to_string(),
            "ed25519:19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"
        );
    }

    #[test]
    fn debug_shows_no_secret() {
        let secret = hex::encode([7_u8; 32]);
        assert!(!format!("{:?}", key(7)).contains(&secret));
    }

    #[test]
    fn a_file_that_is_no_key_is_refused() {
        for text in [
            "",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "hello",
        ] {
            assert_eq!(
                SigningKey::from_pem(text).unwrap_err(),
                KeyError::File { algorithm: "Ed25519" }
            );
        }
        let other = crate::seal::SealKey::from_seed(&[7; 32]).to_pem();
        assert!(
            SigningKey::from_pem(&other).is_err(),
            "a sealing key is no signing key"
        );
    }

    #[test]
    fn weak_and_non_canonical_points_are_refused() {
        let identity = {
            let mut bytes = [0_u8; 32];
            bytes[0] = 1;
            bytes
        };
        // The identity again, written with y = p + 1.
        let identity_twice = {
            let mut bytes = [0xff_u8; 32];
            bytes[0] = 0xee;
            bytes[31] = 0x7f;
            bytes
        };
        // y = p + 3 names the same full-order-component point as y = 3 does, where 3 is on the curve.
        let mut small = [0_u8; 32];
        small[0] = 3;
        let mut large = [0xff_u8; 32];
        large[0] = 0xf0;
        large[31] = 0x7f;
        for bytes in [[0_u8; 32], identity, identity_twice, large] {
            assert_eq!(VerifyingKey::from_bytes(&bytes).unwrap_err(), KeyError::Point);
        }
        assert!(
            VerifyingKey::from_bytes(&small).is_ok(),
            "the canonical spelling is a good key"
        );
    }

    #[test]
    fn text_forms_round_trip_and_refuse_upper_case() {
        let public = key(1).verifying_key();
        assert_eq!(public.to_string().parse::<VerifyingKey>().unwrap(), public);
        let upper = format!("ed25519:{}", hex::encode_upper(public.as_bytes()));
        assert!(upper.parse::<VerifyingKey>().is_err());
        assert_eq!(public.id().to_string().parse::<KeyId>().unwrap(), public.id());
    }
}
