//! The gates: what a component and a publication must pass before the registry keeps them as such.

use flowforge_gates::{GateName, Known, Report, Subject, check_claims, judge_interface};
use flowforge_ports::Interface;
use flowforge_protocol::envelope::Signed;
use flowforge_protocol::publication::{PUBLICATION_TYPE, PublicationError, verify_publication};
use flowforge_protocol::trust::ANY_PUBLISHER;
use flowforge_protocol::{ConnectorName, Digest, Document as _, Publication, TrustRoot, VerifyingKey};
use semver::Version;

use crate::manifest::{Descriptor, Manifest, WASM_LAYER};
use crate::publisher::Publisher;
use crate::refusal::{Code, Refusal};

/// What a pushed manifest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    /// A component with its one layer.
    Component(&'a Descriptor),
    /// The publisher's statement about the component with this manifest.
    Publication {
        subject: Digest,
        statement: &'a Descriptor,
    },
    /// Something else about another manifest; kept, not judged.
    Referrer,
}

impl<'a> Kind<'a> {
    /// Tells what it is, or why it is nothing that the registry keeps.
    pub(crate) fn of(manifest: &'a Manifest) -> Result<Self, Refusal> {
        let invalid = |message: String| Refusal::new(Code::ManifestInvalid, message);
        if let Some(layer) = manifest.component() {
            return Ok(Self::Component(layer));
        }
        let Some(subject) = &manifest.subject else {
            let found: Vec<_> = manifest
                .layers
                .iter()
                .map(|layer| layer.media_type.as_str())
                .collect();
            return Err(invalid(format!(
                "expected exactly one layer of type `{WASM_LAYER}`, found {}: [{}]",
                found.len(),
                found.join(", ").chars().take(200).collect::<String>()
            )));
        };
        if manifest.kind() != PUBLICATION_TYPE {
            return Ok(Self::Referrer);
        }
        match manifest.layers.as_slice() {
            [statement] => Ok(Self::Publication {
                subject: subject.digest,
                statement,
            }),
            layers => Err(invalid(format!(
                "a publication has one layer, found {}",
                layers.len()
            ))),
        }
    }
}

/// Reads the version that a tag names.
pub(crate) fn version_of_tag(tag: &str) -> Result<Version, Refusal> {
    flowforge_gates::check_version(tag).map_err(|reason| Refusal::new(Code::ManifestInvalid, reason))
}

/// How the protocol calls a gate that is shut.
pub(crate) fn code_of(gate: GateName) -> Code {
    match gate {
        GateName::Version
        | GateName::Component
        | GateName::OwnName
        | GateName::Imports
        | GateName::Declared
        | GateName::Operations
        | GateName::Licence => Code::ManifestInvalid,
        GateName::Size => Code::SizeInvalid,
        GateName::Name | GateName::Owner | GateName::Free | GateName::Interface | GateName::Advisories => {
            Code::Denied
        }
    }
}

/// The refusal of the first gate that is shut.
pub(crate) fn let_through(report: &Report) -> Result<(), Refusal> {
    match report.refusal() {
        Some((gate, reason)) => Err(Refusal::new(code_of(gate), reason)),
        None => Ok(()),
    }
}

/// Judges what a component's bytes alone decide, before anybody has signed it; returns what they offer. A push by digest
/// names no version, so the component's own stands in. Takes time and memory in proportion to the component's size.
pub(crate) fn inspect_component(
    name: &ConnectorName,
    version: Option<&Version>,
    bytes: &[u8],
    bytes_max: u64,
) -> Result<Interface, Refusal> {
    let invalid = |message: String| Refusal::new(Code::ManifestInvalid, message);
    let interface = flowforge_ports::inspect(bytes)
        .map_err(|error| invalid(format!("the layer cannot be published: {error}")))?;
    let own = interface.meta.as_ref().map(|meta| meta.version.clone());
    let version = version
        .map(ToString::to_string)
        .or(own)
        .unwrap_or_else(|| "0.0.0".to_owned());
    let subject = Subject {
        name,
        version: &version,
        digest: Digest::of(bytes),
        size_bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
    };
    let known = Known {
        bytes_max,
        versions: Vec::new(),
        publishers: Vec::new(),
        advisories: Vec::new(),
        owner: Ok(()),
    };
    let_through(&judge_interface(subject, &interface, &known))?;
    Ok(interface)
}

/// The imports that a component's configuration claims, if it claims any.
///
/// # Errors
/// The claims are not those of the component.
pub(crate) fn check_config(interface: &Interface, config: &[u8]) -> Result<(), Refusal> {
    #[derive(serde::Deserialize)]
    struct Config {
        component: Option<Claims>,
    }
    #[derive(serde::Deserialize)]
    struct Claims {
        imports: Vec<String>,
    }
    // A configuration of another form claims nothing that anybody reads.
    let Ok(Config {
        component: Some(claims),
    }) = serde_json::from_slice::<Config>(config)
    else {
        return Ok(());
    };
    check_claims(interface, claims.imports.iter().map(String::as_str))
        .map_err(|reason| Refusal::new(Code::ManifestInvalid, reason))
}

/// Whose word a publication is.
#[derive(Debug)]
pub(crate) enum Word {
    /// The publisher's.
    Publisher(Signed<Publication>),
    /// The site's own, about what somebody else publishes: with it the hosts of this site run it.
    Site(Signed<Publication>),
}

