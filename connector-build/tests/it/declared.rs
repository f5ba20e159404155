//! What a folder declares is read without running it, and is what its component offers once it is built.

use flowforge_connector_build::declared;
use flowforge_ports::{CapabilityKind, Interface};

use crate::harness::{Sample, built, first_party};

/// Operations with all they say, and capabilities beyond the observations that a language's SDK brings by itself.
fn offered(interface: &Interface) -> (String, Vec<CapabilityKind>) {
    let mut asked: Vec<CapabilityKind> = interface
        .capabilities
        .iter()
        .map(|capability| capability.kind)
        .filter(|kind| kind.is_effectful())
        .collect();
    asked.sort_by_key(|kind| kind.as_str());
    asked.dedup();
    (
        serde_json::to_string_pretty(&interface.operations).unwrap(),
        asked,
    )
}

#[test]
fn what_is_declared_is_what_is_built() {
    for name in ["http", "quake-text", "statistics", "javascript", "python"] {
        let folder = first_party(name);
        let (told, made) = (declared(&folder).unwrap(), built(&folder));
        assert_eq!(told.language, made.language);
        assert_eq!(offered(&told.interface), offered(&made.interface), "{name}");
        assert_eq!(told.interface.meta.unwrap(), made.meta);
    }
}

#[test]
fn reading_a_folder_runs_nothing_in_it() {
    let sample = Sample::new(&[
        (
            "wit/world.wit",
            "package test:sample@0.1.0;\nworld w { export run: func() -> string; }\n",
        ),
        (
            "Cargo.toml",
            "[package]\nname = \"sample\"\nbuild = \"build.rs\"\n",
        ),
        (
            "build.rs",
            "fn main() { std::fs::write(\"ran\", \"\").unwrap(); }\n",
        ),
        (".cargo/config.toml", "[build]\nrustc-wrapper = \"./wrapper\"\n"),
        ("rust-toolchain.toml", "[toolchain]\npath = \"toolchain\"\n"),
    ]);
    let before = sample.files();
    let told = declared(sample.path()).unwrap();
    assert_eq!(told.interface.operations.len(), 1);
    assert_eq!(sample.files(), before);
}
