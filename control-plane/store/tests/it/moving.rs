//! Runs that wait for a host with certain words, and runs that go to another host when their own is not heard.

use flowforge_core::Scope;
use flowforge_store::{Holder, JobKind, NewHost, NewJob, NewResume, NewRun, RunState};

use crate::kit::{Home, Open, Script, host, ingest, new_host, new_job, new_run, run, scope, skipped};
use crate::scopes::other;

const LEASE_MS: u64 = 2_000;
/// Long enough for any lease of these tests.
const LONG_MS: u64 = 60_000;

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

fn moving(n: u64, assigned: bool) -> NewRun {
    NewRun {
        lease_ms: Some(LEASE_MS),
        ..new_run(n, assigned)
    }
}

async fn waiting(open: &Open, n: u64, its: &[&str]) -> Vec<u64> {
    let found = open
        .store
        .unassigned(scope(), &host(n), &words(its), 9)
        .await
        .unwrap();
    let number = |id| (1..9).find(|n| run(*n) == id).unwrap();
    found.into_iter().map(|waiting| number(waiting.id)).collect()
}

async fn holders(open: &Open) -> Vec<Holder> {
    open.store.lease_holders(scope()).await.unwrap()
}

fn resume(n: u64, to: u64, from_epoch: u64, records: u64) -> NewResume {
    let kind = if records == 0 {
        JobKind::Start
    } else {
        JobKind::Resume
    };
    NewResume {
        run: run(n),
        from_epoch,
        records,
        host: host(to),
        jobs: vec![NewJob {
            kind,
            ..new_job(n, 2_000 + n, &host(to))
        }],
    }
}

#[tokio::test]
async fn a_run_waits_for_a_host_that_has_all_its_words() {
    let home = Home::new();
    let open = home.ready().await;
    for (n, its) in [(1, vec![]), (2, vec!["eu"]), (3, vec!["eu", "pool:presses"])] {
        let new = NewRun {
            labels: words(&its),
            ..new_run(n, false)
        };
        open.store.start_run(scope(), new).await.unwrap();
    }
    assert_eq!(waiting(&open, 1, &[]).await, [1]);
    assert_eq!(waiting(&open, 1, &["eu", "gpu"]).await, [1, 2]);
    assert_eq!(waiting(&open, 1, &["eu", "gpu", "pool:presses"]).await, [1, 2, 3]);
    assert_eq!(open.store.count_unassigned(scope()).await.unwrap(), 3);
    let stored = open.store.run(scope(), &run(3)).await.unwrap().unwrap();
    assert_eq!(stored.placement.labels, ["eu", "pool:presses"]);
    open.close().await;
}

#[tokio::test]
async fn a_host_has_the_words_of_its_site_and_those_that_it_was_given() {
    let home = Home::new();
    let open = home.ready().await;
    let said = |labels: &[&str], given_labels: Option<&[&str]>| NewHost {
        labels: words(labels),
        given_labels: given_labels.map(words),
        ..new_host(1)
    };
    let known = async |new: NewHost| {
        open.store.register_host(scope(), new).await.unwrap();
        open.store.host(scope(), &host(1)).await.unwrap().unwrap().labels
    };
    assert_eq!(known(said(&["gpu"], Some(&["eu", "gpu"]))).await, ["eu", "gpu"]);
    assert_eq!(
        known(said(&["big"], None)).await,
        ["big", "eu", "gpu"],
        "what was given stays"
    );
    assert_eq!(known(said(&[], Some(&[]))).await, Vec::<String>::new());
    open.close().await;
}

