//! A place of a chain, and what lines add to a run there.

use flowforge_protocol::Digest;
use flowforge_protocol::chain::ChainError;

use crate::lines::{Piece, ROW_BYTES, cut};

/// What lines add to a run at one place: computed once, used for the receipt and for storing them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainPoint {
    pub(crate) first_seq: u64,
    pub(crate) before: Digest,
    pub(crate) bytes: usize,
    pub(crate) largest: usize,
    pub(crate) pieces: Vec<Piece>,
    /// Plain digests of the values that the records hold elsewhere than in the lines.
    pub(crate) stored: Vec<Digest>,
    /// Bytes of these, each as often as it is held; known when it is known that all are here.
    pub(crate) value_bytes: u64,
}

impl ChainPoint {
    /// `size_of` answers the bytes of a large value, 0 if it is not known.
    pub(crate) fn of(
        lines: &[u8],
        first_seq: u64,
        before: Digest,
        size_of: impl Fn(&Digest) -> u64,
    ) -> Result<Self, ChainError> {
        let (mut largest, mut stored) = (0, Vec::new());
        let pieces = cut::<ChainError>(lines, first_seq, before, ROW_BYTES, |frame| {
            largest = frame.bytes.len().max(largest);
            let held = stored.len();
            stored.extend(frame.stored_values());
            let values: u64 = stored.iter().skip(held).map(&size_of).sum();
            Ok(frame
                .bytes
                .len()
                .saturating_add(usize::try_from(values).unwrap_or(usize::MAX)))
        })?;
        Ok(Self {
            first_seq,
            before,
            bytes: lines.len(),
            largest,
            pieces,
            stored,
            value_bytes: 0,
        })
    }

    /// The chain value behind the lines.
    #[must_use]
    pub fn chain(&self) -> Digest {
        self.pieces.last().map_or(self.before, |piece| piece.chain)
    }

    pub(crate) fn count(&self) -> u32 {
        self.pieces.iter().map(|piece| piece.count).sum()
    }
}
