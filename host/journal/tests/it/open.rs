//! Opening: what is refused, and how it is said.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use flowforge_failpoints::FailPoints;
use flowforge_journal::{Accepted, Delivered, Journal, JournalConfig, NewRun, OpenError, quarantine};
use tempfile::TempDir;

use crate::support::{accept, durable, job, new_run, open, run};

fn refused(path: &Path) -> OpenError {
    Journal::open(JournalConfig::at(path, [8; 16]), FailPoints::inert()).unwrap_err()
}

#[tokio::test]
async fn a_second_open_names_the_process_in_the_way() {
    let folder = TempDir::new().unwrap();
    let config = JournalConfig::at(folder.path().join("new/folder/journal.redb"), [8; 16]);
    let (journal, _) = open(&config);
    let error = refused(&config.path);
    assert!(
        matches!(error, OpenError::AlreadyOpen { pid: Some(pid), .. } if pid == std::process::id()),
        "{error}"
    );
    let expected = format!("is already open in process {}", std::process::id());
    assert!(error.to_string().contains(&expected), "{error}");
    journal.close().await;
    open(&config);
}

#[test]
fn a_folder_that_cannot_be_written_is_said_so() {
    // sysfs refuses new files and folders to everybody, root included.
    let error = refused(Path::new("/sys/kernel/flowforge/journal.redb"));
    assert!(matches!(error, OpenError::ReadOnly { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .contains("make the folder and the file writable"),
        "{error}"
    );
}

#[tokio::test]
async fn a_file_that_is_no_journal_is_refused_untouched_and_can_be_moved_away() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal.redb");
    for content in [&b""[..], &b"no database"[..], &[0; 8192][..]] {
        fs::write(&path, content).unwrap();
        let error = refused(&path);
        assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    let config = JournalConfig::at(&path, [8; 16]);
    let moved = |name: &str| Some(folder.path().join(name));
    assert_eq!(quarantine(&config).unwrap(), moved("journal.redb.damaged-1"));
    assert_eq!(quarantine(&config).unwrap(), None, "there is none");
    assert!(!path.exists());
    // One that can be opened is no damaged one, and one that is open stays where it is.
    let (journal, _) = open(&config);
    durable(accept(&journal, 1).await.1).await;
    let error = quarantine(&config).unwrap_err();
    assert!(matches!(error, OpenError::AlreadyOpen { .. }), "{error:?}");
    journal.close().await;
    assert_eq!(quarantine(&config).unwrap(), None);
    let (journal, recovered) = open(&config);
    assert_eq!(recovered.runs.len(), 1);
    journal.close().await;
    fs::write(&path, b"no database").unwrap();
    assert_eq!(quarantine(&config).unwrap(), moved("journal.redb.damaged-2"));
}

#[tokio::test]
async fn the_files_are_for_this_user_alone_also_those_of_an_older_program() {
    let folder = TempDir::new().unwrap();
    let config = JournalConfig::at(folder.path().join("new/journal.redb"), [8; 16]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let lock = config.path.with_file_name("journal.redb.lock");
    open(&config).0.close().await;
    let made = [
        mode(config.path.parent().unwrap()),
        mode(&config.path),
        mode(&lock),
    ];
    assert_eq!(made, [0o700, 0o600, 0o600]);
    fs::set_permissions(&config.path, fs::Permissions::from_mode(0o644)).unwrap();
    open(&config).0.close().await;
    assert_eq!(mode(&config.path), 0o600);
}

/// A journal that was lost, or that was put back from a copy, was not told from the one that the control plane knew.
#[tokio::test]
async fn a_file_is_told_from_every_other_and_from_its_own_copy() {
    let folder = TempDir::new().unwrap();
    let config = JournalConfig::at(folder.path().join("journal.redb"), [1; 16]);
    let (journal, recovered) = open(&config);
    assert_eq!(
        (recovered.identity.incarnation, recovered.identity.generation),
        ([1; 16], 1)
    );
    assert_eq!((recovered.plane, journal.plane()), (None, None));
    durable(journal.set_plane(b"plane 1".to_vec()).await.unwrap()).await;
    journal.close().await;
    let copy = folder.path().join("copy.redb");
    fs::copy(&config.path, &copy).unwrap();
    let again = JournalConfig {
        incarnation: [2; 16],
        ..config.clone()
    };
    let (journal, recovered) = open(&again);
    assert_eq!(
        recovered.identity.incarnation, [1; 16],
        "an existing file keeps its own"
    );
    assert_eq!(
        (recovered.identity.generation, journal.identity().generation),
        (2, 2)
    );
    assert_eq!(recovered.plane, Some(b"plane 1".to_vec()));
    journal.close().await;
    fs::rename(&copy, &config.path).unwrap();
    let (journal, recovered) = open(&again);
    let lost = recovered.lost.unwrap();
    assert!(lost.found < lost.confirmed, "{lost:?}");
    assert_eq!(
        (recovered.identity.incarnation, recovered.identity.generation),
        ([2; 16], 2),
        "another journal, because it is not the one that it was"
    );
    assert_eq!(recovered.plane, None, "the control plane is asked what it has");
    durable(journal.set_plane(b"plane 2".to_vec()).await.unwrap()).await;
    journal.close().await;
    let (_, recovered) = open(&config);
    assert_eq!((recovered.lost, recovered.identity.incarnation), (None, [2; 16]));
}

/// A run of a journal that was moved away stayed open for ever: what was ordered for it was refused and forgotten. And
/// what is noted beside the file says nothing of another one.
#[tokio::test]
async fn a_file_that_took_the_place_of_a_damaged_one_takes_its_runs_back() {
    let folder = TempDir::new().unwrap();
    let config = JournalConfig::at(folder.path().join("journal.redb"), [1; 16]);
    let (journal, _) = open(&config);
    for n in 0..3 {
        durable(accept(&journal, n).await.1).await;
    }
    journal.close().await;
    fs::write(&config.path, b"what is left of it").unwrap();
    assert!(quarantine(&config).unwrap().is_some());
    let new = JournalConfig {
        incarnation: [2; 16],
        ..config.clone()
    };
    let (journal, recovered) = open(&new);
    assert_eq!((recovered.lost, recovered.runs.len()), (None, 0));
    assert_eq!(
        recovered.identity.incarnation, [2; 16],
        "the control plane can tell"
    );
    // An order for a run that only the lost file knew is kept, so that it takes effect when the run comes back.
    let cancel = journal
        .deliver(&run(1), b"cancel".to_vec(), job(50))
        .await
        .unwrap();
    assert!(matches!(cancel, Delivered::Waiting(..)) && !journal.knows(&run(1)));
    let back = NewRun {
        epoch: 2,
        ..new_run(1)
    };
    let Ok(Accepted::New(..)) = journal.accept(job(51), back).await else {
        panic!("it does not come back")
    };
    assert_eq!(journal.messages(&run(1)).await.unwrap()[0].bytes, b"cancel");
    journal.close().await;
    fs::remove_file(folder.path().join("journal.redb.lock")).unwrap();
    assert_eq!(open(&new).1.lost, None);
}
