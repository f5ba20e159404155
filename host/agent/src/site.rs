//! The site's last word: what runs here may reach, whose connectors run here, and whether drafts do.
//!
//! Written by whoever runs the machine, in `site.toml`; no release, no grant and no control plane is over it. It only takes
//! away: what it allows needs a grant as well. Everything that a release asks for is looked at before anything of it starts.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;

use flowforge_protocol::NodeId;
use flowforge_protocol::grants::NodeGrants;
use flowforge_protocol::release::{DRAFT_VERSION, Release};
use flowforge_runtime::OpenNetwork;
use serde::{Deserialize, Serialize};

/// Largest site file, in bytes.
const MAX_SITE_BYTES: u64 = 64 * 1024;

/// What a site allows its hosts. A list that is absent allows everything that a grant names; an empty one allows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SiteSettings {
    /// Private networks that connectors may reach where a grant says so, each as `10.20.0.0/16` for every port or
    /// `192.168.1.10/32:502,8000-8099` for some. Default none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub private_networks: Vec<OpenNetwork>,
    /// Destinations that runs here may reach where a grant says so. Default all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destinations: Option<Vec<SiteDestination>>,
    /// Whose connectors may run here, by the part of their names before the colon. Default everybody whom the trust root
    /// names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publishers: Option<Vec<String>>,
    /// Whether drafts are tried here. Default `allow`.
    #[serde(default)]
    pub drafts: Drafts,
}

/// Whether drafts are tried on a host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Drafts {
    /// As far as everything else allows them.
    #[default]
    Allow,
    /// Never.
    Deny,
}

