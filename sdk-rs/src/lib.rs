//! What authors of FlowForge connectors in Rust use.
//!
//! A connector is a crate of type `cdylib` with a folder `wit/`; [`connector!`] turns its world into a trait to
//! implement. Owns: failures, HTTP with secrets attached by the host, artefacts, context, log. Leaves to the host: every
//! permission. Invariant: importing this crate gives a connector no capability; only what it calls becomes an import.
//!
//! ```ignore
//! use flowforge_sdk::{connector, Failure};
//!
//! struct Greeter;
//! connector!(Greeter);
//!
//! impl Connector for Greeter {
//!     fn greet(name: String) -> Result<String, Failure> {
//!         if name.is_empty() {
//!             return Err(Failure::invalid("name", "must not be empty"));
//!         }
//!         Ok(format!("hello {name}"))
//!     }
//! }
//! ```

pub mod artefact;
#[allow(
    missing_docs,
    unsafe_code,
    unused_qualifications,
    clippy::all,
    reason = "generated from wit/connector.wit"
)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "macro/wit",
        world: "capabilities",
        generate_unused_types: true,
        generate_all,
        additional_derives: [PartialEq],
        additional_derives_ignore: ["writer", "reader"],
    });
}
pub mod failure;
pub mod http;
pub mod json;
pub mod log;

pub use artefact::{Reader, Writer};
pub use bindings::flowforge::connector::types::{Artefact, Failure, InvalidInput, Json, Rejection, Throttle};
pub use flowforge_sdk_macro::connector;
#[doc(hidden)]
pub use wit_bindgen;

/// The step in which this call runs.
pub mod context {
    pub use crate::bindings::flowforge::connector::context::{StepInfo, now_ms, random_bytes, step};
}

/// Facts about the secrets bound to this node. Never a value.
pub mod secrets {
    pub use crate::bindings::flowforge::connector::secrets::{SecretInfo, describe};
}
