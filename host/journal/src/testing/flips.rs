//! Changed bits: they are noticed, or they change nothing that is served.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use flowforge_protocol::RunId;

use super::disk::Disk;
use super::model::{Model, contents, contents_of, difference, opened, opened_beside};
use super::ops::{Kind, Op, ops_of_seed};
use super::script::Script;
use crate::error::Damage;
use crate::file::inspect;
use crate::key;
use crate::reader::Reader;
use crate::tables::{self, Definition};

/// A file with much in it, as a killed process leaves it; what it holds, what it held one commit before, and the number of
/// its last commit.
fn file() -> (Vec<u8>, Model, Model, u64) {
    let mut script = Script::open(Disk::default()).unwrap();
    let without = [Kind::Reboot, Kind::Kill, Kind::Forget, Kind::Ack, Kind::Compact];
    let ops: Vec<Op> = ops_of_seed(5, 110)
        .into_iter()
        .filter(|op| !without.contains(&op.kind))
        .collect();
    script.play(&ops).unwrap();
    let before = script.history[script.history.len() - 2].clone();
    let commit = *script.numbers.last().unwrap();
    (script.disk.bytes(), script.model, before, commit)
}

/// The same file after an orderly end.
fn closed(bytes: Vec<u8>) -> Vec<u8> {
    let disk = Disk::with(bytes);
    drop(opened(&disk).unwrap());
    disk.bytes()
}

/// What a start finds: the pages are checked, then the contents are read. `None` if the damage was noticed.
fn found(bytes: Vec<u8>) -> Option<Model> {
    inspect(Path::new("j"), Disk::with(bytes.clone()), 1 << 20, true).ok()?;
    contents(&Disk::with(bytes)).ok()
}

/// The same without the check of the pages, as it is with a large file: what is served, and of which runs it is said that
/// they are damaged. `None` if the file was refused; a panic stops the journal.
fn found_unchecked(bytes: Vec<u8>) -> Option<(Model, BTreeMap<RunId, Damage>)> {
    catch_unwind(AssertUnwindSafe(|| {
        let (db, mut loaded) = opened(&Disk::with(bytes)).ok()?;
        let damaged = loaded
            .damaged
            .iter()
            .map(|(number, damage)| (loaded.state.heads[number].run.id(), damage.clone()))
            .collect();
        let model = contents_of(&mut loaded, &Reader(db)).ok()?;
        Some((model, damaged))
    }))
    .unwrap_or(None)
}

/// The file of a killed process differs in one thing from one that was closed: a changed bit in its last commit cannot be
/// told from a commit that a power cut tore, so the database goes back to the commit before, and to no other. That was
/// silent; now the note beside the file tells it.
#[test]
fn a_changed_byte_anywhere_is_noticed_or_changes_nothing_that_is_served() {
    let (killed, model, before, commit) = file();
    let closed = closed(killed.clone());
    for (bytes, is_closed) in [(killed, false), (closed, true)] {
        assert_eq!(difference(&found(bytes.clone()).unwrap(), &model), "");
        let (mut noticed, mut harmless, mut went_back) = (0, 0, 0);
        // A stride that shares no factor with the page size visits every kind of place.
        for place in (0..bytes.len()).step_by(1009) {
            let mut changed = bytes.clone();
            changed[place] ^= 1 << (place % 8);
            match found(changed.clone()) {
                None => noticed += 1,
                Some(found) if found == model => harmless += 1,
                Some(found) => {
                    assert!(!is_closed, "byte {place}: {}", difference(&found, &model));
                    assert_eq!(difference(&found, &before), "", "byte {place}");
                    let (_, loaded) = opened_beside(&Disk::with(changed), Some(commit)).unwrap();
                    let lost = loaded.lost.unwrap();
                    assert_eq!((lost.found, lost.confirmed), (commit - 1, commit));
                    went_back += 1;
                }
            }
        }
        println!(
            "{noticed} noticed, {harmless} harmless, {went_back} back of {} bytes",
            bytes.len()
        );
        assert!(
            noticed > 20 && harmless > 20,
            "{noticed} noticed, {harmless} harmless"
        );
    }
}

