//! Tests of a built connector: in the real host runtime, against mocked services, with a clock that costs no time.
//!
//! Owns: the test files of an author, the mocked services, one test from its first attempt to its verdict, the reports;
//! trials of a component for its score; one live call with what it used, and such a call as a test. Leaves to others: the
//! sandbox (the host's own runtime runs every call), when an attempt is repeated (the rule of the workflow engine decides),
//! what a trial is worth, and building. Invariant: a test opens no socket, and what the host gives a step (time,
//! randomness, waiting) is the test's own, also where a component takes it from WASI.

mod case;
mod compare;
mod fields;
mod files;
mod junit;
mod live;
mod mock;
mod network;
mod play;
mod probe;
mod record;
mod report;
mod services;
mod suite;

pub use case::{Bench, TestError, test, told};
pub use junit::junit;
pub use live::{Called, LiveCall, Noted, Random, call};
pub use probe::{INPUTS_MAX, fuzz, probe};
pub use record::{RecordError, Recorded, as_test};
pub use report::{CaseReport, Report};
pub use suite::{Case, Suite, SuiteError};
