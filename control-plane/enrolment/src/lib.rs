//! Who may stand on the hosts' line: certificates, and what their numbers tell.
//!
//! Owns the control plane's own certificate authority, what is written into certificates, the TLS settings of the hosts'
//! listener, and the rules by which a second machine with the same certificate is found. Leaves to others: keeping keys
//! and certificates, the time, randomness, and what is done about a host. Invariants: TLS 1.3 only; a certificate says what
//! this crate writes and nothing that a host asked for; certificates of hosts are good for clients only, that of the server
//! for servers only.

mod authority;
mod generations;
mod given;
mod tls;

pub use authority::{
    Authority, AuthorityError, HOST_CERTIFICATE_DAYS, HostSubject, SERVER_CERTIFICATE_DAYS, Serial, Validity,
};
pub use generations::{CHANGEOVER_MS, Known, Renewal, Showing, judge_renewal, judge_showing};
pub use given::{GivenCertificate, GivenError};
pub use tls::{ServerIdentity, TlsError, server_config};
