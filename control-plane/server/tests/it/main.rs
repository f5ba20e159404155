//! The control plane over HTTP, with a scripted host.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected must stop there; helpers of tests are tests"
)]

mod approvals;
mod audit;
mod bulk;
mod children;
mod connector;
mod delivery;
mod doors;
mod drafts;
mod follow;
mod growth;
mod hooks;
mod limits;
mod lists;
mod looks;
mod media;
mod metrics;
mod opening;
mod operations;
mod placing;
mod progress;
mod publishing;
mod retries;
mod runs;
mod schedules;
mod schema;
mod script;
mod secrets;
mod sessions;
mod stops;
mod support;
mod syncing;
mod trash;
