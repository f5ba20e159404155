//! The join file: what a host must be told to reach its control plane and to judge its orders.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use flowforge_protocol::trust::TrustRoot;
use serde::Deserialize;
use url::{Host, Url};

use crate::enrolment::{Enrolment, EnrolmentError, TRUST_FILE, pinned_trust};

/// Largest join file, in bytes.
const MAX_JOIN_BYTES: u64 = 256 * 1024;

/// What a join file says, checked.
#[derive(Debug, Clone)]
pub struct Join {
    /// Address of the control plane: of this machine in clear, or of its hosts' line.
    pub server: Url,
    /// Proves at registration that this host was invited. Not needed again: absent when a host that has enrolled starts
    /// without its join file.
    pub token: Option<String>,
    /// Whose signatures this host obeys.
    pub trust_root: TrustRoot,
    /// The name that it was invited under.
    pub name: Option<String>,
}

/// Why a join file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// Not readable.
    #[error("cannot read the join file {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the cause says.
        #[source]
        source: std::io::Error,
    },
    /// Above the size limit: not a join file.
    #[error("the join file {} is {bytes} bytes, above the limit of {MAX_JOIN_BYTES}", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// Not the expected JSON.
    #[error("the join file {} is damaged: {reason}; get a new one from the server's data folder (host-join.json)", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong and where.
        reason: String,
    },
    /// The host has enrolled, and what it wrote down of it cannot be used.
    #[error(transparent)]
    Enrolment(#[from] EnrolmentError),
    /// The address is refused.
    #[error("{} names a control plane that is refused", path.display())]
    Address {
        /// Which file.
        path: PathBuf,
        /// What the cause says.
        #[source]
        source: AddressError,
    },
}

/// Why a control-plane address is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No URL.
    #[error("`{address}` is not an address: expected `http://127.0.0.1:PORT`")]
    Malformed {
        /// As given.
        address: String,
    },
    /// Another machine, or another scheme.
    #[error(
        "`{address}` is not a loopback address: a join file is for hosts on the control plane's own machine; to enrol this \
         one, ask for a token there (flowforge host token --name NAME) and give it with --token-file"
    )]
    NotLoopback {
        /// As given.
        address: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JoinFile {
    server: String,
    token: String,
    trust_root: TrustRoot,
}

impl Join {
    /// Reads and checks a join file.
    ///
    /// # Errors
    /// See [`JoinError`]; each names the file.
    pub fn read(path: &Path) -> Result<Self, JoinError> {
        let read_error = |source| JoinError::Read {
            path: path.to_owned(),
            source,
        };
        let bytes = std::fs::metadata(path).map_err(read_error)?.len();
        if bytes > MAX_JOIN_BYTES {
            return Err(JoinError::TooLarge {
                path: path.to_owned(),
                bytes,
            });
        }
        let text = std::fs::read(path).map_err(read_error)?;
        let file: JoinFile = serde_json::from_slice(&text).map_err(|error| JoinError::Malformed {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        let server = loopback_address(&file.server).map_err(|source| JoinError::Address {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            server,
            token: Some(file.token),
            trust_root: file.trust_root,
            name: None,
        })
    }

    /// What a host that has enrolled knows without a join file: the address it enrolled at and the trust it pinned; `None`
    /// if it has not enrolled.
    ///
    /// # Errors
    /// See [`JoinError`]; each names the file.
    pub fn of_enrolled(data_dir: &Path) -> Result<Option<Self>, JoinError> {
        let Some(enrolment) = Enrolment::read(data_dir)? else {
            return Ok(None);
        };
        let server = match line_address(&enrolment.server) {
            Some(server) => server,
            None => loopback_address(&enrolment.server).map_err(|source| JoinError::Address {
                path: data_dir.to_owned(),
                source,
            })?,
        };
        let trust_root = pinned_trust(data_dir).map_err(|reason| JoinError::Malformed {
            path: data_dir.join(TRUST_FILE),
            reason,
        })?;
        Ok(trust_root.map(|trust_root| Self {
            server,
            token: None,
            trust_root,
            name: enrolment.name,
        }))
    }
}

/// The address, if it is that of a hosts' line: by TLS, and nothing behind its port.
#[must_use]
pub fn line_address(address: &str) -> Option<Url> {
    let url: Url = address.parse().ok()?;
    let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.username().is_empty();
    (url.scheme() == "https" && url.host().is_some() && is_bare).then_some(url)
}

/// The address, if it is on this machine and plain HTTP.
///
/// # Errors
/// [`AddressError`], with the reason in the message.
pub fn loopback_address(address: &str) -> Result<Url, AddressError> {
    let url: Url = address.parse().map_err(|_| AddressError::Malformed {
        address: address.to_owned(),
    })?;
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => IpAddr::from(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::from(ip).is_loopback(),
        None => false,
    };
    if url.scheme() == "http" && loopback {
        Ok(url)
    } else {
        Err(AddressError::NotLoopback {
            address: address.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_accepted() {
        for address in [
            "http://127.0.0.1:7400",
            "http://localhost:1/",
            "http://[::1]:7400",
        ] {
            assert!(loopback_address(address).is_ok(), "{address}");
        }
        for address in [
            "http://10.0.0.1:7400",
            "https://127.0.0.1:7400",
            "http://0.0.0.0:7400",
            "http://127.0.0.1.evil.example/",
        ] {
            let error = loopback_address(address).expect_err(address);
            assert!(
                error
                    .to_string()
                    .contains("a join file is for hosts on the control plane's own machine"),
                "{error}"
            );
        }
        assert_eq!(
            loopback_address("seven").expect_err("no address"),
            AddressError::Malformed {
                address: "seven".into()
            }
        );
    }
}
