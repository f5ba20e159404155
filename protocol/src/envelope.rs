//! The envelope around every signed document: DSSE with Ed25519.
//!
//! Owns the wire form and the order of checks: size, shape, type, signature, and only then the payload. Leaves to
//! others which keys are believed for what. Invariant: a payload leaves this module only after a signature over exactly
//! these bytes and this type was verified by a given key; a [`Signed`] document was read from such bytes.
//! Source: DSSE 1.0.2, protocol and JSON envelope. Beyond it, one signature may stand for many envelopes: it is over the
//! root of a hash tree, and each envelope carries the path from its own bytes to that root, so that each can still be
//! verified alone.

use std::borrow::Cow;

use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::engine::{DecodePaddingMode, Engine};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::keys::{KeyId, SigningKey, VerifyingKey};
use crate::known::KnownSignatures;
use crate::strict::{MAX_BYTES, StrictError, brief, parse_strict};
use crate::{Digest, tree};

/// Most signatures that one envelope may carry.
pub const MAX_SIGNATURES: usize = 8;

/// Type under which the root of a tree is signed: it separates roots from all documents.
const TREE_TYPE: &str = "application/vnd.flowforge.tree.v1";

/// Bytes of an envelope besides its payload: field names, type, signatures.
const FRAME_BYTES: usize = 4096;

/// The second alphabet that readers must accept, with or without padding.
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A document that travels in an envelope.
pub trait Document: Serialize + DeserializeOwned {
    /// Payload type: it separates one kind of document from all others under the same key.
    const TYPE: &'static str;
    /// Largest payload in bytes.
    const MAX_BYTES: usize = MAX_BYTES;
}

/// The envelope as it stands on the wire.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    #[serde(borrow)]
    payload: Cow<'a, str>,
    #[serde(rename = "payloadType", borrow)]
    payload_type: Cow<'a, str>,
    #[serde(borrow)]
    signatures: Vec<WireSignature<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSignature<'a> {
    #[serde(default, borrow)]
    keyid: Cow<'a, str>,
    #[serde(borrow)]
    sig: Cow<'a, str>,
    /// Present if the signature is over the root of a tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tree: Option<tree::Path>,
}

/// Why an envelope is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Larger than its kind may be; nothing was decoded.
    #[error("the envelope is {actual_bytes} bytes, above the limit of {limit_bytes}")]
    TooLarge {
        /// Its size.
        actual_bytes: usize,
        /// The largest size.
        limit_bytes: usize,
    },
    /// Not a DSSE envelope.
    #[error("not a signed envelope: {0}")]
    Malformed(String),
    /// It holds another kind of document.
    #[error("the envelope holds `{found}`, expected `{expected}`")]
    WrongType {
        /// What the reader wanted.
        expected: String,
        /// What it says, shortened.
        found: String,
    },
    /// It names a key that is believed here, but the signature is not this key's over these bytes.
    #[error("the signature does not match: the document or the signature by key {key_id} was changed")]
    BadSignature {
        /// The key that it names.
        key_id: KeyId,
    },
    /// No signature is by a key that is believed here.
    #[error("signed by {hint}, which is not trusted here")]
    UntrustedKey {
        /// The key it names, unverified, for people: `key sha256:…` or `an unnamed key`.
        hint: String,
    },
}

impl VerifyError {
    /// Stable code for operators.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "FF-ENV-001",
            Self::Malformed(_) => "FF-ENV-002",
            Self::WrongType { .. } => "FF-ENV-003",
            Self::BadSignature { .. } => "FF-ENV-004",
            Self::UntrustedKey { .. } => "FF-ENV-005",
        }
    }
}

/// A payload whose signature was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    payload: Vec<u8>,
    key_id: KeyId,
}

impl Verified {
    /// The signed bytes.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The signed bytes, owned.
    #[must_use]
    pub fn into_payload(self) -> Vec<u8> {
        self.payload
    }

    /// Digest of the signed bytes: the document's name everywhere.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.payload)
    }

    /// The key whose signature verified.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }
}

/// Signs a payload; returns the envelope as one line of JSON.
#[must_use]
pub fn sign(payload_type: &str, payload: &[u8], key: &SigningKey) -> String {
    let signature = key.sign(&pre_authentication(payload_type, payload));
    written(payload_type, payload, key, &signature, None)
}

