//! Secrets on their way to a host: sealed to its key, so that only it can open them.
//!
//! HPKE in base mode with X25519, HKDF-SHA256 and ChaCha20-Poly1305. Whom a value is for, what it is and where it may be
//! sent are part of the key schedule: a sealed value moved to another workspace, project, host, name, version, kind or
//! list of destinations does not open. It says nothing about *who* sealed it; that a value may be used is the signed
//! grant's business, and it goes only where the grant and its own destinations agree. Source: RFC 9180 §5.1.1, §6.1.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable as _, Kem as KemTrait, OpModeR, OpModeS, Serializable as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

use crate::keys::{KeyError, parse_prefixed};
use crate::{HostId, pem};

type Kem = X25519HkdfSha256;

/// Largest value that may be sealed, in bytes: 64 KiB.
pub const MAX_SECRET_BYTES: usize = 64 * 1024;

/// Bytes that sealing adds: the encapsulated key and the tag.
const OVERHEAD_BYTES: usize = ENCAPSULATED_BYTES + 16;
const ENCAPSULATED_BYTES: usize = 32;

/// Separates this use of the recipient's key from any other.
const PURPOSE: &[u8] = b"flowforge.sealed-secret.v1";

/// A host's private sealing key. Its bytes are wiped when it is dropped; it has no `Debug` of its secret.
#[derive(Clone)]
pub struct SealKey(Zeroizing<[u8; 32]>);

impl SealKey {
    /// The key with these 32 random bytes.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*seed))
    }

    /// The public half, which others seal to.
    #[must_use]
    pub fn public(&self) -> SealPublicKey {
        let bytes = self.private().map(|key| Kem::sk_to_pk(&key).to_bytes().into());
        SealPublicKey(bytes.unwrap_or_default())
    }

    /// The key as text for a file of mode 0600: PKCS#8 in PEM, as `openssl genpkey -algorithm x25519` writes it.
    #[must_use]
    pub fn to_pem(&self) -> Zeroizing<String> {
        pem::encode_private(pem::X25519_PRIVATE, &self.0)
    }

    /// The key of a PKCS#8 PEM file.
    ///
    /// # Errors
    /// [`KeyError`]: the text is no such file, or holds a key for another algorithm.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        pem::decode_private(pem::X25519_PRIVATE, text)
            .map(Self)
            .ok_or(KeyError::File { algorithm: "X25519" })
    }

    fn private(&self) -> Option<<Kem as KemTrait>::PrivateKey> {
        // Any 32 bytes are a key: they are clamped.
        <Kem as KemTrait>::PrivateKey::from_bytes(self.0.as_slice()).ok()
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKey({})", self.public())
    }
}

/// A host's public sealing key. Written `x25519:` and 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SealPublicKey([u8; 32]);

impl SealPublicKey {
    /// The 32 bytes of the point.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for SealPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "x25519:{}", hex::encode(self.0))
    }
}

impl fmt::Debug for SealPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SealPublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_prefixed(text, "x25519:")
            .map(Self)
            .ok_or(KeyError::Text { prefix: "x25519:" })
    }
}

impl Serialize for SealPublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SealPublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::parse(deserializer)
    }
}

/// What a sealed value is and whom it is for. Both sides must say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealContext<'a> {
    /// Tenant.
    pub workspace: &'a str,
    /// Project inside it.
    pub project: &'a str,
    /// The host that may open it.
    pub host: &'a HostId,
    /// Name of the secret.
    pub secret: &'a str,
    /// Version of its value, growing with each change.
    pub version: u64,
    /// `bearer`, `basic`, `api-key`, `hmac-key` or `opaque`.
    pub kind: &'a str,
    /// Where this value may be sent, `scheme://name:port`, in the order in which they were set.
    pub destinations: &'a [String],
}

impl SealContext<'_> {
    /// Each part with its length before it, so that no two contexts give the same bytes.
    fn info(&self) -> Vec<u8> {
        let mut info = PURPOSE.to_vec();
        let (version, count) = (self.version.to_string(), self.destinations.len().to_string());
        let parts = [
            self.workspace,
            self.project,
            self.host.as_str(),
            self.secret,
            &version,
            self.kind,
            &count,
        ];
        for part in parts
            .into_iter()
            .chain(self.destinations.iter().map(String::as_str))
        {
            info.extend_from_slice(format!("\n{}:", part.len()).as_bytes());
            info.extend_from_slice(part.as_bytes());
        }
        info
    }
}

