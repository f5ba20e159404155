//! The lines of a run, as the protocol divides them.
//!
//! Lines are opaque here: `protocol` alone says where a record ends, which lines belong to it and what the chain covers.
//! This module turns its frames into what rows need: how many records, the chain behind them, where to cut.

use flowforge_protocol::Digest;
use flowforge_protocol::chain::{ChainError, Frame, chain_next, frames};

/// A row of records is closed when it reaches this size, so that one row is one batch to send.
pub(crate) const ROW_BYTES: usize = 1 << 20;

/// What lines that continue a chain are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proven<'a> {
    pub(crate) count: u32,
    /// Chain value behind the last record: it covers every record line.
    pub(crate) chain: Digest,
    /// The lines that it does not cover.
    pub(crate) values: Vec<&'a [u8]>,
}

/// A piece of lines that becomes a row of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) count: u32,
    pub(crate) chain: Digest,
    /// Its lines are those between the end of the piece before it and this place.
    pub(crate) end: usize,
    /// Bytes of its lines and of the large values that they hold, each as often as it is held.
    pub(crate) weight: usize,
}

/// Walks lines that continue a chain.
pub(crate) fn prove(lines: &[u8], first_seq: u64, previous: Digest) -> Result<Proven<'_>, ChainError> {
    let mut proven = Proven {
        count: 0,
        chain: previous,
        values: Vec::new(),
    };
    for frame in frames(lines, first_seq) {
        let frame = frame?;
        proven.count = proven.count.saturating_add(1);
        proven.chain = chain_next(&proven.chain, frame.record);
        if !frame.values.is_empty() {
            proven.values.push(frame.values);
        }
    }
    Ok(proven)
}

/// The value lines among lines that were checked.
pub(crate) fn values(lines: &[u8], first_seq: u64) -> Vec<&[u8]> {
    frames(lines, first_seq)
        .filter_map(Result::ok)
        .map(|frame| frame.values)
        .filter(|values| !values.is_empty())
        .collect()
}

/// Cuts lines into pieces that weigh at most `bytes`, unless a single record weighs more; `weigh` answers what a record
/// weighs.
pub(crate) fn cut<E: From<ChainError>>(
    lines: &[u8],
    first_seq: u64,
    previous: Digest,
    bytes: usize,
    mut weigh: impl FnMut(&Frame<'_>) -> Result<usize, E>,
) -> Result<Vec<Piece>, E> {
    let mut pieces: Vec<Piece> = Vec::new();
    let (mut place, mut chain) = (0, previous);
    for frame in frames(lines, first_seq) {
        let frame = frame?;
        let weight = weigh(&frame)?;
        chain = chain_next(&chain, frame.record);
        let end = place + frame.bytes.len();
        match pieces.last_mut() {
            Some(piece) if piece.weight + weight <= bytes => {
                piece.count = piece.count.saturating_add(1);
                piece.weight += weight;
                (piece.chain, piece.end) = (chain, end);
            }
            _ => pieces.push(Piece {
                count: 1,
                chain,
                end,
                weight,
            }),
        }
        place = end;
    }
    Ok(pieces)
}

/// The lines from this record on.
pub(crate) fn from(lines: &[u8], first_seq: u64, seq: u64) -> Result<&[u8], ChainError> {
    let mut place = 0;
    for frame in frames(lines, first_seq) {
        let frame = frame?;
        if frame.seq >= seq {
            break;
        }
        place += frame.bytes.len();
    }
    Ok(lines.get(place..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use flowforge_protocol::RunId;
    use flowforge_protocol::chain::chain_start;

    use super::*;

    #[test]
    fn pieces_are_cut_between_records_and_continue_one_chain() {
        let start = chain_start(&RunId::from_entropy([1; 16]));
        let record = |seq: u64| format!("{{\"seq\":{seq},\"x\":\"{}\"}}\n", "x".repeat(30));
        let lines: String = (3..9).map(record).collect();
        let size = record(3).len();
        let mut sizes = Vec::new();
        let pieces = cut::<ChainError>(lines.as_bytes(), 3, start, 2 * size + 1, |frame| {
            sizes.push(frame.bytes.len());
            Ok(frame.bytes.len())
        })
        .unwrap();
        let counts: Vec<_> = pieces.iter().map(|piece| (piece.count, piece.end)).collect();
        assert_eq!(counts, [(2, 2 * size), (2, 4 * size), (2, 6 * size)]);
        assert_eq!(sizes, [size; 6]);
        assert_eq!(
            pieces.last().unwrap().chain,
            prove(lines.as_bytes(), 3, start).unwrap().chain
        );
        let alone = cut::<ChainError>(lines.as_bytes(), 3, start, 1, |frame| Ok(frame.bytes.len())).unwrap();
        assert_eq!(alone.len(), 6, "a record larger than a piece goes alone");
        assert_eq!(from(lines.as_bytes(), 3, 8).unwrap(), record(8).as_bytes());
        assert_eq!(from(lines.as_bytes(), 3, 3).unwrap(), lines.as_bytes());
    }
}
