//! Storage that fails: the n-th call, once or from then on, and a disk that is full.

use std::io::ErrorKind;
use std::path::Path;

use super::disk::{Disk, Fault};
use super::ops::{Kind, Op, ops_of_seed};
use super::script::{Script, check_found};
use crate::classify::classify;
use crate::error::OpenError;

fn workload() -> Vec<Op> {
    ops_of_seed(11, 60)
        .into_iter()
        .filter(|op| !matches!(op.kind, Kind::Reboot | Kind::Kill))
        .collect()
}

/// What became of a workload on a failing storage.
enum Outcome {
    /// No call failed.
    Clean,
    /// It failed before the journal was there.
    NotOpened,
    /// It stopped, and after the fault was gone everything confirmed was there; whether the last commit was, too.
    Stopped { last_commit_there: bool },
}

fn play(ops: &[Op], fault: Fault) -> Outcome {
    let disk = Disk::failing(fault);
    let Ok(mut script) = Script::open(disk.clone()) else {
        assert!(disk.failed() > 0, "only the fault keeps it from opening");
        return Outcome::NotOpened;
    };
    let played = script.play(ops);
    if disk.failed() == 0 {
        assert_eq!(played, Ok(()));
        return Outcome::Clean;
    }
    // A failure that the storage met in passing, such as while giving back space, need not stop it.
    let confirmed = script.history.len() - 1;
    if played.is_err() {
        assert!(script.refuses_everything(), "a stopped journal answered");
    }
    let healed = Disk::with(disk.image());
    let found = check_found(
        &healed,
        (&script.history, &script.numbers),
        confirmed,
        Some(&script.model),
    );
    match found {
        Ok(last_commit_there) => Outcome::Stopped { last_commit_there },
        Err(what) => panic!("{fault:?}: {what}"),
    }
}

#[test]
fn whatever_call_fails_nothing_confirmed_is_lost_and_nothing_is_confirmed_after() {
    let ops = workload();
    for sticky in [false, true] {
        let (mut stopped, mut not_opened, mut there) = (0, 0, 0);
        for n in 1.. {
            match play(
                &ops,
                Fault::Nth {
                    n,
                    kind: ErrorKind::Other,
                    sticky,
                },
            ) {
                Outcome::Clean => break,
                Outcome::NotOpened => not_opened += 1,
                Outcome::Stopped { last_commit_there } => {
                    stopped += 1;
                    there += usize::from(last_commit_there);
                }
            }
        }
        println!(
            "sticky {sticky}: {stopped} stops ({there} with the last commit there), {not_opened} before opening"
        );
        assert!(
            stopped > 100 && not_opened > 5,
            "{stopped} stops, {not_opened} before opening"
        );
    }
}

#[test]
fn a_full_disk_stops_the_journal_and_it_opens_again_when_there_is_room() {
    let ops = workload();
    let (mut stopped, mut not_opened) = (0, 0);
    for bytes in (4096..).step_by(4096) {
        match play(&ops, Fault::Full { bytes }) {
            Outcome::Clean => break,
            Outcome::NotOpened => not_opened += 1,
            Outcome::Stopped { .. } => stopped += 1,
        }
    }
    assert!(
        stopped > 5 && not_opened > 5,
        "{stopped} stops, {not_opened} before opening"
    );
}

/// What a journal says when a commit meets this error.
fn reason_of(kind: ErrorKind) -> String {
    let ops = workload();
    for n in 1.. {
        let disk = Disk::failing(Fault::Nth {
            n,
            kind,
            sticky: true,
        });
        if let Ok(mut script) = Script::open(disk) {
            return script.play(&ops).expect_err("no call fails for ever");
        }
    }
    unreachable!("it opens at last")
}

#[test]
fn a_stopped_journal_names_the_file_and_what_to_do() {
    let full = reason_of(ErrorKind::StorageFull);
    assert!(
        full.contains("free some and start again, nothing is lost"),
        "{full}"
    );
    let read_only = reason_of(ErrorKind::ReadOnlyFilesystem);
    assert!(
        read_only.contains("make the folder and the file writable"),
        "{read_only}"
    );
    let other = reason_of(ErrorKind::Other);
    assert!(other.contains("could not be read or written: "), "{other}");
}

#[test]
fn a_full_or_read_only_storage_is_said_so() {
    for (kind, expected) in [
        (
            ErrorKind::StorageFull,
            "no space is left for the journal j; free some and start again, nothing is lost",
        ),
        (
            ErrorKind::ReadOnlyFilesystem,
            "the journal j cannot be written; make the folder and the file writable for this user",
        ),
        (ErrorKind::Other, "the journal j could not be read or written"),
    ] {
        let disk = Disk::failing(Fault::Nth {
            n: 1,
            kind,
            sticky: true,
        });
        let error = redb::Builder::new().create_with_backend(disk).unwrap_err();
        let error = classify(Path::new("j"), error.into());
        let right = match kind {
            ErrorKind::StorageFull => matches!(error, OpenError::Full { .. }),
            ErrorKind::ReadOnlyFilesystem => matches!(error, OpenError::ReadOnly { .. }),
            _ => matches!(error, OpenError::Storage { .. }),
        };
        assert!(right, "{error:?}");
        assert_eq!(error.to_string(), expected);
    }
}
