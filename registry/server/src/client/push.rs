//! Pushing: blobs that are not there yet, the component's manifest under its version, then the publication.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flowforge_ports::Interface;
use flowforge_protocol::publication::PUBLICATION_TYPE;
use flowforge_protocol::{ConnectorName, Digest, Document as _, Publication, strict};
use reqwest::{StatusCode, header};
use serde_json::{Value, json};

use super::{Client, ClientError};
use crate::manifest::{Descriptor, EMPTY_CONFIG, IMAGE_MANIFEST, Manifest, WASM_CONFIG, WASM_LAYER};

/// What was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The connector.
    pub name: ConnectorName,
    /// Its version.
    pub version: String,
    /// Digest of the component's bytes.
    pub layer_digest: Digest,
    /// Digest of the component's manifest.
    pub manifest_digest: Digest,
}

/// One blob with what a manifest says of it.
struct Part {
    descriptor: Descriptor,
    bytes: Bytes,
}

impl Part {
    fn new(media_type: &str, bytes: Bytes) -> Self {
        let descriptor = Descriptor {
            media_type: media_type.to_owned(),
            digest: Digest::of(&bytes),
            size: bytes.len() as u64,
            artifact_type: None,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
        };
        Self { descriptor, bytes }
    }
}

impl Client {
    /// Pushes a component and its publisher's statement. Doing it twice is the same as once.
    ///
    /// The statement is read without a trust root, to know where to push; the registry judges it.
    ///
    /// # Errors
    /// [`ClientError`]; after `Unreachable` push again.
    pub async fn push(&self, component: Bytes, publication: &str) -> Result<Pushed, ClientError> {
        let statement = payload_of(publication)?;
        let layer = Part::new(WASM_LAYER, component);
        if layer.descriptor.digest != statement.layer_digest {
            return Err(ClientError::OtherComponent {
                expected: layer.descriptor.digest,
                found: statement.layer_digest,
            });
        }
        let name = &statement.name;
        let interface = inspect(layer.bytes.clone()).await?;
        let config = Part::new(
            WASM_CONFIG,
            component_config(&layer, &interface).to_string().into(),
        );
        let mut titled = layer.descriptor.clone();
        let title = format!("{}.wasm", name.name());
        titled
            .annotations
            .insert("org.opencontainers.image.title".to_owned(), title);
        let manifest = Manifest {
            schema_version: 2,
            media_type: IMAGE_MANIFEST.to_owned(),
            artifact_type: None,
            config: config.descriptor.clone(),
            layers: vec![titled],
            subject: None,
            annotations: BTreeMap::from([(
                "org.opencontainers.image.version".to_owned(),
                statement.version.clone(),
            )]),
        };
        self.push_blob(name, &layer).await?;
        self.push_blob(name, &config).await?;
        let component = self.push_manifest(name, &statement.version, &manifest).await?;
        self.push_publication(name, publication, &component).await?;
        Ok(Pushed {
            name: statement.name,
            version: statement.version,
            layer_digest: layer.descriptor.digest,
            manifest_digest: component.digest,
        })
    }

    async fn push_publication(
        &self,
        name: &ConnectorName,
        publication: &str,
        component: &Descriptor,
    ) -> Result<(), ClientError> {
        let statement = Part::new(PUBLICATION_TYPE, publication.to_owned().into());
        let empty = Part::new(EMPTY_CONFIG, Bytes::from_static(b"{}"));
        let manifest = Manifest {
            schema_version: 2,
            media_type: IMAGE_MANIFEST.to_owned(),
            artifact_type: Some(PUBLICATION_TYPE.to_owned()),
            config: empty.descriptor.clone(),
            layers: vec![statement.descriptor.clone()],
            subject: Some(component.clone()),
            annotations: BTreeMap::new(),
        };
        self.push_blob(name, &statement).await?;
        self.push_blob(name, &empty).await?;
        let digest = Digest::of(&manifest_bytes(&manifest)?);
        self.push_manifest(name, &digest.to_string(), &manifest).await?;
        Ok(())
    }

    async fn push_blob(&self, name: &ConnectorName, part: &Part) -> Result<(), ClientError> {
        self.push_bytes(name, &part.descriptor.digest, part.bytes.clone())
            .await
    }

