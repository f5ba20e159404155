//! Enrolling on another machine than the control plane's, by an invitation.
//!
//! Order of things: the control plane is known by the invitation before anything is told to it; keys are on the disk before
//! they are named; what is remembered last is that the host has enrolled. Interrupted anywhere, the same call goes on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowforge_protocol::enrol::Grounds;
use flowforge_protocol::invitation::{Invitation, InvitationError};
use flowforge_protocol::strict::StrictError;
use flowforge_protocol::{Digest, HostId, TrustRoot, parse_strict};
use zeroize::Zeroizing;

use crate::clock::{Clock, Entropy};
use crate::data_dir;
use crate::enrolment::{Enrolment, EnrolmentError};
use crate::files;
use crate::identity::{Identity, IdentityError};
use crate::join::line_address;
use crate::link::TlsSetupError;
use crate::link::control::LinkError;
use crate::link::credential::{Credential, CredentialError, forget_next_key, next_key};
use crate::link::graphql::GraphQlLink;
use crate::link::line::{Line, Way};
use crate::link::registrar::Registrar;
use crate::start_error::StartError;

/// Largest trust root, in bytes.
const MAX_TRUST_ROOT_BYTES: usize = 256 * 1024;
/// Largest file with an invitation, in bytes.
const MAX_TOKEN_FILE_BYTES: u64 = 8 * 1024;

/// Why a host did not enrol.
#[derive(Debug, thiserror::Error)]
pub enum JoiningError {
    /// The file with the invitation cannot be read.
    #[error("cannot read the token file {}: {source}", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// What is in it is no invitation.
    #[error("{}: {source}", path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: InvitationError,
    },
    /// The address in the invitation is none.
    #[error("the invitation names `{0}`, which is no address of a hosts' line")]
    Address(String),
    /// The data folder cannot be used.
    #[error("{0}; nothing was enrolled, the token is still good")]
    Folder(#[from] StartError),
    /// The keys cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The certificate cannot be kept.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// TLS cannot be done.
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
    /// What was agreed cannot be written down.
    #[error(transparent)]
    Enrolment(#[from] EnrolmentError),
    /// The trust root is another one than the invitation says.
    #[error(
        "the control plane serves another trust root than the one in the invitation: its keys changed since, so ask for a new \
         token; if they did not, somebody may be posing as it. Nothing was told to it"
    )]
    OtherTrust,
    /// The trust root is the one of the invitation, and of no use.
    #[error("the control plane's trust root is not acceptable: {0}")]
    Trust(StrictError),
    /// The claim cannot be written.
    #[error("the claim cannot be written: {0}")]
    Claim(StrictError),
    /// The control plane did not answer, or refused.
    #[error("{0}")]
    Link(#[from] LinkError),
    /// It gave the certificate of another workspace.
    #[error("the control plane enrolled this host in workspace `{0}`, the invitation is for another one")]
    OtherWorkspace(String),
}

/// Reads the file that an invitation was put into.
///
/// # Errors
/// [`JoiningError::TokenFile`], [`JoiningError::Token`].
pub fn read_token(path: &Path) -> Result<Invitation, JoiningError> {
    let failed = |source| JoiningError::TokenFile {
        path: path.to_owned(),
        source,
    };
    if std::fs::metadata(path).map_err(failed)?.len() > MAX_TOKEN_FILE_BYTES {
        return Err(JoiningError::Token {
            path: path.to_owned(),
            source: InvitationError::Form,
        });
    }
    let text = Zeroizing::new(std::fs::read(path).map_err(failed)?);
    std::str::from_utf8(&text)
        .unwrap_or("")
        .parse()
        .map_err(|source| JoiningError::Token {
            path: path.to_owned(),
            source,
        })
}

/// What a host enrols with.
pub struct Joining<'a> {
    /// Its data folder.
    pub data_dir: &'a Path,
    /// The invitation.
    pub invitation: &'a Invitation,
    /// The way to the control plane.
    pub way: Way,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// How a host came to be enrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joined {
    /// By this call.
    Now(HostId),
    /// By this invitation, in an earlier call.
    Before(HostId),
}

impl Joining<'_> {
    /// Enrols.
    ///
    /// # Errors
    /// [`JoiningError`]; the same call may be made again.
    pub async fn enrol(&self) -> Result<Joined, JoiningError> {
        data_dir::take(self.data_dir)?;
        let identity = Identity::open_or_create(self.data_dir, self.entropy.as_ref())?;
        if let Some(host) = self.before(&identity)? {
            return Ok(Joined::Before(host));
        }
        let server = line_address(&self.invitation.server)
            .ok_or_else(|| JoiningError::Address(self.invitation.server.clone()))?;
        let line = Line::stranger(
            self.data_dir,
            self.way.clone(),
            Arc::clone(&self.clock),
            self.invitation.anchor,
        );
        let link = GraphQlLink::on_line(server.clone(), line)?;
        let trust_root = self.trust_root(&link).await?;
        let key = next_key(self.data_dir, self.entropy.as_ref())?;
        let registrar = Registrar {
            identity: identity.clone(),
            name: self.invitation.name.clone(),
            token: None,
            workspace: self.invitation.workspace.clone(),
            labels: Vec::new(),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
        };
        let grounds = Grounds::Invitation(self.invitation.secret_digest());
        let mut claim = registrar.claim(grounds, &key).map_err(JoiningError::Claim)?;
        claim.secret = Some(self.invitation.secret.clone());
        data_dir::pin_trust(self.data_dir, &trust_root)?;
        let granted = link.claim(&claim).await?;
        if granted.workspace != self.invitation.workspace {
            return Err(JoiningError::OtherWorkspace(granted.workspace));
        }
        let host = granted.host.clone();
        Credential::new(&key, granted, self.invitation)?.write(self.data_dir)?;
        forget_next_key(self.data_dir)?;
        Enrolment {
            host: host.clone(),
            workspace: self.invitation.workspace.clone(),
            server: server.to_string(),
            name: Some(self.invitation.name.clone()),
            identity_key: identity.signing.verifying_key(),
        }
        .write(self.data_dir)?;
        Ok(Joined::Now(host))
    }

    /// Who this host is, if it enrolled with this very invitation before.
    fn before(&self, identity: &Identity) -> Result<Option<HostId>, JoiningError> {
        let credential = Credential::read(self.data_dir)?;
        let is_of_this = credential.is_some_and(|known| known.invitation == self.invitation.secret_digest());
        let key = identity.signing.verifying_key();
        let enrolment =
            Enrolment::read(self.data_dir)?.filter(|known| is_of_this && known.identity_key == key);
        Ok(enrolment.map(|known| known.host))
    }

    async fn trust_root(&self, link: &GraphQlLink) -> Result<TrustRoot, JoiningError> {
        let text = link.trust_root().await?;
        if Digest::of(text.as_bytes()) != self.invitation.trust_root {
            return Err(JoiningError::OtherTrust);
        }
        let trust_root: TrustRoot =
            parse_strict(text.as_bytes(), MAX_TRUST_ROOT_BYTES).map_err(JoiningError::Trust)?;
        if trust_root.workspace != self.invitation.workspace {
            return Err(JoiningError::OtherTrust);
        }
        Ok(trust_root)
    }
}

/// Removes a token file that was used: it holds a secret that is good for nobody any more.
///
/// # Errors
/// What the system says.
pub fn forget_token(path: &Path) -> std::io::Result<()> {
    match files::read_if_present(path)? {
        Some(_) => std::fs::remove_file(path),
        None => Ok(()),
    }
}
