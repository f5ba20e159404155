//! The workflow crate from outside.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where its expectation fails"
)]

mod support;

mod bounds;
mod differential;
mod documents;
mod expression_bounds;
mod expression_edges;
mod expression_values;
mod expressions;
mod files;
mod fuzz;
mod graphs;
mod language_guide;
mod messages;
mod names;
mod polls;
mod port_values;
mod previews;
mod run_approvals;
mod run_effort;
mod run_failures;
mod run_forks;
mod run_later;
mod run_parts;
mod run_random;
mod run_repeat;
mod run_rules;
mod run_snapshot;
mod run_undo;
mod run_waits;
mod run_watch;
mod triggers;
