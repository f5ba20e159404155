//! What stays of runs that are gone, so that none begins a second time.
//!
//! Runs that go in one commit are remembered in one row. A row goes when no order can come for its runs any more, but
//! never before the longest life of an order is over, however many there are: then the journal takes no new runs instead.
//! Pure: no storage, no clock.

use std::collections::VecDeque;

use crate::codec::{BodyReader, BodyWriter};
use crate::config::Retention;
use crate::error::Damage;
use crate::key::RunKey;
use crate::tables;

/// A run that is no longer here, as it is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone {
    pub(crate) run: RunKey,
    /// The highest fencing number that was known of it.
    pub(crate) epoch: u64,
    /// It came to its end; else another host has it.
    pub(crate) ended: bool,
}

/// The row of the runs that went in one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tombstones {
    pub(crate) at_ms: u64,
    pub(crate) runs: Vec<Gone>,
}

impl Tombstones {
    pub(crate) fn seal(&self, key: &[u8]) -> Vec<u8> {
        let mut body = BodyWriter::with_capacity(16 + 40 * self.runs.len());
        body.u64(self.at_ms)
            .u32(u32::try_from(self.runs.len()).unwrap_or(u32::MAX));
        for gone in &self.runs {
            body.bytes(gone.run.bytes())
                .u64(gone.epoch)
                .u8(u8::from(gone.ended));
        }
        body.seal(tables::TOMBSTONES, key)
    }

    pub(crate) fn open(key: &[u8], value: &[u8]) -> Result<Self, Damage> {
        let mut reader = BodyReader::open(tables::TOMBSTONES, key, value)?;
        let (at_ms, count) = (reader.u64()?, reader.u32()?);
        let runs = (0..count)
            .map(|_| {
                Ok(Gone {
                    run: reader.run()?,
                    epoch: reader.u64()?,
                    ended: reader.u8()? != 0,
                })
            })
            .collect::<Result<_, Damage>>()?;
        reader.end()?;
        Ok(Self { at_ms, runs })
    }
}

/// A row of tombstones, as far as it matters for when it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grave {
    pub(crate) place: u64,
    pub(crate) at_ms: u64,
    pub(crate) runs: Box<[RunKey]>,
}

/// All rows of tombstones, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Graves {
    rows: VecDeque<Grave>,
    runs: usize,
    next_place: u64,
}

impl Graves {
    /// The place of the next row.
    pub(crate) fn next_place(&self) -> u64 {
        self.next_place
    }

    /// Runs in all rows.
    pub(crate) fn runs(&self) -> usize {
        self.runs
    }

    pub(crate) fn add(&mut self, place: u64, row: &Tombstones) {
        self.next_place = self.next_place.max(place + 1);
        self.runs += row.runs.len();
        self.rows.push_back(Grave {
            place,
            at_ms: row.at_ms,
            runs: row.runs.iter().map(|gone| gone.run).collect(),
        });
    }

    /// Takes out the rows, oldest first and at most so many, that may go now.
    pub(crate) fn take_old(&mut self, now_ms: u64, retention: &Retention, most: usize) -> Vec<Grave> {
        let ms = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (age_ms, order_ms) = (ms(retention.tombstone_age), ms(retention.order_life));
        let mut old = Vec::new();
        while old.len() < most
            && let Some(row) = self.rows.front()
        {
            let is_older = |than_ms: u64| row.at_ms.saturating_add(than_ms) <= now_ms;
            let is_crowded = self.runs > retention.tombstones && is_older(order_ms);
            if !is_crowded && !is_older(age_ms.max(order_ms)) {
                break;
            }
            self.runs = self.runs.saturating_sub(row.runs.len());
            old.extend(self.rows.pop_front());
        }
        old
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use flowforge_protocol::RunId;

    use super::*;

    fn row(at_ms: u64, runs: std::ops::Range<u8>) -> Tombstones {
        let gone = |n: u8| Gone {
            run: RunKey::of(&RunId::from_entropy([n; 16])),
            epoch: u64::from(n),
            ended: n.is_multiple_of(2),
        };
        Tombstones {
            at_ms,
            runs: runs.map(gone).collect(),
        }
    }

    #[test]
    fn a_row_comes_back() {
        for row in [row(5, 0..3), row(u64::MAX, 0..0)] {
            assert_eq!(Tombstones::open(b"k", &row.seal(b"k")), Ok(row));
        }
    }

    /// Above 16,384 the oldest were dropped whatever their age, and an order that was still on its way began its run again.
    #[test]
    fn crowded_rows_go_when_no_order_can_come_and_never_before() {
        let retention = Retention {
            tombstones: 5,
            order_life: Duration::from_millis(100),
            tombstone_age: Duration::from_millis(1_000),
            ..Retention::default()
        };
        let mut graves = Graves::default();
        for place in 0..4 {
            graves.add(place, &row(place, 0..3));
        }
        let places = |old: Vec<Grave>| old.into_iter().map(|row| row.place).collect::<Vec<_>>();
        assert_eq!(places(graves.take_old(99, &retention, 9)), [0; 0]);
        assert_eq!(graves.runs(), 12, "above the number, and each still needed");
        assert_eq!(places(graves.take_old(101, &retention, 1)), [0]);
        assert_eq!(places(graves.take_old(101, &retention, 9)), [1]);
        assert_eq!(places(graves.take_old(500, &retention, 9)), [2]);
        assert_eq!(
            places(graves.take_old(1_002, &retention, 9)),
            [0; 0],
            "it is alone and young"
        );
        assert_eq!(places(graves.take_old(1_003, &retention, 9)), [3]);
        assert_eq!((graves.runs(), graves.next_place()), (0, 4));
    }
}
