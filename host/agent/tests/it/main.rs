//! A host against a control plane in memory, with scripted connectors and a real journal.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code: a failed expectation is the test's answer"
)]

mod admission;
mod approvals;
mod artefacts;
mod cancelling;
mod connectors;
mod crashes;
mod deaths;
mod evaluations;
mod plane;
mod plane_link;
mod progress;
mod resting;
mod resuming;
mod runs;
mod sandbox;
mod secrets;
mod start;
mod upload;
mod values;
mod waiting;
mod world;
