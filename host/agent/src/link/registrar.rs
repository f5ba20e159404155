//! What a host says of itself whenever it asks for a session.

use std::sync::Arc;

use flowforge_protocol::enrol::{Grounds, HostClaim, HostRegistration, Nonce};
use flowforge_protocol::envelope::sign_document;
use flowforge_protocol::strict::StrictError;
use flowforge_protocol::{Digest, SigningKey};

use super::claim::Claim;
use super::control::Registration;
use crate::clock::{Clock, Entropy};
use crate::identity::Identity;

/// Makes registrations: each is bound to its moment and used once.
pub struct Registrar {
    /// Both keys.
    pub identity: Identity,
    /// Name of the host, for people.
    pub name: String,
    /// The invitation; not needed once the control plane knows the identity key.
    pub token: Option<String>,
    /// The tenant that the host is to serve.
    pub workspace: String,
    /// What its site says that it is.
    pub labels: Vec<String>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

impl Registrar {
    pub(super) fn workspace(&self) -> &str {
        &self.workspace
    }

    /// A claim for a certificate for this link key, signed by both keys.
    ///
    /// # Errors
    /// [`StrictError`]: the workspace's name cannot be written.
    pub fn claim(&self, grounds: Grounds, link: &SigningKey) -> Result<Claim, StrictError> {
        let mut nonce = [0; 16];
        self.entropy.fill(&mut nonce);
        let document = HostClaim {
            workspace: self.workspace.clone(),
            grounds,
            identity_key: self.identity.signing.verifying_key(),
            seal_key: self.identity.seal.public(),
            link_key: link.verifying_key(),
            issued_at_ms: self.clock.now_ms(),
            nonce: Nonce::from_entropy(nonce),
        };
        Ok(Claim {
            secret: None,
            identity_key: *document.identity_key.as_bytes(),
            link_key: *document.link_key.as_bytes(),
            claim: sign_document(&document, &self.identity.signing)?,
            link_proof: sign_document(&document, link)?,
        })
    }

    /// Both public keys, signed with the identity key, bound to token, workspace and moment.
    ///
    /// # Errors
    /// [`StrictError`]: the name cannot be written.
    pub fn registration(&self) -> Result<Registration, StrictError> {
        let mut nonce = [0; 16];
        self.entropy.fill(&mut nonce);
        let seal_key = self.identity.seal.public();
        let document = HostRegistration {
            workspace: self.workspace.clone(),
            token: self.token.as_ref().map(|token| Digest::of(token.as_bytes())),
            name: self.name.clone(),
            identity_key: self.identity.signing.verifying_key(),
            seal_key,
            labels: self.labels.clone(),
            issued_at_ms: self.clock.now_ms(),
            nonce: Nonce::from_entropy(nonce),
        };
        Ok(Registration {
            token: self.token.clone(),
            name: self.name.clone(),
            identity_key: *document.identity_key.as_bytes(),
            seal_key: *seal_key.as_bytes(),
            proof: sign_document(&document, &self.identity.signing)?,
        })
    }
}
