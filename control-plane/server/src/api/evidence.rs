//! What anybody needs to check a run without this server.

use async_graphql::{Context, Result, SimpleObject};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_protocol::batch::RecordBatch;
use flowforge_protocol::chain::frames;
use flowforge_store::{MAX_BATCH_BYTES, RunHead};

use super::fault;
use super::limits::spend;
use super::loads::{self, reading};
use super::scalars::Long;

/// Bytes of records in one answer; one batch always comes.
const RECORDS_BYTES: u64 = 4 * 1024 * 1024;

/// The signed documents and the records of a run, as they are stored: what `verify_run` of the protocol takes.
#[derive(SimpleObject)]
#[graphql(name = "Evidence")]
pub(crate) struct EvidenceNode {
    /// DSSE envelope of the release, JSON.
    release: String,
    /// DSSE envelope of the grant set, JSON.
    grants: String,
    /// DSSE envelope of the receipt, JSON; absent until the host has sent it.
    receipt: Option<String>,
    /// Base64: records, one line of JSON each, from `fromSeq` on.
    lines: String,
    /// Where to go on, if this is not all.
    next_seq: Option<Long>,
}

/// Reads it; none if the release is gone.
pub(crate) async fn of(ctx: &Context<'_>, run: &RunHead, from_seq: u64) -> Result<Option<EvidenceNode>> {
    // Before anything is read: several runs of a list are read at once. In base64 three bytes are four.
    let lines = run.bytes.min(RECORDS_BYTES + MAX_BATCH_BYTES as u64);
    spend(ctx, lines / 3 * 4 + 4)?;

    let reading = reading(ctx).await?;
    let release = reading.release(&run.release).await;
    let release = release.map_err(|error| fault(&error))?;
    let Some(release) = release else { return Ok(None) };
    let documents = release.envelope.len() + release.grants.len();
    spend(ctx, documents as u64 + run.text_bytes.receipt)?;
    let texts = loads::texts(ctx, run.id.clone()).await?;
    let batches = reading.batches(&run.id, from_seq, RECORDS_BYTES).await;
    let batches = batches.map_err(|error| fault(&error))?;
    let next = batches.last().map_or(from_seq, RecordBatch::next_seq);
    let first_seq = batches.first().map_or(from_seq, |first| first.first_seq);
    let bytes: Vec<u8> = batches.into_iter().flat_map(|batch| batch.lines).collect();
    let wanted = bytes
        .get(beginning(&bytes, first_seq, from_seq)..)
        .unwrap_or_default();
    Ok(Some(EvidenceNode {
        release: release.envelope,
        grants: release.grants,
        receipt: texts.and_then(|texts| texts.receipt.clone()),
        lines: STANDARD.encode(wanted),
        next_seq: (next < run.records).then_some(Long(next)),
    }))
}

/// Where the record that was asked for begins, with its values: a batch may begin before it.
fn beginning(lines: &[u8], first_seq: u64, from_seq: u64) -> usize {
    frames(lines, first_seq)
        .map_while(Result::ok)
        .take_while(|frame| frame.seq < from_seq)
        .map(|frame| frame.bytes.len())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines were counted as if each were a record, so a part of the values before it came, too.
    #[test]
    fn the_records_before_are_left_out_with_their_values() {
        let (zero, one) = (
            "{\"value\":\"a\"}\n{\"value\":\"b\"}\n{\"seq\":4,\"x\":0}\n",
            "{\"value\":\"c\"}\n{\"seq\":5,\"x\":0}\n",
        );
        let lines = [zero, one].concat();
        let from = |seq| &lines[beginning(lines.as_bytes(), 4, seq)..];
        assert_eq!(from(4), lines);
        assert_eq!(from(5), one);
        assert_eq!(from(6), "");
        assert_eq!(from(0), lines, "asked for earlier than what is here");
    }
}
