//! Where the programs are, and control plane and host as processes, on the engine of these tests.

use std::path::{Path, PathBuf};

use flowforge_tests::databases;
use flowforge_tests::planes::Planes;
use flowforge_tests::programs::Programs;

pub(crate) fn programs() -> Programs {
    Programs::beside_this_one().expect("the programs are built: cargo xtask build")
}

/// Both planes in this folder; the control plane has its data in a file there, or in a database of its own.
pub(crate) async fn start_planes(folder: &Path, host: &'static str) -> Planes {
    let database = match crate::POSTGRES {
        true => Some(databases::new().await.unwrap()),
        false => None,
    };
    Planes::start_on(programs(), folder, host, database.as_deref()).unwrap()
}

/// The built first-party connectors.
pub(crate) fn components() -> PathBuf {
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
pub(crate) fn in_clone(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}
