//! Why a bundle is none.

use std::io;

use flowforge_protocol::Digest;

/// Why a bundle cannot be written or used. Nothing of it was used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file cannot be read or written.
    #[error("the bundle cannot be read or written")]
    Io(#[from] io::Error),
    /// The file is no tar archive, or breaks off.
    #[error("at byte {offset}: {reason}")]
    Archive {
        /// Where.
        offset: u64,
        /// Why.
        reason: String,
    },
    /// An entry has no place in a layout: a path out of it, a link, a device.
    #[error("the entry `{path}` has no place in an OCI layout: {reason}")]
    Entry {
        /// Its name, cut to a length that can be read.
        path: String,
        /// Why.
        reason: &'static str,
    },
    /// The bytes are not what their name says.
    #[error("{expected} was changed: its bytes have digest {found}")]
    Changed {
        /// What the name says.
        expected: Digest,
        /// What the bytes are.
        found: Digest,
    },
    /// Something that is named is not in the archive, or of another size.
    #[error("{digest} is named by {by} and not in the bundle in that size")]
    Missing {
        /// What.
        digest: Digest,
        /// By what.
        by: String,
    },
    /// A document of the layout cannot be understood.
    #[error("{what}: {reason}")]
    Document {
        /// Which.
        what: String,
        /// Why.
        reason: String,
    },
    /// There is more than a bundle may hold.
    #[error("the bundle has more than {limit} {what}")]
    TooMany {
        /// What.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
}

impl BundleError {
    pub(crate) fn document(what: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        Self::Document {
            what: what.into(),
            reason: reason.to_string(),
        }
    }
}
