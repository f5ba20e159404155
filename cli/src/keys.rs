//! The owner's signing keys: read when something is signed, and only then.

use std::path::Path;

use anyhow::{Context as _, Result};
use flowforge_client::Context;
use flowforge_protocol::SigningKey;

/// What a key is for. The server holds none of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Signs what may run.
    Release,
    /// Signs what a release may reach.
    Grant,
    /// Signs which bytes a connector version is.
    Publisher,
}

impl Role {
    fn file(self) -> &'static str {
        match self {
            Self::Release => "release.pem",
            Self::Grant => "grant.pem",
            Self::Publisher => "publisher.pem",
        }
    }
}

/// The key of this role for the chosen control plane.
pub(crate) fn load(context: &Context, role: Role) -> Result<SigningKey> {
    let folder = context.keys_dir.as_deref().with_context(|| {
        format!(
            "the keys for {} are not known: give --context FILE, the `client.json` of its data folder",
            context.server
        )
    })?;
    from_folder(folder, role)
}

/// The key of this role in a folder of keys.
pub(crate) fn from_folder(folder: &Path, role: Role) -> Result<SigningKey> {
    let path = folder.join(role.file());
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("cannot read the key {}", path.display()))?;
    SigningKey::from_pem(&text).with_context(|| format!("{} holds no usable key", path.display()))
}
