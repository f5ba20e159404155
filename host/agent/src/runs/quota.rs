//! What a run may still keep in artefacts.
//!
//! The count goes with the run when that leaves memory. A process that did not see the run before counts, once, what its
//! records name.

use std::sync::Arc;

use flowforge_protocol::RunId;
use flowforge_runtime::artefacts::Quota;
use tokio::sync::OnceCell;
use tracing::warn;

use super::step::StepHost;
use crate::text::with_causes;

/// Most bytes of artefacts that a run may make.
const RUN_ARTEFACT_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// The quota of one run.
#[derive(Debug)]
pub(super) struct RunQuota {
    quota: Arc<Quota>,
    /// Set when what the run made before is counted.
    counted: OnceCell<()>,
}

/// What is known of a quota while nothing is under way. Few sleeping runs have any artefacts, so it takes next to nothing.
#[derive(Debug, Clone, Default)]
pub(super) enum KeptQuota {
    /// This process has not counted yet.
    #[default]
    Unknown,
    /// Nothing is taken.
    Unused,
    /// Something is taken.
    Used(Arc<RunQuota>),
}

impl KeptQuota {
    /// The quota with which the run goes on.
    pub(super) fn quota(&self) -> Arc<RunQuota> {
        match self {
            Self::Unknown => Arc::new(RunQuota::unknown()),
            Self::Unused => Arc::new(RunQuota::new()),
            Self::Used(quota) => Arc::clone(quota),
        }
    }
}

impl RunQuota {
    /// Of a run that begins here.
    pub(super) fn new() -> Self {
        Self {
            counted: OnceCell::new_with(Some(())),
            ..Self::unknown()
        }
    }

    /// Of a run that has begun before this process did.
    pub(super) fn unknown() -> Self {
        Self {
            quota: Arc::new(Quota::new("run", RUN_ARTEFACT_BYTES_MAX)),
            counted: OnceCell::new(),
        }
    }

    /// As it is kept while the run sleeps.
    pub(super) fn kept(self: Arc<Self>) -> KeptQuota {
        match (self.counted.initialized(), self.quota.taken()) {
            (false, _) => KeptQuota::Unknown,
            (true, 0) => KeptQuota::Unused,
            (true, _) => KeptQuota::Used(self),
        }
    }

    /// The quota, with what the run made before.
    pub(super) async fn counted(&self, host: &StepHost, run: &RunId) -> Arc<Quota> {
        self.counted
            .get_or_init(|| async {
                match host.journal.artefacts_of(run).await {
                    Ok(named) => {
                        let sizes = named.iter().filter_map(|digest| host.artefacts.size(digest));
                        self.quota.count(sizes.sum());
                    }
                    Err(error) => {
                        warn!(run_id = %run, error = %with_causes(&error), "what a run keeps in artefacts cannot be counted");
                    }
                }
            })
            .await;
        Arc::clone(&self.quota)
    }
}
