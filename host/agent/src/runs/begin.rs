//! How a run comes to this host: it begins here, or goes on here behind the records that come with it.

use std::sync::Arc;

use flowforge_journal::{AcceptError, Accepted, Entry, NewRun, RunLog, Space, Ticket};
use flowforge_protocol::RunId;
use flowforge_protocol::job::{ResumeOrder, StartOrder};
use flowforge_protocol::record::{Accepted as AcceptedRun, Event, Origin, RECORD_VERSION, Record};
use flowforge_workflow::{Execution, RunState};
use tracing::{error, info};

use super::recorder::{Recorder, Sealing};
use super::registry::Phase;
use super::resume;
use super::service::{LOOK_AGAIN, OrderError, Runs, TELL_TIMEOUT, Taken, refused_accept};
use crate::order::{About, Refusal, RunOrder};
use crate::release::ReadyRun;

/// What the journal made of a new run.
enum Stored {
    New(RunLog, Ticket),
    Known(Ticket),
}

impl Runs {
    /// Has a run here from now on.
    pub(crate) async fn begin(&self, ready: &ReadyRun) -> Result<Taken, OrderError> {
        let about = ready.order().about();
        let shared = &self.shared;
        let most = usize::try_from(shared.max_runs).unwrap_or(usize::MAX);
        let place = shared.registry.reserve(most);
        // The same order again, or the same run under a newer one, needs no place.
        if place.is_none() && !shared.journal.knows(&about.run) {
            return Err(OrderError::NotNow);
        }
        self.make_way(about).await?;
        match ready.order().order() {
            RunOrder::Start(order) => self.start(ready, order).await,
            RunOrder::Resume(order) => self.take_over(ready, order).await,
        }
    }

    /// What this host may still have of the run is of an earlier time, and goes: the control plane takes nothing more of that.
    async fn make_way(&self, about: &About) -> Result<(), OrderError> {
        if let Some((_, epoch)) = self.shared.registry.find(&about.run)
            && epoch < about.epoch
        {
            info!(run_id = %about.run, epoch, newer = about.epoch, "the run comes anew; what is here of it goes");
            self.revoke(&about.run).await;
            if !self.is_gone(&about.run).await {
                return Err(OrderError::NotNow);
            }
        } else if self
            .shared
            .journal
            .epoch(&about.run)
            .is_some_and(|epoch| epoch < about.epoch)
        {
            info!(run_id = %about.run, newer = about.epoch, "the run comes anew, although it has ended here: its end was not stored");
            self.revoke(&about.run).await;
        }
        Ok(())
    }

    /// Starts a run with its first record.
    async fn start(&self, ready: &ReadyRun, order: &StartOrder) -> Result<Taken, OrderError> {
        let about = ready.order().about();
        let shared = &self.shared;
        let mut first = Record {
            seq: 0,
            at_ms: shared.clock.now_ms(),
            event: accepted_event(about, order),
        };
        let (sealing, mut entry) = (Sealing::new(shared), Entry::default());
        sealing
            .write(&mut first, &mut entry)
            .map_err(|error| Refusal::Document(error.to_string()))?;
        let (log, ticket) = match self.store(ready, entry, 0).await? {
            Stored::New(log, ticket) => (log, ticket),
            Stored::Known(ticket) => return Ok(Taken::Waiting(ticket)),
        };
        let mut state = RunState::new(Arc::clone(&ready.release().plan), about.run.clone());
        if let Err(error) = state.apply_owned(first) {
            // Cannot be: the first record of a new run always applies. The journal has it; the resume path reports it.
            error!(run_id = %about.run, %error, "a new run does not begin");
            return Ok(Taken::Waiting(ticket));
        }
        if let Some(life_ms) = order.lease_ms {
            // It is not held before the control plane was asked: the order may have been long on its way.
            self.shared.leases.note(&about.run, life_ms);
        }
        let recorder = Recorder::new(log, 1, sealing);
        let execution = Execution::new(state, ready.given().clone());
        self.drive(recorder, Arc::clone(ready.release()), execution);
        Ok(Taken::Begun(ticket))
    }

    /// Goes on with a run of which the control plane has so many records.
    async fn take_over(&self, ready: &ReadyRun, order: &ResumeOrder) -> Result<Taken, OrderError> {
        let about = ready.order().about();
        let Some(lines) = ready.prefix() else {
            return Err(OrderError::NotNow);
        };
        let entry = Sealing::new(&self.shared)
            .take_in(lines)
            .map_err(|error| Refusal::Document(error.to_string()))?;
        let ticket = match self.store(ready, entry, order.prefix.count).await? {
            Stored::New(log, ticket) => {
                // It is read as after a restart, by the same way.
                drop(log);
                ticket
            }
            Stored::Known(ticket) => return Ok(Taken::Waiting(ticket)),
        };
        let control = self.control(&about.run, about.epoch);
        control.phase.set(Phase::Loading);
        let resumed = resume::resume(Arc::clone(&self.shared), about.run.clone(), control);
        self.spawn(about.run.clone(), resumed);
        Ok(Taken::Waiting(ticket))
    }

    /// Whether a run that was told to go has gone, or does so soon.
    async fn is_gone(&self, run: &RunId) -> bool {
        let gone = async {
            while self.shared.registry.find(run).is_some() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(TELL_TIMEOUT, gone).await.is_ok()
    }

    /// Gives a new run to the journal, with its first records. The control plane has so many of them.
    async fn store(&self, ready: &ReadyRun, entry: Entry, acknowledged: u64) -> Result<Stored, OrderError> {
        let (about, order) = (ready.order().about(), ready.order().order());
        let new = NewRun {
            run: about.run.clone(),
            epoch: about.epoch,
            envelope: about.envelope.clone(),
            documents: vec![
                (Space::Release, order.release().hex()),
                (Space::Grants, order.grants().hex()),
            ],
            acknowledged,
            values_stay: ready.release().release.values_stay,
            entry,
        };
        match self.shared.journal.accept(about.entry.clone(), new).await {
            Ok(Accepted::New(log, ticket)) => Ok(Stored::New(log, ticket)),
            // Or the same run under a newly signed order: the first one expired on its way back.
            Ok(Accepted::Again(ticket) | Accepted::AlreadyHere(ticket)) => Ok(Stored::Known(ticket)),
            Err(error) => {
                if !matches!(error, AcceptError::Append(_)) {
                    self.shared.is_full();
                }
                Err(refused_accept(error))
            }
        }
    }
}

fn accepted_event(about: &About, order: &StartOrder) -> Event {
    Event::Accepted(Box::new(AcceptedRun {
        version: RECORD_VERSION,
        workspace: about.workspace.clone(),
        project: about.project.clone(),
        origin: Origin::Order {
            job: about.job.clone(),
        },
        release: order.release,
        grants: order.grants,
        input: order.input.clone().into(),
        trigger: order.trigger.clone(),
        extra: order.extra.clone().map(Into::into),
        lineage: order.lineage.clone(),
        until: order.until.clone(),
        given: order.given.keys().cloned().collect(),
        traceparent: about.traceparent.clone(),
    }))
}
