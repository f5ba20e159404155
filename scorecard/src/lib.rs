//! The score of a connector: points for what its bytes say and what it was seen to do.
//!
//! Owns: the checks of version 1, their points, and for each the evidence and the next step. Leaves to others: running the
//! connector, and the checks that need a registry. Pure: the same interface and the same observations give the same
//! scorecard, byte for byte, on every machine.
//!
//! Nothing that is only claimed counts. A declaration that no call shows is worse than none: it takes the points of
//! everything that is said about it.

mod checks;
mod observed;
mod scorecard;

pub use checks::score;
pub use observed::{Observed, SeenCall};
pub use scorecard::{Category, Check, Grade, Scorecard, State, VERSION};
