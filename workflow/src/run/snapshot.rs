//! A state as bytes, so that going on costs the same after a thousand records as after ten, and a waiting run need not
//! stay in memory.
//!
//! A snapshot is a shortcut of one host: it follows from the records, is never sent, and is thrown away when it does not
//! fit. It holds values, so it goes when they are erased.

use std::sync::Arc;

use flowforge_protocol::RunId;

use super::state::RunState;
use crate::plan::Plan;

/// The meaning of a snapshot's bytes. Raised with every change of what the state remembers or of what a record changes;
/// a snapshot of another number is not read, the records are. A host keeps it beside the bytes, and throws away what has
/// another one.
pub const SEMANTICS: u32 = 4;

/// Why a snapshot is not used. The records are read instead.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The bytes are not those of a state.
    #[error("the snapshot cannot be read: {0}")]
    Unreadable(String),
    /// It is of another run, or of another place in it.
    #[error("the snapshot is of run {run} after {records} records")]
    Another {
        /// The run it is of.
        run: RunId,
        /// How many records it knows.
        records: u64,
    },
    /// It does not fit the plan: the release is another one.
    #[error("the snapshot does not fit the release")]
    Plan,
}

impl RunState {
    /// The state as bytes; `None` for one that can only be shown.
    #[must_use]
    pub fn snapshot(&self) -> Option<Vec<u8>> {
        if self.view_only.is_some() {
            return None;
        }
        serde_json::to_vec(self).ok()
    }

    /// The state of a run after this many records, from its bytes.
    ///
    /// # Errors
    /// [`SnapshotError`]: read the records instead.
    pub fn restore(plan: Arc<Plan>, run: &RunId, records: u64, bytes: &[u8]) -> Result<Self, SnapshotError> {
        let mut state: Self =
            serde_json::from_slice(bytes).map_err(|error| SnapshotError::Unreadable(error.to_string()))?;
        if state.run != *run || state.next_seq != records {
            return Err(SnapshotError::Another {
                run: state.run,
                records: state.next_seq,
            });
        }
        let until = state
            .facts
            .accepted()
            .and_then(|accepted| accepted.until.as_ref());
        let of_trigger = until.and_then(|until| plan.of_trigger(until)).cloned();
        let plan = of_trigger.unwrap_or(plan);
        if state.counters.len() != plan.nodes.len() || state.root.steps.len() != plan.top.nodes.len() {
            return Err(SnapshotError::Plan);
        }
        state.plan = plan;
        Ok(state)
    }
}

/// A map with keys that JSON cannot have, as a list of pairs.
pub(super) mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in crate::run) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(in crate::run) fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        let list = Vec::<(K, V)>::deserialize(deserializer)?;
        Ok(list.into_iter().collect())
    }
}
