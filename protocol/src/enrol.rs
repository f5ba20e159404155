//! A host's word, when it joins, that both its keys are its own.

use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::envelope::Document;
use crate::keys::VerifyingKey;
use crate::seal::SealPublicKey;

/// Payload type of the envelope that carries a [`HostRegistration`].
pub const HOST_REGISTRATION_TYPE: &str = "application/vnd.flowforge.host-registration.v1+json";

/// Signed with the identity key that it names, so that nobody registers another's key, and bound to one join token, so
/// that it is of no use elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostRegistration {
    /// Digest of the join token.
    pub token: Digest,
    /// Name for people.
    pub name: String,
    /// Signs receipts and this document.
    pub identity_key: VerifyingKey,
    /// Secrets are sealed to it.
    pub seal_key: SealPublicKey,
}

impl Document for HostRegistration {
    const TYPE: &'static str = HOST_REGISTRATION_TYPE;
    const MAX_BYTES: usize = 4096;
}
