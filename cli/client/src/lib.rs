//! A client of the control plane: which one is meant, one GraphQL call, the events of one run.
//!
//! Owns: how a control plane is found and spoken to. Leaves to others: what is asked, and how answers are shown.
//! Used by `flowforge` and by everything that drives a control plane from outside, such as the demo.

mod api;
mod context;
mod events;

pub use api::{Api, ApiError, Problem};
pub use context::{Context, ContextError, Known, home_folder};
pub use events::{EventsError, RunEvents};
