//! Builds of real folders.

mod rust;
