//! A publication: a publisher's signed word that these bytes are this version of its connector.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Digest;
use crate::envelope::{Document, OpenError, Signed};
use crate::trust::TrustRoot;

/// Payload type of the envelope that carries a [`Publication`], and artefact type of the referrer that carries the
/// envelope in a registry.
pub const PUBLICATION_TYPE: &str = "application/vnd.flowforge.publication.v1+json";

/// Which bytes a version is. The same statement over the same bytes is the same publication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publication {
    /// The connector.
    pub name: ConnectorName,
    /// Semantic version without build metadata.
    pub version: String,
    /// Digest of the component's bytes.
    pub layer_digest: Digest,
}

impl Document for Publication {
    const TYPE: &'static str = PUBLICATION_TYPE;
    const MAX_BYTES: usize = 4096;
}

/// Why a publication does not speak for the bytes at hand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublicationError {
    /// The envelope is not believed, or nobody may publish under this name.
    #[error("the publication of {name} is not valid")]
    Untrusted {
        /// The connector.
        name: ConnectorName,
        /// What the cause says.
        #[source]
        source: OpenError,
    },
    /// A good statement about something else.
    #[error("the publication is for {found}, expected {expected}")]
    Mismatch {
        /// `name version digest` that was wanted.
        expected: String,
        /// `name version digest` that it states.
        found: String,
    },
}

/// Checks that a publisher who may publish under this name says that these bytes are this connector.
///
/// `version` is compared only if it is given: a host that runs by digest need not know it.
///
/// # Errors
/// [`PublicationError`]; the bytes must not be run.
pub fn verify_publication(
    envelope: &[u8],
    trust: &TrustRoot,
    name: &ConnectorName,
    version: Option<&str>,
    layer_digest: &Digest,
) -> Result<Signed<Publication>, PublicationError> {
    let signed =
        Signed::<Publication>::open(envelope, trust.publisher_keys(name.publisher())).map_err(|source| {
            PublicationError::Untrusted {
                name: name.clone(),
                source,
            }
        })?;
    let same_version = version.is_none_or(|version| version == signed.version);
    if &signed.name == name && same_version && &signed.layer_digest == layer_digest {
        return Ok(signed);
    }
    let expected = format!("{name} {} {layer_digest}", version.unwrap_or("(any version)"));
    let found = format!("{} {} {}", signed.name, signed.version, signed.layer_digest);
    Err(PublicationError::Mismatch { expected, found })
}

/// A connector's name: `publisher:name`, both kebab-case, each 1 to 64 bytes and beginning with a letter.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectorName {
    text: String,
    colon: usize,
}

impl ConnectorName {
    /// `publisher:name`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part before the colon: who owns it.
    #[must_use]
    pub fn publisher(&self) -> &str {
        self.text.get(..self.colon).unwrap_or_default()
    }

    /// The part after the colon.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text.get(self.colon + 1..).unwrap_or_default()
    }
}

/// Why a text is no connector name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a connector name: expected `publisher:name`, both of a-z, 0-9 and single hyphens, beginning with a \
     letter, at most 64 characters each"
)]
pub struct ParseNameError {
    text: String,
}

impl FromStr for ConnectorName {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some((publisher, name)) if is_kebab(publisher) && is_kebab(name) => Ok(Self {
                text: text.to_owned(),
                colon: publisher.len(),
            }),
            _ => Err(ParseNameError {
                text: text.chars().take(140).collect(),
            }),
        }
    }
}

/// Words of a-z and 0-9 joined by single hyphens, the first beginning with a letter; 1 to 64 bytes.
fn is_kebab(text: &str) -> bool {
    let word = |w: &str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.len() <= 64 && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.split('-').all(word)
}

impl fmt::Display for ConnectorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for ConnectorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for ConnectorName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for ConnectorName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::parse(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::envelope::sign_document;
    use crate::keys::SigningKey;
    use crate::trust::ANY_PUBLISHER;

    fn key(n: u8) -> SigningKey {
        SigningKey::from_seed(&[n; 32])
    }

    fn trust(publishers: &[(&str, u8)]) -> TrustRoot {
        TrustRoot {
            workspace: "default".to_owned(),
            version: 1,
            release_keys: Vec::new(),
            grant_keys: Vec::new(),
            scheduler_keys: Vec::new(),
            publishers: publishers
                .iter()
                .map(|(name, n)| ((*name).to_owned(), vec![key(*n).verifying_key()]))
                .collect::<BTreeMap<_, _>>(),
        }
    }

    fn envelope(name: &str, version: &str, digest: Digest, by: u8) -> Vec<u8> {
        let publication = Publication {
            name: name.parse().unwrap(),
            version: version.to_owned(),
            layer_digest: digest,
        };
        sign_document(&publication, &key(by)).unwrap().into_bytes()
    }

    #[test]
    fn a_name_belongs_to_the_keys_of_its_publisher() {
        let name: ConnectorName = "demo:quake-text".parse().unwrap();
        let digest = Digest::of(b"wasm");
        let trust = trust(&[("demo", 1), (ANY_PUBLISHER, 2)]);
        let by = |n| {
            verify_publication(
                &envelope("demo:quake-text", "0.1.0", digest, n),
                &trust,
                &name,
                None,
                &digest,
            )
        };
        assert_eq!(by(1).unwrap().version, "0.1.0");
        assert!(
            matches!(by(2), Err(PublicationError::Untrusted { .. })),
            "the wildcard does not own `demo`"
        );
        let other: ConnectorName = "acme:x".parse().unwrap();
        let by = |n| {
            verify_publication(
                &envelope("acme:x", "0.1.0", digest, n),
                &trust,
                &other,
                None,
                &digest,
            )
        };
        assert!(by(2).is_ok());
        assert!(by(1).is_err(), "`demo` does not own `acme`");
    }

    #[test]
    fn a_good_statement_about_something_else_is_refused() {
        let name: ConnectorName = "demo:quake-text".parse().unwrap();
        let digest = Digest::of(b"wasm");
        let trust = trust(&[(ANY_PUBLISHER, 1)]);
        for (n, v, d) in [
            ("demo:other", "0.1.0", digest),
            ("demo:quake-text", "0.2.0", digest),
            ("demo:quake-text", "0.1.0", Digest::of(b"evil")),
        ] {
            let error =
                verify_publication(&envelope(n, v, d, 1), &trust, &name, Some("0.1.0"), &digest).unwrap_err();
            assert!(
                matches!(error, PublicationError::Mismatch { .. }),
                "{n} {v}: {error}"
            );
        }
    }

    #[test]
    fn names_have_a_rule_with_two_sides() {
        let longest = format!("{}:{}", "a".repeat(64), "b".repeat(64));
        for good in ["demo:quake-text", "a:b", "a1:b-2-c", longest.as_str()] {
            assert_eq!(good.parse::<ConnectorName>().unwrap().as_str(), good);
        }
        let too_long = format!("a:{}", "b".repeat(65));
        for wrong in [
            "",
            "demo",
            "demo:",
            ":x",
            "demo:x:y",
            "Demo:x",
            "demo:1x",
            "demo:a--b",
            "demo:a-",
            "-a:b",
            "a_b:c",
            "a/b:c",
            "démo:x",
            "demo:../x",
            too_long.as_str(),
        ] {
            assert!(wrong.parse::<ConnectorName>().is_err(), "{wrong}");
        }
        let name: ConnectorName = "demo:quake-text".parse().unwrap();
        assert_eq!((name.publisher(), name.name()), ("demo", "quake-text"));
    }
}
