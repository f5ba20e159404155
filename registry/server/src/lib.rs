//! The registry: connectors pushed, checked, published and pulled, by the OCI distribution protocol.
//!
//! Owns a folder of blobs, manifests and versions, the gates that a component passes before it may be a version, the
//! catalogue of what is published, and who may push and pull. Leaves to others: running anything, who may reach the
//! listener, and scorecards.
//! Invariants: bytes are served exactly as they were pushed; a version is published only while a publisher whom the
//! trust root or its own document lets speak for its name signed it; a published version's bytes never change; what an
//! answer confirmed survives power loss.
//!
//! [`Registry::router`] is mounted by the control plane, or served alone. [`Client`] pushes and pulls.

mod access;
mod admission;
mod blobs;
mod catalogue;
pub mod client;
mod collect;
mod config;
mod curation;
mod files;
mod gates;
mod http;
mod index;
mod layout;
mod load;
mod manifest;
mod people;
mod publisher;
mod refusal;
mod registry;
mod standing;
#[cfg(feature = "testing")]
pub mod testing;
mod uploads;

pub use access::{Account, Visitor};
pub use catalogue::{Entry, Hit, Search};
pub use client::{Client, ClientError};
pub use collect::Collected;
pub use config::RegistryConfig;
pub use http::Door;
pub use load::OpenError;
pub use people::{KeyDecision, NewKey};
pub use publisher::{KeyEnd, Publisher, PublisherKey, PullGrant, Role, Visibility};
pub use refusal::{Code, Refusal};
pub use registry::Registry;
pub use standing::{Deprecation, Note, Standing};
