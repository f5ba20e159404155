//! The trace of each run, as it is told to a collector: derived from the records of the run, at the one place where a run
//! adds them.
//!
//! Owns what becomes a span, its name and its attributes. Leaves sending to `telemetry` and calls no other room. Invariants:
//! a span is told when the record that ends it was given to the journal, and sent when that is durable, so what a replay
//! repeats is told by nobody; nothing that a workflow computes with is in a span: no input, no output, no path of an
//! address.

mod numbers;
mod requests;
mod run;
mod words;

pub(crate) use self::numbers::observe;
pub(crate) use self::requests::AttemptTrace;
pub(crate) use self::run::RunTrace;