/// Signs payloads of one type with one signature; returns an envelope for each, which can be verified alone. For none
/// nothing is signed.
#[must_use]
pub fn sign_all(payload_type: &str, payloads: &[&[u8]], key: &SigningKey) -> Vec<String> {
    match payloads {
        [] => return Vec::new(),
        [payload] => return vec![sign(payload_type, payload, key)],
        _ => {}
    }
    let leaves: Vec<Digest> = payloads
        .iter()
        .map(|payload| tree::leaf(&pre_authentication(payload_type, payload)))
        .collect();
    let (root, paths) = tree::grow(&leaves);
    let signature = key.sign(&root_message(&root, leaves.len() as u64));
    payloads
        .iter()
        .zip(paths)
        .map(|(payload, path)| written(payload_type, payload, key, &signature, Some(path)))
        .collect()
}

fn written(
    payload_type: &str,
    payload: &[u8],
    key: &SigningKey,
    signature: &[u8; 64],
    tree: Option<tree::Path>,
) -> String {
    let wire = Wire {
        payload: STANDARD.encode(payload).into(),
        payload_type: payload_type.into(),
        signatures: vec![WireSignature {
            keyid: key.verifying_key().id().to_string().into(),
            sig: STANDARD.encode(signature).into(),
            tree,
        }],
    };
    // Strings and numbers only: there is no value here that JSON cannot hold.
    serde_json::to_string(&wire).unwrap_or_default()
}

/// What is signed of a tree: its root and its size.
fn root_message(root: &Digest, size: u64) -> Vec<u8> {
    let content = [root.as_bytes().as_slice(), &size.to_be_bytes()].concat();
    pre_authentication(TREE_TYPE, &content)
}

/// Verifies an envelope of one type with any of the given keys. Payloads up to `max_payload_bytes` bytes are accepted.
///
/// The key id in the envelope decides only which key is tried first.
///
/// # Errors
/// [`VerifyError`]; nothing in the envelope may be used.
pub fn verify(
    envelope: &[u8],
    payload_type: &str,
    max_payload_bytes: usize,
    keys: &[VerifyingKey],
) -> Result<Verified, VerifyError> {
    verify_known(
        envelope,
        payload_type,
        max_payload_bytes,
        keys,
        &KnownSignatures::default(),
    )
}

/// As [`verify`]; a signature over many envelopes is verified once for all that are opened with the same memory.
///
/// # Errors
/// As [`verify`].
pub fn verify_known(
    envelope: &[u8],
    payload_type: &str,
    max_payload_bytes: usize,
    keys: &[VerifyingKey],
    known: &KnownSignatures,
) -> Result<Verified, VerifyError> {
    let limit_bytes = max_payload_bytes
        .div_ceil(3)
        .saturating_mul(4)
        .saturating_add(FRAME_BYTES);
    if envelope.len() > limit_bytes {
        return Err(VerifyError::TooLarge {
            actual_bytes: envelope.len(),
            limit_bytes,
        });
    }
    let wire: Wire<'_> =
        serde_json::from_slice(envelope).map_err(|error| VerifyError::Malformed(brief(&error)))?;
    if wire.payload_type != payload_type {
        return Err(VerifyError::WrongType {
            expected: payload_type.to_owned(),
            found: wire.payload_type.chars().take(100).collect(),
        });
    }
    if wire.signatures.is_empty() || wire.signatures.len() > MAX_SIGNATURES {
        return Err(VerifyError::Malformed(format!(
            "{} signatures, expected 1 to {MAX_SIGNATURES}",
            wire.signatures.len()
        )));
    }
    let payload = decode(&wire.payload, "payload")?;
    if payload.len() > max_payload_bytes {
        return Err(VerifyError::TooLarge {
            actual_bytes: payload.len(),
            limit_bytes: max_payload_bytes,
        });
    }
    let message = pre_authentication(payload_type, &payload);
    let mut named: Option<KeyId> = None;
    for signature in &wire.signatures {
        let bytes: [u8; 64] = decode(&signature.sig, "sig")?
            .try_into()
            .map_err(|_| VerifyError::Malformed("`sig` is not 64 bytes".to_owned()))?;
        let hint = signature.keyid.parse::<KeyId>().ok();
        let hinted = keys.iter().filter(|key| Some(key.id()) == hint);
        let others = keys.iter().filter(|key| Some(key.id()) != hint);
        named = named.or_else(|| hinted.clone().next().map(VerifyingKey::id));
        let root = signature.tree.as_ref().map(|path| root_of(&message, path));
        let root = root.transpose()?;
        let is_by = |key: &&VerifyingKey| match &root {
            Some(root) => known.verifies(key, root, &bytes),
            None => key.verifies(&message, &bytes),
        };
        if let Some(key) = hinted.chain(others).find(is_by) {
            return Ok(Verified {
                payload,
                key_id: key.id(),
            });
        }
    }
    Err(match named {
        Some(key_id) => VerifyError::BadSignature { key_id },
        None => VerifyError::UntrustedKey {
            hint: describe_hint(&wire),
        },
    })
}

