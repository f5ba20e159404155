//! Why a batch of records is refused before it is compared with anything.

use flowforge_protocol::chain::ChainError;

/// Lines of one batch, at most, in bytes.
pub const MAX_BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Why a batch is refused before it is compared with anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Too large; send fewer records at once.
    #[error("the batch holds {actual} bytes of lines, more than {MAX_BATCH_BYTES}")]
    TooLarge {
        /// Its size.
        actual: usize,
    },
    /// The number of records differs from `count`, or there is none.
    #[error("the batch says {said} records and holds {found}")]
    Count {
        /// What it says.
        said: u32,
        /// What it holds.
        found: usize,
    },
    /// The lines are not records in their places.
    #[error(transparent)]
    Lines(#[from] ChainError),
    /// Something follows the end of the run.
    #[error("record {seq} follows the end of the run")]
    AfterEnd {
        /// Its number.
        seq: u64,
    },
}
