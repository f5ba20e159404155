//! Trials of components that differ in one thing.
#![expect(clippy::unwrap_used, reason = "a fixture that lacks a part fails the test")]

mod guests;
mod trials;
