//! Private networks that an operator opens for connectors, by address and port.

use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::AddressKind;

/// A private network that connectors may reach where a grant says so: `10.20.0.0/16` for every port,
/// `192.168.1.10/32:502,8000-8099` for some, `fd12:3456::/32:443` for IPv6.
///
/// Only private and carrier-grade addresses can be opened. Loopback has a switch of its own; link-local addresses, among
/// them the metadata services of clouds, multicast and reserved ones stay closed whatever is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OpenNetwork {
    network: IpNet,
    /// Empty: every port.
    ports: Vec<RangeInclusive<u16>>,
}

/// Why a text names no network that can be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` {reason}")]
pub struct OpenNetworkError {
    text: String,
    reason: &'static str,
}

impl OpenNetwork {
    /// Whether this address lies in the network and its port is open.
    pub(crate) fn covers(&self, socket: SocketAddr) -> bool {
        let port = socket.port();
        self.network.contains(&socket.ip().to_canonical())
            && (self.ports.is_empty() || self.ports.iter().any(|ports| ports.contains(&port)))
    }
}

impl FromStr for OpenNetwork {
    type Err = OpenNetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |reason: &'static str| OpenNetworkError {
            text: text.to_owned(),
            reason,
        };
        let (address, rest) = text
            .split_once('/')
            .ok_or_else(|| error("has no prefix length; write 10.20.0.0/16"))?;
        let (length, ports) = match rest.split_once(':') {
            Some((length, ports)) => (length, Some(ports)),
            None => (rest, None),
        };
        let network: IpNet = format!("{address}/{length}")
            .parse()
            .map_err(|_| error("is no network; write 10.20.0.0/16"))?;
        if network.addr() != network.network() {
            return Err(error("has bits beyond its prefix length"));
        }
        let (first, last) = (
            AddressKind::of(network.network()),
            AddressKind::of(network.broadcast()),
        );
        match (first, last) {
            (AddressKind::Private, AddressKind::Private)
            | (AddressKind::SharedSpace, AddressKind::SharedSpace) => {}
            (AddressKind::Loopback, _) => {
                return Err(error("is this machine itself, which has a switch of its own"));
            }
            (AddressKind::Public, AddressKind::Public) => {
                return Err(error("is public and needs no opening"));
            }
            _ => {
                return Err(error(
                    "holds addresses that are not private; they cannot be opened",
                ));
            }
        }
        let ports = match ports {
            None => Vec::new(),
            Some(list) => list
                .split(',')
                .map(|item| {
                    range(item).ok_or_else(|| error("has a port that is none; write 443 or 8000-8099"))
                })
                .collect::<Result<_, _>>()?,
        };
        Ok(Self { network, ports })
    }
}

fn range(item: &str) -> Option<RangeInclusive<u16>> {
    let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port != 0);
    match item.split_once('-') {
        Some((first, last)) => {
            let (first, last) = (port(first)?, port(last)?);
            (first <= last).then_some(first..=last)
        }
        None => port(item).map(|port| port..=port),
    }
}

impl fmt::Display for OpenNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.network)?;
        for (index, ports) in self.ports.iter().enumerate() {
            let before = if index == 0 { ':' } else { ',' };
            if ports.start() == ports.end() {
                write!(f, "{before}{}", ports.start())?;
            } else {
                write!(f, "{before}{}-{}", ports.start(), ports.end())?;
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for OpenNetwork {
    type Error = OpenNetworkError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<OpenNetwork> for String {
    fn from(network: OpenNetwork) -> Self {
        network.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(network: &str, socket: &str) -> bool {
        network
            .parse::<OpenNetwork>()
            .unwrap()
            .covers(socket.parse().unwrap())
    }

    #[test]
    fn address_and_port_decide() {
        assert!(covers("10.20.0.0/16", "10.20.3.4:502"));
        assert!(!covers("10.20.0.0/16", "10.21.0.1:502"));
        assert!(covers("192.168.1.10/32:502,8000-8099", "192.168.1.10:8050"));
        assert!(!covers("192.168.1.10/32:502,8000-8099", "192.168.1.10:443"));
        assert!(covers("192.168.1.0/24", "[::ffff:192.168.1.7]:80"));
        assert!(
            !covers("10.0.0.0/8", "[64:ff9b::a01:203]:80"),
            "a translator's form stays closed"
        );
        assert!(covers("fd12:3456::/32:443", "[fd12:3456::1]:443"));
        assert!(!covers("fd12:3456::/32:443", "[fd12:3456::1]:80"));
    }

    #[test]
    fn what_cannot_be_opened_says_why() {
        for (text, reason) in [
            ("10.0.0.1", "prefix length"),
            ("10.0.0.1/8", "beyond its prefix"),
            ("10.0.0.0/7", "not private"),
            ("127.0.0.0/8", "switch of its own"),
            ("169.254.0.0/16", "not private"),
            ("0.0.0.0/0", "not private"),
            ("8.8.8.0/24", "public"),
            ("fe80::/10", "not private"),
            ("::/0", "not private"),
            ("10.0.0.0/8:0", "port"),
            ("10.0.0.0/8:9-3", "port"),
            ("10.0.0.0/8:", "port"),
        ] {
            let error = text.parse::<OpenNetwork>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        for text in [
            "10.20.0.0/16",
            "192.168.1.10/32:502,8000-8099",
            "fd12:3456::/32:443",
        ] {
            assert_eq!(text.parse::<OpenNetwork>().unwrap().to_string(), text);
        }
    }
}
