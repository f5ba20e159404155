//! Whose a thing is, and who may do what with it.
//!
//! Owns: scopes, actors, permissions and the one rule that says which actor has which permission. Leaves to others: how an
//! actor shows who it is (the doors of `server`), and where the things of a scope are kept (`store`). Invariants: pure, no
//! I/O; a permission is asked for by name, and only [`Caller::may`] answers.

mod actor;
mod scope;

pub use actor::{Actor, Caller, Denied, Permission};
pub use scope::Scope;
