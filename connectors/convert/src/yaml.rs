//! YAML 1.2 as values, and values as YAML: `no`, `12:30` and `01234` are texts.

mod read;
mod scalar;
mod write;

pub(crate) use read::read;
pub(crate) use write::write;

/// How deep a value may be nested: what a port takes.
const DEPTH_MAX: usize = 64;
