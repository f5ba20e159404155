//! Secrets: kept sealed, opened for one use, wiped after it.
//!
//! Owns the sealed copies on this host and the port through which newer ones come ([`SecretSource`]). The journal holds
//! the ciphertext as the control plane sealed it to this host's key. Invariants: an opened value lives in the memory of
//! one step and in the run's redactor, it is in no record, no log and on no disk; a secret that the control plane says is
//! gone or not granted is wiped here, too; a copy is used without the control plane only as long as its lease lasts.

mod source;
mod store;

pub use self::source::{SealedCopy, SecretAnswer, SecretSource, SourceError};
pub(crate) use self::store::SecretStore;
