//! Components on this disk: fetched by digest, vouched for by a publisher, loaded once.

use std::path::PathBuf;
use std::sync::Arc;

use flowforge_protocol::publication::verify_publication;
use flowforge_protocol::release::PinnedConnector;
use flowforge_protocol::{ConnectorName, Digest, TrustRoot};
use flowforge_runtime::SharedCache;

use super::LoadError;
use super::fetch::Fetcher;
use crate::connectors::{Connector, ConnectorHost};
use crate::files;
use crate::order::Refusal;
use crate::text::with_causes;

/// Most components held loaded for releases that may come; those of running ones are held by them.
const LOADED_MAX: usize = 128;

/// Gets components ready to run.
///
/// Files: `components/HEX.wasm` and `components/HEX.publication.json`. Nothing on the disk is believed: bytes are
/// compared with the digest and the statement is verified at each load, so a changed file is fetched anew.
pub(super) struct Components {
    pub(super) trust: Arc<TrustRoot>,
    pub(super) fetcher: Fetcher,
    host: Arc<dyn ConnectorHost>,
    folder: PathBuf,
    loaded: SharedCache<(String, Digest), Arc<dyn Connector>>,
}

impl Components {
    pub(super) fn new(
        trust: Arc<TrustRoot>,
        fetcher: Fetcher,
        host: Arc<dyn ConnectorHost>,
        folder: PathBuf,
    ) -> Self {
        Self {
            trust,
            fetcher,
            host,
            folder,
            loaded: SharedCache::new(LOADED_MAX),
        }
    }

    /// The connector of this name with these bytes, ready to run.
    pub(super) async fn load(
        &self,
        name: &str,
        pinned: &PinnedConnector,
    ) -> Result<Arc<dyn Connector>, LoadError> {
        let key = (name.to_owned(), pinned.digest);
        self.loaded
            .get_or_load(&key, || async {
                self.vouched_for(name, pinned).await?;
                let bytes = self.bytes(name, pinned.digest).await?;
                self.host.load(pinned.digest, bytes).await.map_err(|reason| {
                    LoadError::Refused(Refusal::ConnectorLoad {
                        connector: name.to_owned(),
                        reason,
                    })
                })
            })
            .await
    }

    async fn vouched_for(&self, name: &str, pinned: &PinnedConnector) -> Result<(), LoadError> {
        let refused = |reason: String| {
            LoadError::Refused(Refusal::Publication {
                connector: name.to_owned(),
                reason,
            })
        };
        let connector: ConnectorName = name.parse().map_err(|error| refused(with_causes(&error)))?;
        let verify = |envelope: &[u8]| {
            verify_publication(
                envelope,
                &self.trust,
                &connector,
                Some(&pinned.version),
                &pinned.digest,
            )
            .map(|_| ())
            .map_err(|error| refused(with_causes(&error)))
        };
        let path = self
            .folder
            .join(format!("{}.publication.json", pinned.digest.hex()));
        if let Some(envelope) = self.read(path.clone()).await?
            && verify(&envelope).is_ok()
        {
            return Ok(());
        }
        let envelope = self.fetcher.publication(pinned.digest).await?;
        verify(envelope.as_bytes())?;
        self.write(path, envelope.into_bytes()).await
    }

    async fn bytes(&self, name: &str, digest: Digest) -> Result<Vec<u8>, LoadError> {
        let path = self.folder.join(format!("{}.wasm", digest.hex()));
        if let Some(bytes) = self.read(path.clone()).await?
            && Digest::of(&bytes) == digest
        {
            return Ok(bytes);
        }
        let bytes = self.fetcher.component(name, digest).await?;
        let found = Digest::of(&bytes);
        if found != digest {
            return Err(LoadError::Refused(Refusal::ConnectorBytes {
                connector: name.to_owned(),
                found,
                expected: digest,
            }));
        }
        self.write(path, bytes.clone()).await?;
        Ok(bytes)
    }

    async fn read(&self, path: PathBuf) -> Result<Option<Vec<u8>>, LoadError> {
        tokio::task::spawn_blocking(move || files::read_if_present(&path))
            .await
            .map_err(|error| LoadError::NotNow(error.to_string()))?
            .map_err(|error| LoadError::NotNow(format!("cannot read a stored component: {error}")))
    }

    async fn write(&self, path: PathBuf, content: Vec<u8>) -> Result<(), LoadError> {
        let folder = self.folder.clone();
        tokio::task::spawn_blocking(move || {
            files::make_private_dir(&folder)?;
            files::write_private(&path, &content)
        })
        .await
        .map_err(|error| LoadError::NotNow(error.to_string()))?
        .map_err(|error| LoadError::NotNow(format!("cannot store a component: {error}")))
    }
}
