//! Records of one commit that are collected until its end, so that a run's records become one row.

use std::collections::BTreeMap;

use flowforge_protocol::Digest;

use crate::lines::ROW_BYTES;
use crate::records_row::RecordsRow;

/// A row in the making.
#[derive(Debug)]
pub(super) struct Collected {
    pub(super) first_seq: u64,
    pub(super) row: RecordsRow,
    /// Bytes of its lines and of the large values that they hold.
    weight: usize,
}

/// Rows in the making, by run, and the order in which they came.
#[derive(Debug, Default)]
pub(super) struct CollectedRuns {
    rows: BTreeMap<u64, Collected>,
    order: Vec<u64>,
}

impl CollectedRuns {
    /// Whether these lines begin a row of their own, so that the one in the making is to be written before.
    pub(super) fn begins_anew(&self, number: u64, epoch: u64, weight: usize) -> bool {
        self.rows.get(&number).is_some_and(|collected| {
            let row = &collected.row;
            row.epoch != epoch || collected.weight + weight > ROW_BYTES || row.receipt.is_some()
        })
    }

    pub(super) fn add(&mut self, number: u64, first_seq: u64, epoch: u64, before: Digest, part: Part) {
        match self.rows.get_mut(&number) {
            Some(Collected { row, weight, .. }) => {
                *weight += part.weight;
                row.count = row.count.saturating_add(part.count);
                row.chain = part.chain;
                row.lines.extend_from_slice(&part.lines);
                row.artefacts.extend(part.artefacts);
                row.receipt = part.receipt;
            }
            None => {
                self.order.push(number);
                let row = RecordsRow {
                    epoch,
                    count: part.count,
                    before,
                    chain: part.chain,
                    artefacts: part.artefacts,
                    receipt: part.receipt,
                    values_stay: part.values_stay,
                    lines: part.lines,
                };
                let weight = part.weight;
                let collected = Collected {
                    first_seq,
                    row,
                    weight,
                };
                self.rows.insert(number, collected);
            }
        }
    }

    pub(super) fn take(&mut self, number: u64) -> Option<Collected> {
        let collected = self.rows.remove(&number)?;
        self.order.retain(|other| *other != number);
        Some(collected)
    }

    /// All of them, in the order in which they came.
    pub(super) fn take_all(&mut self) -> Vec<(u64, Collected)> {
        let order = std::mem::take(&mut self.order);
        order
            .into_iter()
            .filter_map(|number| Some((number, self.rows.remove(&number)?)))
            .collect()
    }
}

/// What is added to a row.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) count: u32,
    pub(super) chain: Digest,
    pub(super) lines: Vec<u8>,
    /// Bytes of the lines and of the large values that they hold, each as often as it is held.
    pub(super) weight: usize,
    pub(super) artefacts: Vec<(Digest, Vec<u8>)>,
    pub(super) receipt: Option<Vec<u8>>,
    pub(super) values_stay: bool,
}
