//! The site's last word: what runs here may reach, whose connectors run here, and whether drafts do.
//!
//! Written by whoever runs the machine, in `site.toml`; no release, no grant and no control plane is over it. It only takes
//! away: what it allows needs a grant as well. Everything that a release asks for is looked at before anything of it starts.

mod destination;

use std::collections::BTreeMap;
use std::path::Path;

use flowforge_protocol::NodeId;
use flowforge_protocol::grants::NodeGrants;
use flowforge_protocol::labels;
use flowforge_protocol::release::{DRAFT_VERSION, Release};
use flowforge_runtime::OpenNetwork;
use serde::{Deserialize, Serialize};

pub use destination::{SiteDestination, SiteDestinationError};

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
    /// The pool that this host belongs to, for workflows that name one in `runs_on`. Default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// Labels that this host has, for workflows that ask for them in `runs_on`. Default none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
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
        site.check().map_err(wrong)?;
        Ok(site)
    }

    /// Whether its names are names; else what is wrong.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut named = self.pool.iter().chain(&self.labels);
        if let Some(odd) = named.find(|name| !labels::is_label(name)) {
            return Err(format!(
                "`{odd}` is no label and no pool: expected {}",
                labels::LABEL_RULE
            ));
        }
        if self.labels.len() >= labels::MAX_LABELS {
            return Err(format!(
                "it has {} labels, at most {} are allowed",
                self.labels.len(),
                labels::MAX_LABELS - 1
            ));
        }
        let publishers = self.publishers.iter().flatten();
        let shape = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if let Some(odd) = publishers
            .into_iter()
            .find(|name| name.is_empty() || !name.bytes().all(shape))
        {
            return Err(format!(
                "`{odd}` is no publisher: expected the part of a connector's name before the colon, as `flowforge`"
            ));
        }
        Ok(())
    }

    /// What this host is called by: see [`labels`].
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        labels::words(self.pool.as_deref(), self.labels.iter().map(String::as_str))
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
            " destinations     {}\n private networks {}\n publishers       {}\n drafts           {}\n \
             pool and labels  {}\n",
            all(&destinations, "all that a grant names"),
            listed(&networks),
            all(&self.publishers, "all that the trust root names"),
            match self.drafts {
                Drafts::Allow => "allowed",
                Drafts::Deny => "never",
            },
            match self.words().as_slice() {
                [] => "none".to_owned(),
                words => labels::shown(words),
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
