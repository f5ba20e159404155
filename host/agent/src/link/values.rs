//! The bytes of large values on their way: in pieces, before the records that hold them, once for each control plane.
//!
//! The control plane is asked first how much of a value is there, so that what it has is not sent and what was cut goes on
//! where it stopped. What it said is remembered for a while; that it is no longer so shows when it misses a value of
//! records that are sent, and then it is asked again.

use std::collections::BTreeSet;

use flowforge_journal::RunUploads;
use flowforge_protocol::pieces::{KeptValue, PIECE_BYTES_MAX, ValuePiece, ValuePieces};
use flowforge_protocol::sync::{Incarnation, RejectCode, Rejected};
use flowforge_protocol::{Digest, RunId};
use tracing::{debug, error};

use super::control::LinkError;
use super::upload::{UploadError, Uploader};

/// Most values that are remembered as being there; all are forgotten before one more is asked for.
const KNOWN_MAX: usize = 4_096;
/// Most values of which one call asks.
const ASKED_PER_CALL: usize = 1_000;
/// Most bytes of pieces in one call.
const PIECES_PER_CALL: usize = 1024 * 1024;

/// Values that the control plane said it has.
#[derive(Debug, Default)]
pub struct KnownValues {
    /// Which life of it.
    plane: Option<Incarnation>,
    whole: BTreeSet<Digest>,
}

impl KnownValues {
    /// What was said is no longer believed.
    pub(super) fn forget(&mut self) {
        self.whole.clear();
    }

    /// What another life said is not believed, nor what was said so often that it fills memory.
    fn begin(&mut self, plane: Option<Incarnation>) {
        if self.plane != plane || self.whole.len() > KNOWN_MAX {
            self.whole.clear();
            self.plane = plane;
        }
    }

    fn note(&mut self, kept: &[KeptValue]) {
        let whole = kept.iter().filter(|kept| kept.whole);
        self.whole.extend(whole.map(|kept| kept.value));
    }

    /// Whether every value of these records is there.
    pub(super) fn has_all(&self, upload: &RunUploads) -> bool {
        upload.values.iter().all(|digest| self.whole.contains(digest))
    }
}

/// Why a value did not arrive.
enum NotThere {
    /// The line, or the control plane.
    Link(LinkError),
    /// It cannot be read here: its run was set aside, or went.
    NotHere,
}

impl Uploader {
    /// Brings the values that uploads hold. A run whose value is refused is parked, one whose value cannot be sent now is left
    /// to a later call; what a run lacks stops no other.
    pub(super) async fn put_values(
        &mut self,
        uploads: &[RunUploads],
    ) -> Result<Option<LinkError>, UploadError> {
        self.values.begin(self.session.plane());
        let wanted = self.lacking(uploads);
        if wanted.is_empty() {
            return Ok(None);
        }
        for some in wanted.chunks(ASKED_PER_CALL) {
            let asked = ValuePieces {
                asked: some.iter().map(|(_, digest)| *digest).collect(),
                pieces: Vec::new(),
            };
            let kept = match self.session.keep_values(&asked).await {
                Ok(kept) => kept,
                Err(error) => return Ok(Some(error)),
            };
            self.values.note(&kept);
            for (run, digest) in some {
                if self.values.whole.contains(digest) {
                    continue;
                }
                let there = kept.iter().find(|kept| kept.value == *digest);
                let from = there.map_or(0, |kept| kept.through);
                match self.put_value(run, *digest, from).await? {
                    Ok(()) => debug!(run_id = %run, %digest, from, "value uploaded"),
                    Err(NotThere::NotHere) => {}
                    Err(NotThere::Link(error)) if error.is_permanent() => {
                        self.refuse_value(uploads, *digest, &error).await?;
                    }
                    Err(NotThere::Link(error)) => return Ok(Some(error)),
                }
            }
        }
        Ok(None)
    }

