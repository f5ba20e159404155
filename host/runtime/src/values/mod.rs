//! JSON to component values and back, by declared port type. The mapping table stands at [`flowforge_ports::Type`].

#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
mod lift;
mod lower;
mod path;
#[cfg(test)]
mod tests;

pub(crate) use lift::{LiftError, Lifter, cut, cut_to, lift_failure};
pub(crate) use lower::Lowerer;
pub(crate) use path::PathError;

/// Largest whole number up to which a floating point number names each one: 2^53 - 1.
const SAFE_INTEGER: u64 = (1 << 53) - 1;

/// Deepest JSON that goes in or out.
pub(crate) const JSON_DEPTH_MAX: usize = 64;
