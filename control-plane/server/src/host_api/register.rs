//! How a host registers.

use async_graphql::{InputObject, SimpleObject, Union};

use crate::api::Long;
use crate::registration::Registration;

/// What a host says about itself.
#[derive(InputObject)]
pub(crate) struct RegisterHostInput {
    /// From host-join.json; not needed by a host whose identity key is known here.
    token: Option<String>,
    /// 1 to 64 characters: letters, digits, `-`, `_`, `.`.
    name: String,
    /// Base64 of the 32 bytes of the Ed25519 public key.
    identity_key: String,
    /// Base64 of the 32 bytes of the X25519 public key.
    seal_key: String,
    /// DSSE envelope (JSON text) of a host registration, signed with the identity key, made for this call.
    proof: String,
}

impl From<RegisterHostInput> for Registration {
    fn from(input: RegisterHostInput) -> Self {
        Self {
            token: input.token,
            name: input.name,
            identity_key: input.identity_key,
            seal_key: input.seal_key,
            proof: input.proof,
        }
    }
}

/// The same identity key always gets the same host id; a new session ends the one before.
#[derive(SimpleObject)]
pub(crate) struct RegisterHostSuccess {
    pub(crate) host_id: String,
    /// The bearer token of the host's calls.
    pub(crate) session: String,
    pub(crate) workspace: String,
    pub(crate) time_ms: Long,
}

/// The host is not admitted.
#[derive(SimpleObject)]
pub(crate) struct RegistrationProblem {
    /// For people: what is wrong and what to do about it.
    pub(crate) message: String,
    /// Stable, for programs: `FF-HOST-…`.
    pub(crate) code: String,
}

#[derive(Union)]
pub(crate) enum RegisterHostPayload {
    Success(RegisterHostSuccess),
    Problem(RegistrationProblem),
}
