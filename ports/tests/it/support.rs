//! Components made from WIT, whose functions trap: enough to be read.

use flowforge_ports::hollow_component;
use wit_parser::Resolve;

/// The folder with the WIT that connectors import.
pub(crate) const CONNECTOR_WIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit/connector");

/// The files of that folder as `(name, text)`.
pub(crate) fn connector_files() -> Vec<(String, String)> {
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.expect("the folder can be read");
        let text = std::fs::read_to_string(entry.path()).expect("the file can be read");
        (entry.file_name().to_string_lossy().into_owned(), text)
    };
    std::fs::read_dir(CONNECTOR_WIT)
        .expect("the folder is there")
        .map(read)
        .collect()
}

/// A component of the only world in `wit`.
pub(crate) fn component(wit: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    resolve
        .push_path(CONNECTOR_WIT)
        .expect("the connector WIT parses");
    let package = resolve.push_str("world.wit", wit).expect("the test's WIT parses");
    let world = resolve.select_world(&[package], None).expect("one world");
    hollow_component(&resolve, world).expect("component is encoded")
}
