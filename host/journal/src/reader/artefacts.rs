//! Which artefacts the runs of a file name.

use std::collections::BTreeSet;

use flowforge_protocol::Digest;
use redb::ReadableTable as _;

use super::{Reader, head_of};
use crate::error::ReadError;
use crate::key;
use crate::records_row::RecordsRow;
use crate::rows::RunHead;
use crate::tables;

impl Reader {
    /// Those that open runs name, and those whose records the control plane does not have yet. A row that is not what was
    /// written is left out: its run goes on no more.
    pub(crate) fn artefacts(&self) -> Result<BTreeSet<Digest>, ReadError> {
        let (snapshot, _txn) = self.snapshot()?;
        let mut found = BTreeSet::new();
        let mut of: Option<(u64, Option<RunHead>)> = None;
        for entry in snapshot.records.iter()? {
            let (key, value) = entry?;
            let (number, first_seq) = key::read_record_key(tables::RECORDS, key.value())?;
            if of.as_ref().is_none_or(|(known, _)| *known != number) {
                of = Some((number, head_of(&snapshot, number).unwrap_or_default()));
            }
            let Some((_, Some(head))) = &of else { continue };
            if let Ok(row) = RecordsRow::open(key.value(), value.value())
                && (head.is_open() || first_seq.saturating_add(u64::from(row.count)) > head.cursor)
            {
                found.extend(row.artefacts.into_iter().map(|(digest, _)| digest));
            }
        }
        Ok(found)
    }

    /// Those that all records of a run name.
    pub(crate) fn artefacts_of(&self, number: u64) -> Result<BTreeSet<Digest>, ReadError> {
        let (snapshot, _txn) = self.snapshot()?;
        let (first, last) = (key::record_key(number, 0), key::record_key(number, u64::MAX));
        let mut found = BTreeSet::new();
        for entry in snapshot.records.range::<&[u8]>(&first[..]..=&last[..])? {
            let (key, value) = entry?;
            let row = RecordsRow::open(key.value(), value.value())?;
            found.extend(row.artefacts.into_iter().map(|(digest, _)| digest));
        }
        Ok(found)
    }
}
