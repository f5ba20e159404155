//! The checks of a job that need nothing but the job, the trust root and the time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_journal::JobEntry;
use flowforge_protocol::job::Job;
use flowforge_protocol::{HostId, JobId, Signed, TrustRoot};

use super::refusal::Refusal;

/// A job whose signature, address and time are right. What it refers to is not verified yet.
#[derive(Debug, Clone)]
pub struct CheckedJob {
    pub(super) signed: Signed<Job>,
    pub(super) envelope: Vec<u8>,
}

impl CheckedJob {
    /// What was signed.
    #[must_use]
    pub fn job(&self) -> &Job {
        &self.signed
    }

    /// The job as the memory against replay knows it.
    #[must_use]
    pub fn entry(&self) -> JobEntry {
        JobEntry {
            job_id: self.signed.job_id.clone(),
            digest: self.signed.digest(),
            scheduler_key: self.signed.key_id().to_string(),
            sequence: self.signed.sequence,
            expires_at_ms: self.signed.expires_at_ms,
        }
    }
}

/// Whom a job must be for, and who must have signed it.
#[derive(Debug)]
pub struct Gate<'a> {
    /// Whose signatures count.
    pub trust: &'a TrustRoot,
    /// This host.
    pub host: &'a HostId,
    /// The time to judge by, milliseconds since 1970 UTC.
    pub now_ms: u64,
}

impl Gate<'_> {
    /// Size, envelope, payload type, signature, strict reading, tenant, audience, time, input: in this order, and the
    /// first that fails decides.
    ///
    /// # Errors
    /// [`Refusal`], which names the check.
    pub fn check(&self, envelope: &[u8]) -> Result<CheckedJob, Refusal> {
        let signed = Signed::<Job>::open(envelope, &self.trust.scheduler_keys)?;
        signed.check(&self.trust.workspace, self.host, self.now_ms)?;
        Ok(CheckedJob {
            signed,
            envelope: envelope.to_vec(),
        })
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
