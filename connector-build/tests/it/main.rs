//! Builds of real folders, and what their components do in the real runtime.

mod first_party;
mod harness;
mod mistakes;
mod python;
mod typescript;
