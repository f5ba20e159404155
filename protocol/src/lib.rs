//! Every document that crosses a wire, and how it is signed and verified.
//!
//! Owns: digests, identifiers, the DSSE envelope, release, grant set, job, run records, receipt, trust root. Leaves to
//! others: who sends what when, and where keys are kept. Pure: no I/O, no clock, no randomness; time and entropy are
//! parameters. Invariant: a document is acted upon only in the form in which its signature was verified.

pub mod digest;
pub mod failure;
pub mod grants;
pub mod ids;
pub mod job;
pub mod receipt;
pub mod record;
pub mod release;

pub use digest::Digest;
pub use failure::{Failure, FailureKind};
pub use ids::{ApprovalId, HostId, JobId, NodeId, RunId, StepKey};
