//! The lives of hosts' journals: what only a journal held is lost with it.
//!
//! A journal names its life in every call. When it is another one than before, the runs that the old one held are lost: they
//! are shown so at once, nothing of them is started a second time, and they can be cancelled here. A record of such a run
//! that comes all the same, because the old journal was found again, makes it what it was.

use std::sync::Arc;

use flowforge_protocol::sync::Incarnation;
use flowforge_store::StoreError;

use crate::app::App;
use crate::fleet::hosts::HostEntry;

impl App {
    /// Notes the life of a host's journal; before anything else of the call is taken in.
    pub(crate) async fn note_journal(
        &self,
        host: &Arc<HostEntry>,
        incarnation: Incarnation,
    ) -> Result<(), StoreError> {
        let said = incarnation.to_string();
        let (is_noted, delivered) = {
            let state = host.state();
            let is_noted = state.host.incarnation.as_ref() == Some(&said);
            (is_noted, state.queue.delivered_runs())
        };
        if is_noted {
            return Ok(());
        }
        // What another server has delivered is not known here: then any start may have been.
        let delivered = (!self.bus.had_others()).then_some(delivered);
        let now_ms = self.clock.now_ms();
        let lost = self
            .store
            .note_journal(&host.scope, host.id.clone(), said.clone(), delivered, now_ms)
            .await?;
        let mut state = host.state();
        state.host.incarnation = Some(said);
        state.queue.settle(&lost.orders);
        drop(state);
        if !lost.runs.is_empty() {
            tracing::error!(host = %host.id, runs = lost.runs.len(), "the journal of a host is another one than before; \
                            the runs that only the old one held are lost");
        }
        for run in &lost.runs {
            self.events.tell(run, None);
        }
        Ok(())
    }
}
