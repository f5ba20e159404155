//! An order that passed the gate.

use std::collections::BTreeMap;

use flowforge_journal::JobEntry;
use flowforge_protocol::approval::Decision;
use flowforge_protocol::job::{
    ChildOrder, Job, Order, ResumeOrder, Reuse, ReviewOrder, SignalOrder, StartOrder,
};
use flowforge_protocol::{Digest, JobId, NodeId, RunId, Signed, StepKey};

/// What the signed job says besides what to do.
#[derive(Debug, Clone)]
pub struct About {
    /// Its id.
    pub job: JobId,
    /// Tenant.
    pub workspace: String,
    /// Project inside it.
    pub project: String,
    /// The run it concerns.
    pub run: RunId,
    /// Fencing number of the run.
    pub epoch: u64,
    /// When it expires, milliseconds since 1970 UTC.
    pub expires_at_ms: u64,
    /// W3C trace context of the request that caused it.
    pub traceparent: Option<String>,
    /// The job as the memory against replay knows it.
    pub entry: JobEntry,
    /// The signed envelope.
    pub envelope: Vec<u8>,
}

/// What to do, and the proof that it was ordered. Only the gate can make one.
#[derive(Debug, Clone)]
pub struct Verified<T> {
    about: About,
    order: T,
}

impl<T> Verified<T> {
    /// Which job it is, of which run.
    #[must_use]
    pub fn about(&self) -> &About {
        &self.about
    }

    /// What to do.
    #[must_use]
    pub fn order(&self) -> &T {
        &self.order
    }

    /// Both parts, owned.
    #[must_use]
    pub fn into_parts(self) -> (About, T) {
        (self.about, self.order)
    }
}

/// An order that brings a run to this host.
#[derive(Debug, Clone)]
pub enum RunOrder {
    /// It begins.
    Start(Box<StartOrder>),
    /// It goes on, behind the records that the control plane has of it.
    Resume(Box<ResumeOrder>),
}

impl RunOrder {
    /// Digest of the release's payload bytes.
    #[must_use]
    pub fn release(&self) -> Digest {
        match self {
            Self::Start(order) => order.release,
            Self::Resume(order) => order.release,
        }
    }

    /// Digest of the grant set's payload bytes.
    #[must_use]
    pub fn grants(&self) -> Digest {
        match self {
            Self::Start(order) => order.grants,
            Self::Resume(order) => order.grants,
        }
    }

    /// How long a lease of the run holds; none for a run that stays here.
    #[must_use]
    pub fn lease_ms(&self) -> Option<u64> {
        match self {
            Self::Start(order) => order.lease_ms,
            Self::Resume(order) => order.lease_ms,
        }
    }

    /// Whether nothing but the release is needed to follow it.
    #[must_use]
    pub fn stands_alone(&self) -> bool {
        matches!(self, Self::Start(order) if order.reuse.is_none())
    }

    /// What the run takes from the generation before.
    #[must_use]
    pub fn reuse(&self) -> Option<&Reuse> {
        match self {
            Self::Start(order) => order.reuse.as_ref(),
            Self::Resume(order) => order.reuse.as_ref(),
        }
    }

    /// The results that stand in place of running steps, by node.
    #[must_use]
    pub fn given(&self) -> &BTreeMap<NodeId, serde_json::Value> {
        match self {
            Self::Start(order) => &order.given,
            Self::Resume(order) => &order.given,
        }
    }
}

/// What an order says to a run that is there.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// People answered a question.
    Decide(Box<Decision<serde_json::Value>>),
    /// A person looked at a step that needs review.
    Review {
        /// The step.
        step: StepKey,
        /// What to do.
        verdict: ReviewOrder,
    },
    /// A signal came.
    Signal(SignalOrder),
    /// A child of the run has ended.
    ChildEnded(ChildOrder),
    /// The run is to pause.
    Pause {
        /// Who asked and why, for people.
        reason: String,
    },
    /// The run is to go on.
    Unpause {
        /// Who asked and why, for people.
        reason: String,
    },
    /// The run is to end.
    Cancel(Cancellation),
    /// What is still here of the run, which has ended, is to go.
    Erase {
        /// Who asked, for people.
        by: String,
    },
}

/// Somebody asked for the end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancellation {
    /// Who asked and why, for people.
    pub reason: String,
    /// How long running attempts may go on, milliseconds.
    pub grace_ms: u64,
}

/// Every kind of order, verified.
#[derive(Debug, Clone)]
pub enum VerifiedOrder {
    /// Have a run here from now on.
    Begin(Box<Verified<RunOrder>>),
    /// Tell a run that is there something.
    Change(Box<Verified<Change>>),
}

impl VerifiedOrder {
    /// The order in a job whose signature was verified and whose content was checked.
    pub(super) fn of(signed: Signed<Job>, envelope: &[u8]) -> Self {
        let (digest, scheduler_key) = (signed.digest(), signed.key_id().to_string());
        let job = signed.into_document();
        let about = About {
            entry: JobEntry {
                job_id: job.job_id.clone(),
                digest,
                scheduler_key,
                sequence: job.sequence,
                expires_at_ms: job.expires_at_ms,
            },
            job: job.job_id,
            workspace: job.workspace,
            project: job.project,
            run: job.run_id,
            epoch: job.epoch,
            expires_at_ms: job.expires_at_ms,
            traceparent: job.traceparent,
            envelope: envelope.to_vec(),
        };
        let order = match job.order {
            Order::Start(order) => {
                let order = RunOrder::Start(order);
                return Self::Begin(Box::new(Verified { about, order }));
            }
            Order::Resume(order) => {
                let order = RunOrder::Resume(order);
                return Self::Begin(Box::new(Verified { about, order }));
            }
            Order::Decide(decision) => Change::Decide(decision),
            Order::Review { step, verdict } => Change::Review { step, verdict },
            Order::Signal(signal) => Change::Signal(signal),
            Order::ChildEnded(child) => Change::ChildEnded(child),
            Order::Pause { reason } => Change::Pause { reason },
            Order::Unpause { reason } => Change::Unpause { reason },
            Order::Cancel { reason, grace_ms } => Change::Cancel(Cancellation { reason, grace_ms }),
            Order::Erase { by } => Change::Erase { by },
        };
        Self::Change(Box::new(Verified { about, order }))
    }

    /// Which job it is, of which run.
    #[must_use]
    pub fn about(&self) -> &About {
        match self {
            Self::Begin(order) => order.about(),
            Self::Change(order) => order.about(),
        }
    }

    /// Who asked that what is left of the run be erased, if somebody did.
    #[must_use]
    pub fn erasure(&self) -> Option<&str> {
        match self {
            Self::Change(change) => match change.order() {
                Change::Erase { by } => Some(by),
                _ => None,
            },
            Self::Begin(_) => None,
        }
    }

    /// What it says of the end of a run, if it ends one.
    #[must_use]
    pub fn cancellation(&self) -> Option<&Cancellation> {
        match self {
            Self::Change(change) => match change.order() {
                Change::Cancel(cancellation) => Some(cancellation),
                _ => None,
            },
            Self::Begin(_) => None,
        }
    }
}
