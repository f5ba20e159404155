//! The servers on one store, and the hosts that call them.
//!
//! Owns what one process knows of hosts (sessions, queues), who is told when something moves, and the way to the other
//! servers: the bus, and which of them has a duty. Leaves to others: what is done with it (`sync`, `starts`, `following`).
//! Invariant: everything in here is a picture of the store; whoever missed a word looks again, and finds it there.

pub(crate) mod bus;
pub(crate) mod duties;
pub(crate) mod events;
pub(crate) mod hosts;
mod peers;
pub(crate) mod queue;
pub(crate) mod words;
