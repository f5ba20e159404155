//! Signals that came: in order, each taken by one wait, whether it came before that or after.

use std::collections::VecDeque;
use std::sync::Arc;

use flowforge_protocol::MessageId;
use flowforge_protocol::awaited::Signal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most signals of a run that no step has taken. A host refuses more when they come.
pub const MAX_UNTAKEN: usize = 256;

/// The signals that no step has taken yet, the oldest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Inbox {
    signals: VecDeque<Untaken>,
}

/// A signal that no step has taken yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Untaken {
    pub(super) message: MessageId,
    name: String,
    correlation: Option<String>,
    pub(super) payload: Arc<Value>,
    pub(super) by: String,
}

impl Inbox {
    /// The same message is kept once.
    pub(super) fn push(&mut self, signal: Signal) {
        if self.signals.iter().any(|other| other.message == signal.message) {
            return;
        }
        self.signals.push_back(Untaken {
            message: signal.message,
            name: signal.name,
            correlation: signal.correlation,
            payload: signal.payload.content().cloned().unwrap_or_default(),
            by: signal.by,
        });
    }

    /// The oldest signal that answers this wait and is not among those given away.
    pub(super) fn answer(
        &self,
        name: &str,
        correlation: Option<&str>,
        given_away: &[MessageId],
    ) -> Option<&MessageId> {
        self.signals
            .iter()
            .find(|signal| {
                signal.name == name
                    && (correlation.is_none() || signal.correlation.as_deref() == correlation)
                    && !given_away.contains(&signal.message)
            })
            .map(|signal| &signal.message)
    }

    /// Takes a signal out.
    pub(super) fn take(&mut self, message: &MessageId) -> Option<Untaken> {
        let place = self
            .signals
            .iter()
            .position(|signal| signal.message == *message)?;
        self.signals.remove(place)
    }

    pub(super) fn len(&self) -> usize {
        self.signals.len()
    }
}
