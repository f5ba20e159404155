//! The proxy on the way to the control plane: how it is named, and the CONNECT that asks it for a connection.
//!
//! Connectors never go through it.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;
use zeroize::Zeroizing;

/// Largest answer of a proxy to a CONNECT, in bytes.
const MAX_ANSWER_BYTES: usize = 8 * 1024;

/// A proxy, `http://[user:password@]name:port`.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Name or address.
    pub(super) host: String,
    pub(super) port: u16,
    /// User and password as the header carries them.
    authorization: Option<Zeroizing<String>>,
}

/// Why a text names no proxy. The text is not repeated: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a proxy: expected http://NAME:PORT or http://USER:PASSWORD@NAME:PORT (a proxy that itself speaks TLS is not supported)"
)]
pub struct ProxyForm;

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}", self.host, self.port)
    }
}

/// Characters that were written as `%XX`.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let escaped = (first == b'%')
            .then(|| behind.split_at_checked(2))
            .flatten()
            .and_then(|(digits, after)| {
                let byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
                Some((byte, after))
            });
        let (byte, after) = escaped.unwrap_or((first, behind));
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl FromStr for Proxy {
    type Err = ProxyForm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let with_scheme = if text.contains("://") {
            text.to_owned()
        } else {
            format!("http://{text}")
        };
        let url: Url = with_scheme.parse().map_err(|_| ProxyForm)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(ProxyForm)?;
        if url.scheme() != "http" || !matches!(url.path(), "" | "/") || url.query().is_some() {
            return Err(ProxyForm);
        }
        let authorization = (!url.username().is_empty()).then(|| {
            let password = url.password().unwrap_or_default();
            let pair = Zeroizing::new(format!("{}:{}", unescaped(url.username()), unescaped(password)));
            Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())))
        });
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port_or_known_default().unwrap_or(80),
            authorization,
        })
    }
}

/// Whether a list as `NO_PROXY` holds it names this host: `*`, a name, or the end of one.
#[must_use]
pub fn is_exempt(list: &str, host: &str) -> bool {
    let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
    list.split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .any(|entry| {
            let name = entry.trim_start_matches('.').to_ascii_lowercase();
            entry == "*" || host == name || host.ends_with(&format!(".{name}"))
        })
}

/// Why a proxy gave no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectRefused {
    /// It wants to know who asks, or does not know them.
    #[error("it wants a user and a password (407), or knows others: give http://USER:PASSWORD@NAME:PORT")]
    Authentication,
    /// It said no.
    #[error("it does not connect to {0}: {1}; allow CONNECT to it there")]
    Status(String, String),
    /// It is no proxy.
    #[error("what answers there is no HTTP proxy")]
    NoProxy,
    /// The connection broke.
    #[error("the connection to it broke: {0}")]
    Broken(#[from] std::io::Error),
}

impl Proxy {
    /// Asks for a connection to `target`, `name:port`, on a fresh connection to this proxy.
    pub(super) async fn connect(&self, stream: &mut TcpStream, target: &str) -> Result<(), ConnectRefused> {
        let mut head = Zeroizing::new(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"));
        if let Some(authorization) = &self.authorization {
            head.push_str("Proxy-Authorization: ");
            head.push_str(authorization);
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).await?;
        let mut answer = Vec::with_capacity(256);
        // Byte by byte: what comes behind the answer is the control plane's.
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() >= MAX_ANSWER_BYTES {
                return Err(ConnectRefused::NoProxy);
            }
            match stream.read_u8().await {
                Ok(byte) => answer.push(byte),
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                    return Err(ConnectRefused::NoProxy);
                }
                Err(error) => return Err(error.into()),
            }
        }
        let text = String::from_utf8_lossy(&answer);
        let line = text.lines().next().unwrap_or_default();
        let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.split_once(' '));
        let (_, status) = status.ok_or(ConnectRefused::NoProxy)?;
        match status.get(..3) {
            Some(code) if code.starts_with('2') => Ok(()),
            Some("407") => Err(ConnectRefused::Authentication),
            _ => {
                let status: String = status.chars().filter(|c| !c.is_control()).take(80).collect();
                Err(ConnectRefused::Status(target.to_owned(), status))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_has_a_name_a_port_and_perhaps_a_password_that_is_not_shown() {
        let proxy: Proxy = "http://edge:p%40ss@10.2.0.1:3128".parse().expect("proxy");
        assert_eq!(
            format!("{proxy} {proxy:?}"),
            "http://10.2.0.1:3128 http://10.2.0.1:3128"
        );
        let expected = format!("Basic {}", STANDARD.encode("edge:p@ss"));
        assert_eq!(proxy.authorization.as_deref(), Some(&expected));
        let bare: Proxy = "proxy.example:8080".parse().expect("without scheme");
        assert_eq!(
            (bare.host.as_str(), bare.port, bare.authorization),
            ("proxy.example", 8080, None)
        );
        for wrong in [
            "https://proxy:1",
            "socks5://proxy:1",
            "http://",
            "http://proxy:1/path",
            "",
        ] {
            assert_eq!(wrong.parse::<Proxy>(), Err(ProxyForm), "{wrong}");
        }
    }

    #[test]
    fn names_are_exempt_whole_or_by_their_end() {
        assert!(is_exempt("localhost, .example.com", "plane.example.com"));
        assert!(is_exempt("example.com", "EXAMPLE.com"));
        assert!(is_exempt("*", "anything"));
        assert!(!is_exempt("example.com", "notexample.com"));
        assert!(!is_exempt("", "example.com"));
    }
}
