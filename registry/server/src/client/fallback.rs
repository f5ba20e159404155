//! Registries without a list of referrers: an index under the tag `sha256-HEX` stands for it. Source: OCI Distribution 1.1,
//! "Referrers Tag Schema".
//!
//! The protocol makes keeping that index the client's task: read, add, write. Two clients that do it at once may lose an
//! entry, which is why a registry that has the list is preferred wherever there is one.

use flowforge_protocol::{ConnectorName, Digest};
use reqwest::{StatusCode, header};
use serde::{Deserialize, Serialize};

use super::{ANSWER_BYTES_MAX, Client, ClientError};
use crate::manifest::{Descriptor, IMAGE_INDEX};

/// A list of manifests, as it stands under the tag.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImageIndex {
    schema_version: u32,
    media_type: String,
    manifests: Vec<Descriptor>,
}

impl Client {
    /// What refers to a manifest, as the index under its tag says; nothing if there is none.
    pub(super) async fn tagged_referrers(
        &self,
        name: &ConnectorName,
        subject: &Digest,
    ) -> Result<Vec<Descriptor>, ClientError> {
        let get = self
            .http
            .get(self.at(name, &format!("manifests/{}", tag_of(subject))));
        let answer = self.send(get.header(header::ACCEPT, IMAGE_INDEX)).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(Vec::new());
        }
        let answer = self
            .expect("an index of referrers", answer, StatusCode::OK)
            .await?;
        let body = self
            .body("an index of referrers", answer, ANSWER_BYTES_MAX)
            .await?;
        let index: ImageIndex = serde_json::from_slice(&body).map_err(|error| ClientError::Protocol {
            what: "an index of referrers",
            found: error.to_string(),
        })?;
        Ok(index.manifests)
    }

    /// Adds a referrer to the index under its subject's tag.
    pub(super) async fn tag_referrer(
        &self,
        name: &ConnectorName,
        subject: &Digest,
        referrer: Descriptor,
    ) -> Result<(), ClientError> {
        let mut manifests = self.tagged_referrers(name, subject).await?;
        if manifests.iter().any(|known| known.digest == referrer.digest) {
            return Ok(());
        }
        manifests.push(referrer);
        let index = ImageIndex {
            schema_version: 2,
            media_type: IMAGE_INDEX.to_owned(),
            manifests,
        };
        let bytes = serde_json::to_vec(&index).map_err(|error| ClientError::Protocol {
            what: "nothing, the index could not be written",
            found: error.to_string(),
        })?;
        let put = self
            .http
            .put(self.at(name, &format!("manifests/{}", tag_of(subject))));
        let answer = self
            .send(put.header(header::CONTENT_TYPE, IMAGE_INDEX).body(bytes))
            .await?;
        self.expect("an index of referrers", answer, StatusCode::CREATED)
            .await?;
        Ok(())
    }
}

/// The tag that stands for the list of what refers to a manifest.
fn tag_of(subject: &Digest) -> String {
    format!("sha256-{}", subject.hex())
}
