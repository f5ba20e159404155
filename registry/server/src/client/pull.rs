//! Pulling: a component by version or by digest, with its publisher's statement.

use bytes::Bytes;
use flowforge_protocol::publication::PUBLICATION_TYPE;
use flowforge_protocol::{ConnectorName, Digest};
use reqwest::{Response, StatusCode, header};
use serde::Deserialize;

use super::{ANSWER_BYTES_MAX, COMPONENT_BYTES_MAX, Client, ClientError};
use crate::manifest::{Descriptor, IMAGE_MANIFEST, Manifest};

/// A component with its publisher's statement, whose signature is still to be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// Digest of the component's bytes.
    pub layer_digest: Digest,
    /// The component's bytes; they have this digest.
    pub bytes: Bytes,
    /// Envelopes of the publications that refer to it. Each may be by anybody.
    pub publications: Vec<String>,
}

#[derive(Deserialize)]
struct Tags {
    tags: Vec<String>,
}

#[derive(Deserialize)]
struct Referrers {
    manifests: Vec<Descriptor>,
}

impl Client {
    /// The published versions of a connector.
    ///
    /// # Errors
    /// [`ClientError`]; `Refused` with `NAME_UNKNOWN` if there is no such connector.
    pub async fn tags(&self, name: &ConnectorName) -> Result<Vec<String>, ClientError> {
        let answer = self.send(self.http.get(self.at(name, "tags/list"))).await?;
        Ok(self.json::<Tags>("a list of versions", answer).await?.tags)
    }

    /// Pulls a version, or a component by the digest of its manifest.
    ///
    /// # Errors
    /// [`ClientError`]; `WrongBytes` means that the server or the way to it cannot be trusted.
    pub async fn pull(&self, name: &ConnectorName, reference: &str) -> Result<Pulled, ClientError> {
        let get = self.http.get(self.at(name, &format!("manifests/{reference}")));
        let answer = self.send(get.header(header::ACCEPT, IMAGE_MANIFEST)).await?;
        let answer = self.expect("a manifest", answer, StatusCode::OK).await?;
        let stated = answer
            .headers()
            .get("docker-content-digest")
            .and_then(|digest| digest.to_str().ok());
        let stated = stated.and_then(|digest| digest.parse().ok());
        let bytes = self.body("a manifest", answer, ANSWER_BYTES_MAX).await?;
        let found = Digest::of(&bytes);
        for expected in [reference.parse().ok(), stated].into_iter().flatten() {
            if found != expected {
                return Err(ClientError::WrongBytes { expected, found });
            }
        }
        let manifest = read_manifest(&bytes)?;
        let layer = manifest.component().ok_or_else(|| ClientError::Protocol {
            what: "a manifest",
            found: "something that is no component".to_owned(),
        })?;
        let bytes = self.blob(name, &layer.digest).await?;
        let publications = self.publications(name, &found).await?;
        Ok(Pulled {
            layer_digest: layer.digest,
            bytes,
            publications,
        })
    }

    /// Pulls a blob and compares it with its digest.
    ///
    /// # Errors
    /// [`ClientError`]; `WrongBytes` means that the server or the way to it cannot be trusted.
    pub async fn blob(&self, name: &ConnectorName, digest: &Digest) -> Result<Bytes, ClientError> {
        let answer = self
            .send(self.http.get(self.at(name, &format!("blobs/{digest}"))))
            .await?;
        let answer = self.expect("a blob", answer, StatusCode::OK).await?;
        let bytes = self.body("a blob", answer, COMPONENT_BYTES_MAX).await?;
        let found = Digest::of(&bytes);
        if found != *digest {
            return Err(ClientError::WrongBytes {
                expected: *digest,
                found,
            });
        }
        Ok(bytes.into())
    }

    /// What refers to a manifest, of one kind if it is given; a server may leave the choice of kind to us.
    pub(super) async fn referrers(
        &self,
        name: &ConnectorName,
        manifest: &Digest,
        kind: Option<&str>,
    ) -> Result<Vec<Descriptor>, ClientError> {
        let filter = kind.map_or(String::new(), |kind| {
            format!("?artifactType={}", kind.replace('/', "%2F").replace('+', "%2B"))
        });
        let list = self.at(name, &format!("referrers/{manifest}{filter}"));
        let answer = self.send(self.http.get(list)).await?;
        Ok(match answer.status() {
            StatusCode::NOT_FOUND => self.tagged_referrers(name, manifest).await?,
            _ => {
                self.json::<Referrers>("a list of referrers", answer)
                    .await?
                    .manifests
            }
        })
    }

    /// The envelopes of the publications that refer to a component's manifest.
    async fn publications(
        &self,
        name: &ConnectorName,
        manifest: &Digest,
    ) -> Result<Vec<String>, ClientError> {
        let listed = self.referrers(name, manifest, Some(PUBLICATION_TYPE)).await?;
        let mut publications = Vec::new();
        // A server may leave the choice of kind to us.
        for referrer in listed
            .iter()
            .filter(|r| r.artifact_type.as_deref() == Some(PUBLICATION_TYPE))
            .take(8)
        {
            let get = self
                .http
                .get(self.at(name, &format!("manifests/{}", referrer.digest)));
            let answer = self.send(get.header(header::ACCEPT, IMAGE_MANIFEST)).await?;
            let answer = self.expect("a manifest", answer, StatusCode::OK).await?;
            let bytes = self.body("a manifest", answer, ANSWER_BYTES_MAX).await?;
            let found = Digest::of(&bytes);
            if found != referrer.digest {
                return Err(ClientError::WrongBytes {
                    expected: referrer.digest,
                    found,
                });
            }
            for layer in &read_manifest(&bytes)?.layers {
                let envelope = self.blob(name, &layer.digest).await?;
                publications.push(String::from_utf8_lossy(&envelope).into_owned());
            }
        }
        Ok(publications)
    }

    pub(super) async fn json<T: for<'de> Deserialize<'de>>(
        &self,
        what: &'static str,
        answer: Response,
    ) -> Result<T, ClientError> {
        let answer = self.expect(what, answer, StatusCode::OK).await?;
        let body = self.body(what, answer, ANSWER_BYTES_MAX).await?;
        serde_json::from_slice(&body).map_err(|error| ClientError::Protocol {
            what,
            found: error.to_string(),
        })
    }
}

pub(super) fn read_manifest(bytes: &[u8]) -> Result<Manifest, ClientError> {
    Manifest::parse(bytes).map_err(|refusal| ClientError::Protocol {
        what: "a manifest",
        found: refusal.message,
    })
}
