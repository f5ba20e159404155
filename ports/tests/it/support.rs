//! Components made from WIT, whose functions trap: enough to be read.

use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, Resolve};

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
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Legacy(LiftLowerAbi::Sync));
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("metadata fits");
    ComponentEncoder::default()
        .module(&module)
        .expect("module is accepted")
        .encode()
        .expect("component is encoded")
}
