//! Destinations as a site file names them: names, names below a name, networks.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Destinations that a site allows: `https://api.example.com:443`, `https://*.example.com` (every name below, not the name
/// itself), or `http://10.20.0.0/16:8080` (addresses that stand in a grant as such). The port is the scheme's if absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SiteDestination {
    scheme: Scheme,
    host: HostPattern,
    port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum HostPattern {
    Name(String),
    /// Every name that ends so; with its dot.
    Below(String),
    Network(ipnet::IpNet),
}

/// Why a text names no destinations.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` names no destinations: expected https://NAME[:PORT], https://*.NAME[:PORT] or https://10.20.0.0/16[:PORT], or the same \
     with http"
)]
pub struct SiteDestinationError(String);

impl Scheme {
    fn split(text: &str) -> Option<(Self, &str)> {
        let https = text.strip_prefix("https://").map(|rest| (Self::Https, rest));
        https.or_else(|| text.strip_prefix("http://").map(|rest| (Self::Http, rest)))
    }

    fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A name or an address, and the port behind it if there is one.
fn split_port(rest: &str) -> Option<(&str, Option<u16>)> {
    let at = match rest.rfind(']') {
        Some(end) => rest.get(end..)?.find(':').map(|colon| end + colon),
        // An IPv6 network has several colons, and is written in brackets when a port follows.
        None if rest.matches(':').count() > 1 => None,
        None => rest.find(':'),
    };
    match at {
        None => Some((rest, None)),
        Some(at) => {
            let (host, port) = rest.split_at(at);
            let port = port
                .trim_start_matches(':')
                .parse()
                .ok()
                .filter(|port| *port != 0)?;
            Some((host, Some(port)))
        }
    }
}

impl HostPattern {
    fn read(text: &str) -> Option<Self> {
        let text = text.trim_start_matches('[').trim_end_matches(']');
        if text.contains('/') {
            let network: ipnet::IpNet = text.parse().ok()?;
            return (network.addr() == network.network()).then_some(Self::Network(network));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self::Network(address.into()));
        }
        let (is_below, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        let label = |label: &str| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        if !name.split('.').all(label) {
            return None;
        }
        let name = name.to_ascii_lowercase();
        Some(if is_below {
            Self::Below(format!(".{name}"))
        } else {
            Self::Name(name)
        })
    }

    fn covers(&self, host: &str) -> bool {
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_ascii_lowercase();
        match self {
            Self::Name(name) => *name == host,
            Self::Below(end) => host.len() > end.len() && host.ends_with(end),
            Self::Network(network) => host
                .parse::<IpAddr>()
                .is_ok_and(|address| network.contains(&address)),
        }
    }
}

impl SiteDestination {
    /// Whether this destination, as a grant writes it, is one of them.
    pub(super) fn covers(&self, destination: &str) -> bool {
        let Some((scheme, rest)) = Scheme::split(destination) else {
            return false;
        };
        let Some((host, port)) = split_port(rest.trim_end_matches('/')) else {
            return false;
        };
        scheme == self.scheme && port.unwrap_or(scheme.port()) == self.port && self.host.covers(host)
    }
}

impl FromStr for SiteDestination {
    type Err = SiteDestinationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (scheme, rest) = Scheme::split(text)?;
            let (host, port) = split_port(rest)?;
            Some(Self {
                scheme,
                host: HostPattern::read(host)?,
                port: port.unwrap_or(scheme.port()),
            })
        };
        read().ok_or_else(|| SiteDestinationError(text.chars().take(200).collect()))
    }
}

impl fmt::Display for SiteDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.scheme.word();
        match &self.host {
            HostPattern::Name(name) => write!(f, "{scheme}://{name}:{}", self.port),
            HostPattern::Below(end) => write!(f, "{scheme}://*{end}:{}", self.port),
            HostPattern::Network(network @ ipnet::IpNet::V6(_)) => {
                write!(f, "{scheme}://[{network}]:{}", self.port)
            }
            HostPattern::Network(network) => write!(f, "{scheme}://{network}:{}", self.port),
        }
    }
}

impl TryFrom<String> for SiteDestination {
    type Error = SiteDestinationError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SiteDestination> for String {
    fn from(destination: SiteDestination) -> Self {
        destination.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(pattern: &str, destination: &str) -> bool {
        pattern
            .parse::<SiteDestination>()
            .expect(pattern)
            .covers(destination)
    }

    #[test]
    fn a_pattern_covers_what_it_says_and_nothing_beside() {
        assert!(allows("https://api.example.com", "https://api.example.com:443"));
        assert!(allows("https://API.example.com:443", "https://api.example.com"));
        assert!(!allows("https://api.example.com", "http://api.example.com:443"));
        assert!(!allows("https://api.example.com", "https://api.example.com:8443"));
        assert!(allows("https://*.example.com:443", "https://a.b.example.com:443"));
        for outside in [
            "https://example.com:443",
            "https://notexample.com:443",
            "https://a.example.com.evil.test:443",
        ] {
            assert!(!allows("https://*.example.com:443", outside), "{outside}");
        }
        assert!(allows("http://10.20.0.0/16:4840", "http://10.20.7.1:4840"));
        assert!(!allows("http://10.20.0.0/16:4840", "http://10.21.0.1:4840"));
        assert!(
            !allows("http://10.20.0.0/16:4840", "http://ten.example:4840"),
            "a name is none of the addresses"
        );
        assert!(allows("https://[fd00::/8]:443", "https://[fd12::1]:443"));
        assert!(allows("https://10.0.0.1", "https://10.0.0.1:443"));
    }

    #[test]
    fn what_names_no_destinations_is_refused_by_name() {
        for wrong in [
            "example.com",
            "ftp://example.com",
            "https://",
            "https://*",
            "https://a.*.com",
            "https://example.com:0",
            "https://example.com/path",
            "https://10.20.0.1/16",
            "https://user@example.com",
        ] {
            let error = wrong.parse::<SiteDestination>().expect_err(wrong).to_string();
            assert!(error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn patterns_are_written_as_they_are_read() {
        for text in [
            "https://api.example.com:443",
            "http://*.example.com:80",
            "http://10.20.0.0/16:4840",
            "https://[fd00::/8]:443",
        ] {
            assert_eq!(text.parse::<SiteDestination>().expect(text).to_string(), text);
        }
    }
}