/// What is signed of the tree in which the message stands at the end of this path.
fn root_of(message: &[u8], path: &tree::Path) -> Result<Vec<u8>, VerifyError> {
    let root = tree::climb(tree::leaf(message), path)
        .ok_or_else(|| VerifyError::Malformed("`tree` is no path in a tree of its size".to_owned()))?;
    Ok(root_message(&root, path.size))
}

fn describe_hint(wire: &Wire<'_>) -> String {
    match wire.signatures.iter().find(|s| !s.keyid.is_empty()) {
        Some(signature) => {
            let id: String = signature.keyid.chars().take(80).collect();
            format!("key {id}")
        }
        None => "an unnamed key".to_owned(),
    }
}

fn decode(text: &str, field: &str) -> Result<Vec<u8>, VerifyError> {
    let url_safe = text.contains(['-', '_']) || !text.len().is_multiple_of(4);
    let decoded = if url_safe {
        URL_SAFE.decode(text)
    } else {
        STANDARD.decode(text)
    };
    decoded.map_err(|error| VerifyError::Malformed(format!("`{field}` is not base64: {error}")))
}

/// The bytes that are signed: type and payload with their lengths, so that neither can be taken for the other.
fn pre_authentication(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    let mut message = Vec::with_capacity(head.len() + payload.len());
    message.extend_from_slice(head.as_bytes());
    message.extend_from_slice(payload);
    message
}

/// Why a signed document is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The envelope is not believed.
    #[error(transparent)]
    Envelope(#[from] VerifyError),
    /// The signature is good, the document is not: it is of a newer or a broken maker.
    #[error("the signed document is not acceptable: {0}")]
    Document(#[from] StrictError),
}

impl OpenError {
    /// Stable code for operators.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Envelope(error) => error.code(),
            Self::Document(_) => "FF-ENV-006",
        }
    }
}

/// A document read from bytes whose signature was verified. Cannot be made in any other way.
#[derive(Debug, Clone, PartialEq)]
pub struct Signed<T> {
    document: T,
    digest: Digest,
    key_id: KeyId,
}

impl<T: Document> Signed<T> {
    /// Verifies an envelope and reads the document in it.
    ///
    /// # Errors
    /// [`OpenError`]; nothing in the envelope may be used.
    pub fn open(envelope: &[u8], keys: &[VerifyingKey]) -> Result<Self, OpenError> {
        Self::open_known(envelope, keys, &KnownSignatures::default())
    }

    /// As [`Signed::open`]; a signature over many envelopes is verified once for all that are opened with the same memory.
    ///
    /// # Errors
    /// As [`Signed::open`].
    pub fn open_known(
        envelope: &[u8],
        keys: &[VerifyingKey],
        known: &KnownSignatures,
    ) -> Result<Self, OpenError> {
        let verified = verify_known(envelope, T::TYPE, T::MAX_BYTES, keys, known)?;
        let document = parse_strict(verified.payload(), T::MAX_BYTES)?;
        Ok(Self {
            document,
            digest: verified.digest(),
            key_id: verified.key_id,
        })
    }

    /// The document.
    #[must_use]
    pub fn document(&self) -> &T {
        &self.document
    }

    /// The document, owned.
    #[must_use]
    pub fn into_document(self) -> T {
        self.document
    }

    /// Digest of the signed bytes: the document's name everywhere.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The key that signed it.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }
}

impl<T> std::ops::Deref for Signed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.document
    }
}

/// The payload bytes of a document, as they are signed and digested.
///
/// # Errors
/// [`StrictError`]: a value that no reader would accept, such as an integer beyond 64 bits, or more than
/// [`Document::MAX_BYTES`] bytes.
pub fn payload<T: Document>(document: &T) -> Result<Vec<u8>, StrictError> {
    let text = serde_json::to_string(document).map_err(|error| StrictError::Shape(error.to_string()))?;
    if text.len() > T::MAX_BYTES {
        return Err(StrictError::TooLarge {
            actual_bytes: text.len(),
            limit_bytes: T::MAX_BYTES,
        });
    }
    crate::strict::scan(&text)?;
    Ok(text.into_bytes())
}

/// Signs a document.
///
/// # Errors
/// As [`payload`].
pub fn sign_document<T: Document>(document: &T, key: &SigningKey) -> Result<String, StrictError> {
    Ok(sign(T::TYPE, &payload(document)?, key))
}
