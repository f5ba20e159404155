//! Takes an entry apart: what it sends, and the rows it becomes.

use flowforge_protocol::Digest;

use super::collect::Part;
use crate::entry::Upload;
use crate::lines::Piece;

type Artefacts = Vec<(Digest, Vec<u8>)>;

pub(super) fn split_uploads(uploads: Vec<Upload>) -> (Artefacts, Option<Vec<u8>>) {
    let (mut artefacts, mut receipt) = (Vec::new(), None);
    for upload in uploads {
        match upload {
            Upload::Artefact { digest, about } => artefacts.push((digest, about)),
            Upload::Receipt { document } => receipt = Some(document),
        }
    }
    (artefacts, receipt)
}

/// The rows of an entry: artefacts with the first, which are sent before it; the receipt with the last.
pub(super) fn parts(whole: Part, pieces: &[Piece]) -> Vec<Part> {
    if pieces.len() < 2 {
        return vec![whole];
    }
    let Part {
        lines,
        mut artefacts,
        mut receipt,
        values_stay,
        ..
    } = whole;
    let mut start = 0;
    let last = pieces.len() - 1;
    pieces
        .iter()
        .enumerate()
        .map(|(index, piece)| {
            let part = Part {
                count: piece.count,
                chain: piece.chain,
                lines: lines.get(start..piece.end).unwrap_or_default().to_vec(),
                weight: piece.weight,
                artefacts: std::mem::take(&mut artefacts),
                receipt: if index == last { receipt.take() } else { None },
                values_stay,
            };
            start = piece.end;
            part
        })
        .collect()
}
