//! What a component offers and asks for, read from its bytes.
//!
//! Owns: operations, typed ports with their JSON form and JSON Schema, capabilities against the runtime baseline, and
//! the `flowforge:connector` custom section that holds what WIT cannot say, and a world's component before it is built. Leaves to others: running anything, and
//! whether a capability is granted. Pure: no I/O, no clock. Invariant: what [`inspect`] returns depends on the bytes
//! alone, so a registry, a lint and a host that see the same digest see the same interface.

mod docs;
mod hollow;
mod inspect;
mod interface;
mod meta;
mod names;
mod schema;
mod trigger;
mod ty;
mod types_of;
mod yaml;

pub use docs::{Docs, ItemDocs, WitPackage, wit_docs};
pub use hollow::hollow_component;
pub use inspect::{InspectError, inspect};
pub use interface::{
    Capability, CapabilityKind, Effect, ExportName, Interface, NotCallable, Operation, Port,
};
pub use meta::{
    ConnectorMeta, EmbedError, HttpNeed, META_SECTION, Needs, OperationMeta, SecretSlot, embed_meta,
};
pub use names::{json_name, wit_name};
pub use trigger::Trigger;
pub use ty::{Case, EnumCase, Field, Named, Type};
