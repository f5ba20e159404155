//! Whose a thing is: a project of a workspace.
//!
//! Owns: scopes. Leaves to others: who may do what in one (`server`), and where the things of a scope are kept (`store`).
//! Invariant: pure, no I/O.

mod scope;

pub use scope::Scope;