#[tokio::test]
async fn a_lease_that_was_not_renewed_lets_another_host_have_the_run() {
    let home = Home::new();
    let open = home.ready().await;
    open.store.start_run(scope(), moving(1, true)).await.unwrap();
    open.store.start_run(scope(), new_run(2, true)).await.unwrap();
    let mut script = Script::new(run(1));
    let first = script.batch(vec![skipped("begun")]);
    open.store
        .ingest(scope(), ingest(&host(1), vec![first]))
        .await
        .unwrap();
    let seen = holders(&open).await;
    assert_eq!(
        seen,
        [Holder {
            host: host(1),
            renewals: 0
        }]
    );
    let lapse = async |holder: &Holder, still_ms| {
        let done = open.store.lapse(scope(), holder.clone(), still_ms, 5).await;
        done.unwrap()
    };
    assert_eq!(lapse(&seen[0], LEASE_MS).await, 0, "two clocks do not go alike");
    assert_eq!(
        open.store
            .lapse(&other(), seen[0].clone(), LONG_MS, 5)
            .await
            .unwrap(),
        0
    );
    open.store.renew_leases(scope(), host(1)).await.unwrap();
    assert_eq!(
        lapse(&seen[0], LONG_MS).await,
        0,
        "it was renewed since it was seen"
    );
    let seen = holders(&open).await;
    assert_eq!(
        lapse(&seen[0], LONG_MS).await,
        1,
        "the other run stays at its host"
    );
    assert_eq!(holders(&open).await, []);
    assert_eq!(open.store.count_unassigned(scope()).await.unwrap(), 1);
    assert_eq!(
        waiting(&open, 1, &[]).await,
        [] as [u64; 0],
        "it is not taken from itself"
    );
    assert_eq!(waiting(&open, 2, &[]).await, [1]);
    // Its host is heard before anybody takes the run.
    open.store.renew_leases(scope(), host(1)).await.unwrap();
    assert_eq!(waiting(&open, 2, &[]).await, [] as [u64; 0]);
    assert!(!open.store.resume(scope(), resume(1, 2, 1, 1)).await.unwrap());
    // Or it is not.
    let seen = holders(&open).await;
    assert_eq!(lapse(&seen[0], LONG_MS).await, 1);
    assert!(open.store.resume(scope(), resume(1, 2, 1, 1)).await.unwrap());
    open.store.renew_leases(scope(), host(1)).await.unwrap();
    let stored = open.store.run(scope(), &run(1)).await.unwrap().unwrap();
    assert_eq!((stored.epoch, stored.head.host.as_ref()), (2, Some(&host(2))));
    assert_eq!(stored.placement.lapsed_at_ms, None);
    let late = script.batch(vec![skipped("late")]);
    let told = open
        .store
        .ingest(scope(), ingest(&host(1), vec![late]))
        .await
        .unwrap();
    assert_eq!(told.rejected[0].code.as_str(), "not_owner");
    open.close().await;
}

#[tokio::test]
async fn a_run_of_which_nothing_came_begins_anew_elsewhere() {
    let home = Home::new();
    let open = home.ready().await;
    open.store.start_run(scope(), moving(1, true)).await.unwrap();
    let seen = holders(&open).await;
    open.store
        .lapse(scope(), seen[0].clone(), LONG_MS, 5)
        .await
        .unwrap();
    assert!(open.store.resume(scope(), resume(1, 2, 1, 0)).await.unwrap());
    assert!(
        open.store
            .open_jobs(scope(), &host(1), 9)
            .await
            .unwrap()
            .is_empty()
    );
    let jobs = open.store.open_jobs(scope(), &host(2), 9).await.unwrap();
    assert_eq!(jobs[0].kind, JobKind::Start);
    let stored = open.store.run(scope(), &run(1)).await.unwrap().unwrap();
    assert_eq!((stored.state, stored.epoch), (RunState::Queued, 2));
    open.close().await;
}

/// A host that lost its journal gets its own runs back, too, when no old copy of it can be at work any more.
#[tokio::test]
async fn a_lost_run_that_may_move_goes_on_wherever_it_may() {
    let home = Home::new();
    let open = home.ready().await;
    open.store.start_run(scope(), moving(1, true)).await.unwrap();
    open.store
        .lose(scope(), host(1), vec![run(1)], 1_000)
        .await
        .unwrap();
    assert_eq!(open.store.lapse_lost(scope(), 1_000 + LEASE_MS).await.unwrap(), 0);
    assert_eq!(open.store.lapse_lost(scope(), 1_000 + LONG_MS).await.unwrap(), 1);
    open.store.renew_leases(scope(), host(1)).await.unwrap();
    for n in [1, 2] {
        assert_eq!(waiting(&open, n, &[]).await, [1]);
    }
    assert!(open.store.resume(scope(), resume(1, 1, 1, 0)).await.unwrap());
    assert_eq!(waiting(&open, 2, &[]).await, [] as [u64; 0]);
    open.close().await;
}

/// Not even a count of another project says anything.
#[tokio::test]
async fn leases_of_another_project_are_not_seen() {
    let home = Home::new();
    let open = home.ready().await;
    open.store.start_run(scope(), moving(1, true)).await.unwrap();
    let elsewhere: Scope = other();
    assert_eq!(open.store.lease_holders(&elsewhere).await.unwrap(), []);
    open.store.renew_leases(&elsewhere, host(1)).await.unwrap();
    assert_eq!(holders(&open).await[0].renewals, 0);
    open.close().await;
}
