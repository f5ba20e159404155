//! Orders: what a host obeys, and the gate that decides what is one.
//!
//! Owns the step from bytes to a [`VerifiedOrder`] and every reason to refuse one. The lowest room: it knows no other.
//! Invariant: a [`Verified`] is built by the [`Gate`] and nowhere else, from an envelope that a scheduler key of the
//! trust root signed for this host; the executor takes nothing else, for a new run and for one that goes on.

mod gate;
mod refusal;
mod verified;

pub use self::gate::{Gate, unverified_job_id};
pub use self::refusal::Refusal;
pub use self::verified::{About, Cancellation, Change, RunOrder, Verified, VerifiedOrder};
