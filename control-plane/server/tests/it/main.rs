//! The control plane over HTTP, with a scripted host.

mod approvals;
mod doors;
mod hooks;
mod opening;
mod publishing;
mod runs;
mod schedules;
mod schema;
mod secrets;
mod support;
mod syncing;
