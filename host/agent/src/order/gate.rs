//! The checks of an order that need nothing but the order, the trust root and the time.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_protocol::job::Job;
use flowforge_protocol::known::KnownSignatures;
use flowforge_protocol::{HostId, JobId, Signed, TrustRoot};

use super::refusal::Refusal;
use super::verified::{RunOrder, Verified, VerifiedOrder};

/// Whom an order must be for, and who must have signed it.
#[derive(Debug, Clone)]
pub struct Gate {
    trust: Arc<TrustRoot>,
    host: HostId,
    /// The orders of one answer have one signature.
    known: Arc<KnownSignatures>,
}

impl Gate {
    /// The gate of this host.
    #[must_use]
    pub fn new(trust: Arc<TrustRoot>, host: HostId) -> Self {
        let known = Arc::default();
        Self { trust, host, known }
    }

    /// Lets an order in that came over the line, judged at this time (milliseconds since 1970 UTC).
    ///
    /// Size, envelope, payload type, signature, strict reading, tenant, audience, time, input: in this order, and the first
    /// that fails decides.
    ///
    /// # Errors
    /// [`Refusal`], which names the check.
    pub fn admit(&self, envelope: &[u8], now_ms: u64) -> Result<VerifiedOrder, Refusal> {
        let signed = Signed::<Job>::open_known(envelope, &self.trust.scheduler_keys, &self.known)?;
        signed.check(&self.trust.workspace, &self.host, now_ms)?;
        Ok(VerifiedOrder::of(signed, envelope))
    }

    /// Lets an order in that was accepted before, from the envelope that was stored.
    ///
    /// The same checks as [`Gate::admit`] except the time: an order must be fresh when it is accepted, not when it takes
    /// effect or its run goes on. A scheduler key that has left the trust root since is not believed any more.
    ///
    /// # Errors
    /// [`Refusal`], which names the check.
    pub fn readmit(&self, envelope: &[u8]) -> Result<VerifiedOrder, Refusal> {
        let signed = Signed::<Job>::open_known(envelope, &self.trust.scheduler_keys, &self.known)?;
        signed.check_content(&self.trust.workspace, &self.host)?;
        Ok(VerifiedOrder::of(signed, envelope))
    }

    /// As [`Gate::readmit`], for the order that brought a run here.
    ///
    /// # Errors
    /// [`Refusal`], which names the check.
    pub fn readmit_run(&self, envelope: &[u8]) -> Result<Verified<RunOrder>, Refusal> {
        match self.readmit(envelope)? {
            VerifiedOrder::Begin(order) => Ok(*order),
            VerifiedOrder::Change(_) => Err(Refusal::Document(
                "the stored order does not bring a run".to_owned(),
            )),
        }
    }
}

/// The id in a job that nobody has verified, so that a refusal can name it. Acted upon by nobody.
#[must_use]
pub fn unverified_job_id(envelope: &[u8]) -> Option<JobId> {
    let value: serde_json::Value = serde_json::from_slice(envelope).ok()?;
    let payload = STANDARD.decode(value.get("payload")?.as_str()?).ok()?;
    let job: serde_json::Value = serde_json::from_slice(&payload).ok()?;
    job.get("job_id")?.as_str()?.parse().ok()
}
