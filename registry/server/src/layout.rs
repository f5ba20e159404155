//! Where things lie in the registry's folder.
//!
//! ```text
//! lock                                        held by the one process that has the folder open
//! blobs/HEX                                   content by SHA-256, shared by all repositories
//! uploads/ID                                  unfinished files of all kinds; removed at every start
//! interfaces/HEX.json                         what a component offers, kept so that a start reads no components
//! repos/PUBLISHER/NAME/manifests/HEX          manifests, byte for byte as pushed
//! repos/PUBLISHER/NAME/tags/TAG               digest of the manifest
//! repos/PUBLISHER/NAME/versions/VERSION.json  what is published: written last, so a half-done publication is none
//! repos/PUBLISHER/NAME/standings/VERSION.json what was decided about a version since
//! repos/PUBLISHER/NAME/deprecation.json       why the connector should not be used for something new
//! advisories/ID.json                          what is known to be wrong with published versions
//! access.json                                 whether public connectors are pulled without an account
//! access.key                                  what tokens are signed with
//! accounts/NAME.json                          who has a password here
//! publishers/NAME.json                        an organisation: members, keys, who sees what
//! ```

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use flowforge_protocol::{ConnectorName, Digest};

#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    pub(crate) fn blob(&self, digest: &Digest) -> PathBuf {
        self.blobs().join(digest.hex())
    }

    pub(crate) fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    /// A new path for a file that is not finished yet.
    pub(crate) fn temporary(&self) -> PathBuf {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        self.uploads().join(format!(
            "new-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        ))
    }

    pub(crate) fn interfaces(&self) -> PathBuf {
        self.root.join("interfaces")
    }

    pub(crate) fn interface(&self, layer: &Digest) -> PathBuf {
        self.interfaces().join(format!("{}.json", layer.hex()))
    }

    pub(crate) fn repos(&self) -> PathBuf {
        self.root.join("repos")
    }

    fn repo(&self, name: &ConnectorName) -> PathBuf {
        // The parts of a name are kebab-case, so they cannot lead out of the folder.
        self.repos().join(name.publisher()).join(name.name())
    }

    pub(crate) fn manifests(&self, name: &ConnectorName) -> PathBuf {
        self.repo(name).join("manifests")
    }

    pub(crate) fn manifest(&self, name: &ConnectorName, digest: &Digest) -> PathBuf {
        self.manifests(name).join(digest.hex())
    }

    pub(crate) fn tags(&self, name: &ConnectorName) -> PathBuf {
        self.repo(name).join("tags")
    }

    /// A tag is a semantic version: no separator can occur in it.
    pub(crate) fn tag(&self, name: &ConnectorName, version: &semver::Version) -> PathBuf {
        self.tags(name).join(version.to_string())
    }

    pub(crate) fn versions(&self, name: &ConnectorName) -> PathBuf {
        self.repo(name).join("versions")
    }

    pub(crate) fn version(&self, name: &ConnectorName, version: &semver::Version) -> PathBuf {
        self.versions(name).join(format!("{version}.json"))
    }

    pub(crate) fn standing(&self, name: &ConnectorName, version: &semver::Version) -> PathBuf {
        self.repo(name).join("standings").join(format!("{version}.json"))
    }

    pub(crate) fn deprecation(&self, name: &ConnectorName) -> PathBuf {
        self.repo(name).join("deprecation.json")
    }

    pub(crate) fn access(&self) -> PathBuf {
        self.root.join("access.json")
    }

    pub(crate) fn token_key(&self) -> PathBuf {
        self.root.join("access.key")
    }

    pub(crate) fn accounts(&self) -> PathBuf {
        self.root.join("accounts")
    }

    /// An account's name begins with a letter or digit and has no separator in it.
    pub(crate) fn account(&self, name: &str) -> PathBuf {
        self.accounts().join(format!("{name}.json"))
    }

    pub(crate) fn publishers(&self) -> PathBuf {
        self.root.join("publishers")
    }

    /// A publisher's name is kebab-case.
    pub(crate) fn publisher(&self, name: &str) -> PathBuf {
        self.publishers().join(format!("{name}.json"))
    }

    pub(crate) fn advisories(&self) -> PathBuf {
        self.root.join("advisories")
    }

    /// An advisory's id is made of letters, digits and `-`.
    pub(crate) fn advisory(&self, id: &str) -> PathBuf {
        self.advisories().join(format!("{id}.json"))
    }
}
