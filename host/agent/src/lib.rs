//! The host: pulls signed jobs, verifies them, runs them durably, and lets nothing go before it is on disk.
//!
//! [`link`] talks with the control plane, [`admission`] decides what may be done, the [`executor`] does it, with the
//! sandbox of `host/runtime` and the journal of `host/journal`. Nothing here signs an order or decides what a workflow
//! does. Invariants: what is told was durable before; silence and refusals of the control plane never stop signed work;
//! every queue is bounded.

pub mod admission;
pub mod clock;
pub mod config;
pub mod connectors;
pub mod data_dir;
mod disk;
pub mod executor;
mod files;
pub mod handle;
pub mod host;
pub mod identity;
pub mod join;
pub mod library;
pub mod link;
pub mod log;
mod start_error;
pub mod status;

pub use config::{ConfigError, HostConfig, HostLimits, Settings};
pub use handle::HostHandle;
pub use host::{Host, RunError, Seams, Stop};
pub use start_error::StartError;
pub use status::Status;
