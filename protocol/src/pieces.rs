//! Pieces: how the bytes of large values travel from a host to its control plane.
//!
//! Records name a large value by the plain digest of its bytes; the bytes come before the records, once for each control
//! plane, in pieces that follow each other. Who brings them asks first how much is there, so that nothing is sent twice
//! and a transfer that was cut goes on where it stopped. Nothing counts as there before all of it is and its digest fits.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Digest;

/// Largest piece, in bytes: 256 KiB.
pub const PIECE_BYTES_MAX: usize = 256 * 1024;

/// Part of a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValuePiece {
    /// Plain digest of the whole value.
    pub value: Digest,
    /// Bytes of the whole value.
    pub bytes: u64,
    /// Where in it the piece begins, in bytes.
    pub from: u64,
    /// The piece, at most [`PIECE_BYTES_MAX`]; on the wire in base64 (standard alphabet).
    #[serde(serialize_with = "write_base64", deserialize_with = "read_base64")]
    pub piece: Vec<u8>,
}

/// What a host asks and brings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValuePieces {
    /// Values of which the host asks how much is there.
    pub asked: Vec<Digest>,
    /// Pieces, those of one value in their order.
    pub pieces: Vec<ValuePiece>,
}

/// How much of a value is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeptValue {
    /// Plain digest of the value.
    pub value: Digest,
    /// Its first so many bytes are there: the next piece begins here.
    pub through: u64,
    /// All of it is there, and its digest fits.
    pub whole: bool,
}

fn write_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn read_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    crate::text::read(deserializer, |text| STANDARD.decode(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_read_as_they_were_written() {
        let pieces = ValuePieces {
            asked: vec![Digest::of(b"a")],
            pieces: vec![ValuePiece {
                value: Digest::of(b"{}\n"),
                bytes: 3,
                from: 0,
                piece: b"{}\n".to_vec(),
            }],
        };
        let text = serde_json::to_value(&pieces).unwrap();
        assert_eq!(text["pieces"][0]["piece"], "e30K");
        assert_eq!(
            serde_json::from_value::<ValuePieces>(text.clone()).unwrap(),
            pieces
        );
        let mut broken = text;
        broken["pieces"][0]["piece"] = "e30".into();
        assert!(serde_json::from_value::<ValuePieces>(broken).is_err());
    }
}
