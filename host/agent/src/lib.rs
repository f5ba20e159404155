//! The host: pulls signed jobs, verifies them, runs them durably, and lets nothing go before it is on disk.
//!
//! One folder is one room, and calls go down only:
//!
//! ```text
//! link    talks with the control plane: pulls orders, uploads what is durable
//! intake  leads an order through gate, release and runs
//! runs    one task for each run: state machine, records, connectors
//! secrets sealed copies, opened for one use      release  what a start refers to, loaded and planned
//! order   the gate, every reason to refuse, and the answers that wait
//! ```
//!
//! # Files of a data folder
//!
//! | file | what |
//! |---|---|
//! | `journal.redb` | runs, records, inboxes, what waits for upload, sealed secrets, documents |
//! | `keys/identity.pem`, `keys/seal.pem` | who the host is; what was sealed for it |
//! | `enrolment.json`, `trust-root.json` | what was agreed when it joined; with them it starts without its join file |
//! | `components/`, `compiled/`, `artefacts/` | connectors, their compiled code, large values |
//! | `host.sock` | tells the status while the host runs |
//!
//! The folder and the keys must be this user's alone; limits and settings are those of [`Settings`] and [`HostLimits`].
//!
//! # What a host does when something is wrong
//!
//! No answer, an HTTP 500 or a full disk at the control plane: it goes on and tries again. A rejection of records: the run's
//! uploads are parked, shown, and offered again. A release that cannot be loaded, an order that is no longer believed, a
//! step during which the host died again and again: the run rests, says why, and can be cancelled. A full journal: runs wait for
//! room and no new one is taken. A secret that the control plane says is gone: its copy is wiped.
//!
//! `traces` derives the trace of a run from its records, if somebody named a collector; [`health`] is written by all of them and calls none; [`clock`], [`connectors`] and `backoff` stand alone. Nothing here
//! signs an order or decides what a workflow does. Invariants: what is told was durable before; silence and refusals of the
//! control plane never stop signed work; every queue is bounded.

mod apart;
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
pub mod joining;
pub mod leaving;
pub mod line_check;
pub mod link;
pub mod log;
pub mod order;
pub mod release;
pub mod runs;
mod seams;
pub mod secrets;
pub mod site;
mod start_error;
mod stop;
mod text;
mod traces;
pub mod unit;

pub use config::{ConfigError, HostConfig, HostLimits, Settings};
pub use files::Exposure;
pub use handle::HostHandle;
pub use health::Status;
pub use host::{Host, RunError};
pub use seams::Seams;
pub use site::SiteSettings;
pub use start_error::StartError;
pub use stop::Stop;
