//! The registry from outside: what clients send, what they get, what survives.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected must stop there; helpers of tests are tests"
)]

mod client;
mod collect;
mod gates;
mod kit;
mod protocol;
mod publish;
mod restart;
