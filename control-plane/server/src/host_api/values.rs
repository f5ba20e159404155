//! The documents of `flowforge_protocol::pieces` in the words of GraphQL.

use async_graphql::{InputObject, Result, SimpleObject};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_protocol::Digest;
use flowforge_protocol::pieces::{KeptValue, ValuePiece, ValuePieces};

use super::sync::MAX_ITEMS;
use crate::api::{CODE_ARGUMENT, Long, coded};

/// Part of a large value.
#[derive(InputObject)]
pub(crate) struct ValuePieceInput {
    /// SHA-256 of the whole value.
    value: String,
    /// Bytes of the whole value; at most 4 MiB.
    bytes: Long,
    /// Where in it the piece begins. One that is not the next changes nothing.
    from: Long,
    /// Base64 of the piece, at most 256 KiB.
    piece: String,
}

/// What a host asks and brings of large values.
#[derive(InputObject)]
pub(crate) struct KeepValuesInput {
    /// Values of which the host asks how much is here.
    asked: Vec<String>,
    /// Pieces, those of one value in their order.
    pieces: Vec<ValuePieceInput>,
}

impl KeepValuesInput {
    /// The call with its digests and pieces read.
    pub(crate) fn read(self) -> Result<ValuePieces> {
        let wrong = |error: &dyn std::fmt::Display| coded(error.to_string(), CODE_ARGUMENT);
        if self.asked.len() > MAX_ITEMS || self.pieces.len() > MAX_ITEMS {
            return Err(wrong(&format!(
                "more than {MAX_ITEMS} items of one kind in one call"
            )));
        }
        let digest = |text: String| text.parse::<Digest>().map_err(|e| wrong(&e));
        let piece = |piece: ValuePieceInput| -> Result<ValuePiece> {
            Ok(ValuePiece {
                value: digest(piece.value)?,
                bytes: piece.bytes.0,
                from: piece.from.0,
                piece: STANDARD
                    .decode(piece.piece)
                    .map_err(|e| wrong(&format!("`piece`: {e}")))?,
            })
        };
        Ok(ValuePieces {
            asked: self.asked.into_iter().map(digest).collect::<Result<_>>()?,
            pieces: self.pieces.into_iter().map(piece).collect::<Result<_>>()?,
        })
    }
}

/// How much of a value is here.
#[derive(SimpleObject)]
#[graphql(name = "KeptValue")]
pub(crate) struct KeptValueNode {
    value: String,
    /// Its first so many bytes are here: the next piece begins here.
    through: Long,
    /// All of it is here, and its digest fits.
    whole: bool,
}

impl From<KeptValue> for KeptValueNode {
    fn from(kept: KeptValue) -> Self {
        Self {
            value: kept.value.to_string(),
            through: kept.through.into(),
            whole: kept.whole,
        }
    }
}
