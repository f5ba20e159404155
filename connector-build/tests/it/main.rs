//! Builds of real folders, and what their components do in the real runtime.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a fixture that cannot be built fails the test"
)]

mod declared;
mod derived;
mod first_party;
mod harness;
mod mistakes;
mod new;
mod outside;
mod python;
mod server;
mod typescript;
