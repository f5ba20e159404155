//! A client of the control plane: which one is meant, one GraphQL call, the events of one run.
//!
//! Owns: how a control plane is found and spoken to. Leaves to others: what is asked, and how answers are shown.
//! Used by `flowforge` and by everything that drives a control plane from outside, such as the demo.

mod api;
mod context;
mod events;
mod sign_in;

pub use api::{Api, ApiError, Problem};
pub use context::{Context, ContextError, Known, forget_token, home_folder, keep_context, kept_contexts};
pub use events::{EventsError, RunEvents};
pub use sign_in::{SignInError, SignedIn, join, sign_in};
