//! Results that stand in place of running steps.

use std::collections::BTreeMap;
use std::sync::Arc;

use flowforge_protocol::record::{Event, Source};
use flowforge_protocol::{Digest, Failure, FailureKind, StepKey};
use serde_json::Value;

use super::Command;

/// The results that an order gives in place of running steps, with where they are from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Given {
    results: BTreeMap<StepKey, (Arc<Value>, Source)>,
    /// Of the loops in whose rounds results are given: the digest of the list over which they went.
    lists: BTreeMap<StepKey, Digest>,
}

impl Given {
    /// Nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a result.
    pub fn insert(&mut self, step: StepKey, output: Arc<Value>, source: Source) {
        self.results.insert(step, (output, source));
    }

    /// Results of the rounds of this loop hold for this list only.
    pub(super) fn expect_list(&mut self, around: StepKey, list: Digest) {
        self.lists.insert(around, list);
    }

    /// Gives all that others give, too.
    pub fn extend(&mut self, others: Self) {
        self.results.extend(others.results);
        self.lists.extend(others.lists);
    }

    pub(super) fn get(&self, step: &StepKey) -> Option<&(Arc<Value>, Source)> {
        self.results.get(step)
    }

    /// What a step that starts does; a loop fails that would go over another list than the one that the given results of its
    /// rounds are of.
    pub(super) fn fits(&self, step: &StepKey, command: Command) -> Result<Command, Failure> {
        match (&command, self.lists.get(step)) {
            (Command::Record(Event::LoopStarted { list, .. }), Some(wanted)) if list != wanted => {
                let message = format!(
                    "its list is not the one that the run before went over, so the results of its rounds cannot be reused; \
                     retry from `{step}`"
                );
                Err(Failure::new(FailureKind::Invalid, message).with_code("FF-RUN-123"))
            }
            _ => Ok(command),
        }
    }
}

impl<const N: usize> From<[(StepKey, (Arc<Value>, Source)); N]> for Given {
    fn from(results: [(StepKey, (Arc<Value>, Source)); N]) -> Self {
        results.into_iter().collect()
    }
}

impl FromIterator<(StepKey, (Arc<Value>, Source))> for Given {
    fn from_iter<I: IntoIterator<Item = (StepKey, (Arc<Value>, Source))>>(results: I) -> Self {
        Self {
            results: results.into_iter().collect(),
            lists: BTreeMap::new(),
        }
    }
}
