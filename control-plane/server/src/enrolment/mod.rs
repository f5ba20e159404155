//! How hosts of other machines come in, stay and go: invitations, certificates, and what is decided about a host.
//!
//! Owns the checks of a claim and of a renewal, and what is told about each. Leaves to `flowforge_enrolment` what a
//! certificate says and what its number means, to the store what is kept. Invariants: an invitation's secret is never kept;
//! whoever gets a certificate has proved both keys; a host that is refused here is refused on every call.

mod certify;
mod claim;
mod decide;
mod errors;
mod invite;
mod keep;
mod moment;
mod showing;

pub(crate) use claim::{ClaimRequest, Issued};
pub(crate) use decide::Decision;
pub(crate) use errors::{ClaimError, DecideError, InviteError};
pub(crate) use invite::Invitee;
pub(crate) use keep::keep_shown;
pub(crate) use showing::LineDoor;
