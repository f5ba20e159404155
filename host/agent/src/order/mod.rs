//! Orders: what a host obeys, the gate that decides what is one, and what is to be answered.
//!
//! Owns the step from bytes to a [`VerifiedOrder`], every reason to refuse one, and the answers that wait for the next upload.
//! The lowest room: it knows no other.
//! Invariant: a [`Verified`] is built by the [`Gate`] and nowhere else, from an envelope that a scheduler key of the
//! trust root signed for this host; the executor takes nothing else, for a new run and for one that goes on.

mod answers;
mod gate;
mod refusal;
mod verified;

pub use self::answers::{Answers, Outgoing};
pub use self::gate::{Gate, unverified_job_id};
pub use self::refusal::Refusal;
pub use self::verified::{About, Cancellation, Change, RunOrder, Verified, VerifiedOrder};
