//! A host's claim for a certificate: its first one by an invitation, the next ones by the one it has.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use flowforge_enrolment::{HOST_CERTIFICATE_DAYS, Renewal, judge_renewal};
use flowforge_protocol::enrol::{Grounds, HostClaim};
use flowforge_protocol::envelope::Signed;
use flowforge_protocol::job::CLOCK_TOLERANCE_MS;
use flowforge_protocol::{Digest, HostId, VerifyingKey};
use flowforge_store::{Claim, Claimed, NewHost, Standing, StoredCertificate, UsedNonce};

use super::errors::ClaimError;
use super::moment::moment;
use crate::app::App;
use crate::entropy::fresh;
use crate::fleet::words::Word;
use crate::peers::Peer;

/// How long after its end a certificate still entitles to the next one, milliseconds: 30 days, the longest time that a host
/// may work without this server.
const RENEWABLE_AFTER_END_MS: u64 = 30 * 24 * 60 * 60 * 1_000;

/// What a host sends.
pub(crate) struct ClaimRequest {
    /// Secret of the invitation; absent for a renewal.
    pub(crate) secret: Option<[u8; 32]>,
    /// Base64 of the 32 bytes of the Ed25519 public key.
    pub(crate) identity_key: String,
    /// Base64 of the 32 bytes of the Ed25519 public key.
    pub(crate) link_key: String,
    /// Envelope of the claim, signed with the identity key.
    pub(crate) claim: String,
    /// Envelope of the same claim, signed with the link key.
    pub(crate) link_proof: String,
}

/// What it gets.
pub(crate) struct Issued {
    pub(crate) certificate: StoredCertificate,
}

fn key(text: &str, what: &'static str) -> Result<VerifyingKey, ClaimError> {
    let bytes = STANDARD.decode(text).map_err(|_| ClaimError::Key(what))?;
    let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| ClaimError::Key(what))?;
    VerifyingKey::from_bytes(&bytes).map_err(|_| ClaimError::Key(what))
}

/// The claim, signed by both keys that it names.
fn proved(request: &ClaimRequest) -> Result<HostClaim, ClaimError> {
    let wrong = |error: &dyn std::fmt::Display| ClaimError::Proof(error.to_string());
    let identity = key(&request.identity_key, "identityKey")?;
    let link = key(&request.link_key, "linkKey")?;
    let by_identity = Signed::<HostClaim>::open(request.claim.as_bytes(), std::slice::from_ref(&identity))
        .map_err(|error| wrong(&error))?;
    let by_link = Signed::<HostClaim>::open(request.link_proof.as_bytes(), std::slice::from_ref(&link))
        .map_err(|error| wrong(&error))?;
    let claim = by_identity.document();
    if claim != by_link.document() || claim.identity_key != identity || claim.link_key != link {
        return Err(wrong(&"its two envelopes do not say the same"));
    }
    if identity == link {
        return Err(wrong(&"the link key is the identity key"));
    }
    Ok(claim.clone())
}

impl App {
    /// Gives a host its first certificate, or the next one.
    pub(crate) async fn claim_host(&self, peer: &Peer, request: ClaimRequest) -> Result<Issued, ClaimError> {
        let now_ms = self.clock.now_ms();
        // A flood of strangers does not keep those that are known from renewing.
        let is_known = matches!(peer, Peer::Host { .. });
        if !is_known && !self.peers.may_try(now_ms) {
            return Err(ClaimError::TooOften);
        }
        let claimed = self.try_claim(peer, &request).await;
        if let Err(error) = &claimed
            && error.code().is_some()
            && !is_known
            && self.peers.failed(now_ms)
        {
            tracing::warn!("many claims for host certificates fail: none is looked at for a minute");
        }
        let certificate = claimed?;
        self.peers.issued(&certificate);
        self.bus.say(Word::Host(certificate.host.clone()));
        Ok(Issued { certificate })
    }

    async fn try_claim(&self, peer: &Peer, request: &ClaimRequest) -> Result<StoredCertificate, ClaimError> {
        if self.line.is_none() {
            return Err(ClaimError::NoLine);
        }
        let claim = proved(request)?;
        if claim.workspace != self.workspace() {
            return Err(ClaimError::Proof(format!(
                "it is for workspace `{}`, this server is `{}`",
                claim.workspace.chars().take(80).collect::<String>(),
                self.workspace()
            )));
        }
        let differs_ms = i64::try_from(claim.issued_at_ms)
            .unwrap_or(i64::MAX)
            .saturating_sub_unsigned(self.clock.now_ms());
        if differs_ms.unsigned_abs() > CLOCK_TOLERANCE_MS {
            return Err(ClaimError::Clock(differs_ms));
        }
        let used = UsedNonce {
            nonce: claim.nonce.to_string(),
            issued_at_ms: claim.issued_at_ms,
            forget_before_ms: self.clock.now_ms().saturating_sub(CLOCK_TOLERANCE_MS),
        };
        if !self.store.use_nonce(&self.scope, used).await? {
            return Err(ClaimError::Replayed);
        }
        match (&claim.grounds, &request.secret) {
            (Grounds::Invitation(digest), Some(secret)) if *digest == Digest::of(secret) => {
                self.first_certificate(&claim, *digest).await
            }
            (Grounds::Certificate(digest), None) => self.next_certificate(peer, &claim, *digest).await,
            _ => Err(ClaimError::Proof("it speaks of another invitation".to_owned())),
        }
    }

