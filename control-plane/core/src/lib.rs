//! Whose a thing is, who asks for it, and what each may do.
//!
//! Owns: scopes, actors, permissions, roles, the port that says who has which, and what an audit entry is. Leaves to others: how an
//! actor shows who it is (the doors of `server`), and where the things of a scope are kept (`store`). Invariants: pure, no
//! I/O; what a use case does is one [`Action`], and only a [`Policy`] says who may.

mod actor;
mod audit;
mod permission;
mod role;
mod scope;

pub use actor::{Account, Actor, Caller, MAX_REQUEST_BYTES};
pub use audit::{AuditEntry, MAX_DETAIL_BYTES, Outcome};
pub use permission::{Action, Denied, Object, ObjectKind, OwnerPolicy, Permission, Policy};
pub use role::{Role, RolePolicy, permits};
pub use scope::Scope;
