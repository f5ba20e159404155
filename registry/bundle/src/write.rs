//! Writing a bundle: contents once each, in the order of their digests, then the list.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use flowforge_protocol::Digest;

use crate::archive::Writer;
use crate::error::BundleError;
use crate::layout::{
    CONNECTOR, Descriptor, IMAGE_INDEX, IMAGE_MANIFEST, INDEX, Index, MARKER, Manifest, Packed, REF_NAME,
    VERSIONS_MAX, blob_path,
};

/// Writes a bundle. `content` gives the bytes of a digest; it is asked once for each, and what it gives is compared with it.
///
/// # Errors
/// [`BundleError::Changed`]: `content` gave other bytes. [`BundleError::TooMany`]: more than [`VERSIONS_MAX`] versions.
pub fn write<W: Write, E: From<BundleError>>(
    out: W,
    versions: &[Packed],
    mut content: impl FnMut(&Digest) -> Result<Vec<u8>, E>,
) -> Result<W, E> {
    if versions.len() > VERSIONS_MAX {
        let limit = VERSIONS_MAX as u64;
        return Err(BundleError::TooMany {
            what: "versions",
            limit,
        }
        .into());
    }
    let mut checked = |digest: &Digest| -> Result<Vec<u8>, E> {
        let bytes = content(digest)?;
        let found = Digest::of(&bytes);
        if found == *digest {
            Ok(bytes)
        } else {
            let expected = *digest;
            Err(BundleError::Changed { expected, found }.into())
        }
    };
    let mut sizes = BTreeMap::new();
    let mut blobs = BTreeSet::new();
    let mut manifests = BTreeMap::new();
    for version in versions {
        for digest in std::iter::once(&version.manifest).chain(&version.referrers) {
            let bytes = checked(digest)?;
            let manifest = Manifest::parse(*digest, &bytes)?;
            blobs.extend(manifest.contents().map(|content| content.digest));
            sizes.insert(*digest, bytes.len() as u64);
            manifests.insert(*digest, bytes);
        }
    }
    blobs.extend(manifests.keys().copied());
    let mut writer = Writer::new(out);
    writer.file(MARKER.0, MARKER.1.as_bytes())?;
    writer.folder("blobs/")?;
    writer.folder("blobs/sha256/")?;
    for digest in &blobs {
        let bytes = match manifests.remove(digest) {
            Some(bytes) => bytes,
            None => checked(digest)?,
        };
        writer.file(&blob_path(digest), &bytes)?;
    }
    let index = serde_json::to_vec(&index_of(versions, &sizes))
        .map_err(|error| BundleError::document("the list of contents", error))?;
    writer.file(INDEX, &index)?;
    Ok(writer.finish()?)
}

fn index_of(versions: &[Packed], sizes: &BTreeMap<Digest, u64>) -> Index {
    let mut manifests = Vec::new();
    for version in versions {
        let descriptor = |digest: &Digest, annotations| Descriptor {
            media_type: IMAGE_MANIFEST.to_owned(),
            digest: *digest,
            size: sizes.get(digest).copied().unwrap_or_default(),
            annotations,
        };
        let annotations = BTreeMap::from([
            (REF_NAME.to_owned(), version.version.to_string()),
            (CONNECTOR.to_owned(), version.name.to_string()),
        ]);
        manifests.push(descriptor(&version.manifest, annotations));
        // Without a name of their own: their subject says what they are about.
        manifests.extend(
            version
                .referrers
                .iter()
                .map(|digest| descriptor(digest, BTreeMap::new())),
        );
    }
    Index {
        schema_version: 2,
        media_type: IMAGE_INDEX.to_owned(),
        manifests,
    }
}
