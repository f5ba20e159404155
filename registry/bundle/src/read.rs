//! Reading a bundle: first every entry's place, then every byte against its name, and only then what it holds.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};

use flowforge_protocol::Digest;
use flowforge_protocol::digest::Hasher;

use crate::archive::{Entry, entries};
use crate::error::BundleError;
use crate::layout::{
    BLOBS, CONNECTOR, DOCUMENT_BYTES_MAX, Descriptor, IMAGE_MANIFEST, INDEX, Index, MANIFEST_BYTES_MAX,
    MARKER, Manifest, Packed, REF_NAME, REFERRERS_MAX, VERSIONS_MAX,
};

/// A bundle of which every byte was checked.
#[derive(Debug)]
pub struct Bundle<F> {
    file: F,
    blobs: BTreeMap<Digest, Entry>,
    versions: Vec<Packed>,
}

impl<F: Read + Seek> Bundle<F> {
    /// Opens a bundle and reads all of it once.
    ///
    /// # Errors
    /// [`BundleError`]: what is wrong, with its place.
    pub fn open(mut file: F) -> Result<Self, BundleError> {
        let (mut blobs, mut index, mut marked) = (BTreeMap::new(), None, false);
        for entry in entries(&mut file)? {
            let refused = |reason| BundleError::Entry {
                path: entry.path.chars().take(100).collect(),
                reason,
            };
            // Names are compared and never joined to a folder's, so there is no way out of one.
            match entry.path.as_str() {
                path if path == MARKER.0 => marked = true,
                INDEX if index.is_none() => index = Some(entry),
                INDEX => return Err(refused("it is there twice")),
                path => {
                    let hex = path
                        .strip_prefix(BLOBS)
                        .ok_or_else(|| refused("no layout has such a path"))?;
                    let digest: Digest = format!("sha256:{hex}")
                        .parse()
                        .map_err(|_| refused("its name is no digest"))?;
                    if blobs.insert(digest, entry.clone()).is_some() {
                        return Err(refused("it is there twice"));
                    }
                }
            }
        }
        let index = index.filter(|_| marked).ok_or_else(|| {
            BundleError::document(
                "the bundle",
                format!("no OCI layout: `{}` or `{INDEX}` is missing", MARKER.0),
            )
        })?;
        let mut bundle = Self {
            file,
            blobs,
            versions: Vec::new(),
        };
        bundle.check_blobs()?;
        let index = bundle.content(&index, DOCUMENT_BYTES_MAX, "the list of contents")?;
        let index: Index = serde_json::from_slice(&index)
            .map_err(|error| BundleError::document("the list of contents", error))?;
        bundle.versions = bundle.versions_of(&index)?;
        Ok(bundle)
    }

    /// What is in it, in the order of its list.
    #[must_use]
    pub fn versions(&self) -> &[Packed] {
        &self.versions
    }

    /// The bytes of a digest.
    ///
    /// # Errors
    /// [`BundleError::Missing`]: it is not in the bundle. [`BundleError::Changed`]: the file was changed since.
    pub fn blob(&mut self, digest: &Digest) -> Result<Vec<u8>, BundleError> {
        let entry = self
            .blobs
            .get(digest)
            .cloned()
            .ok_or_else(|| BundleError::Missing {
                digest: *digest,
                by: "whoever asks".to_owned(),
            })?;
        let bytes = self.content(&entry, u64::MAX, "a blob")?;
        let found = Digest::of(&bytes);
        if found == *digest {
            Ok(bytes)
        } else {
            let expected = *digest;
            Err(BundleError::Changed { expected, found })
        }
    }

    /// The digests that a manifest of this bundle names: its configuration, then its layers.
    ///
    /// # Errors
    /// [`BundleError`] if it is no manifest of this bundle.
    pub fn contents_of(&mut self, manifest: &Digest) -> Result<Vec<Digest>, BundleError> {
        let bytes = self.blob(manifest)?;
        let manifest = Manifest::parse(*manifest, &bytes)?;
        Ok(manifest.contents().map(|content| content.digest).collect())
    }