    /// Values of which it is not known that they are there, with a run that holds each.
    fn lacking(&self, uploads: &[RunUploads]) -> Vec<(RunId, Digest)> {
        let mut seen = BTreeSet::new();
        let of_run = |upload: &RunUploads| {
            let run = upload.run.clone();
            upload
                .values
                .clone()
                .into_iter()
                .map(move |digest| (run.clone(), digest))
        };
        let values = uploads.iter().flat_map(of_run);
        values
            .filter(|(_, digest)| !self.values.whole.contains(digest) && seen.insert(*digest))
            .collect()
    }

    /// Brings one value from this byte on.
    async fn put_value(
        &mut self,
        run: &RunId,
        digest: Digest,
        from: u64,
    ) -> Result<Result<(), NotThere>, UploadError> {
        let Some(bytes) = self.journal.value(run, digest).await? else {
            return Ok(Err(NotThere::NotHere));
        };
        let mut place = usize::try_from(from).unwrap_or(usize::MAX).min(bytes.len());
        while !self.values.whole.contains(&digest) {
            let call = pieces_of(digest, &bytes, place);
            let kept = match self.session.keep_values(&call).await {
                Ok(kept) => kept,
                Err(error) => return Ok(Err(NotThere::Link(error))),
            };
            self.values.note(&kept);
            let through = kept.iter().rev().find(|kept| kept.value == digest);
            let through = through.map_or(0, |kept| usize::try_from(kept.through).unwrap_or(0));
            if !self.values.whole.contains(&digest) && through <= place {
                // Somebody else brings it too, or it went there: another call begins anew.
                let reason = format!("value {digest} does not come on; it is tried again");
                return Ok(Err(NotThere::Link(LinkError::Unreachable(reason))));
            }
            place = through;
        }
        Ok(Ok(()))
    }

    /// Parks the runs that hold a value which the control plane does not take.
    async fn refuse_value(
        &mut self,
        uploads: &[RunUploads],
        digest: Digest,
        error: &LinkError,
    ) -> Result<(), UploadError> {
        let holding = uploads.iter().filter(|upload| upload.values.contains(&digest));
        let runs: Vec<RunId> = holding.map(|upload| upload.run.clone()).collect();
        for run in runs {
            let rejected = Rejected {
                run,
                code: RejectCode::Other("value_refused".to_owned()),
                message: format!("value {digest}: {error}"),
            };
            error!(run_id = %rejected.run, error = rejected.message, "a value cannot be uploaded; the run's uploads are parked");
            self.park(&rejected).await?;
        }
        Ok(())
    }
}

/// What one call carries of a value from this byte on.
fn pieces_of(digest: Digest, bytes: &[u8], from: usize) -> ValuePieces {
    let rest = bytes.get(from..).unwrap_or_default();
    let some = rest.get(..rest.len().min(PIECES_PER_CALL)).unwrap_or_default();
    let piece = |(index, piece): (usize, &[u8])| ValuePiece {
        value: digest,
        bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        from: u64::try_from(from + index * PIECE_BYTES_MAX).unwrap_or(u64::MAX),
        piece: piece.to_vec(),
    };
    ValuePieces {
        asked: Vec::new(),
        pieces: some.chunks(PIECE_BYTES_MAX).enumerate().map(piece).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_follow_each_other_and_a_call_is_bounded() {
        let bytes: Vec<u8> = (0..PIECES_PER_CALL + PIECE_BYTES_MAX + 3)
            .map(|n| n.to_le_bytes()[0])
            .collect();
        let (digest, mut arrived) = (Digest::of(&bytes), Vec::new());
        let mut calls = 0;
        while arrived.len() < bytes.len() {
            let call = pieces_of(digest, &bytes, arrived.len());
            calls += 1;
            for piece in call.pieces {
                assert_eq!(piece.from, arrived.len() as u64);
                assert!(piece.piece.len() <= PIECE_BYTES_MAX);
                arrived.extend(piece.piece);
            }
        }
        assert_eq!((Digest::of(&arrived), calls), (digest, 2));
    }
}
