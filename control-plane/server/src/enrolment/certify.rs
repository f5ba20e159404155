//! Making the certificate of a host.

use flowforge_enrolment::{HOST_CERTIFICATE_DAYS, HostSubject, Validity};
use flowforge_protocol::{Digest, HostId, VerifyingKey};
use flowforge_store::NewCertificate;

use super::errors::ClaimError;
use crate::app::App;
use crate::entropy::fresh;

impl App {
    /// A certificate for a host's link key, not yet kept.
    pub(super) fn certify(
        &self,
        host: &HostId,
        link_key: &VerifyingKey,
    ) -> Result<NewCertificate, ClaimError> {
        let line = self.line.as_ref().ok_or(ClaimError::NoLine)?;
        let now_ms = self.clock.now_ms();
        let validity = Validity::days(now_ms, HOST_CERTIFICATE_DAYS);
        let subject = HostSubject {
            workspace: self.workspace(),
            host,
            link_key,
        };
        let certificate = line.authority.certify_host(&subject, validity, fresh::<16>()?)?;
        Ok(NewCertificate {
            digest: Digest::of(&certificate),
            link_key: *link_key.as_bytes(),
            certificate,
            issued_at_ms: now_ms,
            expires_at_ms: validity.until_ms,
        })
    }
}
