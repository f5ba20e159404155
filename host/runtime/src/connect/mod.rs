//! Where connectors may connect, and the way there: destinations, addresses, the policy of a host, the dialer.
//!
//! Owns every socket. A name is resolved once, each address is judged, and exactly a judged address is dialled; TLS is
//! verified against the original name. Leaves to `egress` what is sent.

mod address;
mod destination;
mod dial;
mod network;
pub(crate) mod words;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;

pub use address::AddressKind;
pub(crate) use destination::Destination;
pub(crate) use dial::{DialError, Dialer, Stream};
pub use network::{OpenNetwork, OpenNetworkError};

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
