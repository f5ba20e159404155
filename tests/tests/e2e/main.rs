//! The real programs, driven as a person drives them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "in a test, what cannot go on ends with the reason"
)]

mod apart;
mod approvals;
mod author_guide;
mod authors;
mod deaths;
mod enrolling;
mod examples;
mod failover;
mod full_disk;
mod going_out;
mod hostile;
mod kills;
mod kit;
mod mistakes;
mod namespaces;
mod operations;
mod own_disk;
mod own_network;
mod people;
mod private;
mod read_only;
mod readers;
mod rebound;
mod refused;
mod restored;
mod retries;
mod runs;
mod score;
mod shop;
mod telemetry;
mod triggers;
mod verifier;

use std::path::Path;

use flowforge_tests::flowforge::Flowforge;

use kit::{components, in_clone, programs, start_planes};

/// Which engine the control planes of these tests are on; `tests/postgres` runs some of them on the other one.
const POSTGRES: bool = false;

fn flowforge(home: &Path) -> Flowforge {
    Flowforge::new(&programs(), home)
}
