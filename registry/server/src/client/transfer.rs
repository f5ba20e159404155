//! Carrying a version from one registry to another, byte for byte: the component's manifest and everything about it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bytes::Bytes;
use flowforge_protocol::publication::PUBLICATION_TYPE;
use flowforge_protocol::{ConnectorName, Digest};
use reqwest::{StatusCode, header};

use super::pull::read_manifest;
use super::{ANSWER_BYTES_MAX, Client, ClientError};
use crate::manifest::IMAGE_MANIFEST;

/// A version with everything that refers to it, by digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Digest of the component's manifest.
    pub manifest: Digest,
    /// Digests of the manifests that refer to it.
    pub referrers: Vec<Digest>,
    /// The bytes of all manifests, and of all that they name.
    pub contents: BTreeMap<Digest, Bytes>,
}

impl Client {
    /// Fetches a version with all that refers to it. Every byte is compared with its digest.
    ///
    /// # Errors
    /// [`ClientError`]; `WrongBytes` means that the server or the way to it cannot be trusted.
    pub async fn fetch(&self, name: &ConnectorName, version: &str) -> Result<Transfer, ClientError> {
        let mut contents = BTreeMap::new();
        let manifest = self.fetch_manifest(name, version, &mut contents).await?;
        let mut referrers = Vec::new();
        for referrer in self.referrers(name, &manifest, None).await? {
            referrers.push(
                self.fetch_manifest(name, &referrer.digest.to_string(), &mut contents)
                    .await?,
            );
        }
        Ok(Transfer {
            manifest,
            referrers,
            contents,
        })
    }

    async fn fetch_manifest(
        &self,
        name: &ConnectorName,
        reference: &str,
        contents: &mut BTreeMap<Digest, Bytes>,
    ) -> Result<Digest, ClientError> {
        let get = self.http.get(self.at(name, &format!("manifests/{reference}")));
        let answer = self.send(get.header(header::ACCEPT, IMAGE_MANIFEST)).await?;
        let answer = self.expect("a manifest", answer, StatusCode::OK).await?;
        let bytes = self.body("a manifest", answer, ANSWER_BYTES_MAX).await?;
        let found = Digest::of(&bytes);
        if let Ok(expected) = reference.parse::<Digest>()
            && expected != found
        {
            return Err(ClientError::WrongBytes { expected, found });
        }
        for content in read_manifest(&bytes)?.contents() {
            if let Entry::Vacant(place) = contents.entry(content.digest) {
                place.insert(self.blob(name, &content.digest).await?);
            }
        }
        contents.insert(found, bytes.into());
        Ok(found)
    }

    /// Stores a version as it was fetched. Publications go last, so that a version appears when all of it is there. One of
    /// them has to be believed there: another site's own word about what it installed is of no use elsewhere.
    ///
    /// # Errors
    /// [`ClientError`]; after `Unreachable` store again, doing it twice is the same as once.
    pub async fn store(
        &self,
        name: &ConnectorName,
        version: &str,
        transfer: &Transfer,
    ) -> Result<(), ClientError> {
        self.store_manifest(name, version, &transfer.manifest, transfer)
            .await?;
        let mut publications = Vec::new();
        for referrer in &transfer.referrers {
            let manifest = read_manifest(transfer.bytes(referrer)?)?;
            if manifest.kind() == PUBLICATION_TYPE {
                publications.push(referrer);
            } else {
                self.store_manifest(name, &referrer.to_string(), referrer, transfer)
                    .await?;
            }
        }
        let (mut is_published, mut refused) = (false, None);
        for publication in publications {
            let stored = self
                .store_manifest(name, &publication.to_string(), publication, transfer)
                .await;
            match stored {
                Ok(()) => is_published = true,
                Err(error @ ClientError::Refused { .. }) => refused = refused.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        match refused {
            Some(error) if !is_published => Err(error),
            _ => Ok(()),
        }
    }

    async fn store_manifest(
        &self,
        name: &ConnectorName,
        reference: &str,
        digest: &Digest,
        transfer: &Transfer,
    ) -> Result<(), ClientError> {
        let bytes = transfer.bytes(digest)?;
        for content in read_manifest(bytes)?.contents() {
            self.push_bytes(name, &content.digest, transfer.bytes(&content.digest)?.clone())
                .await?;
        }
        let put = self.http.put(self.at(name, &format!("manifests/{reference}")));
        let put = put
            .header(header::CONTENT_TYPE, IMAGE_MANIFEST)
            .body(bytes.clone());
        let answer = self.send(put).await?;
        self.expect("a manifest", answer, StatusCode::CREATED).await?;
        Ok(())
    }
}

impl Transfer {
    fn bytes(&self, digest: &Digest) -> Result<&Bytes, ClientError> {
        self.contents.get(digest).ok_or_else(|| ClientError::Protocol {
            what: "nothing, a part of the version is missing here",
            found: digest.to_string(),
        })
    }
}
