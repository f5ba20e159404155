//! The journal through its public surface.

mod life;
mod open;
mod support;
