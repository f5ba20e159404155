//! Runs that were given up because nothing of them could be read, until the control plane has heard of it.
//!
//! What is said of such a run is written down before the run is dropped, and said again at every start until a call that
//! said it was answered: else a host that dies between the two would leave the run open for ever where it is shown.

use flowforge_journal::{PutError, Space, Urgency};
use flowforge_protocol::sync::RefusedJob;
use flowforge_protocol::{JobId, RunId};
use serde::{Deserialize, Serialize};
use tracing::{error, info};

use super::service::{OrderError, Runs};
use crate::order::Refusal;
use crate::text::with_causes;

/// Where the list stands in the journal.
const KEY: &str = "given_up";
/// Most runs that were given up and of which the control plane has not heard; the oldest is forgotten beyond.
const GIVEN_UP_MAX: usize = 1_024;

/// A run that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct GivenUp {
    pub(super) run: RunId,
    pub(super) epoch: u64,
    /// The order that ended it.
    pub(super) job: JobId,
    /// What could not be read.
    pub(super) reason: String,
}

impl GivenUp {
    pub(super) fn refusal(&self) -> Refusal {
        Refusal::GivenUp {
            run: self.run.clone(),
            reason: self.reason.clone(),
        }
    }
}

impl Runs {
    /// Writes down that a run is given up; it may be dropped when this returns.
    pub(super) async fn note_given_up(&self, given_up: GivenUp) -> Result<(), OrderError> {
        let _alone = self.shared.given_up.lock().await;
        let mut list = self.given_up().await;
        list.retain(|known| known.run != given_up.run);
        list.push(given_up);
        let beyond = list.len().saturating_sub(GIVEN_UP_MAX);
        list.drain(..beyond);
        self.write_given_up(&list).await
    }

    /// What is known of a run that was given up and of which the control plane has not heard.
    pub(super) async fn find_given_up(&self, run: &RunId) -> Option<GivenUp> {
        let mut list = self.given_up().await.into_iter();
        list.find(|known| known.run == *run)
    }

    /// Says of all of them again what became of them, at the start.
    pub(super) async fn tell_given_up(&self) {
        for given_up in self.given_up().await {
            // The process before may have died before it dropped the run.
            if self.is_damaged(&given_up.run)
                && let Err(error) = self.drop_damaged(&given_up.run, given_up.epoch).await
            {
                error!(run_id = %given_up.run, %error, "a damaged run could not be given up");
                continue;
            }
            info!(run_id = %given_up.run, "it is said again that this run was given up");
            let answer = given_up.refusal().answer(given_up.job);
            self.shared.outgoing.refused(answer);
        }
    }

    /// The control plane has heard these answers.
    pub(crate) async fn heard(&self, refused: &[RefusedJob]) {
        let told: Vec<&JobId> = refused
            .iter()
            .filter(|answer| answer.code == Refusal::GIVEN_UP)
            .map(|answer| &answer.job)
            .collect();
        if told.is_empty() {
            return;
        }
        let _alone = self.shared.given_up.lock().await;
        let mut list = self.given_up().await;
        list.retain(|known| !told.contains(&&known.job));
        if let Err(error) = self.write_given_up(&list).await {
            error!(%error, "what was heard of runs that were given up cannot be written down; it is said again");
        }
    }

    async fn given_up(&self) -> Vec<GivenUp> {
        let read = self.shared.journal.get(Space::Host, KEY).await;
        let list = read.map(|bytes| bytes.map(|bytes| serde_json::from_slice(&bytes)).transpose());
        match list {
            Ok(Ok(list)) => list.unwrap_or_default(),
            Ok(Err(error)) => {
                error!(%error, "the list of runs that were given up is not readable; it begins anew");
                Vec::new()
            }
            Err(error) => {
                error!(error = %with_causes(&error), "the list of runs that were given up cannot be read");
                Vec::new()
            }
        }
    }

    async fn write_given_up(&self, list: &[GivenUp]) -> Result<(), OrderError> {
        let bytes = serde_json::to_vec(list).map_err(|error| Refusal::Document(error.to_string()))?;
        let put = self
            .shared
            .journal
            .put(Space::Host, KEY, bytes, Urgency::Now)
            .await;
        let mut ticket = put.map_err(|error| match error {
            PutError::Stopped(stopped) => OrderError::Stopped(stopped),
            PutError::TooLarge { .. } | PutError::Full { .. } => OrderError::NotNow,
        })?;
        Ok(ticket.durable().await?)
    }
}
