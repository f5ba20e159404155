//! The registry from outside: what clients send, what they get, what survives.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected must stop there; helpers of tests are tests"
)]

mod access;
mod bad_input;
mod client;
mod collect;
mod contract;
mod curation;
mod deletion;
mod gates;
mod kit;
mod people;
mod programs;
mod protocol;
mod publish;
mod real_clients;
mod restart;
