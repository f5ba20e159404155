//! A host's word, when it joins, that both its keys are its own.

use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::envelope::Document;
use crate::hex16::hex16;
use crate::keys::VerifyingKey;
use crate::seal::SealPublicKey;

/// Payload type of the envelope that carries a [`HostRegistration`].
pub const HOST_REGISTRATION_TYPE: &str = "application/vnd.flowforge.host-registration.v1+json";

hex16! {
    /// Sixteen fresh random bytes: no two registrations carry the same.
    ///
    /// Written as 32 lower-case hexadecimal digits.
    Nonce
}

/// Signed with the identity key that it names, so that nobody registers another's key; bound to one workspace, one moment
/// and one nonce, so that it is of no use elsewhere, later, or a second time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostRegistration {
    /// Tenant.
    pub workspace: String,
    /// Digest of the join token; absent for a host that enrolled before: its identity key is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Digest>,
    /// Name for people.
    pub name: String,
    /// Signs receipts and this document.
    pub identity_key: VerifyingKey,
    /// Secrets are sealed to it.
    pub seal_key: SealPublicKey,
    /// When it was made by the host's clock, milliseconds since 1970 UTC. Not accepted when it differs from the reader's
    /// clock by more than [`crate::job::CLOCK_TOLERANCE_MS`].
    pub issued_at_ms: u64,
    /// Not accepted a second time.
    pub nonce: Nonce,
}

impl Document for HostRegistration {
    const TYPE: &'static str = HOST_REGISTRATION_TYPE;
    const MAX_BYTES: usize = 4096;
}
