//! The runtime, driven from outside: real components, real sockets, a real compile worker.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a fixture that cannot be built fails the test"
)]

mod artefacts;
mod calls;
mod code;
mod decoding;
mod egress;
mod guests;
mod hostile;
mod observe;
mod progress;
mod redirects;
mod secrets;
mod secure;
mod server;
mod support;
mod uses;
mod wasi;
