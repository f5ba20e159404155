//! What is built in, so that a build needs no checkout of this project.

/// The interfaces that a connector may import.
pub(crate) const CONNECTOR_WIT: &str = include_str!("../../wit/connector.wit");
