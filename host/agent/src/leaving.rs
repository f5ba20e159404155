//! Saying good-bye: the control plane is told, and what the host showed there is removed.

use std::path::Path;
use std::sync::Arc;

use crate::clock::{Clock, Entropy};
use crate::enrolment::{Enrolment, EnrolmentError};
use crate::health;
use crate::identity::{Identity, IdentityError};
use crate::join::line_address;
use crate::link::TlsSetupError;
use crate::link::control::{ControlLink as _, LinkError};
use crate::link::credential::{Credential, CredentialError};
use crate::link::graphql::GraphQlLink;
use crate::link::line::{Line, Way};
use crate::link::registrar::Registrar;

/// Why a host did not leave.
#[derive(Debug, thiserror::Error)]
pub enum LeavingError {
    /// It is at work.
    #[error(
        "the host on this data folder is running: stop it first (systemctl stop flowforge-host); runs that it holds are kept"
    )]
    Running,
    /// It holds what nobody else has.
    #[error(
        "this host holds {0} runs or results that the control plane may not have; drain it first (flowforge host drain NAME) \
         and let it finish, or give --abandon"
    )]
    Holds(usize),
    /// It never enrolled over the hosts' line.
    #[error("this host has not enrolled with a token: there is nothing to leave; delete its data folder")]
    NotEnrolled,
    /// What was agreed cannot be read.
    #[error(transparent)]
    Enrolment(#[from] EnrolmentError),
    /// The keys cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The certificate cannot be used or removed.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// TLS cannot be done.
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
    /// The journal cannot be looked into.
    #[error(transparent)]
    Journal(#[from] crate::start_error::StartError),
    /// The control plane was not told.
    #[error("{0}; nothing was removed. With --abandon this host forgets its certificate without telling it")]
    Link(#[from] LinkError),
}

/// What leaves.
pub struct Leaving<'a> {
    /// The data folder.
    pub data_dir: &'a Path,
    /// The way to the control plane.
    pub way: Way,
    /// Whether it also leaves when it holds runs, or the control plane cannot be told.
    pub abandon: bool,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

impl Leaving<'_> {
    /// Leaves; answers whether the control plane was told.
    ///
    /// # Errors
    /// [`LeavingError`]; nothing was changed.
    pub async fn leave(&self) -> Result<bool, LeavingError> {
        if health::ask(self.data_dir).is_ok() {
            return Err(LeavingError::Running);
        }
        let enrolment = Enrolment::read(self.data_dir)?.ok_or(LeavingError::NotEnrolled)?;
        let credential = Credential::read(self.data_dir)?.ok_or(LeavingError::NotEnrolled)?;
        let held = crate::data_dir::held(self.data_dir, self.entropy.as_ref())?;
        if held > 0 && !self.abandon {
            return Err(LeavingError::Holds(held));
        }
        let told = match self.tell(&enrolment, credential).await {
            Ok(()) => true,
            Err(LeavingError::Link(_)) if self.abandon => false,
            Err(error) => return Err(error),
        };
        Credential::remove(self.data_dir)?;
        Enrolment::remove(self.data_dir)?;
        Ok(told)
    }

    async fn tell(&self, enrolment: &Enrolment, credential: Credential) -> Result<(), LeavingError> {
        let server = line_address(&enrolment.server).ok_or(LeavingError::NotEnrolled)?;
        let line = Line::of_host(
            self.data_dir,
            self.way.clone(),
            Arc::clone(&self.clock),
            credential,
        );
        let link = GraphQlLink::on_line(server, line)?;
        let registrar = Registrar {
            identity: Identity::open_or_create(self.data_dir, self.entropy.as_ref())?,
            name: enrolment.name.clone().unwrap_or_else(|| "host".to_owned()),
            token: None,
            workspace: enrolment.workspace.clone(),
            labels: Vec::new(),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
        };
        let registration = registrar
            .registration()
            .map_err(|error| LinkError::Malformed(error.to_string()))?;
        let session = link.register(&registration).await?;
        Ok(link.leave(&session.session).await?)
    }
}
