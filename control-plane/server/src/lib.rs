//! The control plane: what people, webhooks and schedules ask for becomes signed jobs; what hosts bring becomes the
//! state that people see.
//!
//! Owns the GraphQL API, triggers, dispatch, secrets, approvals and the doors they stand behind. Leaves to others: how
//! things are kept (`store`), what a workflow means (`workflow`), connectors (`registry`). Invariants: nothing is told to
//! anybody before the commit that makes it true; the only key this process signs with is the scheduler's; a secret's
//! value leaves only sealed to a host; people's calls are taken on loopback only, or from what speaks TLS there for it,
//! and hosts of other machines on a listener of their own, which knows each by its certificate. In development it holds its owner's release and grant
//! keys too, for what the owner tries and publishes from drafts.
//!
//! [`Service::open`] takes the data folder and the address, [`Service::run`] serves.

mod accept;
mod apart;
mod api;
mod app;
mod artefacts;
mod assigning;
pub mod backup;
mod clock;
mod config;
mod counts;
mod cron;
mod database;
mod ends;
mod enrolment;
mod entropy;
mod errands;
mod failover;
mod fleet;
mod folder;
mod follow_ups;
mod following;
mod handover;
mod host_api;
mod http;
mod journals;
mod keys;
mod line;
mod locked;
mod metrics;
mod opening;
mod orders;
mod outgoing;
mod peers;
mod poll_answers;
mod polling;
mod registration;
mod reissue;
mod release;
mod retention;
mod secrets;
mod service;
mod sync;
mod telling;
mod timetables;
mod turns;

pub use api::{problem_index, sdl};
pub use app::people::{FirstLinkError, PeopleUrlError};
pub use clock::{Clock, SystemClock};
pub use config::Config;
pub use database::DatabaseError;
pub use ends::{OpenError, RunError};
pub use entropy::EntropyError;
pub use flowforge_connect::{EgressPolicy, OpenNetwork};
pub use folder::{DataFolder, FolderError};
pub use host_api::host_sdl;
pub use keys::{Keys, KeysError};
pub use line::{HostsListener, LineError};
pub use retention::Retention;
pub use service::{Handle, Service};

/// Whether the interface for browsers was built before this program and is embedded in it; it is served at `/` then.
#[must_use]
pub fn has_interface() -> bool {
    http::is_embedded()
}
