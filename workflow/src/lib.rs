//! Workflows: from the definition file to the steps of a run.
//!
//! Owns the YAML language and its lint, the canonical form that is signed, the lock file, expressions, the plan, and
//! the state machine of a run. Leaves to others: who runs a step, and where records are kept. Pure: no I/O, no clock,
//! no randomness; time is a parameter, and what looks random is derived from the run. Invariant: the same records
//! give the same state, on the host that wrote them and anywhere else.

mod definition;
mod diagnostic;
pub mod expr;
pub mod limits;
pub mod schedule;
mod yaml;

pub use definition::duration::{format_duration_ms, parse_duration_ms};
pub use definition::model;
pub use definition::{Definition, parse};
pub use diagnostic::{Diagnostic, Edit, Fix, Severity, apply_fixes};
pub use expr::expr_help;