    async fn first_certificate(
        &self,
        claim: &HostClaim,
        secret_hash: Digest,
    ) -> Result<StoredCertificate, ClaimError> {
        let mut id = HostId::from_entropy(fresh::<16>()?);
        // Twice at most: the second time with the id that its identity key has here.
        for _ in 0..2 {
            // Nobody has a session yet: the host asks for one over its certificate.
            let no_session = URL_SAFE_NO_PAD.encode(fresh::<32>()?);
            let wanted = Claim {
                secret_hash,
                host: NewHost {
                    id: id.clone(),
                    name: String::new(),
                    identity_key: *claim.identity_key.as_bytes(),
                    seal_key: *claim.seal_key.as_bytes(),
                    session_hash: Digest::of(no_session.as_bytes()),
                    labels: Vec::new(),
                    given_labels: None,
                    at_ms: self.clock.now_ms(),
                    nonce: None,
                },
                certificate: self.certify(&id, &claim.link_key)?,
            };
            match self.store.claim(&self.scope, wanted).await? {
                Claimed::Certificate(host, certificate) => {
                    tracing::info!(host = %host.id, name = host.name, "a host enrolled");
                    let id = host.id.clone();
                    self.hosts.enrolled(*host);
                    self.stands(&id, Standing::Active, "enrolled".to_owned());
                    return Ok(*certificate);
                }
                Claimed::OtherId(known) => id = known,
                Claimed::Unknown => return Err(ClaimError::Unknown),
                Claimed::Expired(at_ms) => return Err(ClaimError::Expired(moment(at_ms))),
                Claimed::Taken(at_ms) => {
                    tracing::error!(
                        used = moment(at_ms),
                        "an invitation of a host was tried by a second key: it is good for nobody any more; was it stolen?"
                    );
                    return Err(ClaimError::Taken(moment(at_ms)));
                }
                Claimed::Spent(at_ms) => return Err(ClaimError::Spent(moment(at_ms))),
                Claimed::TooManyHosts => return Err(ClaimError::TooMany),
                Claimed::Elsewhere => return Err(ClaimError::Elsewhere),
            }
        }
        Err(ClaimError::Replayed)
    }

    /// The next certificate of a host. Who is still in possession of one that is good shows it on the connection; after its
    /// end the identity key speaks alone, for a while.
    async fn next_certificate(
        &self,
        peer: &Peer,
        claim: &HostClaim,
        digest: Digest,
    ) -> Result<StoredCertificate, ClaimError> {
        let found = self.store.certificate(&self.scope, &digest).await?;
        let (shown, newest) = found.ok_or(ClaimError::UnknownCertificate)?;
        let has_shown = matches!(peer, Peer::Host { shown: on_line, .. } if *on_line == digest);
        let now_ms = self.clock.now_ms();
        let is_over = now_ms >= shown.expires_at_ms;
        let may_be_renewed = now_ms < shown.expires_at_ms.saturating_add(RENEWABLE_AFTER_END_MS);
        let is_its_own = self.hosts.id_of_key(claim.identity_key.as_bytes()).as_ref() == Some(&shown.host);
        if !is_its_own || !may_be_renewed || !(has_shown || is_over) {
            return Err(ClaimError::UnknownCertificate);
        }
        if let Some(message) = self.peers.refusal(&shown.host) {
            return Err(ClaimError::Refused(message));
        }
        let is_newest_key = newest.link_key == *claim.link_key.as_bytes();
        match judge_renewal(shown.generation, newest.generation, is_newest_key) {
            Renewal::Again => Ok(newest),
            Renewal::SameKey => Err(ClaimError::SameKey),
            Renewal::Clone => {
                self.found_clone(&shown.host, "it renewed with a number that is past")
                    .await?;
                Err(ClaimError::Clone)
            }
            Renewal::Issue(generation) => {
                let new = self.certify(&shown.host, &claim.link_key)?;
                let host = shown.host.clone();
                let stored = self
                    .store
                    .issue_certificate(&self.scope, host, generation, new)
                    .await?;
                if let Some(stored) = stored {
                    tracing::info!(host = %stored.host, generation, days = HOST_CERTIFICATE_DAYS, "a host's certificate was renewed");
                    return Ok(stored);
                }
                // Another call came between: it was this host's own with the same key, or a clone's.
                let found = self.store.certificate(&self.scope, &digest).await?;
                let newest = found
                    .map(|(_, newest)| newest)
                    .ok_or(ClaimError::UnknownCertificate)?;
                if newest.link_key == *claim.link_key.as_bytes() {
                    return Ok(newest);
                }
                self.found_clone(&shown.host, "two renewed at the same time")
                    .await?;
                Err(ClaimError::Clone)
            }
        }
    }

    /// Two machines live from one disk: neither is heard until somebody says which.
    pub(super) async fn found_clone(&self, host: &HostId, how: &str) -> Result<(), ClaimError> {
        tracing::error!(%host, how, "two machines use one host's certificate: both are refused from now on");
        self.decide_host(&self.store, host, Standing::Cloned, how.to_owned())
            .await?;
        Ok(())
    }
}
