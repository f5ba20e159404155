//! Where a program of FlowForge may connect for somebody else, and the way there: destinations, addresses, the policy, the
//! dialer. The host uses it for its connectors, the control plane for what it sends to webhook endpoints.
//!
//! Owns the sockets that are opened for others. A name is resolved once, each address is judged, and exactly a judged address
//! is dialled; TLS is verified against the original name. Leaves to its callers what is sent. Nothing is redirected here.

mod address;
mod destination;
mod dial;
mod network;
pub mod words;

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

pub use address::AddressKind;
pub use destination::Destination;
pub use dial::{DialError, Dialer};
pub use network::{OpenNetwork, OpenNetworkError};

/// Where this program may connect at all. A grant never opens what the policy blocks.
#[derive(Clone, Default)]
pub struct EgressPolicy {
    /// Loopback addresses are open. Only `flowforge dev` and tests say so.
    pub loopback: bool,
    /// Private networks that are open, for programs beside the machines they talk to. Empty: none.
    pub networks: Vec<OpenNetwork>,
    /// Addresses that stay closed in any case: this program's own listeners, for a host the control plane.
    pub closed: Vec<SocketAddr>,
    /// Certificates (DER) that are trusted besides the platform's.
    pub extra_roots: Vec<Vec<u8>>,
    /// Another way to resolve names; absent: the system's.
    pub resolver: Option<Arc<dyn Resolve>>,
    /// Another way to open connections, for services that exist only in this process; absent: the network. With it no
    /// name is resolved, no address is judged and no socket is opened.
    pub dial: Option<Arc<dyn Dial>>,
}

impl EgressPolicy {
    /// Whether this address may be dialled.
    ///
    /// # Errors
    /// What kind of address it is that it may not, for people.
    pub fn judge(&self, socket: SocketAddr) -> Result<(), &'static str> {
        let same = |closed: &SocketAddr| {
            closed.ip().to_canonical() == socket.ip().to_canonical() && closed.port() == socket.port()
        };
        if self.closed.iter().any(same) {
            return Err("closed by this host");
        }
        match AddressKind::of(socket.ip()) {
            AddressKind::Public => Ok(()),
            AddressKind::Loopback if self.loopback => Ok(()),
            AddressKind::Private | AddressKind::SharedSpace
                if self.networks.iter().any(|network| network.covers(socket)) =>
            {
                Ok(())
            }
            other => Err(other.as_str()),
        }
    }
}

impl std::fmt::Debug for EgressPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EgressPolicy")
            .field("loopback", &self.loopback)
            .field("networks", &self.networks)
            .field("closed", &self.closed)
            .field("extra_roots", &self.extra_roots.len())
            .field("own_resolver", &self.resolver.is_some())
            .field("own_dial", &self.dial.is_some())
            .finish()
    }
}

/// Both directions of a connection.
pub trait Duplex: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Duplex for T {}

/// A connection. What would be TLS is in the clear.
pub type Connection = Pin<Box<dyn Duplex>>;

/// From a destination to a connection on which HTTP/1.1 is spoken. Implemented by mocked services; whether somebody may
/// reach the destination was checked before.
#[async_trait]
pub trait Dial: Send + Sync {
    /// A connection to `scheme://name:port`, the port always written out.
    ///
    /// # Errors
    /// Why there is none, for people; the request then counts as not sent.
    async fn dial(&self, destination: &str) -> Result<Connection, String>;
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
