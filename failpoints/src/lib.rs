//! The commit points of a run, as named fail points.
//!
//! Owns: the list of the boundaries B0 to B12 at which something becomes durable or visible, and the way to stop a
//! process, or to make an operation fail, at the n-th crossing of one of them. Leaves to others: where each boundary is
//! crossed. A plan belongs to one instance of a plane and is never global, so that several instances in one process
//! fail independently. Invariant: without a plan a crossing costs one branch and nothing else.

mod plan;
mod point;

pub use plan::{Action, FailPoints, Injected, ParsePlanError};
pub use point::{ParsePointError, Point, PointSet, Side};
