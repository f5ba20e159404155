//! What the records of a run amount to: what a receipt states and a verifier compares.
//!
//! Owns the one account of a run that is kept record by record: the host keeps it while the run goes on, a verifier makes
//! it anew from the lines. Invariant: it follows from the records alone.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::chain::{ChainError, chain_start, no_fetch, records, walk};
use crate::record::{Accepted, Event, Outcome, Record};
use crate::step_set::StepSet;
use crate::used::{UseCount, Used};
use crate::{Digest, NodeId, RunId, StepKey};

/// The account of one run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunFacts {
    accepted: Option<Box<Accepted>>,
    records: u64,
    last_at_ms: u64,
    completed: StepSet,
    steps: u64,
    steps_repeated: u64,
    tried: BTreeSet<NodeId>,
    effects: StepSet,
    used: BTreeMap<NodeId, UseCount>,
    outcome: Option<Outcome>,
}

impl RunFacts {
    /// Notes the next record.
    pub fn note(&mut self, record: &Record) {
        self.records = self.records.saturating_add(1);
        self.last_at_ms = record.at_ms;
        match &record.event {
            Event::Accepted(accepted) => {
                let mut accepted = accepted.clone();
                let data = [Some(&mut accepted.input), accepted.extra.as_mut()];
                for datum in data.into_iter().flatten() {
                    if let Some(reference) = datum.reference() {
                        // The account says what was accepted, not with which values.
                        *datum = crate::value::Datum::reference_only(reference.clone());
                    }
                }
                self.accepted = Some(accepted);
            }
            Event::Intent { step, .. } => {
                self.tried.insert(step.node.clone());
            }
            Event::Completed {
                step, attempt, used, ..
            } => {
                self.completes(step);
                self.tries(step, *attempt, used);
                if !used.is_empty() {
                    self.effects.insert(step);
                }
            }
            Event::Responded { step, .. } => self.completes(step),
            Event::AttemptFailed {
                step, attempt, used, ..
            } => self.tries(step, *attempt, used),
            Event::Ended { outcome } => self.outcome = Some(outcome.clone()),
            _ => {}
        }
    }

    fn completes(&mut self, step: &StepKey) {
        if self.completed.insert(step) {
            self.steps = self.steps.saturating_add(1);
        } else {
            self.steps_repeated = self.steps_repeated.saturating_add(1);
        }
    }

    fn tries(&mut self, step: &StepKey, attempt: u32, used: &[Used]) {
        if attempt > 0 {
            self.tried.insert(step.node.clone());
        }
        if !used.is_empty() {
            self.used.entry(step.node.clone()).or_default().extend(used);
        }
    }

    /// The account of a whole run, from its first line, and the chain value after its last.
    ///
    /// # Errors
    /// [`ChainError`]: the lines are not the records of a run.
    pub fn of(run: &RunId, lines: &[u8]) -> Result<(Self, Digest), ChainError> {
        let chain = walk(lines, 0, &chain_start(run))?.chain;
        let mut facts = Self::default();
        for record in records(lines, 0, &no_fetch) {
            let record = record?;
            if (record.seq == 0) != matches!(record.event, Event::Accepted(_)) {
                return Err(ChainError::NoBeginning);
            }
            facts.note(&record);
        }
        match facts.accepted {
            Some(_) => Ok((facts, chain)),
            None => Err(ChainError::NoBeginning),
        }
    }

    /// What was accepted; `None` before the first record.
    #[must_use]
    pub fn accepted(&self) -> Option<&Accepted> {
        self.accepted.as_deref()
    }

    /// Number of records.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Time of the last record, milliseconds since 1970 UTC.
    #[must_use]
    pub fn last_at_ms(&self) -> u64 {
        self.last_at_ms
    }

    /// Number of steps that completed.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Number of completions beyond the first of a step; 0 in a correct run.
    #[must_use]
    pub fn steps_repeated(&self) -> u64 {
        self.steps_repeated
    }

    /// The nodes of which an attempt was made: their connectors ran.
    #[must_use]
    pub fn tried(&self) -> &BTreeSet<NodeId> {
        &self.tried
    }

    /// The steps that completed and used something outside.
    #[must_use]
    pub fn completed_effects(&self) -> &StepSet {
        &self.effects
    }

    /// What each node used outside, failed attempts counted.
    pub fn used_by_node(&self) -> impl Iterator<Item = (&NodeId, Vec<Used>)> {
        self.used.iter().map(|(node, used)| (node, used.list()))
    }

    /// What was used outside in all.
    #[must_use]
    pub fn used(&self) -> Vec<Used> {
        let mut all = UseCount::default();
        for (_, used) in self.used_by_node() {
            all.extend(&used);
        }
        all.list()
    }

    /// How it ended, if it did.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }
}
