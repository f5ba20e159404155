//! Rust connectors.

use std::path::{Path, PathBuf};

use flowforge_connector_build::{BuildOptions, Language, build};

fn connectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../connectors")
}

fn options() -> BuildOptions {
    BuildOptions::new(Path::new(env!("CARGO_TARGET_TMPDIR")).join("connector-cache"))
}

#[test]
fn first_party_connectors_are_built() {
    for name in ["convert", "http", "bench"] {
        let built = build(&connectors().join(name), &options(), &mut |_| {}).unwrap();
        assert_eq!(built.language, Language::Rust);
        assert!(built.bytes < 300_000, "{name} has {} bytes", built.bytes);
    }
}
