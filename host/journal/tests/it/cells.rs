//! Values beside the runs: bounded, and never missing to a run that needs them.

use flowforge_journal::{Accepted, CellLimits, NewRun, PutError, Space, Urgency};

use crate::acts::end_and_acknowledge;
use crate::folder::config;
use crate::support::{durable, job, new_run, open};

#[tokio::test]
async fn values_are_kept_by_space_and_bounded() {
    let (_folder, mut config) = config();
    config.limits.cells = CellLimits {
        cell_bytes: 10,
        host_bytes: 20,
        ..CellLimits::default()
    };
    let (journal, _) = open(&config);
    let put = async |space, key: &str, bytes: &[u8]| {
        journal
            .put(space, key, bytes.to_vec(), Urgency::Lazy)
            .await
            .map(|_| ())
    };
    put(Space::Host, "a", b"1").await.unwrap();
    put(Space::Release, "a", b"2").await.unwrap();
    put(Space::Host, "a", b"3").await.unwrap();
    journal.flush().await.unwrap();
    assert_eq!(journal.get(Space::Host, "a").await.unwrap(), Some(b"3".to_vec()));
    assert_eq!(
        journal.get(Space::Release, "a").await.unwrap(),
        Some(b"2".to_vec())
    );
    assert_eq!(journal.get(Space::Grants, "a").await.unwrap(), None);
    assert_eq!(
        put(Space::Host, "b", &[0; 11]).await,
        Err(PutError::TooLarge {
            actual_bytes: 11,
            limit_bytes: 10
        })
    );
    put(Space::Host, "b", &[0; 10]).await.unwrap();
    assert_eq!(
        put(Space::Host, "c", &[0; 10]).await,
        Err(PutError::Full {
            actual_bytes: 11,
            limit_bytes: 20
        })
    );
    durable(journal.remove(Space::Host, "b").await.unwrap()).await;
    put(Space::Host, "c", &[0; 10]).await.unwrap();
    journal.close().await;
    let (journal, _) = open(&config);
    assert_eq!(journal.get(Space::Host, "b").await.unwrap(), None);
    assert_eq!(journal.get(Space::Host, "c").await.unwrap(), Some(vec![0; 10]));
}

/// Cells were never removed: at 64 MiB new releases no longer loaded.
#[tokio::test]
async fn documents_leave_by_their_last_use_and_those_of_open_runs_stay() {
    let (_folder, mut config) = config();
    config.limits.cells.release_bytes = 100;
    let (journal, _) = open(&config);
    let put = async |journal: &flowforge_journal::Journal, key: &str| {
        journal
            .put(Space::Release, key, vec![1; 40], Urgency::Now)
            .await
            .map(|_| ())
    };
    put(&journal, "needed").await.unwrap();
    let new = NewRun {
        documents: vec![(Space::Release, "needed".to_owned())],
        ..new_run(1)
    };
    let Ok(Accepted::New(log, _)) = journal.accept(job(1), new).await else {
        panic!("not accepted")
    };
    drop(log);
    journal.close().await;
    let (journal, _) = open(&config);
    for n in 0..20 {
        put(&journal, &format!("release {n}")).await.unwrap();
    }
    journal.flush().await.unwrap();
    assert!(journal.stats().cells_bytes <= 100);
    assert!(journal.get(Space::Release, "needed").await.unwrap().is_some());
    assert!(journal.get(Space::Release, "release 18").await.unwrap().is_none());
    assert!(journal.get(Space::Release, "release 19").await.unwrap().is_some());
    end_and_acknowledge(&journal, crate::acts::load(&journal, 1).await.log).await;
    for n in 20..23 {
        put(&journal, &format!("release {n}")).await.unwrap();
    }
    journal.flush().await.unwrap();
    assert!(
        journal.get(Space::Release, "needed").await.unwrap().is_none(),
        "nobody needs it"
    );
}
