//! Secrets: kept sealed, opened for one use, wiped after it.
//!
//! Owns the sealed copies on this host and the port through which newer ones come ([`SecretSource`]). The journal holds
//! the ciphertext as the control plane sealed it to this host's key. Invariant: an opened value lives in the memory of
//! one step and in the run's redactor; it is in no record, no log and on no disk.

mod source;
mod store;

pub use self::source::{SealedCopy, SecretSource, SourceError};
pub(crate) use self::store::SecretStore;