/// Who may speak for the connectors of one publisher.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Speakers<'a> {
    pub(crate) trust: &'a TrustRoot,
    /// The publisher's own document, if it has one here.
    pub(crate) publisher: Option<&'a Publisher>,
}

impl Speakers<'_> {
    /// Checks a new statement about a layer of this repository.
    pub(crate) fn check(
        &self,
        envelope: &[u8],
        name: &ConnectorName,
        layer: &Digest,
        now_ms: u64,
    ) -> Result<Word, Refusal> {
        let Some(publisher) = self.publisher else {
            let signed = verify_publication(envelope, self.trust, name, None, layer);
            return signed
                .map(Word::Publisher)
                .map_err(|error| self.refusal(name, &error));
        };
        let mut keys = publisher.usable_keys(now_ms);
        keys.extend(self.named_keys(name).iter().cloned());
        let own = verify_publication(envelope, &believing(name, keys), name, None, layer);
        let error = match own {
            Ok(signed) => return Ok(Word::Publisher(signed)),
            Err(error) => error,
        };
        let site = verify_publication(envelope, self.trust, name, None, layer);
        site.map(Word::Site).map_err(|_| self.refusal(name, &error))
    }

    /// Checks the statement behind a version that was published at that time.
    pub(crate) fn check_stored(
        &self,
        envelope: &[u8],
        name: &ConnectorName,
        layer: &Digest,
        published_at_ms: u64,
    ) -> Result<Signed<Publication>, Refusal> {
        let Some(publisher) = self.publisher else {
            return self.check_site(envelope, name, layer);
        };
        let mut keys = publisher.keys_of(published_at_ms);
        keys.extend(self.named_keys(name).iter().cloned());
        if published_at_ms < publisher.created_at_ms {
            // It was published under the trust root's word for everybody, before the publisher came.
            keys.extend(self.trust.publisher_keys(name.publisher()).iter().cloned());
        }
        verify_publication(envelope, &believing(name, keys), name, None, layer)
            .map_err(|error| self.refusal(name, &error))
    }

    /// Checks a statement as the hosts of this site do.
    pub(crate) fn check_site(
        &self,
        envelope: &[u8],
        name: &ConnectorName,
        layer: &Digest,
    ) -> Result<Signed<Publication>, Refusal> {
        verify_publication(envelope, self.trust, name, None, layer)
            .map_err(|error| self.refusal(name, &error))
    }

    /// The keys that the trust root names for this publisher; those that it has for everybody are not.
    fn named_keys(&self, name: &ConnectorName) -> &[VerifyingKey] {
        let named = self.trust.publishers.get(name.publisher());
        named
            .filter(|_| name.publisher() != ANY_PUBLISHER)
            .map_or(&[], Vec::as_slice)
    }

    fn refusal(&self, name: &ConnectorName, error: &PublicationError) -> Refusal {
        let publisher = name.publisher();
        let message = match error {
            PublicationError::Untrusted { source, .. } if self.publisher.is_some() => format!(
                "`{publisher}` is owned by the keys of its publisher: {source}; sign with one of them (`flowforge \
                 publisher show {publisher}`) or use your own name"
            ),
            PublicationError::Untrusted { .. } if self.trust.publisher_keys(publisher).is_empty() => {
                format!(
                    "nobody may publish under `{publisher}` here; make it with `flowforge publisher new {publisher}`"
                )
            }
            PublicationError::Untrusted { source, .. } => {
                format!(
                    "`{publisher}` is owned by another key: {source}; sign with the publisher's key or use your own name"
                )
            }
            PublicationError::Mismatch { .. } => error.to_string(),
        };
        Refusal::new(Code::Denied, message)
    }
}

/// A trust root in which these keys, and no others, speak for the publisher of this connector.
fn believing(name: &ConnectorName, keys: Vec<VerifyingKey>) -> TrustRoot {
    TrustRoot {
        workspace: String::new(),
        version: 0,
        release_keys: Vec::new(),
        grant_keys: Vec::new(),
        scheduler_keys: Vec::new(),
        publishers: [(name.publisher().to_owned(), keys)].into(),
    }
}

/// Largest publication envelope in bytes.
pub(crate) const STATEMENT_BYTES_MAX: u64 = 2 * Publication::MAX_BYTES as u64 + 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_a_semantic_version_without_build_metadata() {
        for good in ["0.1.0", "1.2.3-rc.1", "10.0.0"] {
            assert_eq!(version_of_tag(good).unwrap().to_string(), good);
        }
        for wrong in [
            "latest",
            "1.0",
            "v1.0.0",
            "1.0.0+build",
            "",
            "../1.0.0",
            "1.0.0/x",
        ] {
            assert_eq!(
                version_of_tag(wrong).unwrap_err().code,
                Code::ManifestInvalid,
                "{wrong}"
            );
        }
        let longest = format!("1.0.0-{}", "a".repeat(122));
        assert!(version_of_tag(&longest).is_ok());
        assert!(version_of_tag(&format!("{longest}a")).is_err());
    }

    #[test]
    fn a_configuration_of_another_form_claims_nothing() {
        let interface = Interface::default();
        for config in [
            &b"{}"[..],
            b"no json",
            b"{\"component\":null}",
            b"{\"component\":{\"imports\":[]}}",
        ] {
            assert!(check_config(&interface, config).is_ok());
        }
        let liar = br#"{"component":{"imports":["wasi:http/outgoing-handler@0.2.0"]}}"#;
        assert_eq!(
            check_config(&interface, liar).unwrap_err().code,
            Code::ManifestInvalid
        );
    }
}