/// Why a value could not be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The value is too large to be a secret; keep it as an artefact and its key as a secret.
    #[error("the value is {actual_bytes} bytes, above the limit of {limit_bytes}")]
    TooLarge {
        /// Its size.
        actual_bytes: usize,
        /// The largest size.
        limit_bytes: usize,
    },
    /// The recipient's public key gives no shared secret.
    #[error("the public key cannot be sealed to")]
    PublicKey,
    /// Changed on the way, sealed to another key, or meant for another workspace, host, secret, version or list of destinations.
    #[error(
        "the sealed value does not open with this key for this workspace, host, secret, version and destinations"
    )]
    DoesNotOpen,
}

/// A sealed value, written in base64 (standard alphabet): safe to store and to send, not secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// The raw bytes: encapsulated key, then ciphertext with its tag.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// A sealed value from its raw bytes; whether it opens is seen on [`open`].
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

impl Serialize for Sealed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Sealed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::read(deserializer, |text| STANDARD.decode(text).map(Self))
    }
}

/// Seals a value. `entropy` must be 32 fresh random bytes: the same bytes twice for one host reveal equal values.
///
/// # Errors
/// [`SealError::TooLarge`], [`SealError::PublicKey`].
pub fn seal(
    to: &SealPublicKey,
    context: &SealContext<'_>,
    value: &[u8],
    entropy: &[u8; 32],
) -> Result<Sealed, SealError> {
    if value.len() > MAX_SECRET_BYTES {
        return Err(SealError::TooLarge {
            actual_bytes: value.len(),
            limit_bytes: MAX_SECRET_BYTES,
        });
    }
    let recipient = <Kem as KemTrait>::PublicKey::from_bytes(&to.0).map_err(|_| SealError::PublicKey)?;
    let (encapsulated, ciphertext) = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, Kem>(
        &OpModeS::Base,
        &recipient,
        &context.info(),
        value,
        PURPOSE,
        &mut Expand {
            seed: Zeroizing::new(*entropy),
            counter: 0,
        },
    )
    .map_err(|_| SealError::PublicKey)?;
    let mut sealed = encapsulated.to_bytes().to_vec();
    sealed.extend_from_slice(&ciphertext);
    Ok(Sealed(sealed))
}

/// Opens a sealed value. The result is wiped when dropped.
///
/// # Errors
/// [`SealError::TooLarge`], [`SealError::DoesNotOpen`].
pub fn open(
    key: &SealKey,
    context: &SealContext<'_>,
    sealed: &Sealed,
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    if sealed.0.len() > MAX_SECRET_BYTES + OVERHEAD_BYTES {
        return Err(SealError::TooLarge {
            actual_bytes: sealed.0.len().saturating_sub(OVERHEAD_BYTES),
            limit_bytes: MAX_SECRET_BYTES,
        });
    }
    let (encapsulated, ciphertext) = sealed
        .0
        .split_at_checked(ENCAPSULATED_BYTES)
        .ok_or(SealError::DoesNotOpen)?;
    let encapsulated =
        <Kem as KemTrait>::EncappedKey::from_bytes(encapsulated).map_err(|_| SealError::DoesNotOpen)?;
    let private = key.private().ok_or(SealError::DoesNotOpen)?;
    hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, Kem>(
        &OpModeR::Base,
        &private,
        &encapsulated,
        &context.info(),
        ciphertext,
        PURPOSE,
    )
    .map(Zeroizing::new)
    .map_err(|_| SealError::DoesNotOpen)
}

/// The caller's entropy as the stream of random bytes that sealing asks for: SHA-256 of seed and counter.
struct Expand {
    seed: Zeroizing<[u8; 32]>,
    counter: u64,
}

impl TryRng for Expand {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0_u8; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0_u8; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        for chunk in out.chunks_mut(32) {
            let mut hasher = Sha256::new();
            hasher.update(self.seed.as_slice());
            hasher.update(self.counter.to_be_bytes());
            let mut block: [u8; 32] = hasher.finalize().into();
            for (to, from) in chunk.iter_mut().zip(block) {
                *to = from;
            }
            block.zeroize();
            self.counter += 1;
        }
        Ok(())
    }
}