/// Why a site file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the site file {} is wrong: {reason}", path.display())]
pub struct SiteFileError {
    path: std::path::PathBuf,
    reason: String,
}

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
    fn covers(&self, destination: &str) -> bool {
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

impl SiteSettings {
    /// Reads a site file.
    ///
    /// # Errors
    /// [`SiteFileError`]: it names file, line and key.
    pub fn read(path: &Path) -> Result<Self, SiteFileError> {
        let wrong = |reason: String| SiteFileError {
            path: path.to_owned(),
            reason,
        };
        let bytes = std::fs::metadata(path)
            .map_err(|error| wrong(error.to_string()))?
            .len();
        if bytes > MAX_SITE_BYTES {
            return Err(wrong(format!(
                "it is {bytes} bytes, above the limit of {MAX_SITE_BYTES}"
            )));
        }
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let site: Self = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let publishers = site.publishers.iter().flatten();
        let shape = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if let Some(odd) = publishers
            .into_iter()
            .find(|name| name.is_empty() || !name.bytes().all(shape))
        {
            return Err(wrong(format!(
                "`{odd}` is no publisher: expected the part of a connector's name before the colon, as `flowforge`"
            )));
        }
        Ok(site)
    }

    /// What of a release goes beyond what the site allows, by name; `None` if nothing does.
    pub(crate) fn objects(
        &self,
        release: &Release,
        granted: &BTreeMap<NodeId, NodeGrants>,
    ) -> Option<String> {
        if self.drafts == Drafts::Deny && release.version == DRAFT_VERSION {
            return Some("it is a draft, and this site allows none".to_owned());
        }
        if let Some(publishers) = &self.publishers {
            let publisher = |name: &String| name.split(':').next().unwrap_or_default().to_owned();
            let odd = release
                .connectors
                .keys()
                .find(|name| !publishers.contains(&publisher(name)));
            if let Some(name) = odd {
                return Some(format!(
                    "connector {name} is published by `{}`, and this site allows {}",
                    publisher(name),
                    listed(publishers)
                ));
            }
        }
        let allowed = self.destinations.as_ref()?;
        granted.iter().find_map(|(node, grants)| {
            let secrets = grants.secrets.values().flat_map(|secret| &secret.destinations);
            let mut wanted = grants.destinations.iter().chain(secrets);
            let beyond = wanted.find(|wanted| !allowed.iter().any(|allowed| allowed.covers(wanted)))?;
            Some(format!(
                "node {node} may reach {beyond} by its grant, and this site does not allow it"
            ))
        })
    }

    /// What the site says, for people: one sentence a line.
    #[must_use]
    pub fn for_people(&self) -> String {
        let texts = |list: &[SiteDestination]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let networks: Vec<String> = self.private_networks.iter().map(ToString::to_string).collect();
        let destinations = self.destinations.as_deref().map(texts);
        let all =
            |list: &Option<Vec<String>>, all: &str| list.as_ref().map_or(all.to_owned(), |list| listed(list));
        format!(
            " destinations     {}\n private networks {}\n publishers       {}\n drafts           {}\n",
            all(&destinations, "all that a grant names"),
            listed(&networks),
            all(&self.publishers, "all that the trust root names"),
            match self.drafts {
                Drafts::Allow => "allowed",
                Drafts::Deny => "never",
            }
        )
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(text: &str) -> SiteSettings {
        toml::from_str(text).expect("a site")
    }

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

    fn release(version: u32) -> Release {
        let digest = flowforge_protocol::Digest::of(b"x");
        serde_json::from_value(serde_json::json!({
            "workspace": "dev", "project": "default", "workflow": "w", "version": version, "title": "w",
            "definition_digest": digest, "definition": {}, "calls": {}, "config": {}, "requests": [], "created_at_ms": 1,
            "connectors": { "acme:press": { "version": "1.0.0", "digest": digest } }
        }))
        .expect("a release")
    }

    fn granted(destination: &str) -> BTreeMap<NodeId, NodeGrants> {
        let grants = NodeGrants {
            destinations: vec![destination.to_owned()],
            secrets: BTreeMap::new(),
        };
        BTreeMap::from([("fetch".parse().expect("node"), grants)])
    }

    #[test]
    fn what_goes_beyond_is_told_by_name() {
        let open = SiteSettings::default();
        assert_eq!(open.objects(&release(1), &granted("https://a.test:443")), None);
        assert_eq!(open.objects(&release(DRAFT_VERSION), &BTreeMap::new()), None);
        let closed = site(
            "publishers = [\"flowforge\", \"acme\"]\ndrafts = \"deny\"\ndestinations = [\"https://*.acme.example\"]",
        );
        assert_eq!(
            closed.objects(&release(1), &granted("https://a.acme.example:443")),
            None
        );
        let said = closed
            .objects(&release(DRAFT_VERSION), &BTreeMap::new())
            .expect("a draft");
        assert!(said.contains("this site allows none"), "{said}");
        let said = closed
            .objects(&release(1), &granted("https://a.test:443"))
            .expect("beyond");
        assert!(
            said.contains("node fetch") && said.contains("https://a.test:443"),
            "{said}"
        );
        let said = site("publishers = [\"flowforge\"]")
            .objects(&release(1), &BTreeMap::new())
            .expect("foreign");
        assert!(
            said.contains("acme:press") && said.contains("allows flowforge"),
            "{said}"
        );
        assert!(
            site("destinations = []")
                .objects(&release(1), &granted("https://a.test:443"))
                .is_some()
        );
    }

    #[test]
    fn a_secret_is_not_taken_where_the_site_does_not_allow_it() {
        let site = site("destinations = [\"https://a.test\"]");
        let mut granted = granted("https://a.test:443");
        let secret = flowforge_protocol::grants::SecretGrant {
            secret: "token".into(),
            kind: "bearer".into(),
            destinations: vec!["https://b.test:443".into()],
        };
        granted
            .values_mut()
            .next()
            .expect("one")
            .secrets
            .insert("token".into(), secret);
        assert!(
            site.objects(&release(1), &granted)
                .expect("beyond")
                .contains("https://b.test:443")
        );
    }

    #[test]
    fn a_mistake_in_the_file_names_file_and_key() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("site.toml");
        for (text, named) in [
            ("destinatons = []", "destinatons"),
            ("drafts = \"maybe\"", "maybe"),
            ("destinations = [\"here\"]", "here"),
            ("publishers = [\"acme:press\"]", "acme:press"),
        ] {
            std::fs::write(&path, text).expect("write");
            let error = SiteSettings::read(&path).expect_err(text).to_string();
            assert!(error.contains("site.toml") && error.contains(named), "{error}");
        }
    }
}
