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
    reason = "generated from wit/connector"
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
pub mod progress;

pub use artefact::{Reader, Writer};
pub use bindings::flowforge::connector::types::{Artefact, Failure, InvalidInput, Json, Rejection, Throttle};
pub use flowforge_sdk_macro::connector;
#[doc(hidden)]
pub use wit_bindgen;

/// The step in which this call runs.
pub mod context {
    use crate::bindings::flowforge::connector::context as host;
    pub use crate::bindings::flowforge::connector::context::{StepInfo, now_ms, step};

    /// The most that one call to the host gives, in bytes.
    const CALL_BYTES_MAX: usize = 64 * 1024;

    /// Exactly this many random bytes of cryptographic quality, in as many calls to the host as it takes.
    #[must_use]
    pub fn random_bytes(length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let wanted = (length - bytes.len()).min(CALL_BYTES_MAX);
            match host::random_bytes(u32::try_from(wanted).unwrap_or(0)) {
                Ok(more) if !more.is_empty() => bytes.extend_from_slice(&more),
                // The host gives what is asked for up to its bound, so this is not reached; a short answer is not made up.
                _ => break,
            }
        }
        bytes
    }
}

/// Facts about the secrets bound to this node. Never a value.
pub mod secrets {
    pub use crate::bindings::flowforge::connector::secrets::{SecretInfo, describe};
}
