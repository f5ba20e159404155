//! Changed bits: they are noticed, or they change nothing that is served.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::disk::Disk;
use super::model::{Model, contents, difference};
use super::script::{Op, Script, ops_of_seed};
use crate::file::inspect;

/// A file with much in it.
fn file() -> (Vec<u8>, Model) {
    let mut script = Script::open(Disk::default()).unwrap();
    let ops: Vec<Op> = ops_of_seed(5, 160)
        .into_iter()
        .filter(|op| !matches!(op, Op::Reboot { .. } | Op::Forget { .. } | Op::AckRecords { .. }))
        .collect();
    script.play(&ops).unwrap();
    (script.disk.bytes(), script.model)
}

/// What a start finds: the pages are checked, then the contents are read. `None` if the damage was noticed.
fn found(bytes: Vec<u8>) -> Option<Model> {
    inspect(Path::new("j"), Disk::with(bytes.clone()), 1 << 20, true).ok()?;
    contents(&Disk::with(bytes)).ok()
}

/// The same without the check of the pages, as it is with a large file; a panic stops the journal.
fn found_unchecked(bytes: Vec<u8>) -> Option<Model> {
    catch_unwind(AssertUnwindSafe(|| contents(&Disk::with(bytes)).ok())).unwrap_or(None)
}

#[test]
fn a_changed_byte_anywhere_is_noticed_or_changes_nothing_that_is_served() {
    let (bytes, model) = file();
    assert_eq!(difference(&found(bytes.clone()).unwrap(), &model), "");
    let (mut noticed, mut harmless) = (0, 0);
    // A stride that shares no factor with the page size visits every kind of place.
    for place in (0..bytes.len()).step_by(97) {
        let mut changed = bytes.clone();
        changed[place] ^= 1 << (place % 8);
        match found(changed) {
            None => noticed += 1,
            Some(found) => {
                assert_eq!(difference(&found, &model), "", "byte {place}");
                harmless += 1;
            }
        }
    }
    println!("{noticed} noticed, {harmless} harmless of {} bytes", bytes.len());
    assert!(
        noticed > 100 && harmless > 100,
        "{noticed} noticed, {harmless} harmless"
    );
}

#[test]
fn a_changed_byte_of_a_record_is_always_noticed() {
    let (bytes, model) = file();
    let run = model.runs.values().max_by_key(|run| run.lines.len()).unwrap();
    let line = run.lines.last().unwrap().as_bytes();
    // Older copies of a page may still hold the line; the one that counts is where a change is noticed.
    let copies: Vec<usize> = bytes
        .windows(line.len())
        .enumerate()
        .filter(|(_, window)| *window == line)
        .map(|(place, _)| place)
        .collect();
    let counts = |place: usize| {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        found_unchecked(changed).is_none()
    };
    let live: Vec<usize> = copies.into_iter().filter(|place| counts(*place)).collect();
    assert!(!live.is_empty());
    for start in live {
        for place in start..start + line.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 0x20;
            assert!(found_unchecked(changed).is_none(), "byte {place}");
        }
    }
}
