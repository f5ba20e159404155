//! The only way out of the host for connectors: one policy behind both HTTP doors.
//!
//! Owns every socket. The order is fixed: parse, grant, headers, slot, intent durable, resolve once, judge each address,
//! dial exactly a judged address, verify TLS against the original name, open the secret, compare its own destinations,
//! note what will stand on the wire, send. A redirect is a new request that passes all of it again. Proxy variables are not
//! read, connections are not shared between steps.

mod address;
mod answer;
mod decode;
mod destination;
mod dial;
mod exchange;
mod headers;
mod network;
mod redirect;
mod retry_after;
mod secret;
mod words;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;

pub use address::AddressKind;
pub(crate) use answer::Answer;
pub(crate) use destination::Destination;
pub(crate) use dial::Dialer;
pub(crate) use exchange::{EgressError, Outbound, send};
pub(crate) use headers::is_forbidden;
pub use network::{OpenNetwork, OpenNetworkError};
pub(crate) use redirect::{Plain, send_and_follow};
pub(crate) use retry_after::retry_after_ms;
pub(crate) use secret::{Attachment, Placement, covers};
pub(crate) use words::describe;

/// Where connectors of this host may connect at all. A grant never opens what the policy blocks.
#[derive(Clone, Default)]
pub struct EgressPolicy {
    /// Loopback addresses are open. Only `flowforge dev` and tests say so.
    pub loopback: bool,
    /// Private networks that are open, for hosts beside the machines they talk to. Empty: none.
    pub networks: Vec<OpenNetwork>,
    /// Addresses that stay closed in any case: this host's own listeners, the control plane.
    pub closed: Vec<SocketAddr>,
    /// Certificates (DER) that are trusted besides the platform's.
    pub extra_roots: Vec<Vec<u8>>,
    /// Another way to resolve names; absent: the system's.
    pub resolver: Option<Arc<dyn Resolve>>,
}

impl std::fmt::Debug for EgressPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EgressPolicy")
            .field("loopback", &self.loopback)
            .field("networks", &self.networks)
            .field("closed", &self.closed)
            .field("extra_roots", &self.extra_roots.len())
            .field("own_resolver", &self.resolver.is_some())
            .finish()
    }
}

/// From a name to addresses. Implemented by the system's resolver, and by tests that change the answer in between.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// All addresses of a name.
    ///
    /// # Errors
    /// When there is no answer; the request then counts as not sent.
    async fn resolve(&self, name: &str) -> std::io::Result<Vec<IpAddr>>;
}
