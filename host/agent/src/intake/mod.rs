//! Intake: from bytes that came over the line to an order that is done, or refused by name.
//!
//! Owns the way of an order through the rooms below (gate, release, runs) and how many may be on it at once. Fails closed: the checks come in one order, each with its own code, and the
//! first that fails decides. Nothing is stored and nothing is run before all of them passed.
//!
//! Order: size, envelope, payload type, signature by a scheduler key, strict reading, tenant and audience, time, input;
//! then release and grants by their own keys, each connector's bytes and publisher; then, in the commit that accepts the
//! job, the memory against replay.

mod admit;

pub use self::admit::Intake;
pub(crate) use self::admit::{IntakeParts, TIME_FLOOR_KEY};
