//! Failures around the commit of a lease (B2) and of a decision (B12): either all of it is there or nothing, before and
//! after the file is opened again.

use flowforge_failpoints::FailPoints;
use flowforge_protocol::ApprovalId;
use flowforge_store::{Approval, ApprovalState, Decided, Found, JobKind, NewDecision, NewJob, StoreError};

use crate::kit::{Home, Open, Script, asks_at, decides, host, ingest, new_job, new_run, run, scope};

/// The same file with the failures of a plan, then once more without any, as after a restart.
async fn with_plan(home: &mut Home, plan: &str) -> Open {
    home.fail_points = FailPoints::from_env_value(Some(plan)).unwrap();
    home.open().await
}

async fn restarted(home: &mut Home, open: Open) -> Open {
    open.close().await;
    home.fail_points = FailPoints::inert();
    home.open().await
}

/// A store with one run that waits for a host.
async fn waiting(home: &Home) {
    let open = home.ready().await;
    open.store.start_run(scope(), new_run(1, false)).await.unwrap();
    open.close().await;
}

#[tokio::test]
async fn before_the_commit_of_a_lease_the_run_waits_and_is_given_away_later() {
    let mut home = Home::new();
    waiting(&home).await;
    let open = with_plan(&mut home, "B2.before=error").await;
    let error = open
        .store
        .assign(scope(), vec![new_job(1, 10, &host(1))])
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Injected(_)), "{error:?}");
    let open = restarted(&mut home, open).await;
    let stored = open.store.run(scope(), &run(1)).await.unwrap().unwrap();
    assert_eq!((stored.epoch, stored.head.host), (0, None));
    assert_eq!(open.store.count_unassigned(scope()).await.unwrap(), 1);
    assert!(
        open.store
            .open_jobs(scope(), &host(1), 9)
            .await
            .unwrap()
            .is_empty(),
        "no order without its lease"
    );
    let given = open
        .store
        .assign(scope(), vec![new_job(1, 11, &host(2))])
        .await
        .unwrap();
    assert_eq!(given.len(), 1);
    assert_eq!(open.store.run(scope(), &run(1)).await.unwrap().unwrap().epoch, 1);
    open.close().await;
}

#[tokio::test]
async fn after_the_commit_of_a_lease_nobody_else_gets_the_run() {
    let mut home = Home::new();
    waiting(&home).await;
    let open = with_plan(&mut home, "B2=error").await;
    open.store
        .assign(scope(), vec![new_job(1, 10, &host(1))])
        .await
        .unwrap_err();
    let open = restarted(&mut home, open).await;
    let stored = open.store.run(scope(), &run(1)).await.unwrap().unwrap();
    assert_eq!((stored.epoch, stored.head.host), (1, Some(host(1))));
    assert_eq!(open.store.open_jobs(scope(), &host(1), 9).await.unwrap().len(), 1);
    let second = open
        .store
        .assign(scope(), vec![new_job(1, 11, &host(2))])
        .await
        .unwrap();
    assert!(second.is_empty(), "the lease was given");
    assert!(
        open.store
            .open_jobs(scope(), &host(2), 9)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(open.store.run(scope(), &run(1)).await.unwrap().unwrap().epoch, 1);
    open.close().await;
}

fn question() -> ApprovalId {
    ApprovalId::from_entropy([6; 16])
}

/// A store with one run that asks.
async fn asking(home: &Home) {
    let open = home.ready().await;
    open.store.start_run(scope(), new_run(1, true)).await.unwrap();
    let asks = asks_at("confirm", question(), "Send it?", &["duty"], None);
    let batch = Script::new(run(1)).batch(vec![asks]);
    let mut said = ingest(&host(1), vec![batch]);
    said.received = open
        .store
        .open_jobs(scope(), &host(1), 9)
        .await
        .unwrap()
        .into_iter()
        .map(|job| job.id)
        .collect();
    open.store.ingest(scope(), said).await.unwrap();
    open.close().await;
}

fn decision(approved: bool, by: &str, sequence: u64) -> NewDecision {
    let job = NewJob {
        kind: JobKind::Decide,
        subject: Some(question().to_string()),
        ..new_job(1, sequence, &host(1))
    };
    decides(question(), approved, by, job)
}

async fn asked(open: &Open) -> Approval {
    let found = match open
        .store
        .find_approval(scope(), question().as_str())
        .await
        .unwrap()
    {
        Found::One(approval) => Some(approval),
        Found::None | Found::Several => None,
    };
    found.unwrap()
}

#[tokio::test]
async fn before_the_commit_of_a_decision_the_question_stands() {
    let mut home = Home::new();
    asking(&home).await;
    let open = with_plan(&mut home, "B12.before=error").await;
    open.store
        .decide(scope(), decision(true, "ann", 20))
        .await
        .unwrap_err();
    let open = restarted(&mut home, open).await;
    let now = asked(&open).await;
    assert_eq!((now.state, now.decided_by), (ApprovalState::Pending, None));
    assert!(
        open.store
            .open_jobs(scope(), &host(1), 9)
            .await
            .unwrap()
            .is_empty(),
        "no order without its decision"
    );
    let again = open
        .store
        .decide(scope(), decision(false, "bob", 21))
        .await
        .unwrap();
    assert_eq!(again, Decided::Stored);
    assert_eq!(asked(&open).await.state, ApprovalState::Rejected);
    open.close().await;
}

#[tokio::test]
async fn after_the_commit_of_a_decision_it_stands_and_its_order_leaves() {
    let mut home = Home::new();
    asking(&home).await;
    let open = with_plan(&mut home, "B12=error").await;
    open.store
        .decide(scope(), decision(true, "ann", 20))
        .await
        .unwrap_err();
    let open = restarted(&mut home, open).await;
    let now = asked(&open).await;
    assert_eq!(
        (now.state, now.decided_by.as_deref()),
        (ApprovalState::Approved, Some("ann"))
    );
    let orders = open.store.open_jobs(scope(), &host(1), 9).await.unwrap();
    assert_eq!(orders.iter().map(|job| job.sequence).collect::<Vec<_>>(), [20]);
    let late = open
        .store
        .decide(scope(), decision(false, "bob", 21))
        .await
        .unwrap();
    assert_eq!(late, Decided::TooLate);
    assert_eq!(open.store.open_jobs(scope(), &host(1), 9).await.unwrap().len(), 1);
    open.close().await;
}
