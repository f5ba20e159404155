//! The workflow crate from outside.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where its expectation fails"
)]

mod support;

mod documents;
mod expressions;
mod messages;
mod run_rules;
mod run_watch;
