//! The real programs, driven as a person drives them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "in a test, what cannot go on ends with the reason"
)]

mod author_guide;
mod authors;
mod deaths;
mod enrolling;
mod examples;
mod full_disk;
mod hostile;
mod kills;
mod mistakes;
mod namespaces;
mod operations;
mod own_disk;
mod own_network;
mod private;
mod read_only;
mod readers;
mod rebound;
mod refused;
mod retries;
mod runs;
mod shop;
mod verifier;

use std::path::{Path, PathBuf};

use flowforge_tests::flowforge::Flowforge;
use flowforge_tests::programs::Programs;

fn programs() -> Programs {
    Programs::beside_this_one().expect("the programs are built: cargo xtask build")
}

fn flowforge(home: &Path) -> Flowforge {
    Flowforge::new(&programs(), home)
}

/// The built first-party connectors.
fn components() -> PathBuf {
    let folder =
        std::env::var_os("FLOWFORGE_COMPONENTS").map_or_else(|| programs().path("components"), PathBuf::from);
    assert!(
        folder.is_dir(),
        "{} is missing: cargo xtask build",
        folder.display()
    );
    folder
}

/// A file of the clone.
fn in_clone(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}
