//! Proof by faults: the journal's own code over a storage that records, cuts, tears, fails and fills up.
//!
//! `disk` is the storage, `script` drives the core and a plain model side by side, the others are the campaigns. The
//! crash campaign is also to be called from a program ([`crash_images`]), with more images than a test run has time for.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a campaign that cannot go on is to stop loudly"
)]
#![cfg_attr(not(test), allow(dead_code, reason = "the other campaigns run in tests only"))]

mod crash;
mod dice;
mod disk;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod files;
#[cfg(test)]
mod flips;
mod image;
mod model;
#[cfg(test)]
mod model_test;
mod ops;
mod script;
#[cfg(test)]
mod shell;

pub use crash::{CrashReport, crash_images, planted_bugs_are_caught};
