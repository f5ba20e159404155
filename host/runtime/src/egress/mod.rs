//! The only way out of the host for connectors: one policy behind both HTTP doors.
//!
//! The order is fixed: parse, grant, headers, slot, intent durable, resolve once, judge each address,
//! dial exactly a judged address, verify TLS against the original name, open the secret, compare its own destinations,
//! note what will stand on the wire, send. A redirect is a new request that passes all of it again. Proxy variables are not
//! read, connections are not shared between steps.

mod answer;
mod decode;
mod exchange;
mod headers;
mod redirect;
mod retry_after;
mod secret;
mod traced;

pub(crate) use answer::Answer;
pub(crate) use exchange::{EgressError, Outbound, send};
pub(crate) use headers::is_forbidden;
pub(crate) use redirect::{Plain, send_and_follow};
pub(crate) use retry_after::retry_after_ms;
pub(crate) use secret::{Attachment, Placement, covers};
