//! The host: pulls signed jobs, verifies them, runs them durably, and lets nothing go before it is on disk.
//!
//! One folder is one room, and calls go down only:
//!
//! ```text
//! link    talks with the control plane: pulls orders, uploads what is durable
//! intake  leads an order through gate, release and runs; keeps the answers about jobs
//! runs    one task for each run: state machine, records, connectors
//! secrets sealed copies, opened for one use      release  what a start refers to, loaded and planned
//! order   the gate, and every reason to refuse
//! ```
//!
//! [`health`] is written by all of them and calls none; [`clock`], [`connectors`] and `backoff` stand alone. Nothing here
//! signs an order or decides what a workflow does. Invariants: what is told was durable before; silence and refusals of the
//! control plane never stop signed work; every queue is bounded.

mod backoff;
pub mod clock;
pub mod config;
pub mod connectors;
pub mod data_dir;
pub mod enrolment;
mod files;
pub mod handle;
pub mod health;
pub mod host;
pub mod identity;
pub mod intake;
pub mod join;
pub mod link;
pub mod log;
pub mod order;
pub mod release;
pub mod runs;
pub mod secrets;
mod start_error;
mod text;

pub use config::{ConfigError, HostConfig, HostLimits, Settings};
pub use files::Exposure;
pub use handle::HostHandle;
pub use health::Status;
pub use host::{Host, RunError, Seams, Stop};
pub use start_error::StartError;
