//! What a run's records amount to so far: kept up with each record, the same whether it is new or replayed.

use std::collections::BTreeMap;

use flowforge_protocol::record::{Event, Record};
use flowforge_protocol::{ApprovalId, JobId, StepKey};

/// The running account of one run.
#[derive(Debug)]
pub(super) struct Ledger {
    job: JobId,
    last_at_ms: u64,
    steps: u64,
    used: BTreeMap<String, u64>,
    questions: BTreeMap<ApprovalId, StepKey>,
}

impl Ledger {
    /// The account of a run that this job started.
    pub(super) fn new(job: JobId) -> Self {
        Self {
            job,
            last_at_ms: 0,
            steps: 0,
            used: BTreeMap::new(),
            questions: BTreeMap::new(),
        }
    }

    /// One more record.
    pub(super) fn note(&mut self, record: &Record) {
        self.last_at_ms = record.at_ms;
        match &record.event {
            Event::Completed { used, .. } => {
                self.steps += 1;
                for what in used {
                    *self.used.entry(what.clone()).or_default() += 1;
                }
            }
            Event::ApprovalRequested { step, approval, .. } => {
                self.questions.insert(approval.clone(), step.clone());
            }
            Event::Decided { step, .. } | Event::TimerFired { step } => {
                self.questions.retain(|_, asked| asked != step);
            }
            _ => {}
        }
    }

    /// The step that asked this question, while it is open.
    pub(super) fn asked(&self, approval: &ApprovalId) -> Option<&StepKey> {
        self.questions.get(approval)
    }

    /// A step that waits for a person's answer.
    pub(super) fn waits_for_person(&self) -> Option<&StepKey> {
        self.questions.values().next()
    }

    pub(super) fn job(&self) -> &JobId {
        &self.job
    }

    /// Time of the last record.
    pub(super) fn last_at_ms(&self) -> u64 {
        self.last_at_ms
    }

    /// Steps that completed.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    /// What completed steps used outside, each with its count.
    pub(super) fn used(&self) -> &BTreeMap<String, u64> {
        &self.used
    }
}
