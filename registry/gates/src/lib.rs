//! What a component must be before a registry lists it, judged from its bytes and from what the registry knows.
//!
//! Owns: the comparison of two versions port by port, what a version number must then be, names that are taken for
//! others, licences, declared needs against real imports, advisories, and the report that says all of it. Leaves to
//! others: where the bytes come from, signatures, and running anything. Pure: no I/O, no clock. Invariant: the command
//! line and the registry ask the same function, so a trial says what a push would hear.

mod advisory;
mod bump;
mod claims;
mod compare;
mod licence;
mod names;
mod needs;
mod report;
mod shape;

pub use advisory::{Advisory, AdvisoryError, Severity};
pub use bump::{is_enough, lowest_right, previous_of};
pub use claims::check_claims;
pub use compare::{Change, Comparison, Impact, compare};
pub use licence::check_licence;
pub use names::is_confusable;
pub use needs::{CapabilityDifference, asked_for, check_needs};
pub use report::{Candidate, Gate, GateName, Known, Report, Subject, check_version, judge, judge_interface};
