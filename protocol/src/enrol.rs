//! A host's word that its keys are its own: when it asks for a session, and when it asks for a certificate.

use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::envelope::Document;
use crate::hex16::hex16;
use crate::keys::VerifyingKey;
use crate::seal::SealPublicKey;

/// Payload type of the envelope that carries a [`HostClaim`].
pub const HOST_CLAIM_TYPE: &str = "application/vnd.flowforge.host-claim.v1+json";

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
    /// What its site says that it is, sorted: see [`crate::labels`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// When it was made by the host's clock, milliseconds since 1970 UTC. Not accepted when it differs from the reader's
    /// clock by more than [`crate::job::CLOCK_TOLERANCE_MS`].
    pub issued_at_ms: u64,
    /// Not accepted a second time.
    pub nonce: Nonce,
}

impl Document for HostRegistration {
    const TYPE: &'static str = HOST_REGISTRATION_TYPE;
    const MAX_BYTES: usize = 8192;
}

/// What entitles a host to a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Grounds {
    /// It was invited: digest of the invitation's secret.
    Invitation(Digest),
    /// It has one that was good until now: digest of that certificate.
    Certificate(Digest),
}

/// A host asks for a certificate for its link key.
///
/// It travels in two envelopes, one signed with the identity key and one with the link key, so that nobody gets a
/// certificate for a key that is not theirs. It names keys and nothing of the certificate: what stands in that is the
/// control plane's to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostClaim {
    /// Tenant.
    pub workspace: String,
    /// Why it should get one.
    pub grounds: Grounds,
    /// Signs receipts and registrations; the host's id goes with it.
    pub identity_key: VerifyingKey,
    /// Secrets are sealed to it.
    pub seal_key: SealPublicKey,
    /// What the certificate is for; used in TLS only, and a new one each time.
    pub link_key: VerifyingKey,
    /// When it was made by the host's clock, milliseconds since 1970 UTC. Not accepted when it differs from the reader's
    /// clock by more than [`crate::job::CLOCK_TOLERANCE_MS`].
    pub issued_at_ms: u64,
    /// Not accepted a second time.
    pub nonce: Nonce,
}

impl Document for HostClaim {
    const TYPE: &'static str = HOST_CLAIM_TYPE;
    const MAX_BYTES: usize = 4096;
}