    fn check_blobs(&mut self) -> Result<(), BundleError> {
        let mut buffer = vec![0; 256 * 1024];
        for (digest, entry) in &self.blobs {
            self.file.seek(SeekFrom::Start(entry.offset))?;
            let mut rest = (&mut self.file).take(entry.size);
            let mut hasher = Hasher::default();
            loop {
                let count = rest.read(&mut buffer)?;
                if count == 0 {
                    break;
                }
                hasher.update(buffer.get(..count).unwrap_or_default());
            }
            let found = hasher.finish();
            if found != *digest {
                let expected = *digest;
                return Err(BundleError::Changed { expected, found });
            }
        }
        Ok(())
    }

    fn content(&mut self, entry: &Entry, bytes_max: u64, what: &str) -> Result<Vec<u8>, BundleError> {
        if entry.size > bytes_max {
            return Err(BundleError::document(
                what,
                format!("{} bytes, above the limit of {bytes_max}", entry.size),
            ));
        }
        self.file.seek(SeekFrom::Start(entry.offset))?;
        let mut bytes = Vec::new();
        (&mut self.file).take(entry.size).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn manifest(&mut self, descriptor: &Descriptor) -> Result<Manifest, BundleError> {
        let by = || "the list of contents".to_owned();
        let entry = self.present(descriptor, by)?;
        let bytes = self.content(&entry, MANIFEST_BYTES_MAX, "a manifest")?;
        let manifest = Manifest::parse(descriptor.digest, &bytes)?;
        for content in manifest.contents() {
            self.present(content, || format!("the manifest {}", descriptor.digest))?;
        }
        Ok(manifest)
    }

    fn present(&self, descriptor: &Descriptor, by: impl Fn() -> String) -> Result<Entry, BundleError> {
        let entry = self.blobs.get(&descriptor.digest);
        let entry = entry.filter(|entry| entry.size == descriptor.size).cloned();
        entry.ok_or_else(|| BundleError::Missing {
            digest: descriptor.digest,
            by: by(),
        })
    }

    fn versions_of(&mut self, index: &Index) -> Result<Vec<Packed>, BundleError> {
        let limit = VERSIONS_MAX.saturating_mul(REFERRERS_MAX) as u64;
        if index.manifests.len() as u64 > limit {
            return Err(BundleError::TooMany {
                what: "manifests",
                limit,
            });
        }
        let (mut versions, mut referrers) = (Vec::<Packed>::new(), Vec::new());
        for descriptor in &index.manifests {
            if descriptor.media_type != IMAGE_MANIFEST {
                let reason = format!("`{}` is no manifest of a connector", descriptor.media_type);
                return Err(BundleError::document(format!("{}", descriptor.digest), reason));
            }
            let manifest = self.manifest(descriptor)?;
            match manifest.subject {
                Some(subject) => referrers.push((subject.digest, descriptor.digest)),
                None => versions.push(named(descriptor)?),
            }
        }
        if versions.len() > VERSIONS_MAX {
            let limit = VERSIONS_MAX as u64;
            return Err(BundleError::TooMany {
                what: "versions",
                limit,
            });
        }
        for (subject, referrer) in referrers {
            let about = versions.iter_mut().find(|version| version.manifest == subject);
            let about = about.ok_or_else(|| {
                BundleError::document(
                    format!("{referrer}"),
                    format!("is about {subject}, which is not in the bundle"),
                )
            })?;
            if about.referrers.len() >= REFERRERS_MAX {
                let limit = REFERRERS_MAX as u64;
                return Err(BundleError::TooMany {
                    what: "documents about one version",
                    limit,
                });
            }
            about.referrers.push(referrer);
        }
        Ok(versions)
    }
}

fn named(descriptor: &Descriptor) -> Result<Packed, BundleError> {
    let wrong = |reason: String| BundleError::document(format!("{}", descriptor.digest), reason);
    let annotation = |key: &str| {
        let value = descriptor.annotations.get(key);
        value.ok_or_else(|| wrong(format!("the list of contents does not say its `{key}`")))
    };
    Ok(Packed {
        name: annotation(CONNECTOR)?
            .parse()
            .map_err(|error| wrong(format!("{error}")))?,
        version: annotation(REF_NAME)?
            .parse()
            .map_err(|error| wrong(format!("{error}")))?,
        manifest: descriptor.digest,
        referrers: Vec::new(),
    })
}

#[cfg(test)]
mod tests;
