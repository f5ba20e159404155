//! Opening: the rows of records, each run's against its head, and the places of those that are still to be sent.

use std::collections::BTreeSet;

use flowforge_protocol::Digest;
use flowforge_protocol::chain::chain_start;
use redb::ReadableTable as _;

use super::Loaded;
use crate::error::{Damage, ReadError};
use crate::key;
use crate::outbox::{Pending, Row};
use crate::records_row::RecordsRow;
use crate::tables::{self, Snapshot};

/// How far the rows of a run were followed.
struct Follow {
    number: u64,
    next_seq: u64,
    chain: Digest,
    pending: Option<Pending>,
}

pub(super) fn read_records(snapshot: &Snapshot, loaded: &mut Loaded) -> Result<(), ReadError> {
    let mut follow: Option<Follow> = None;
    let mut with_records = BTreeSet::new();
    for entry in snapshot.records.iter()? {
        let (key, value) = entry?;
        let (number, first_seq) = key::read_record_key(tables::RECORDS, key.value())?;
        if !loaded.state.heads.contains_key(&number) {
            return Err(Damage::new(tables::RECORDS, key.value(), "there are records without a run").into());
        }
        if follow.as_ref().is_none_or(|follow| follow.number != number) {
            if let Some(done) = follow.take() {
                finish_run(loaded, done);
            }
            with_records.insert(number);
            let head = loaded.state.heads.get(&number);
            follow = head.map(|head| Follow {
                number,
                next_seq: 0,
                chain: chain_start(&head.run.id()),
                pending: Some(Pending::new(head.run, head.cursor)),
            });
        }
        let (Some(follow), Some(head)) = (follow.as_mut(), loaded.state.heads.get(&number)) else {
            continue;
        };
        let row = match RecordsRow::open(key.value(), value.value()) {
            Ok(_) if first_seq != follow.next_seq => Err(Damage::new(
                tables::RECORDS,
                key.value(),
                "records are missing before it",
            )),
            Ok(row) if row.before != follow.chain => Err(Damage::new(
                tables::RECORDS,
                key.value(),
                "its records do not fit the chain",
            )),
            opened => opened,
        };
        match row {
            Ok(row) => {
                let place = Row {
                    first_seq,
                    end: first_seq.saturating_add(u64::from(row.count)),
                    bytes: u32::try_from(value.value().len()).unwrap_or(u32::MAX),
                };
                (follow.next_seq, follow.chain) = (place.end, row.chain);
                if let Some(pending) = &mut follow.pending {
                    if place.end > head.cursor {
                        pending.rows.push_back(place);
                    }
                    if row.receipt.is_some() && head.cursor < head.end() {
                        pending.receipt = Some(place);
                    }
                }
            }
            Err(damage) => {
                loaded.damaged.entry(number).or_insert(damage);
                follow.pending = None;
            }
        }
    }
    if let Some(done) = follow.take() {
        finish_run(loaded, done);
    }
    for (number, head) in &loaded.state.heads {
        if head.next_seq > 0 && !with_records.contains(number) {
            let key = key::record_key(*number, 0);
            let damage = Damage::new(tables::RECORDS, &key, "the run's records are missing");
            loaded.damaged.entry(*number).or_insert(damage);
        }
    }
    Ok(())
}

/// All rows of a run were seen: they must end where its head says.
fn finish_run(loaded: &mut Loaded, follow: Follow) {
    let Some(head) = loaded.state.heads.get(&follow.number) else {
        return;
    };
    if head.next_seq != follow.next_seq || follow.chain != head.chain {
        let key = key::record_key(follow.number, follow.next_seq);
        let damage = Damage::new(
            tables::RECORDS,
            &key,
            "the last records do not fit the head of the run",
        );
        loaded.damaged.entry(follow.number).or_insert(damage);
    }
    if let Some(mut pending) = follow.pending
        && !loaded.damaged.contains_key(&follow.number)
    {
        pending.parked = head.parked;
        loaded.outbox.reset(follow.number, pending);
    }
}
