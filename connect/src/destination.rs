//! A destination: `scheme://name:port`, the unit of grants.

use std::fmt;

use url::{Host, Url};

/// Where a request goes, in canonical form: lower case, punycode, no trailing dot, port always written out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Destination {
    /// Whether TLS is spoken.
    pub secure: bool,
    /// A name, or an address.
    pub host: Host<String>,
    /// Never 0.
    pub port: u16,
}

impl Destination {
    /// The destination of an address.
    ///
    /// # Errors
    /// What is wrong, for people: another scheme than `http` and `https`, user information, no name, port 0.
    pub fn of_url(url: &Url) -> Result<Self, String> {
        let secure = match url.scheme() {
            "https" => true,
            "http" => false,
            other => return Err(format!("scheme `{other}` is not http or https")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("an address with user information is not allowed; use `auth`".to_owned());
        }
        let host = match url.host() {
            Some(Host::Domain(name)) => {
                let name = name.strip_suffix('.').unwrap_or(name);
                if name.is_empty() {
                    return Err("the address has no name".to_owned());
                }
                Host::Domain(name.to_ascii_lowercase())
            }
            Some(Host::Ipv4(address)) => Host::Ipv4(address),
            Some(Host::Ipv6(address)) => Host::Ipv6(address),
            None => return Err("the address has no name".to_owned()),
        };
        let port = url.port_or_known_default().filter(|port| *port != 0);
        let port = port.ok_or("port 0 cannot be reached")?;
        Ok(Self { secure, host, port })
    }

    /// A destination as grants write it.
    ///
    /// # Errors
    /// The same, or that it says more than a destination.
    pub fn of_grant(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| error.to_string())?;
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err("a destination has no path".to_owned());
        }
        Self::of_url(&url)
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<String, String> {
        Destination::of_url(&Url::parse(text).unwrap()).map(|destination| destination.to_string())
    }

    #[test]
    fn spellings_of_one_place_are_one_destination() {
        for text in [
            "https://Example.COM/a?b",
            "https://example.com:443",
            "https://example.com.",
            "https://ex%61mple.com",
        ] {
            assert_eq!(of(text).unwrap(), "https://example.com:443", "{text}");
        }
        for text in [
            "http://127.0.0.1",
            "http://0x7f.1",
            "http://2130706433/",
            "http://0177.0.0.1",
        ] {
            assert_eq!(of(text).unwrap(), "http://127.0.0.1:80", "{text}");
        }
        assert_eq!(
            of("http://bücher.example").unwrap(),
            "http://xn--bcher-kva.example:80"
        );
        assert_eq!(of("https://[::1]:8443/").unwrap(), "https://[::1]:8443");
    }

    #[test]
    fn what_is_no_destination_is_refused() {
        assert!(of("ftp://example.com").unwrap_err().contains("ftp"));
        assert!(
            of("https://user:pass@example.com")
                .unwrap_err()
                .contains("user information")
        );
        assert!(
            of("https://user@example.com")
                .unwrap_err()
                .contains("user information")
        );
        assert!(of("http://example.com:0").unwrap_err().contains("port 0"));
        assert!(Destination::of_grant("https://example.com/path").is_err());
        assert!(Destination::of_grant("https://example.com?x").is_err());
        assert!(Destination::of_grant("example.com").is_err());
        assert!(Destination::of_grant("https://example.com/").is_ok());
    }
}
