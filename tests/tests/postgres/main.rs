//! Some of the tests of `tests/e2e` on a PostgreSQL database each, and what several servers on one database do.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "in a test, what cannot go on ends with the reason"
)]

mod away;
#[path = "../e2e/kit.rs"]
mod kit;
#[path = "../e2e/operations.rs"]
mod operations;
#[path = "../e2e/restored.rs"]
mod restored;
#[path = "../e2e/retries.rs"]
mod retries;
#[path = "../e2e/runs.rs"]
mod runs;
mod servers;

use kit::{components, in_clone, programs, start_planes};

/// Which engine the control planes of these tests are on.
const POSTGRES: bool = true;
