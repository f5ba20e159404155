//! The session: who the control plane says this host is, and the token of its calls.

use std::path::Path;
use std::sync::{Arc, Mutex as SyncMutex, OnceLock, PoisonError};

use flowforge_protocol::batch::RecordBatch;
use flowforge_protocol::pieces::{KeptValue, ValuePieces};
use flowforge_protocol::sync::{Incarnation, SyncReply, SyncRequest};
use flowforge_protocol::{Digest, HostId, RunId};
use tokio::sync::{Mutex, Notify};

use super::control::{ControlLink, LinkError, Session};
use super::registrar::Registrar;
use crate::release::ReleaseDocuments;
use crate::secrets::SecretAnswer;

/// Calls with a session, and once more with a fresh one if the first is not known there.
macro_rules! with_session {
    ($keeper:ident, $token:ident => $call:expr) => {{
        let session = $keeper.get().await?;
        let $token = session.session.as_str();
        match $call.await {
            Err(LinkError::NoSession) => {
                $keeper.forget(&session).await;
                let session = $keeper.get().await?;
                let $token = session.session.as_str();
                $call.await
            }
            answer => answer,
        }
    }};
}

/// Registers when there is no session, once for all callers.
///
/// A session is kept in memory only: after a restart the host registers again, and gets the same id for the same key.
#[derive(Clone)]
pub struct SessionKeeper {
    link: Arc<dyn ControlLink>,
    registrar: Arc<Registrar>,
    current: Arc<Mutex<Option<Arc<Session>>>>,
    /// Who this host is, once it is known.
    enrolled: Arc<OnceLock<HostId>>,
    lives: Arc<Lives>,
}

/// The lives of the two stores that speak with each other.
#[derive(Debug)]
struct Lives {
    workspace: String,
    host: Incarnation,
    /// Whose acknowledgements the journal's cursors rest on.
    plane: SyncMutex<Option<Incarnation>>,
    /// Told when an answer came from another life than `plane`.
    other_plane: Notify,
}

impl SessionKeeper {
    /// A keeper without a session yet.
    #[must_use]
    pub fn new(
        link: Arc<dyn ControlLink>,
        registrar: Registrar,
        host: Incarnation,
        plane: Option<Incarnation>,
    ) -> Self {
        Self {
            link,
            lives: Arc::new(Lives {
                workspace: registrar.workspace().to_owned(),
                host,
                plane: SyncMutex::new(plane),
                other_plane: Notify::new(),
            }),
            registrar: Arc::new(registrar),
            current: Arc::new(Mutex::new(None)),
            enrolled: Arc::new(OnceLock::new()),
        }
    }

    /// A call that says whose it is and nothing else.
    #[must_use]
    pub fn request(&self) -> SyncRequest {
        SyncRequest {
            plane_incarnation: self.plane(),
            ..SyncRequest::new(self.lives.workspace.clone(), self.lives.host)
        }
    }

