//! What crosses a wire, seen from outside: exact bytes, refusals, round trips.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected must stop there; helpers of tests are tests"
)]

mod admission;
mod documents;
mod envelopes;
mod round_trips;
mod runs;
mod vectors;
