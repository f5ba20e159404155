//! The way out of this server: where webhook endpoints may be, and the one who opens connections to them.

use std::net::SocketAddr;

use flowforge_connect::{Destination, Dialer, EgressPolicy};
use tokio::sync::Notify;
use url::{Host, Url};

/// Longest address of an endpoint, in bytes.
pub(crate) const MAX_URL_BYTES: usize = 2_000;

/// What goes out goes by this.
pub(crate) struct Outside {
    /// Opens connections, within the policy.
    pub(crate) dialer: Dialer,
    /// Woken when something is to be sent.
    pub(crate) wanted: Notify,
    policy: EgressPolicy,
}

impl Outside {
    pub(crate) fn new(policy: EgressPolicy) -> Self {
        Self {
            dialer: Dialer::new(policy.clone()),
            wanted: Notify::new(),
            policy,
        }
    }

    /// The address of an endpoint: `https`, or on this machine, where that is allowed, `http`. What a name stands for is
    /// looked at when something is sent.
    pub(crate) fn address(&self, text: &str) -> Result<(Url, Destination), String> {
        if text.len() > MAX_URL_BYTES {
            return Err(format!("an address has at most {MAX_URL_BYTES} bytes"));
        }
        let url = Url::parse(text)
            .map_err(|error| format!("`{text}` is no address ({error}); write https://NAME/PATH"))?;
        let destination =
            Destination::of_url(&url).map_err(|why| format!("{why}; write https://NAME/PATH"))?;
        if url.fragment().is_some() {
            return Err("an address has no part behind `#`".to_owned());
        }
        let ip = match &destination.host {
            Host::Ipv4(address) => Some((*address).into()),
            Host::Ipv6(address) => Some((*address).into()),
            Host::Domain(_) => None,
        };
        if let Some(ip) = ip {
            let judged = self.policy.judge(SocketAddr::new(ip, destination.port));
            judged.map_err(|kind| format!("{ip} is {kind}, to which nothing is sent from here"))?;
        }
        let stays_here = match (&destination.host, ip) {
            (Host::Domain(name), _) => self.policy.loopback && name == "localhost",
            (_, Some(ip)) => self.policy.loopback && ip.to_canonical().is_loopback(),
            (_, None) => false,
        };
        if !destination.secure && !stays_here {
            return Err(
                "events are sent over https, because what they say is for nobody else; write https://NAME/PATH"
                    .to_owned(),
            );
        }
        Ok((url, destination))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_encrypted_or_stays_here_is_an_address() {
        let closed = Outside::new(EgressPolicy::default());
        let open = Outside::new(EgressPolicy {
            loopback: true,
            closed: vec!["127.0.0.1:7400".parse().unwrap()],
            ..EgressPolicy::default()
        });
        for good in ["https://hooks.example/in?x=1", "https://1.1.1.1/"] {
            assert!(closed.address(good).is_ok(), "{good}");
        }
        for (wrong, said) in [
            ("hooks.example", "no address"),
            ("ftp://hooks.example", "not http"),
            ("http://hooks.example", "over https"),
            ("http://127.0.0.1:9", "loopback"),
            ("https://127.0.0.1:9", "loopback"),
            ("https://10.0.0.1", "private"),
            ("https://[::ffff:10.0.0.1]/", "private"),
            ("https://169.254.169.254/latest", "link-local"),
            ("https://a:b@hooks.example", "user information"),
            ("https://hooks.example/#x", "behind `#`"),
        ] {
            let error = closed.address(wrong).unwrap_err();
            assert!(error.contains(said), "{wrong}: {error}");
        }
        for good in ["http://127.0.0.1:9/in", "http://localhost:9", "http://[::1]:9"] {
            assert!(open.address(good).is_ok(), "{good}");
        }
        assert!(open.address("http://hooks.example").is_err());
        let own = open.address("http://127.0.0.1:7400/graphql").unwrap_err();
        assert!(own.contains("closed"), "{own}");
    }
}
