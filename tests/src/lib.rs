//! What needs both planes: the demo, end-to-end tests, measurements.
//!
//! Owns: starting the real programs, killing them, small loopback servers that count what they get. Everything is done
//! through what users have: the command line, webhooks, GraphQL. Invariant: a program started here ends with the value
//! that stands for it.

pub mod balancer;
pub mod bench;
pub mod collector;
pub mod counting;
pub mod databases;
pub mod demo;
pub mod dice;
pub mod files;
pub mod flowforge;
pub mod fuzz;
pub mod kills;
pub mod planes;
pub mod process_usage;
pub mod programs;
