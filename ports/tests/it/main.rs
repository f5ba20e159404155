//! Interfaces read from real component bytes, built here from WIT alone.
#![expect(clippy::expect_used, reason = "a fixture that cannot be built fails the test")]

mod embed;
mod reading;
mod support;
mod triggers;
