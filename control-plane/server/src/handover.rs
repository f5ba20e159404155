//! Records on their way to a host that goes on with a run, or that takes results from the generation before.
//!
//! A host sees the records of a run that it has, and of one that an order which was delivered to it names: nothing of
//! other runs. What it gets it checks against that order.

use std::sync::Arc;

use flowforge_protocol::RunId;
use flowforge_protocol::batch::RecordBatch;
use flowforge_protocol::job::{Order, Reuse};
use flowforge_store::StoreError;

use crate::app::App;
use crate::fleet::hosts::HostEntry;
use crate::fleet::queue::MAX_IN_MEMORY;

impl App {
    /// The stored batch of a run that begins with this record; `None` if there is none, or if it is not for this host.
    pub(crate) async fn records_for(
        &self,
        host: &HostEntry,
        run: &RunId,
        from_seq: u64,
    ) -> Result<Option<RecordBatch>, StoreError> {
        let stored = self.store.run(&host.scope, run).await?;
        let has_it = stored.is_some_and(|stored| stored.host.as_ref() == Some(&host.id));
        if !has_it && !self.is_named(host, run) && !self.is_named_elsewhere(host, run).await? {
            return Ok(None);
        }
        // One batch always comes, and a host asks from the end of the one before.
        let batches = self.store.batches(&host.scope, run, from_seq, 1).await?;
        Ok(batches.into_iter().find(|batch| batch.first_seq == from_seq))
    }

    /// Whether an order that another server may have delivered to the host names the records of this run.
    async fn is_named_elsewhere(&self, host: &HostEntry, run: &RunId) -> Result<bool, StoreError> {
        if !self.bus.is_shared() {
            return Ok(false);
        }
        let limit = u32::try_from(MAX_IN_MEMORY).unwrap_or(u32::MAX);
        let jobs = self.store.open_jobs(&host.scope, &host.id, limit).await?;
        let bringing = jobs.iter().filter(|job| job.kind.brings_a_run());
        Ok(bringing
            .map(|job| job.document.as_str())
            .any(|job| names(job, run)))
    }

    /// Whether an order that was delivered to the host and not settled yet names the records of this run.
    fn is_named(&self, host: &HostEntry, run: &RunId) -> bool {
        let documents: Vec<Arc<str>> = host.state().queue.delivered().collect();
        documents.iter().any(|document| names(document, run))
    }
}

/// Whether an order names the records of this run.
fn names(document: &str, run: &RunId) -> bool {
    let reuses = |reuse: Option<&Reuse>| reuse.is_some_and(|reuse| reuse.prefix.run == *run);
    crate::orders::read(document).is_ok_and(|job| match &job.order {
        Order::Resume(order) => order.prefix.run == *run || reuses(order.reuse.as_ref()),
        Order::Start(order) => reuses(order.reuse.as_ref()),
        _ => false,
    })
}
