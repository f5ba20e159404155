//! The end of a run: its last record and its receipt, in one commit.

use flowforge_journal::{AppendError, Upload, Urgency};
use flowforge_protocol::facts::RunFacts;
use flowforge_protocol::record::{Event, Outcome};
use tracing::{error, info};

use super::halt::Halt;
use super::receipt::{self, End};
use super::task::RunTask;
use crate::text::with_causes;

impl RunTask {
    /// The state machine has ended the run, and its last record is added: writes the receipt and makes both durable.
    pub(super) async fn finish(&mut self) -> Result<(), Halt> {
        let state = match self.execution.state().outcome() {
            Some(outcome) => outcome.state(),
            None => return Ok(()),
        };
        let chain = self.recorder.chain();
        let end = End {
            run: &self.run,
            epoch: self.recorder.epoch(),
            facts: self.execution.state().facts(),
            chain,
            release: Some(&self.release.release),
        };
        match receipt::write(&end, &self.shared.host) {
            Ok(document) => self.recorder.send(Upload::Receipt { document }),
            Err(error) => {
                error!(run_id = %self.run, error = %with_causes(&error), "the receipt cannot be written")
            }
        }
        self.recorder.ending();
        let ticket = self.flush(Urgency::Now).await?;
        if let Some(mut ticket) = ticket {
            ticket.durable().await.map_err(AppendError::from)?;
        }
        info!(run_id = %self.run, state, records = self.recorder.count(), "run ended");
        Ok(())
    }

    /// Ends a run that cannot go on, behind what the journal has of it and what was added since a [`Recorder::reset`].
    ///
    /// [`Recorder::reset`]: super::recorder::Recorder::reset
    pub(super) async fn give_up(&mut self, outcome: Outcome) -> Result<(), Halt> {
        let (at_ms, held_from) = (self.now(), self.shared.clock.monotonic_ms());
        let end = self.recorder.add(at_ms, held_from, Event::Ended { outcome })?;
        if let Some(trace) = &mut self.trace {
            let noted = trace.note(&end, self.execution.state());
            trace.settle(noted, self.execution.state());
        }
        let stored = self.stored_lines().await?;
        match RunFacts::of(&self.run, &[stored, self.recorder.held_lines().to_vec()].concat()) {
            Ok((facts, chain)) => {
                let end = End {
                    run: &self.run,
                    epoch: self.recorder.epoch(),
                    facts: &facts,
                    chain,
                    release: Some(&self.release.release),
                };
                if let Ok(document) = receipt::write(&end, &self.shared.host) {
                    self.recorder.send(Upload::Receipt { document });
                }
            }
            Err(error) => {
                error!(run_id = %self.run, error = %with_causes(&error), "the receipt cannot be written")
            }
        }
        self.recorder.ending();
        if let Some(mut ticket) = self.flush(Urgency::Now).await? {
            ticket.durable().await.map_err(AppendError::from)?;
        }
        Ok(())
    }

    /// What the journal has of this run.
    async fn stored_lines(&mut self) -> Result<Vec<u8>, Halt> {
        self.shared.journal.flush().await.map_err(AppendError::from)?;
        match self.shared.journal.batches(&self.run).await {
            Ok(batches) => Ok(batches
                .unwrap_or_default()
                .into_iter()
                .flat_map(|batch| batch.lines)
                .collect()),
            Err(error) => {
                error!(run_id = %self.run, error = %with_causes(&error), "its records cannot be read");
                Ok(Vec::new())
            }
        }
    }
}
