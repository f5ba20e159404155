//! How a host gets its certificates.

use async_graphql::{InputObject, SimpleObject, Union};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::register::RegistrationProblem;
use crate::api::Long;
use crate::enrolment::{ClaimError, ClaimRequest, Issued};

/// A host asks for a certificate.
#[derive(InputObject)]
pub(crate) struct ClaimHostInput {
    /// Base64 of the 32 bytes of the invitation's secret; absent when the host asks for the next certificate.
    secret: Option<String>,
    /// Base64 of the 32 bytes of the Ed25519 public key.
    identity_key: String,
    /// Base64 of the 32 bytes of the Ed25519 public key that the certificate is for.
    link_key: String,
    /// DSSE envelope (JSON text) of a host claim, signed with the identity key, made for this call.
    claim: String,
    /// The same claim, signed with the link key.
    link_proof: String,
}

impl ClaimHostInput {
    pub(super) fn read(self) -> Result<ClaimRequest, ClaimError> {
        let secret = self
            .secret
            .map(|text| {
                let bytes = STANDARD.decode(text).map_err(|_| ClaimError::Key("secret"))?;
                <[u8; 32]>::try_from(bytes).map_err(|_| ClaimError::Key("secret"))
            })
            .transpose()?;
        Ok(ClaimRequest {
            secret,
            identity_key: self.identity_key,
            link_key: self.link_key,
            claim: self.claim,
            link_proof: self.link_proof,
        })
    }
}

/// A certificate. The same key gets the same one when the call is repeated.
#[derive(SimpleObject)]
pub(crate) struct ClaimHostSuccess {
    host_id: String,
    /// Base64 of the certificate, DER.
    certificate: String,
    /// Counts the certificates of this host, from 1.
    generation: Long,
    issued_at_ms: Long,
    expires_at_ms: Long,
    workspace: String,
}

impl ClaimHostSuccess {
    pub(super) fn of(issued: &Issued, workspace: &str) -> Self {
        let certificate = &issued.certificate;
        Self {
            host_id: certificate.host.to_string(),
            certificate: STANDARD.encode(&certificate.certificate),
            generation: certificate.generation.into(),
            issued_at_ms: certificate.issued_at_ms.into(),
            expires_at_ms: certificate.expires_at_ms.into(),
            workspace: workspace.to_owned(),
        }
    }
}

#[derive(Union)]
pub(crate) enum ClaimHostPayload {
    Success(ClaimHostSuccess),
    Problem(RegistrationProblem),
}
