//! Hosts of other machines: how they come in, stay and go, over TLS, in one process, on a clock that the tests move.
//!
//! Numbers in the names of tests are those of the list of attacks in `docs/security.md`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "in a test, what cannot go on ends with the reason"
)]

mod enrolment;
mod given;
mod proxies;
mod renewal;
mod strangers;
mod support;