impl TryCryptoRng for Expand {}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(n: u8) -> HostId {
        HostId::from_entropy([n; 16])
    }

    static DESTINATIONS: std::sync::LazyLock<[Vec<String>; 3]> = std::sync::LazyLock::new(|| {
        [
            vec!["https://a.example:443".into(), "https://b.example:443".into()],
            vec!["https://a.example:443".into()],
            vec!["https://c.example:443".into(), "https://b.example:443".into()],
        ]
    });

    fn context(host: &HostId) -> SealContext<'_> {
        SealContext {
            workspace: "w",
            project: "p",
            host,
            secret: "chat_token",
            version: 3,
            kind: "bearer",
            destinations: &DESTINATIONS[0],
        }
    }

    #[test]
    fn a_sealed_value_opens_for_its_host_and_nothing_else() {
        let (key, me, other) = (SealKey::from_seed(&[1; 32]), host(1), host(2));
        let good = context(&me);
        let sealed = seal(&key.public(), &good, b"t0ken", &[9; 32]).unwrap();
        assert_eq!(open(&key, &good, &sealed).unwrap().as_slice(), b"t0ken");
        for wrong in [
            SealContext {
                workspace: "v",
                ..good
            },
            SealContext { host: &other, ..good },
            SealContext {
                secret: "hook_key",
                ..good
            },
            SealContext { version: 4, ..good },
            SealContext { project: "q", ..good },
            SealContext {
                kind: "opaque",
                ..good
            },
            SealContext {
                destinations: &DESTINATIONS[1],
                ..good
            },
            SealContext {
                destinations: &DESTINATIONS[2],
                ..good
            },
        ] {
            assert_eq!(open(&key, &wrong, &sealed).unwrap_err(), SealError::DoesNotOpen);
        }
        assert_eq!(
            open(&SealKey::from_seed(&[2; 32]), &good, &sealed).unwrap_err(),
            SealError::DoesNotOpen
        );
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let (key, me) = (SealKey::from_seed(&[1; 32]), host(1));
        let sealed = seal(&key.public(), &context(&me), b"t0ken", &[9; 32]).unwrap();
        for at in 0..sealed.0.len() {
            let mut bytes = sealed.0.clone();
            bytes[at] ^= 1;
            assert!(open(&key, &context(&me), &Sealed(bytes)).is_err(), "byte {at}");
        }
        for length in 0..sealed.0.len() {
            let bytes = sealed.0[..length].to_vec();
            assert!(
                open(&key, &context(&me), &Sealed(bytes)).is_err(),
                "length {length}"
            );
        }
    }

    #[test]
    fn parts_of_a_context_cannot_flow_into_each_other() {
        let me = host(1);
        let one = SealContext {
            workspace: "a\n1:b",
            secret: "c",
            version: 1,
            ..context(&me)
        };
        let two = SealContext {
            workspace: "a",
            secret: "c",
            version: 11,
            ..context(&me)
        };
        let three = SealContext {
            workspace: "a",
            secret: "c1",
            version: 1,
            ..context(&me)
        };
        assert_ne!(one.info(), two.info());
        assert_ne!(two.info(), three.info());
    }

    #[test]
    fn size_has_a_limit_on_both_sides() {
        let (key, me) = (SealKey::from_seed(&[1; 32]), host(1));
        let largest = vec![7; MAX_SECRET_BYTES];
        let sealed = seal(&key.public(), &context(&me), &largest, &[9; 32]).unwrap();
        assert_eq!(open(&key, &context(&me), &sealed).unwrap().as_slice(), largest);
        let beyond = vec![7; MAX_SECRET_BYTES + 1];
        assert!(matches!(
            seal(&key.public(), &context(&me), &beyond, &[9; 32]),
            Err(SealError::TooLarge { .. })
        ));
    }

    #[test]
    fn a_public_key_that_gives_no_secret_is_refused() {
        let me = host(1);
        let zero = SealPublicKey([0; 32]);
        assert_eq!(
            seal(&zero, &context(&me), b"x", &[9; 32]).unwrap_err(),
            SealError::PublicKey
        );
    }

    #[test]
    fn text_forms_round_trip() {
        let key = SealKey::from_seed(&[5; 32]);
        assert_eq!(SealKey::from_pem(&key.to_pem()).unwrap().public(), key.public());
        assert_eq!(
            key.public().to_string().parse::<SealPublicKey>().unwrap(),
            key.public()
        );
        let me = host(1);
        let sealed = seal(&key.public(), &context(&me), b"v", &[9; 32]).unwrap();
        let text = serde_json::to_string(&sealed).unwrap();
        assert_eq!(serde_json::from_str::<Sealed>(&text).unwrap(), sealed);
        assert!(!format!("{key:?}").contains(&hex::encode([5_u8; 32])));
    }
}