    /// The life of the control plane that the journal's cursors rest on.
    #[must_use]
    pub fn plane(&self) -> Option<Incarnation> {
        *self.lives.plane.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the journal's cursors rest on this life of the control plane.
    pub fn rests_on(&self, plane: Incarnation) {
        *self.lives.plane.lock().unwrap_or_else(PoisonError::into_inner) = Some(plane);
    }

    /// Returns when an answer came from another life of the control plane than the cursors rest on.
    ///
    /// Cancel safety: safe.
    pub async fn other_plane(&self) {
        self.lives.other_plane.notified().await;
    }

    /// This host enrolled before, under this id; a session under another one is refused.
    pub fn expect(&self, host: &HostId) {
        self.enrolled.get_or_init(|| host.clone());
    }

    /// The session; registers if there is none.
    ///
    /// Cancel safety: dropping it may leave a session on the other side that the next registration ends.
    ///
    /// # Errors
    /// [`LinkError`] of the registration.
    pub async fn get(&self) -> Result<Arc<Session>, LinkError> {
        let mut current = self.current.lock().await;
        if let Some(session) = current.as_ref() {
            return Ok(Arc::clone(session));
        }
        let registration = self
            .registrar
            .registration()
            .map_err(|error| LinkError::Malformed(format!("the registration cannot be written: {error}")))?;
        let session = Arc::new(self.link.register(&registration).await?);
        let enrolled = self.enrolled.get_or_init(|| session.host.clone());
        if *enrolled != session.host {
            return Err(LinkError::Refused {
                code: "FF-LNK-001".to_owned(),
                message: format!(
                    "it knows this host as {}, but this host enrolled as {enrolled}; is it another control plane, or was its \
                     data folder deleted? Use a new data folder for this host",
                    session.host
                ),
            });
        }
        *current = Some(Arc::clone(&session));
        Ok(session)
    }

    /// The control plane does not know this session any more; the next [`SessionKeeper::get`] registers again.
    pub async fn forget(&self, session: &Session) {
        let mut current = self.current.lock().await;
        if current
            .as_ref()
            .is_some_and(|known| known.session == session.session)
        {
            *current = None;
        }
    }

    /// [`ControlLink::sync`] with the session.
    ///
    /// # Errors
    /// [`LinkError`] of the last try.
    pub async fn sync(&self, request: &SyncRequest) -> Result<SyncReply, LinkError> {
        let reply = self.call_sync(request).await?;
        if reply.workspace != self.lives.workspace {
            return Err(LinkError::Malformed(format!(
                "it is for workspace `{}`, this host serves `{}`",
                reply.workspace, self.lives.workspace
            )));
        }
        if self.plane() != Some(reply.plane_incarnation) {
            self.lives.other_plane.notify_one();
        }
        Ok(reply)
    }

    async fn call_sync(&self, request: &SyncRequest) -> Result<SyncReply, LinkError> {
        with_session!(self, session => self.link.sync(session, request))
    }

    /// [`ControlLink::release_documents`] with the session.
    ///
    /// # Errors
    /// [`LinkError`] of the last try.
    pub async fn release_documents(
        &self,
        release: Digest,
        grants: Digest,
    ) -> Result<ReleaseDocuments, LinkError> {
        with_session!(self, session => self.link.release_documents(session, release, grants))
    }

    /// [`ControlLink::run_records`] with the session.
    ///
    /// # Errors
    /// [`LinkError`] of the last try.
    pub async fn run_records(&self, run: &RunId, from_seq: u64) -> Result<RecordBatch, LinkError> {
        with_session!(self, session => self.link.run_records(session, run, from_seq))
    }

    /// [`ControlLink::sealed_secrets`] with the session.
    ///
    /// # Errors
    /// [`LinkError`] of the last try.
    pub async fn sealed_secrets(&self, names: &[String]) -> Result<Vec<SecretAnswer>, LinkError> {
        with_session!(self, session => self.link.sealed_secrets(session, names))
    }

    /// [`ControlLink::keep_values`] with the session.
    ///
    /// # Errors
    /// [`LinkError`] of the last try.
    pub async fn keep_values(&self, pieces: &ValuePieces) -> Result<Vec<KeptValue>, LinkError> {
        with_session!(self, session => self.link.keep_values(session, pieces))
    }

    /// [`ControlLink::put_artefact`] with the session.
    ///
    /// # Errors
    /// [`LinkError`] of the last try.
    pub async fn put_artefact(&self, digest: Digest, file: &Path) -> Result<(), LinkError> {
        with_session!(self, session => self.link.put_artefact(session, digest, file))
    }

    /// [`ControlLink::renew`], with this host's keys.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn renew(&self) -> Result<Option<u64>, LinkError> {
        self.link.renew(&self.registrar).await
    }

    /// The line, for calls that need no session.
    #[must_use]
    pub fn link(&self) -> &dyn ControlLink {
        self.link.as_ref()
    }
}
