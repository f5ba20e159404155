//! Every document that crosses a wire, and how it is signed and verified.
//!
//! Owns: digests, identifiers, the DSSE envelope, release, grant set, job, run records, receipt, trust root, sync. Leaves to
//! others: who sends what when, and where keys are kept. Pure: no I/O, no clock, no randomness; time and entropy are
//! parameters. Invariant: a document is acted upon only in the form in which its signature was verified.

mod accepted;
pub mod approval;
pub mod awaited;
pub mod batch;
pub mod canonical;
pub mod chain;
mod depth;
pub mod digest;
mod effect_key;
pub mod enrol;
pub mod envelope;
pub mod facts;
pub mod failure;
pub mod grants;
mod hex16;
pub mod ids;
mod input_field;
pub mod invitation;
pub mod job;
pub mod json_path;
pub mod keys;
pub mod known;
pub mod labels;
mod pem;
pub mod pieces;
pub mod progress;
pub mod publication;
pub mod publisher;
pub mod receipt;
pub mod record;
pub mod release;
pub mod seal;
pub mod step_set;
pub mod strict;
pub mod sync;
mod text;
mod tree;
pub mod trust;
pub mod used;
pub mod value;
pub mod verify;
pub mod webhook;

pub use digest::Digest;
pub use envelope::{Document, Signed};
pub use failure::{Failure, FailureKind};
pub use hex16::ParseHexError;
pub use ids::{ApprovalId, DeliveryId, HostId, JobId, MessageId, NodeId, RunId, StepKey};
pub use input_field::InputField;
pub use keys::{KeyId, SigningKey, VerifyingKey};
pub use publication::{ConnectorName, Publication};
pub use strict::parse_strict;
pub use trust::TrustRoot;
pub use used::{Use, UseCount, Used};
pub use value::Datum;

/// Name of the project that everything belongs to unless it says otherwise.
pub const DEFAULT_PROJECT: &str = "default";

/// Bytes from exactly as many lower-case hexadecimal digits as they need.
pub(crate) fn hex_array<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else {
        return None;
    };
    if pairs.len() != N {
        return None;
    }
    let mut bytes = [0_u8; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = (nibble(*high)? << 4) | nibble(*low)?;
    }
    Some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// The lower-case hexadecimal digits of the bytes, written into a buffer of twice their number.
pub(crate) fn hex_text<'b>(bytes: &[u8], buffer: &'b mut [u8]) -> &'b str {
    let written = hex::encode_to_slice(bytes, buffer).ok();
    let text = written.and_then(|()| std::str::from_utf8(buffer).ok());
    text.unwrap_or_default()
}
