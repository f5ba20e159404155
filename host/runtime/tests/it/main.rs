//! The runtime, driven from outside: real components, real sockets, a real compile worker.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a fixture that cannot be built fails the test"
)]

mod calls;
mod guests;
mod hostile;
mod support;
