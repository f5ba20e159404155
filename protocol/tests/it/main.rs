//! What crosses a wire, seen from outside: exact bytes, refusals, round trips.

mod admission;
mod documents;
mod envelopes;
mod round_trips;
mod runs;
mod vectors;
