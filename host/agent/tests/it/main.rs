//! A host against a control plane in memory, with scripted connectors and a real journal.

mod admission;
mod connectors;
mod crashes;
mod plane;
mod runs;
mod sandbox;
mod secrets;
mod start;
mod world;
