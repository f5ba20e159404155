//! The gates: what a component and a publication must pass before the registry keeps them as such.

use flowforge_ports::Interface;
use flowforge_protocol::envelope::Signed;
use flowforge_protocol::publication::{PUBLICATION_TYPE, PublicationError, verify_publication};
use flowforge_protocol::{ConnectorName, Digest, Document as _, Publication, TrustRoot};
use semver::Version;

use crate::config::COMPONENT_BYTES_MAX;
use crate::manifest::{Descriptor, Manifest, WASM_LAYER};
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
    let invalid = |why: &str| {
        let tag: String = tag.chars().take(130).collect();
        let message = format!("`{tag}` is not a version: {why}; expected a semantic version such as 0.1.0");
        Refusal::new(Code::ManifestInvalid, message)
    };
    if tag.len() > 128 {
        return Err(invalid("it is longer than 128 characters"));
    }
    let version = Version::parse(tag).map_err(|error| invalid(&error.to_string()))?;
    if !version.build.is_empty() {
        return Err(invalid("a tag cannot hold `+` and build metadata"));
    }
    Ok(version)
}

/// What the registry would say of this component under this name and version, as far as the bytes alone decide: whether
/// it may be published. Who signs it, and whether the version is taken, is not looked at.
///
/// # Errors
/// The refusal that a push would get.
pub fn judge(name: &ConnectorName, version: &str, component: &[u8]) -> Result<Interface, Refusal> {
    let version = version_of_tag(version)?;
    if u64::try_from(component.len()).is_ok_and(|bytes| bytes > COMPONENT_BYTES_MAX) {
        let message = format!(
            "the component is {} bytes, above the usual limit of {COMPONENT_BYTES_MAX}; fetch large data when it is \
             needed, or take it as an artefact",
            component.len()
        );
        return Err(Refusal::new(Code::SizeInvalid, message));
    }
    inspect_component(name, Some(&version), component)
}

/// Judges a component's bytes; returns what they offer. Takes time and memory in proportion to its size.
pub(crate) fn inspect_component(
    name: &ConnectorName,
    version: Option<&Version>,
    bytes: &[u8],
) -> Result<Interface, Refusal> {
    let invalid = |message: String| Refusal::new(Code::ManifestInvalid, message);
    let interface = flowforge_ports::inspect(bytes)
        .map_err(|error| invalid(format!("the layer cannot be published: {error}")))?;
    if let Some(meta) = &interface.meta {
        let other_version = version.is_some_and(|version| meta.version != version.to_string());
        if meta.name != name.as_str() || other_version {
            let pushed = version.map(|version| format!(" {version}")).unwrap_or_default();
            return Err(invalid(format!(
                "the component says that it is {} {}, it was pushed as {name}{pushed}; build it again or push it under \
                 its own name",
                meta.name, meta.version
            )));
        }
    }
    Ok(interface)
}

/// Checks a publisher's statement about a layer of this repository.
pub(crate) fn check_publication(
    envelope: &[u8],
    trust: &TrustRoot,
    name: &ConnectorName,
    layer: &Digest,
) -> Result<Signed<Publication>, Refusal> {
    verify_publication(envelope, trust, name, None, layer).map_err(|error| {
        let publisher = name.publisher();
        let message = match &error {
            PublicationError::Untrusted { .. } if trust.publisher_keys(publisher).is_empty() => {
                format!("nobody may publish under `{publisher}` here; add its key to the trust root")
            }
            PublicationError::Untrusted { source, .. } => {
                format!("`{publisher}` is owned by another key: {source}; sign with the publisher's key or use your own name")
            }
            PublicationError::Mismatch { .. } => error.to_string(),
        };
        Refusal::new(Code::Denied, message)
    })
}

/// Largest publication envelope in bytes.
pub(crate) const STATEMENT_BYTES_MAX: u64 = 2 * Publication::MAX_BYTES as u64 + 4096;

/// The first higher patch version that is free.
pub(crate) fn next_free(version: &Version, taken: impl Fn(&Version) -> bool) -> Version {
    let mut next = Version::new(version.major, version.minor, version.patch.saturating_add(1));
    while taken(&next) && next.patch < u64::MAX {
        next.patch += 1;
    }
    next
}

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
    fn what_is_too_large_or_no_component_is_judged_without_a_registry() {
        let name: ConnectorName = "acme:geo".parse().unwrap();
        let bare = b"\0asm\x0d\0\x01\0";
        assert!(judge(&name, "1.0.0", bare).is_ok());
        let code = |version, bytes: &[u8]| judge(&name, version, bytes).unwrap_err().code;
        assert_eq!(code("1.0", bare), Code::ManifestInvalid);
        assert_eq!(code("1.0.0", b"no wasm"), Code::ManifestInvalid);
        assert_eq!(code("1.0.0", &vec![0; 32 * 1024 * 1024 + 1]), Code::SizeInvalid);
    }

    #[test]
    fn the_next_free_version_skips_those_that_are_taken() {
        let taken = [Version::new(0, 2, 1), Version::new(0, 2, 2)];
        let next = |from| next_free(&from, |version| taken.contains(version));
        assert_eq!(next(Version::new(0, 2, 0)), Version::new(0, 2, 3));
        assert_eq!(next(Version::new(1, 0, 0)), Version::new(1, 0, 1));
    }
}