#[test]
fn a_changed_byte_of_a_record_is_always_noticed_and_concerns_its_run_alone() {
    let (killed, model, _, _) = file();
    let bytes = closed(killed);
    let (id, run) = model.runs.iter().max_by_key(|(_, run)| run.lines.len()).unwrap();
    let line = run.lines.last().unwrap().as_bytes();
    // Older copies of a page may still hold the line; the one that counts is where a change is noticed.
    let copies: Vec<usize> = bytes
        .windows(line.len())
        .enumerate()
        .filter(|(_, window)| *window == line)
        .map(|(place, _)| place)
        .collect();
    let changed_at = |place: usize, mask: u8| {
        let mut changed = bytes.clone();
        changed[place] ^= mask;
        found_unchecked(changed)
    };
    let noticed = |found: &Option<(Model, BTreeMap<RunId, Damage>)>| {
        found.as_ref().is_none_or(|(_, damaged)| !damaged.is_empty())
    };
    let live: Vec<usize> = copies
        .into_iter()
        .filter(|place| noticed(&changed_at(*place, 1)))
        .collect();
    assert!(!live.is_empty());
    for start in live {
        // Every place of a short line, and every kind of place of a long one.
        for place in (start..start + line.len()).step_by(1 + line.len() / 300) {
            let found = changed_at(place, 0x20);
            assert!(noticed(&found), "byte {place}");
            let Some((served, damaged)) = found else { continue };
            assert_eq!(damaged.keys().collect::<Vec<_>>(), [id], "byte {place}");
            let mut others = model.clone();
            others.runs.remove(id);
            others.flights.retain(|(number, _), _| *number != run.number);
            assert_eq!(difference(&served, &others), "", "byte {place}");
        }
    }
}

/// A row of a run that had ended was not looked at when the journal was opened: the uploader met it, the host stopped, and
/// met it again at the next start.
#[test]
fn damage_of_one_run_leaves_the_others_whatever_row_it_is() {
    for table in [tables::RECORDS, tables::RUNS, tables::HEADS] {
        for end in [false, true] {
            let mut script = Script::open(Disk::default()).unwrap();
            let mut ops = vec![Op::of(Kind::Begin), Op::of(Kind::Begin), Op::of(Kind::Begin)];
            if end {
                ops.push(Op::of(Kind::End));
            }
            script.play(&ops).unwrap();
            let (disk, model) = (Disk::with(script.disk.bytes()), script.model);
            {
                let (db, _) = opened(&disk).unwrap();
                let txn = db.begin_write().unwrap();
                let first = key::record_key(1, 0);
                let of_run = key::number_key(1);
                let key = if table == tables::RECORDS {
                    &first[..]
                } else {
                    &of_run[..]
                };
                txn.open_table(Definition::new(table))
                    .unwrap()
                    .insert(key, &b"not what was written"[..])
                    .unwrap();
                txn.commit().unwrap();
            }
            let (served, damaged) = found_unchecked(disk.bytes()).unwrap();
            assert_eq!(damaged.len(), 1, "{table}, ended {end}");
            let id = damaged.keys().next().unwrap();
            assert_eq!(model.runs[id].number, 1);
            assert_eq!(served.runs.len(), 2, "{table}, ended {end}");
            assert!(!served.runs.contains_key(id));
        }
    }
}

/// Whatever is wrong with a snapshot, the records say the same.
#[test]
fn a_damaged_snapshot_is_not_used() {
    let mut script = Script::open(Disk::default()).unwrap();
    let ops = [Op::of(Kind::Begin), Op::of(Kind::Snapshot), Op::of(Kind::Append)];
    script.play(&ops).unwrap();
    let mut model = script.model;
    let disk = Disk::with(script.disk.bytes());
    assert_eq!(contents(&disk), Ok(model.clone()));
    {
        let (db, _) = opened(&disk).unwrap();
        let txn = db.begin_write().unwrap();
        txn.open_table(Definition::new(tables::SNAPSHOTS))
            .unwrap()
            .insert(&key::number_key(1)[..], &b"not what was written"[..])
            .unwrap();
        txn.commit().unwrap();
    }
    model.runs.values_mut().for_each(|run| run.snapshot = None);
    assert_eq!(contents(&disk), Ok(model));
}