    /// Pushes a blob in one piece, unless it is there already.
    pub(super) async fn push_bytes(
        &self,
        name: &ConnectorName,
        digest: &Digest,
        bytes: Bytes,
    ) -> Result<(), ClientError> {
        let there = self
            .send(self.http.head(self.at(name, &format!("blobs/{digest}"))))
            .await?;
        if there.status() == StatusCode::OK {
            return Ok(());
        }
        let begin = self
            .http
            .post(self.at(name, "blobs/uploads/"))
            .header(header::CONTENT_LENGTH, 0);
        let begun = self
            .expect("an upload", self.send(begin).await?, StatusCode::ACCEPTED)
            .await?;
        let location = begun
            .headers()
            .get(header::LOCATION)
            .and_then(|location| location.to_str().ok());
        let location = location.ok_or_else(|| ClientError::Protocol {
            what: "an upload",
            found: "no place to send it to".to_owned(),
        })?;
        let joint = if location.contains('?') { '&' } else { '?' };
        let place = format!("{}{joint}digest={digest}", self.place(location)?);
        let put = self
            .http
            .put(place)
            .header(header::CONTENT_TYPE, "application/octet-stream");
        let answer = self.send(put.body(bytes)).await?;
        self.expect("an upload", answer, StatusCode::CREATED).await?;
        Ok(())
    }

    /// Pushes a manifest under a tag or its digest; returns what others say of it.
    async fn push_manifest(
        &self,
        name: &ConnectorName,
        reference: &str,
        manifest: &Manifest,
    ) -> Result<Descriptor, ClientError> {
        let bytes = manifest_bytes(manifest)?;
        let pushed = Part::new(IMAGE_MANIFEST, bytes.into());
        let put = self.http.put(self.at(name, &format!("manifests/{reference}")));
        let put = put
            .header(header::CONTENT_TYPE, IMAGE_MANIFEST)
            .body(pushed.bytes);
        let answer = self
            .expect("a manifest", self.send(put).await?, StatusCode::CREATED)
            .await?;
        if let Some(subject) = &manifest.subject
            && !answer.headers().contains_key("oci-subject")
        {
            // The registry did not understand the subject, so the list of what refers to it is for us to keep.
            let mut referrer = pushed.descriptor.clone();
            referrer.artifact_type = Some(manifest.kind().to_owned());
            self.tag_referrer(name, &subject.digest, referrer).await?;
        }
        Ok(pushed.descriptor)
    }
}

fn manifest_bytes(manifest: &Manifest) -> Result<Vec<u8>, ClientError> {
    serde_json::to_vec(manifest).map_err(|error| ClientError::Protocol {
        what: "a manifest",
        found: error.to_string(),
    })
}

/// The configuration of a component, as other tools read it. Its time is fixed: the same bytes give the same manifest.
fn component_config(layer: &Part, interface: &Interface) -> Value {
    let capabilities = interface.capabilities.iter().map(|capability| &capability.import);
    let imports: Vec<_> = capabilities.chain(&interface.baseline).collect();
    let called = interface.operations.iter().map(|operation| &operation.export);
    let others = interface.not_callable.iter().map(|function| &function.export);
    let names = called
        .chain(others)
        .map(|export| export.interface.as_ref().unwrap_or(&export.function));
    let exports: BTreeSet<_> = names.chain(&interface.hidden).collect();
    json!({
        "created": "1970-01-01T00:00:00Z", "author": null, "architecture": "wasm", "os": "wasip2",
        "layerDigests": [layer.descriptor.digest],
        "component": {"exports": exports, "imports": imports, "target": null},
    })
}

/// Reads a component's interface, off the threads that serve others.
async fn inspect(component: Bytes) -> Result<Interface, ClientError> {
    let inspected = tokio::task::spawn_blocking(move || flowforge_ports::inspect(&component)).await;
    let failed = |error: tokio::task::JoinError| ClientError::Protocol {
        what: "nothing, the component could not be read",
        found: error.to_string(),
    };
    inspected.map_err(failed)?.map_err(ClientError::NotComponent)
}

/// The statement in a publication's envelope, **without any check of its signature**: to know where it belongs.
///
/// # Errors
/// [`ClientError::BadPublication`].
pub fn payload_of(envelope: &str) -> Result<Publication, ClientError> {
    let bad = |reason: String| ClientError::BadPublication(reason);
    let envelope: Value = serde_json::from_str(envelope).map_err(|error| bad(error.to_string()))?;
    let field = |name: &str| envelope.get(name).and_then(Value::as_str).unwrap_or_default();
    if field("payloadType") != PUBLICATION_TYPE {
        return Err(bad(format!("its type is `{}`", field("payloadType"))));
    }
    let payload = STANDARD
        .decode(field("payload"))
        .map_err(|error| bad(error.to_string()))?;
    strict::parse_strict(&payload, Publication::MAX_BYTES).map_err(|error| bad(error.to_string()))
}
