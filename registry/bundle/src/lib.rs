//! Connectors in one file, for a site that no network reaches: an OCI image layout in a tar archive.
//!
//! Owns the archive's form, written the same for the same content, and the check of everything in it. Leaves to others:
//! where content comes from and goes to, and whether a publisher is trusted. Invariants: nothing is unpacked to a path, so
//! no entry can lead out of a folder; every blob is compared with its name before anything of it is used; an archive with
//! anything else in it than a layout has is refused.

mod archive;
mod error;
mod layout;
mod read;
mod write;

pub use error::BundleError;
pub use layout::{Packed, REFERRERS_MAX, VERSIONS_MAX, parse_version};
pub use read::Bundle;
pub use write::write;
