//! Every document that crosses a wire, and how it is signed and verified.
//!
//! Owns: digests, identifiers, the DSSE envelope, release, grant set, job, run records, receipt, trust root, sync. Leaves to
//! others: who sends what when, and where keys are kept. Pure: no I/O, no clock, no randomness; time and entropy are
//! parameters. Invariant: a document is acted upon only in the form in which its signature was verified.

mod accepted;
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
pub mod job;
pub mod json_path;
pub mod keys;
pub mod known;
mod pem;
pub mod pieces;
pub mod progress;
pub mod publication;
pub mod receipt;
pub mod record;
pub mod release;
pub mod seal;
pub mod step_set;
pub mod strict;
pub mod sync;
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
pub use ids::{ApprovalId, HostId, JobId, MessageId, NodeId, RunId, StepKey};
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
    if digits.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let mut bytes = [0_u8; N];
    hex::decode_to_slice(digits, &mut bytes).ok()?;
    Some(bytes)
}
