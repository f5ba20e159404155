//! The control plane over HTTP, with a scripted host.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected must stop there; helpers of tests are tests"
)]

mod accounts;
mod answers;
mod approvals;
mod audit;
mod bulk;
mod capabilities;
mod children;
mod connector;
mod deliveries;
mod delivery;
mod doors;
mod drafts;
mod follow;
mod forms;
mod growth;
mod hook_bodies;
mod hook_schemes;
mod hooking;
mod hooks;
mod limits;
mod lists;
mod looks;
mod matrix;
mod media;
mod metrics;
mod opening;
mod operations;
mod outgoing;
mod people;
mod placing;
mod polls;
mod progress;
mod publishing;
mod retries;
mod runs;
mod schedule_policies;
mod schedules;
mod schema;
mod script;
mod secrets;
mod sessions;
mod stops;
mod support;
mod syncing;
mod trash;
