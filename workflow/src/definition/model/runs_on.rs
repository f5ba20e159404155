//! Where the runs of a workflow may be, and whether they may move.

use flowforge_protocol::labels;
use serde::{Deserialize, Serialize};

/// Which hosts may have runs of a workflow. The default: any host, and a run stays at the one that it began at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunsOn {
    /// The pool that its hosts belong to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// Labels that its hosts have, every one of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Given: a run may move to another host once its own has not renewed its lease for so long, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_ms: Option<u64>,
}

impl RunsOn {
    /// Whether it says nothing.
    #[must_use]
    pub fn is_anywhere(&self) -> bool {
        *self == Self::default()
    }

    /// The words that a host must have: see [`flowforge_protocol::labels`].
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        labels::words(self.pool.as_deref(), self.labels.iter().map(String::as_str))
    }
}
