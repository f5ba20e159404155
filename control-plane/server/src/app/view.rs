//! The table of nodes of a run: its records replayed by the state machine that wrote them.
//!
//! The states of the runs that were looked at last are kept, so that following a run reads each record once. Of a run
//! that is over only the table is kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flowforge_protocol::RunId;
use flowforge_protocol::batch::RecordBatch;
use flowforge_protocol::chain::no_fetch;
use flowforge_store::{RunHead, StoreError};
use flowforge_workflow::{Interrupt, Plan, RunState, RunView};
use serde_json::Value;

use crate::apart::WORK_TIMEOUT;
use crate::app::{App, LoadError};

/// Runs kept.
const MAX_KEPT: usize = 64;
/// How long the records that are read at once may take to be replayed.
const REPLAY_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of records read at once.
const READ_BYTES: u64 = 8 * 1024 * 1024;

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ViewError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("the records of run {run} do not replay: {detail}")]
    Replay { run: RunId, detail: String },
}

#[derive(Default)]
struct Kept {
    /// Absent once the run is over.
    state: Option<RunState>,
    records: u64,
    view: Option<View>,
}

/// The table of nodes of a run.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) table: Arc<Value>,
    /// Its size as text.
    pub(crate) bytes: u64,
}

/// Tables of the runs that were looked at last.
#[derive(Default)]
pub(crate) struct Views {
    kept: Mutex<HashMap<RunId, Arc<tokio::sync::Mutex<Kept>>>>,
}

impl Views {
    fn slot(&self, run: &RunId) -> Arc<tokio::sync::Mutex<Kept>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_KEPT && !kept.contains_key(run) {
            // Whoever holds a slot now goes on with it; only the memory of the others is given up.
            kept.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(kept.entry(run.clone()).or_default())
    }
}

impl Views {
    /// What is kept of a run goes: its records are others now.
    pub(crate) fn forget(&self, run: &RunId) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(run);
    }
}

fn table(run: &RunHead, view: RunView) -> Result<View, ViewError> {
    let table = serde_json::to_value(view).map_err(|error| ViewError::Replay {
        run: run.id.clone(),
        detail: error.to_string(),
    })?;
    Ok(View {
        bytes: table.to_string().len() as u64,
        table: Arc::new(table),
    })
}

impl App {
    /// The table, or none if no record is here.
    pub(crate) async fn view(&self, run: &RunHead) -> Result<Option<View>, ViewError> {
        if run.records == 0 {
            return Ok(None);
        }
        let slot = self.views.slot(&run.id);
        let mut kept = slot.lock().await;
        if kept.view.is_none() || kept.records < run.records {
            self.advance(run, &mut kept).await?;
        }
        if run.state.is_final()
            && let Some(state) = kept.state.take()
        {
            // It ended here, and no host records that any more.
            kept.view = Some(table(run, state.view().given_up())?);
        }
        Ok(kept.view.clone())
    }

    async fn advance(&self, run: &RunHead, kept: &mut Kept) -> Result<(), ViewError> {
        let state = match kept.state.take() {
            Some(state) => state,
            None => RunState::new(self.plan(run).await?, run.id.clone()),
        };
        let state = self.replayed(run, state).await?;
        kept.records = state.next_seq();
        kept.view = Some(table(run, state.view())?);
        kept.state = state.outcome().is_none().then_some(state);
        Ok(())
    }

    /// The state of a run after all of its stored records.
    pub(crate) async fn state_of(&self, run: &RunHead) -> Result<RunState, ViewError> {
        let state = RunState::new(self.plan(run).await?, run.id.clone());
        self.replayed(run, state).await
    }

    /// As [`App::state_of`], for a run that is to be retried.
    pub(crate) async fn state_with_rounds(&self, run: &RunHead) -> Result<RunState, ViewError> {
        let state = RunState::with_rounds(self.plan(run).await?, run.id.clone());
        self.replayed(run, state).await
    }

    async fn replayed(&self, run: &RunHead, mut state: RunState) -> Result<RunState, ViewError> {
        let replay = |detail: &dyn std::fmt::Display| ViewError::Replay {
            run: run.id.clone(),
            detail: detail.to_string(),
        };
        while state.next_seq() < run.records {
            let next = state.next_seq();
            let batches = self.store.batches(&self.scope, &run.id, next, READ_BYTES).await?;
            if batches.is_empty() {
                break;
            }
            // Lists that have to be made again hold nobody else up.
            let applied = if state.plan().computes_in_replay() {
                let work = self
                    .workbench
                    .run(REPLAY_TIMEOUT, move |_| applied(state, &batches));
                work.await.map_err(|error| replay(&error))?
            } else {
                applied(state, &batches)
            };
            state = applied.map_err(|detail| replay(&detail))?;
        }
        Ok(state)
    }

    async fn plan(&self, run: &RunHead) -> Result<Arc<Plan>, ViewError> {
        let replay = |detail: &dyn std::fmt::Display| ViewError::Replay {
            run: run.id.clone(),
            detail: detail.to_string(),
        };
        let release = self.release(&run.release).await?;
        let release = release.ok_or_else(|| replay(&format!("release {} is gone", run.release)))?;
        let interfaces = self
            .interfaces(&release.release.connectors)
            .map_err(|error| replay(&error))?;
        let plan = move |_: &Interrupt| {
            let release = &release.release;
            Plan::from_canonical(&release.definition, &interfaces, &release.children)
        };
        let plan = self.workbench.run(WORK_TIMEOUT, plan).await;
        plan.map_err(|error| replay(&error))?
            .map_err(|error| replay(&error))
    }
}

/// The state after the records of these batches that it does not know; or what is wrong with them.
fn applied(mut state: RunState, batches: &[RecordBatch]) -> Result<RunState, String> {
    let next = state.next_seq();
    for record in batches.iter().flat_map(|batch| batch.records(&no_fetch)) {
        let record = record.map_err(|error| error.to_string())?;
        if record.seq >= next {
            state.apply_owned(record).map_err(|error| error.to_string())?;
        }
    }
    Ok(state)
}
