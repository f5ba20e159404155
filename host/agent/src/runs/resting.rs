//! A run that does not go on until something is mended.
//!
//! Its order is refused, its records cannot be read, or its release cannot be loaded: there is no state machine to ask. It
//! stays reachable all the same. It says why it rests; a decision waits in its inbox until it can be heard; a
//! cancellation ends it, with a record and a receipt; and it is dropped when another host has it.

use std::sync::Arc;

use flowforge_journal::{AppendError, Entry, RunLog, Upload};
use flowforge_protocol::RunId;
use flowforge_protocol::facts::RunFacts;
use flowforge_protocol::record::{Event, Outcome, Record};
use tracing::{error, info, warn};

use super::halt::Rest;
use super::mailbox::RunMessage;
use super::receipt::{self, End};
use super::recorder::{AddError, Sealing};
use super::registry::Phase;
use super::room::find_cancellation;
use super::service::Shared;
use super::task::Control;
use crate::order::Cancellation;
use crate::text::with_causes;

/// A run without a state machine.
pub(super) struct Resting {
    shared: Arc<Shared>,
    control: Control,
    log: RunLog,
}

/// Why a run does not rest any longer.
#[derive(Debug)]
pub(super) enum Over {
    /// It was told to end, and has.
    Ended,
    /// Another host has it.
    Revoked,
    /// The host stops; it rests for this reason.
    Stopping(String),
}

/// Why a resting run could not be ended.
#[derive(Debug, thiserror::Error)]
enum EndError {
    #[error(transparent)]
    Record(#[from] AddError),
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl Resting {
    pub(super) fn new(shared: Arc<Shared>, control: Control, log: RunLog) -> Self {
        control.phase.set(Phase::Loading);
        Self { shared, control, log }
    }

    pub(super) fn run(&self) -> &RunId {
        self.log.run()
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn into_parts(self) -> (Arc<Shared>, Control, RunLog) {
        (self.shared, self.control, self.log)
    }

    /// Rests until it is told to end, or the host stops.
    pub(super) async fn for_good(mut self, reason: String) -> Rest {
        match self.until(reason.clone(), std::future::pending::<()>()).await {
            Ok(()) => Rest::Resting(reason),
            Err(over) => self.leave(over).await,
        }
    }

    /// The task is over.
    pub(super) async fn leave(self, over: Over) -> Rest {
        match over {
            Over::Ended => Rest::Gone,
            Over::Stopping(reason) => Rest::Resting(reason),
            Over::Revoked => {
                let run = self.log.run().clone();
                match self.log.forget().await {
                    Ok(_) => info!(run_id = %run, "resting run dropped: another host has it"),
                    Err(stopped) => {
                        error!(run_id = %run, error = %stopped, "its records could not be dropped")
                    }
                }
                Rest::Gone
            }
        }
    }

    /// Rests until this is over. An error when the run is over before, or the host stops.
    pub(super) async fn until(&mut self, reason: String, over: impl Future<Output = ()>) -> Result<(), Over> {
        self.control.phase.set_about(Phase::Resting, reason.clone());
        if self.is_cancelled().await {
            return Err(Over::Ended);
        }
        let mut over = std::pin::pin!(over);
        loop {
            let message = tokio::select! {
                () = &mut over => {
                    self.control.phase.set(Phase::Loading);
                    return Ok(());
                }
                () = self.shared.drain.cancelled() => return Err(Over::Stopping(reason)),
                message = self.control.mailbox.recv() => message,
            };
            match message {
                Some(RunMessage::Inbox) => {
                    if self.is_cancelled().await {
                        return Err(Over::Ended);
                    }
                }
                Some(RunMessage::Intent { reply, .. }) => {
                    let _ = reply.send(Err("the run rests".to_owned()));
                }
                Some(RunMessage::Drop) => return Err(Over::Revoked),
                None => return Err(Over::Stopping(reason)),
            }
        }
    }

    /// Looks for a cancellation in the inbox, and follows it; true if the run is over with it. Everything else stays there
    /// until the run goes on.
    async fn is_cancelled(&mut self) -> bool {
        let run = self.log.run().clone();
        let Shared { journal, gate, .. } = &*self.shared;
        let cancelled = match find_cancellation(journal, gate, &run, self.log.epoch()).await {
            Ok(Some(cancelled)) => cancelled,
            Ok(None) => return false,
            Err(error) => {
                error!(run_id = %run, error = %with_causes(&error), "the inbox of a resting run cannot be read");
                return false;
            }
        };
        match self.end(cancelled.message, &cancelled.cancellation).await {
            Ok(()) => {
                warn!(run_id = %run, "a resting run was cancelled");
                true
            }
            Err(error) => {
                error!(run_id = %run, error = %with_causes(&error), "a resting run could not be ended");
                false
            }
        }
    }

    /// Records the cancellation and the end, with a receipt if its records can be read.
    async fn end(&mut self, message: u64, cancellation: &Cancellation) -> Result<(), EndError> {
        let at_ms = self.shared.clock.now_ms();
        let outcome = Outcome::Cancelled {
            reason: cancellation.reason.clone(),
        };
        let first = self.log.next_seq();
        let events = [
            Event::CancelRequested {
                reason: cancellation.reason.clone(),
                grace_ms: cancellation.grace_ms,
            },
            Event::Ended { outcome },
        ];
        let (sealing, mut entry) = (Sealing::new(&self.shared), Entry::now(""));
        for (seq, event) in (first..).zip(events) {
            let mut record = Record { seq, at_ms, event };
            sealing.write(&mut record, &mut entry)?;
        }
        let receipt = self.receipt(&entry.lines).await;
        let whole = Entry {
            uploads: receipt
                .map(|document| Upload::Receipt { document })
                .into_iter()
                .collect(),
            ..entry.consuming(message).ending()
        };
        let mut ticket = self.log.append(whole).await?;
        ticket.durable().await.map_err(AppendError::from)?;
        Ok(())
    }

    async fn receipt(&self, lines: &[u8]) -> Option<Vec<u8>> {
        let run = self.log.run();
        let stored = match self.shared.journal.batches(run).await {
            Ok(batches) => batches.unwrap_or_default(),
            Err(error) => {
                error!(run_id = %run, error = %with_causes(&error), "its records cannot be read");
                return None;
            }
        };
        let mut all: Vec<u8> = stored.into_iter().flat_map(|batch| batch.lines).collect();
        all.extend_from_slice(lines);
        let (facts, chain) = match RunFacts::of(run, &all) {
            Ok(found) => found,
            Err(error) => {
                error!(run_id = %run, error = %with_causes(&error), "the receipt cannot be written");
                return None;
            }
        };
        let end = End {
            run,
            epoch: self.log.epoch(),
            facts: &facts,
            chain,
            release: None,
        };
        match receipt::write(&end, &self.shared.host) {
            Ok(document) => Some(document),
            Err(error) => {
                error!(run_id = %run, error = %with_causes(&error), "the receipt cannot be written");
                None
            }
        }
    }
}
