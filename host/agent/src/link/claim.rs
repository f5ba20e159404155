//! The calls by which a host gets its certificates, and says good-bye.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_protocol::HostId;
use flowforge_protocol::enrol::Grounds;
use http::{Request, header};
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::control::LinkError;
use super::credential::{Credential, forget_next_key, next_key};
use super::graphql::{CALL_TIMEOUT, GraphQlLink};
use super::http::{http_date_ms, refusal, whole};
use super::registrar::Registrar;

const TRUST_ROOT: &str = "query { trustRoot }";
const CLAIM: &str = "mutation($input: ClaimHostInput!) { claimHost(input: $input) { __typename \
    ... on ClaimHostSuccess { hostId certificate generation issuedAtMs expiresAtMs workspace } \
    ... on RegistrationProblem { code message } } }";
const LEAVE: &str = "mutation { leaveHost }";

/// A claim for a certificate, signed by both keys.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Secret of the invitation; absent when the host has a certificate.
    pub secret: Option<Zeroizing<[u8; 32]>>,
    /// The Ed25519 public key of the host.
    pub identity_key: [u8; 32],
    /// The Ed25519 public key that the certificate is for.
    pub link_key: [u8; 32],
    /// Envelope of the claim, signed with the identity key.
    pub claim: String,
    /// Envelope of the same claim, signed with the link key.
    pub link_proof: String,
}

/// A certificate, as the control plane gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// Who this host is.
    pub host: HostId,
    /// The tenant.
    pub workspace: String,
    /// DER.
    pub certificate: Vec<u8>,
    /// Counts the certificates of this host, from 1.
    pub generation: u64,
    /// When it was issued, milliseconds since 1970 UTC.
    pub issued_at_ms: u64,
    /// Until when it is good.
    pub expires_at_ms: u64,
}

#[derive(Deserialize)]
#[serde(tag = "__typename")]
enum ClaimPayload {
    #[serde(rename_all = "camelCase")]
    ClaimHostSuccess {
        host_id: HostId,
        certificate: String,
        generation: u64,
        issued_at_ms: u64,
        expires_at_ms: u64,
        workspace: String,
    },
    RegistrationProblem {
        code: String,
        message: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClaimData {
    claim_host: ClaimPayload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TrustRootData {
    trust_root: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LeaveData {
    leave_host: bool,
}

impl GraphQlLink {
    /// The trust root of the workspace, JSON, as its digest stands in invitations.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn trust_root(&self) -> Result<String, LinkError> {
        let data: TrustRootData = self.graphql(None, TRUST_ROOT, json!({}), CALL_TIMEOUT).await?;
        data.trust_root
            .ok_or_else(|| LinkError::Absent("a trust root for hosts".to_owned()))
    }

    /// What time it is there, by the date of an answer, milliseconds since 1970 UTC; `None` if none was said.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn server_time(&self) -> Result<Option<u64>, LinkError> {
        let answer = self.timeouts().within(CALL_TIMEOUT, self.healthz()).await;
        answer.unwrap_or_else(|| {
            Err(LinkError::Unreachable(
                "the control plane did not answer in time".to_owned(),
            ))
        })
    }

    async fn healthz(&self) -> Result<Option<u64>, LinkError> {
        let url = self.url("healthz")?;
        let request = Request::get(url.as_str())
            .body(whole(Vec::new()))
            .map_err(|error| LinkError::Malformed(error.to_string()))?;
        let response = self.http().send(request).await?;
        if !response.status().is_success() {
            return Err(refusal(response).await);
        }
        let date = response.headers().get(header::DATE);
        Ok(date.and_then(|date| http_date_ms(date.to_str().ok()?)))
    }

    /// Asks for a certificate. Repeating the call with the same link key gives the same one.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn claim(&self, claim: &Claim) -> Result<Granted, LinkError> {
        let secret = claim
            .secret
            .as_ref()
            .map(|secret| STANDARD.encode(secret.as_slice()));
        let variables = json!({ "input": {
            "secret": secret,
            "identityKey": STANDARD.encode(claim.identity_key),
            "linkKey": STANDARD.encode(claim.link_key),
            "claim": claim.claim, "linkProof": claim.link_proof,
        } });
        let data: ClaimData = self.graphql(None, CLAIM, variables, CALL_TIMEOUT).await?;
        match data.claim_host {
            ClaimPayload::ClaimHostSuccess {
                host_id,
                certificate,
                generation,
                issued_at_ms,
                expires_at_ms,
                workspace,
            } => Ok(Granted {
                host: host_id,
                workspace,
                certificate: STANDARD
                    .decode(certificate)
                    .map_err(|error| LinkError::Malformed(error.to_string()))?,
                generation,
                issued_at_ms,
                expires_at_ms,
            }),
            ClaimPayload::RegistrationProblem { code, message } => Err(LinkError::Refused { code, message }),
        }
    }

    /// Tells the control plane that this host leaves.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn leave(&self, session: &str) -> Result<(), LinkError> {
        let data: LeaveData = self
            .graphql(Some(session), LEAVE, json!({}), CALL_TIMEOUT)
            .await?;
        if data.leave_host {
            Ok(())
        } else {
            Err(LinkError::Malformed(
                "it did not say that this host has left".to_owned(),
            ))
        }
    }

    /// Gets the next certificate if that is due: the key is on the disk before it is named, the certificate before it is
    /// shown.
    pub(super) async fn renew_certificate(&self, registrar: &Registrar) -> Result<Option<u64>, LinkError> {
        let Some(line) = self.line() else {
            return Ok(None);
        };
        let now_ms = registrar.clock.now_ms();
        let Some(current) = line.credential() else {
            return Ok(None);
        };
        if now_ms < current.life().renews_at_ms {
            return Ok(Some(current.life().renews_at_ms));
        }
        let here =
            |error: &dyn std::fmt::Display| LinkError::Malformed(format!("the next certificate: {error}"));
        let data_dir = line.data_dir();
        let key = next_key(data_dir, registrar.entropy.as_ref()).map_err(|error| here(&error))?;
        let grounds = Grounds::Certificate(current.digest());
        let claim = registrar.claim(grounds, &key).map_err(|error| here(&error))?;
        let granted = if now_ms < current.life().expires_at_ms {
            self.claim(&claim).await?
        } else {
            // What is over is shown to nobody: the identity key speaks alone.
            Self::on_line(self.server().clone(), line.as_stranger())
                .map_err(|error| here(&error))?
                .claim(&claim)
                .await?
        };
        let next = Credential::new(&key, granted, current.as_ref()).map_err(|error| here(&error))?;
        next.write(data_dir).map_err(|error| here(&error))?;
        forget_next_key(data_dir).map_err(|error| here(&error))?;
        let renews_at_ms = next.life().renews_at_ms;
        line.shows(next);
        self.http().replace(line.dialer().map_err(|error| here(&error))?);
        Ok(Some(renews_at_ms))
    }
}
