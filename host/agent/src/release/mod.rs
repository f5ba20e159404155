//! Releases that may run here: fetched, verified and planned once, then held by digest.
//!
//! Owns everything a start refers to: release, grant set, connectors, and where they come from ([`ArtifactSource`]).
//! Stands above orders only. Invariant: a [`LoadedRelease`] exists only for a release signed by a release key, with a
//! grant set for it signed by a grant key, whose connectors' bytes are the pinned ones and vouched for by a publisher; a
//! node has at most what both the release asks for and the set grants. A [`ReadyRun`] is a verified order with the very
//! release and records that it names.

mod components;
mod fetch;
mod grants;
mod prefix;
mod ready;
mod releases;
mod source;

pub use self::ready::ReadyRun;
pub(crate) use self::releases::ReleasesParts;
pub use self::releases::{LoadError, LoadedRelease, Releases};
pub use self::source::{ArtifactSource, ReleaseDocuments, SourceError};
