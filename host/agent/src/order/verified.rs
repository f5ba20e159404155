//! An order that passed the gate.

use flowforge_journal::JobEntry;
use flowforge_protocol::job::{Decision, Job, Order, StartOrder};
use flowforge_protocol::{JobId, RunId, Signed};

/// What the signed job says besides what to do.
#[derive(Debug, Clone)]
pub struct About {
    /// Its id.
    pub job: JobId,
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

/// Somebody asked for the end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancellation {
    /// Who asked and why, for people.
    pub reason: String,
}

/// Every kind of order, verified.
#[derive(Debug, Clone)]
pub enum VerifiedOrder {
    /// Start a run.
    Start(Verified<StartOrder>),
    /// Tell a waiting run what a person decided.
    Decide(Verified<Decision>),
    /// Stop a run.
    Cancel(Verified<Cancellation>),
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
            run: job.run_id,
            epoch: job.epoch,
            expires_at_ms: job.expires_at_ms,
            traceparent: job.traceparent,
            envelope: envelope.to_vec(),
        };
        match job.order {
            Order::Start(order) => Self::Start(Verified { about, order }),
            Order::Decide(order) => Self::Decide(Verified { about, order }),
            Order::Cancel { reason } => {
                let order = Cancellation { reason };
                Self::Cancel(Verified { about, order })
            }
        }
    }

    /// Which job it is, of which run.
    #[must_use]
    pub fn about(&self) -> &About {
        match self {
            Self::Start(order) => order.about(),
            Self::Decide(order) => order.about(),
            Self::Cancel(order) => order.about(),
        }
    }
}
