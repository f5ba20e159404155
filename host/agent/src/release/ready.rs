//! A verified order to run with everything that it names.

use std::sync::Arc;

use flowforge_protocol::StepKey;
use flowforge_protocol::record::Source;
use flowforge_workflow::Given;

use super::{LoadError, LoadedRelease, Releases};
use crate::order::{RunOrder, Verified};

/// A verified order that brings a run, with its release and what comes with the run: all that is needed to run it. Made by
/// [`Releases`] only.
#[derive(Clone)]
pub struct ReadyRun {
    order: Arc<Verified<RunOrder>>,
    release: Arc<LoadedRelease>,
    prefix: Option<Vec<u8>>,
    given: Given,
}

impl ReadyRun {
    fn new(order: &Arc<Verified<RunOrder>>, release: Arc<LoadedRelease>) -> Self {
        Self {
            order: Arc::clone(order),
            release,
            prefix: None,
            given: given(order.order()),
        }
    }

    /// The order.
    #[must_use]
    pub fn order(&self) -> &Verified<RunOrder> {
        &self.order
    }

    /// The release that the order names, with its grants.
    #[must_use]
    pub fn release(&self) -> &Arc<LoadedRelease> {
        &self.release
    }

    /// The records that the run comes with: their lines, of which the chain was checked.
    #[must_use]
    pub fn prefix(&self) -> Option<&[u8]> {
        self.prefix.as_deref()
    }

    /// The results that stand in place of running steps.
    #[must_use]
    pub fn given(&self) -> &Given {
        &self.given
    }

    /// Adds results of the generation before.
    pub fn give(&mut self, results: Given) {
        self.given.extend(results);
    }
}

/// The results that an order itself gives in place of running steps.
fn given(order: &RunOrder) -> Given {
    let given = order.given().iter();
    given
        .map(|(node, output)| {
            let given = (Arc::new(output.clone()), Source::Given);
            (StepKey::top(node.clone()), given)
        })
        .collect()
}

impl Releases {
    /// The run with its release, if that is in memory and nothing else is needed.
    #[must_use]
    pub fn ready_now(&self, order: &Arc<Verified<RunOrder>>) -> Option<ReadyRun> {
        if !order.order().stands_alone() {
            return None;
        }
        let release = self.get(order.order().release(), order.order().grants())?;
        Some(ReadyRun::new(order, release))
    }

    /// A new run with everything that it needs: from memory, from the journal and the disk, or from the control plane.
    ///
    /// # Errors
    /// [`LoadError`].
    pub async fn make_ready(&self, order: &Arc<Verified<RunOrder>>) -> Result<ReadyRun, LoadError> {
        let mut ready = self.with_release(order).await?;
        if let RunOrder::Resume(resume) = order.order() {
            if resume.prefix.run != order.about().run {
                let reason = format!("the order is for run {}", order.about().run);
                return Err(LoadError::Refused(crate::order::Refusal::Records {
                    run: resume.prefix.run.clone(),
                    reason,
                }));
            }
            // What it lacks of the generation before is asked for when its records are read.
            ready.prefix = Some(self.prefix(&resume.prefix).await?);
        } else if let Some(reuse) = order.order().reuse() {
            ready.give(self.reused(reuse).await?);
        }
        Ok(ready)
    }

    /// A run that is here with its release.
    ///
    /// # Errors
    /// [`LoadError`].
    pub async fn with_release(&self, order: &Arc<Verified<RunOrder>>) -> Result<ReadyRun, LoadError> {
        let release = self.load(order.order().release(), order.order().grants()).await?;
        Ok(ReadyRun::new(order, release))
    }

    /// The results of the generation before that an order names, for a run that is here and has not taken them all yet.
    ///
    /// # Errors
    /// [`LoadError`].
    pub async fn results_before(&self, order: &RunOrder) -> Result<Given, LoadError> {
        match order.reuse() {
            Some(reuse) => self.reused(reuse).await,
            None => Ok(Given::default()),
        }
    }
}
