//! Components made from WIT, whose functions trap: enough to be read.

use flowforge_ports::hollow_component;
use wit_parser::Resolve;

/// The WIT that connectors import.
pub(crate) const CONNECTOR_WIT: &str = include_str!("../../../wit/connector.wit");

/// A component of the only world in `wit`.
pub(crate) fn component(wit: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    resolve
        .push_str("connector.wit", CONNECTOR_WIT)
        .expect("the connector WIT parses");
    let package = resolve.push_str("world.wit", wit).expect("the test's WIT parses");
    let world = resolve.select_world(&[package], None).expect("one world");
    hollow_component(&resolve, world).expect("component is encoded")
}
