//! The score of a connector: points for what its bytes say and what it was seen to do.
//!
//! Owns: the checks of version 1, their points, and for each the evidence and the next step; gates, caps and the grade.
//! Leaves to others: running the connector, and the checks that need a registry. Pure: the same interface and the same
//! observations give the same scorecard, byte for byte, on every machine.
//!
//! Nothing that is only claimed counts. A declaration that no call shows, and a use that no declaration shows, take the
//! points of everything that is said about connections and secrets.

mod checks;
mod grade;
mod observed;
mod scorecard;

pub use checks::{FUZZ_INPUTS, SMALLEST_INPUT, score};
pub use grade::{Cap, Gate, Grade};
pub use observed::{Measured, Observed, SeenCall, Trial, Weight};
pub use scorecard::{Category, Check, Scorecard, State, VERSION};
