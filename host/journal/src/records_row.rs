//! A row of records, and how its bytes prove themselves.
//!
//! Record lines are covered by the run's chain, which is computed for them in any case. So the row holds the chain before
//! and after its records, and its own digest covers all but the record lines: no byte is hashed twice, neither when it is
//! written nor when it is read.

use flowforge_protocol::batch::RecordBatch;
use flowforge_protocol::{Digest, RunId};

use crate::codec::{BodyReader, BodyWriter};
use crate::error::Damage;
use crate::key;
use crate::lines::{prove, values};
use crate::tables;

/// Consecutive records of one run, with what is sent before and after them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordsRow {
    pub(crate) epoch: u64,
    pub(crate) count: u32,
    /// Chain value before the first record.
    pub(crate) before: Digest,
    /// Chain value after the last record.
    pub(crate) chain: Digest,
    /// Digest and notes of the artefacts that these records name.
    pub(crate) artefacts: Vec<(Digest, Vec<u8>)>,
    pub(crate) receipt: Option<Vec<u8>>,
    /// Its values are not sent.
    pub(crate) values_stay: bool,
    pub(crate) lines: Vec<u8>,
}

impl RecordsRow {
    /// Its stored form, with the first record's number.
    pub(crate) fn seal(&self, key: &[u8], first_seq: u64) -> Vec<u8> {
        let receipt = self.receipt.as_deref().unwrap_or_default();
        let mut body = BodyWriter::with_capacity(104 + self.lines.len() + receipt.len());
        body.u64(self.epoch)
            .u32(self.count)
            .digest(&self.before)
            .digest(&self.chain);
        body.u32(u32::try_from(self.artefacts.len()).unwrap_or(u32::MAX));
        for (digest, about) in &self.artefacts {
            body.digest(digest).bytes(about);
        }
        let flags = u8::from(self.receipt.is_some()) | u8::from(self.values_stay) << 1;
        body.u8(flags).bytes(receipt);
        body.seal_with(tables::RECORDS, key, &self.lines, &values(&self.lines, first_seq))
    }

    pub(crate) fn open(key: &[u8], value: &[u8]) -> Result<Self, Damage> {
        let (_, first_seq) = key::read_record_key(tables::RECORDS, key)?;
        let mut reader = BodyReader::unproven(tables::RECORDS, key, value)?;
        let (epoch, count) = (reader.u64()?, reader.u32()?);
        let (before, chain) = (reader.digest()?, reader.digest()?);
        let artefacts = (0..reader.u32()?)
            .map(|_| Ok((reader.digest()?, reader.bytes()?.to_vec())))
            .collect::<Result<_, Damage>>()?;
        let flags = reader.u8()?;
        let has_receipt = flags & 1 != 0;
        let receipt = reader.bytes()?;
        let lines = reader.prove(|lines| {
            let proven = prove(lines, first_seq, before).ok()?;
            (proven.count == count && proven.chain == chain).then_some(proven.values)
        })?;
        Ok(Self {
            epoch,
            count,
            before,
            chain,
            artefacts,
            receipt: has_receipt.then(|| receipt.to_vec()),
            values_stay: flags & 2 != 0,
            lines: lines.to_vec(),
        })
    }

    pub(crate) fn batch(&self, run: RunId, first_seq: u64) -> RecordBatch {
        RecordBatch {
            run,
            epoch: self.epoch,
            first_seq,
            count: self.count,
            chain: self.chain,
            lines: self.lines.clone(),
        }
    }

    /// Bytes in memory, about.
    pub(crate) fn weight(&self) -> usize {
        let artefacts: usize = self.artefacts.iter().map(|(_, about)| 64 + about.len()).sum();
        160 + self.lines.len() + artefacts + self.receipt.as_ref().map_or(0, Vec::len)
    }
}

#[cfg(test)]
mod tests {
    use flowforge_protocol::chain::chain_start;

    use super::*;

    /// Two records, the second of which has a value beside it.
    fn row() -> RecordsRow {
        let before = chain_start(&RunId::from_entropy([1; 16]));
        let lines = b"{\"seq\":7,\"x\":1}\n{\"value\":\"salted\"}\n{\"seq\":8,\"x\":2}\n".to_vec();
        RecordsRow {
            epoch: 1,
            count: 2,
            before,
            chain: prove(&lines, 7, before).unwrap().chain,
            artefacts: vec![(Digest::of(b"y"), b"about".to_vec())],
            receipt: Some(b"receipt".to_vec()),
            values_stay: true,
            lines,
        }
    }

    #[test]
    fn a_row_comes_back_and_every_changed_bit_and_other_place_is_noticed() {
        let (row, key) = (row(), key::record_key(3, 7));
        let value = row.seal(&key, 7);
        assert_eq!(RecordsRow::open(&key, &value), Ok(row));
        for index in 0..value.len() {
            for bit in 0..8 {
                let mut changed = value.clone();
                changed[index] ^= 1 << bit;
                assert!(
                    RecordsRow::open(&key, &changed).is_err(),
                    "byte {index} bit {bit}"
                );
            }
        }
        for end in 0..value.len() {
            assert!(RecordsRow::open(&key, &value[..end]).is_err(), "cut at {end}");
        }
        for other in [key::record_key(3, 8), key::record_key(4, 7)] {
            assert!(RecordsRow::open(&other, &value).is_err(), "{other:?}");
        }
        let twice: Vec<u8> = [&value[..], b"{\"seq\":9,\"x\":3}\n"].concat();
        assert!(RecordsRow::open(&key, &twice).is_err(), "a record that was added");
    }
}
