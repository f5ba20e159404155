//! The workflow crate from outside.

mod support;

mod run_watch;
