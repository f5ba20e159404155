//! The link: how the host talks with its control plane.
//!
//! Owns two concurrent `sync` calls, a standing one that brings jobs and one that carries records away, their retries,
//! and what is known about the connection. Leaves to the intake what a job is worth, to the journal what is stored.
//! The uppermost room: nothing below calls it, what they need of the line they ask through the ports that [`SessionKeeper`]
//! fulfils. Invariant: no answer and no silence of the control plane stops work that was accepted.

mod claim;
pub mod control;
pub mod credential;
pub(crate) mod dial;
pub mod graphql;
mod http;
pub mod leases;
pub mod line;
mod parking;
mod pin;
pub mod proxy;
pub mod pull;
pub mod registrar;
pub mod renew;
pub mod report;
pub mod session;
mod sources;
mod timeouts;
pub mod upload;
pub mod values;

use std::net::TcpStream;
use std::time::Duration;

use url::Url;

pub use self::claim::{Claim, Granted};
pub use self::dial::TlsSetupError;
pub use self::session::SessionKeeper;

/// Whether something answers at the control plane's address.
///
/// # Errors
/// Why not, for people.
pub fn reaches(server: &Url) -> Result<String, String> {
    let addresses = server
        .socket_addrs(|| None)
        .map_err(|error| format!("{server}: {error}"))?;
    let mut last = format!("{server} has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, Duration::from_secs(5)) {
            Ok(_) => return Ok(format!("{address} answers")),
            Err(error) => last = format!("{address}: {error}; is the server running?"),
        }
    }
    Err(last)
}
