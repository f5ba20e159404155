//! What belongs to one project is not seen, changed or counted from another.

use std::fs;

use flowforge_core::Scope;
use flowforge_protocol::pieces::{ValuePiece, ValuePieces};
use flowforge_protocol::{ApprovalId, Digest, MessageId};
use flowforge_store::{
    AuditFilter, ClientRequest, Cursor, Decided, Found, GroupChange, GroupChanged, JobKind, Links, NewJob,
    NewSecret, NewSignal, PublishError, Published, Refusal, Refused, Registered, RejectCode, RunFilter,
    Schedule, SchedulePast, SecretSet, SignalKept, Started, Store, Target,
};
use serde_json::json;

use crate::growth::keep;
use crate::kit::{
    Home, Open, Script, asks_at, decides, ended, hooks, host, ingest, new_host, new_job, new_run, release,
    run, scope,
};

pub(crate) fn other() -> Scope {
    Scope::new(scope().workspace(), "other")
}

fn question() -> ApprovalId {
    ApprovalId::from_entropy([6; 16])
}

fn secret(name: &str) -> NewSecret {
    NewSecret {
        name: name.to_owned(),
        kind: "opaque".to_owned(),
        destinations: Vec::new(),
        drafts: false,
        version: 1,
        sealed: vec![1],
        at_ms: 1,
    }
}

pub(crate) fn schedule(fingerprint: &str) -> Schedule {
    Schedule {
        workflow: "sum".to_owned(),
        trigger: "daily".to_owned(),
        fingerprint: fingerprint.to_owned(),
        next_due_ms: 7,
        past: SchedulePast::default(),
    }
}

fn signal(message: u8) -> NewSignal {
    NewSignal {
        message: MessageId::from_entropy([message; 16]),
        run: Some(run(1)),
        workflow: "sum".to_owned(),
        name: "paid".to_owned(),
        correlation: None,
        payload: "1".to_owned(),
        by: "x".to_owned(),
        at_ms: 1,
        requests: vec![ClientRequest {
            id: "r".to_owned(),
            body: Digest::of(b"r"),
        }],
        delivery: None,
    }
}

fn value() -> (Digest, ValuePieces) {
    let bytes = b"a large value".to_vec();
    let digest = Digest::of(&bytes);
    let piece = ValuePiece {
        value: digest,
        bytes: bytes.len() as u64,
        from: 0,
        piece: bytes,
    };
    let pieces = ValuePieces {
        asked: Vec::new(),
        pieces: vec![piece],
    };
    (digest, pieces)
}

/// A store whose first project has one of everything: run 1 asks a question, run 2 waits for a host, run 3 is over.
async fn filled(home: &Home) -> Open {
    let open = home.ready().await;
    let store = &open.store;
    store.start_run(scope(), new_run(1, true)).await.unwrap();
    store.start_run(scope(), new_run(2, false)).await.unwrap();
    store.start_run(scope(), new_run(3, true)).await.unwrap();
    let asks = asks_at("confirm", question(), "Send it?", &[], None);
    let asking = Script::new(run(1)).batch(vec![asks]);
    let over = Script::new(run(3)).batch(vec![ended(json!(1))]);
    let told = store.ingest(scope(), ingest(&host(1), vec![asking, over])).await;
    assert!(told.unwrap().rejected.is_empty());
    store.set_secret(scope(), secret("token")).await.unwrap();
    store
        .set_schedules(scope(), "sum".to_owned(), vec![schedule("a")])
        .await
        .unwrap();
    store.keep_signal(scope(), signal(1)).await.unwrap();
    store.keep_values(scope(), value().1, 1).await.unwrap();
    let group = GroupChange {
        name: "duty".to_owned(),
        add: vec!["ann".to_owned()],
        ..GroupChange::default()
    };
    let changed = store.change_group(scope(), group).await.unwrap();
    assert!(matches!(changed, GroupChanged::Now(_)));
    open
}

/// Everything that can be asked, as one text: two pictures are alike if nothing moved.
async fn picture(store: &Store, of: &Scope) -> String {
    let all = RunFilter::default();
    let (digest, _) = value();
    format!(
        "{:?}",
        (
            (
                store.runs(of, &all, None, 99).await.unwrap(),
                store.run(of, &run(1)).await.unwrap(),
                store.find_run(of, "last").await.unwrap(),
                store.find_run(of, run(1).as_str()).await.unwrap(),
                store.batches(of, &run(1), 0, 1 << 20).await.unwrap(),
                store.waits_of(of, vec![run(1)], 9).await.unwrap(),
                store.unassigned(of, &host(1), &[], 9).await.unwrap(),
                store.count_unassigned(of).await.unwrap(),
                store.count_queued(of).await.unwrap(),
                store.oldest_open_run_ms(of).await.unwrap(),
            ),
            (
                store.approvals(of, None, None, 9).await.unwrap(),
                store.approvals_of(of, vec![run(1)], 9).await.unwrap(),
                store.find_approval(of, "last").await.unwrap(),
                store.groups(of).await.unwrap(),
                store.secrets(of, "", 9, false).await.unwrap(),
                store.audit(of, &AuditFilter::default(), None, 9).await.unwrap(),
                store.arrangements(of).await.unwrap(),
                store.last_secret_version(of, "token").await.unwrap(),
                store.schedules(of).await.unwrap(),
                store.due_signals(of, 9, 9).await.unwrap(),
                store.values(of, vec![digest], 1 << 20).await.unwrap(),
            ),
            (
                store.hosts(of).await.unwrap(),
                store.open_runs(of).await.unwrap(),
                store.open_jobs(of, &host(1), 9).await.unwrap(),
                store.open_releases(of, &host(1)).await.unwrap(),
                store.release_of(of, "sum", None).await.unwrap(),
                store.newest_releases(of, "", 9).await.unwrap(),
                store.versions(of, vec!["sum".to_owned()], 9).await.unwrap(),
                store.ordered_children(of, 9).await.unwrap(),
                store.owed_ends(of, 9).await.unwrap(),
                store.runs_to_stop(of, 9).await.unwrap(),
                store.host_gaps(of, &host(1), 0, 99).await.unwrap(),
            ),
        )
    )
}

#[tokio::test]
async fn nothing_of_a_project_is_seen_or_counted_from_another() {
    let home = Home::new();
    let open = filled(&home).await;
    let empty_home = Home::new();
    let empty = empty_home.open().await;
    let seen = picture(&open.store, &other()).await;
    assert_eq!(
        seen,
        picture(&empty.store, &other()).await,
        "as in an empty store"
    );
    assert_ne!(seen, picture(&open.store, scope()).await);
    for elsewhere in [Scope::new("other", scope().project()), other()] {
        assert!(open.store.run(&elsewhere, &run(1)).await.unwrap().is_none());
    }
    let cursors = open.store.cursors(&other(), &host(1), vec![(run(1), 1)]).await;
    assert_eq!(cursors.unwrap(), [(run(1), Cursor::Unknown)]);
    assert_eq!(open.store.resume_basis(&other(), &run(1)).await.unwrap(), None);
    assert_eq!(open.store.hook_owner(&other(), "in").await.unwrap(), None);
    empty.close().await;
    open.close().await;
}

#[tokio::test]
async fn nothing_of_a_project_is_changed_from_another() {
    let home = Home::new();
    let open = filled(&home).await;
    let (store, other) = (&open.store, &other());
    let before = picture(store, scope()).await;
    let cancel = NewJob {
        kind: JobKind::Cancel,
        ..new_job(1, 50, &host(1))
    };
    let decision = decides(question(), true, "ann", cancel.clone());
    assert_eq!(store.decide(other, decision).await.unwrap(), Decided::TooLate);
    let reason = "no".to_owned();
    assert_eq!(
        store
            .order_cancel(other, reason.clone(), cancel.clone())
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        store
            .order_change(other, &[JobKind::Pause], cancel.clone())
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        store.cancel_here(other, run(2), reason.clone(), 9).await.unwrap(),
        None
    );
    assert_eq!(
        store
            .fail_unassigned(other, run(2), reason.clone(), 9)
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        store.assign(other, vec![new_job(2, 51, &host(1))]).await.unwrap(),
        []
    );
    let orders = store.open_jobs(scope(), &host(1), 9).await.unwrap();
    for order in &orders {
        let ended = store.fail_order(other, order.id.clone(), reason.clone(), 9).await;
        assert_eq!(ended.unwrap(), None);
        let refusal = Refusal {
            reopens: false,
            host: host(1),
            job: order.id.clone(),
            unknown_run: true,
            given_up: false,
            reason: reason.clone(),
            outcome: "{}".to_owned(),
            at_ms: 9,
        };
        assert_eq!(store.refuse_job(other, refusal).await.unwrap(), Refused::Unknown);
    }
    assert_eq!(picture(store, scope()).await, before);
    open.close().await;
}

#[tokio::test]
async fn what_is_noted_collected_or_brought_for_another_project_moves_nothing() {
    let home = Home::new();
    let open = filled(&home).await;
    let (store, other) = (&open.store, &other());
    let before = picture(store, scope()).await;
    let orders = store.open_jobs(scope(), &host(1), 9).await.unwrap();
    store.note_trouble(other, run(1), "no".to_owned()).await.unwrap();
    store.stop_told(other, run(1)).await.unwrap();
    assert!(store.told_parent(other, run(1), None).await.unwrap());
    assert_eq!(store.lose(other, host(1), vec![run(1)], 9).await.unwrap(), []);
    let lost = store
        .note_journal(other, host(1), "b".to_owned(), Some(vec![run(1)]), 9)
        .await
        .unwrap();
    assert!(lost.runs.is_empty() && lost.orders.is_empty());
    let sent = store
        .send_signal(other, MessageId::from_entropy([1; 16]), Vec::new())
        .await;
    assert!(!sent.unwrap());
    assert!(
        !store
            .delete_secret(other, "token", "ann", 1, false)
            .await
            .unwrap()
    );
    store
        .set_schedules(other, "sum".to_owned(), Vec::new())
        .await
        .unwrap();
    let mut moved = schedule("a");
    moved.next_due_ms = 8;
    assert!(!store.move_schedule(other, schedule("a"), moved).await.unwrap());
    let group = GroupChange {
        name: "duty".to_owned(),
        members: Some(Vec::new()),
        ..GroupChange::default()
    };
    let changed = store.change_group(other, group).await.unwrap();
    assert!(matches!(changed, GroupChanged::Now(_)));
    let mut removes_all = keep();
    removes_all.ended_since_ms = u64::MAX;
    removes_all.unreceipted_since_ms = u64::MAX;
    removes_all.requests_since_ms = u64::MAX;
    removes_all.signals_since_ms = u64::MAX;
    removes_all.values_since_ms = u64::MAX;
    removes_all.releases_since_ms = u64::MAX;
    removes_all.requests_max = 0;
    let collected = store.collect(other, removes_all).await.unwrap();
    assert_eq!(
        (collected.runs.len(), collected.requests, collected.signals),
        (0, 0, 0)
    );
    let register = store.register_host(other, new_host(1)).await.unwrap();
    assert_eq!(register, Registered::Elsewhere);
    let batch = Script::new(run(1)).batch(vec![ended(json!(2))]);
    let mut said = ingest(&host(1), vec![batch]);
    said.received = orders.iter().map(|order| order.id.clone()).collect();
    let told = store.ingest(other, said).await.unwrap();
    let codes: Vec<_> = told.rejected.iter().map(|rejected| rejected.code).collect();
    assert_eq!((codes, told.taken), (vec![RejectCode::UnknownRun], 0));
    assert_eq!(picture(store, scope()).await, before);
    open.close().await;
}

/// Names of one project do not stand in the way of another's, and a host, a run or a release of one is of no use to another.
#[tokio::test]
async fn names_are_free_in_each_project_and_ids_do_not_reach_across() {
    let home = Home::new();
    let open = filled(&home).await;
    let (store, other) = (&open.store, &other());
    assert_eq!(
        store.set_secret(other, secret("token")).await.unwrap(),
        SecretSet::Stored
    );
    let stolen = store.publish(other, release("sum", 1), Links::default()).await;
    assert!(matches!(stolen, Err(PublishError::Elsewhere)), "{stolen:?}");
    let mut own = release("sum", 1);
    own.digest = Digest::of(b"of the other project");
    let links = Links {
        children: vec![release("sum", 1).digest],
        ..hooks("in")
    };
    let refused = store.publish(other, own.clone(), links).await;
    assert!(
        matches!(refused, Err(PublishError::NoChild { .. })),
        "{refused:?}"
    );
    assert_eq!(
        store.publish(other, own.clone(), hooks("in")).await.unwrap(),
        Published::New
    );
    assert_eq!(
        store
            .publish(scope(), release("sum", 2), hooks("in"))
            .await
            .unwrap(),
        Published::New
    );
    assert_eq!(
        store.hook_owner(other, "in").await.unwrap().as_deref(),
        Some("sum")
    );
    assert_eq!(
        store.keep_signal(other, signal(2)).await.unwrap(),
        SignalKept::New,
        "its name is free"
    );
    assert!(
        store.due_signals(other, 9, 9).await.unwrap().is_empty(),
        "run 1 is no run of this project"
    );

    let foreign_release = store.start_run(other, new_run(4, false)).await;
    assert!(foreign_release.is_err(), "{foreign_release:?}");
    let mut of_other = new_run(4, true);
    of_other.release = own.digest;
    let foreign_host = store.start_run(other, of_other.clone()).await;
    assert!(foreign_host.is_err(), "{foreign_host:?}");
    of_other.job = None;
    assert_eq!(store.start_run(other, of_other).await.unwrap(), Started::New);
    let given = store.assign(other, vec![new_job(4, 60, &host(1))]).await;
    assert!(given.is_err(), "{given:?}");

    let told = store
        .told_parent(scope(), run(3), Some(new_job(4, 61, &host(1))))
        .await;
    assert!(!told.unwrap(), "the parent is not of this project");
    let found = store.find_run(other, "last").await.unwrap();
    assert!(matches!(found, Found::One(found) if found.id == run(4)));
    let (digest, pieces) = value();
    assert!(store.values(other, vec![digest], 99).await.unwrap().is_empty());
    let kept = store.keep_values(other, pieces, 1).await.unwrap();
    assert!(kept[0].whole, "{kept:?}");
    assert_eq!(store.values(other, vec![digest], 99).await.unwrap().len(), 1);
    open.close().await;
}

/// A parent that names a run of another project as its child does not stop it with itself.
#[tokio::test]
async fn a_run_does_not_stop_a_run_of_another_project() {
    use flowforge_protocol::awaited::Await;
    use flowforge_protocol::record::Event;
    let home = Home::new();
    let open = filled(&home).await;
    let (store, other) = (&open.store, &other());
    let mut own = release("sum", 1);
    own.digest = Digest::of(b"of the other project");
    store.publish(other, own.clone(), Links::default()).await.unwrap();
    store.register_host(other, new_host(8)).await.unwrap();
    let mut parent = new_run(5, true);
    parent.release = own.digest;
    parent.job = Some(new_job(5, 70, &host(8)));
    store.start_run(other, parent).await.unwrap();
    let claims = Event::AwaitOpened {
        step: "child".parse().unwrap(),
        awaits: Await::Child {
            run: run(1),
            release: own.digest,
            grants: own.grants_digest,
            input: json!(1).into(),
        },
        due_ms: None,
    };
    let batch = Script::new(run(5)).batch(vec![claims, ended(json!(1))]);
    let told = store.ingest(other, ingest(&host(8), vec![batch])).await.unwrap();
    assert!(told.rejected.is_empty(), "{told:?}");
    assert_eq!(store.runs_to_stop(scope(), 9).await.unwrap(), []);
    assert_eq!(store.runs_to_stop(other, 9).await.unwrap(), []);
    let none: Vec<Target> = Vec::new();
    assert!(
        store
            .due_signals(other, 9, 9)
            .await
            .unwrap()
            .iter()
            .all(|due| due.targets == none)
    );
    open.close().await;
}

/// Calls that concern no project, or only make another handle: everything else takes the scope first.
const WITHOUT_SCOPE: [&str; 8] = [
    "close",
    "counting",
    "incarnation",
    "notices",
    "noting",
    "open",
    "sequences",
    "steps",
];

#[test]
fn every_call_of_the_store_takes_a_scope_first() {
    let mut calls = 0;
    for entry in fs::read_dir(format!("{}/src", env!("CARGO_MANIFEST_DIR"))).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        for of_store in text.split("\nimpl Store {").skip(1) {
            let of_store = of_store.split("\n}\n").next().unwrap();
            for call in of_store
                .split("    pub ")
                .skip(1)
                .filter(|call| call.contains("fn "))
            {
                let call = call.split("fn ").nth(1).unwrap();
                let (name, parameters) = call.split_once('(').unwrap();
                if name.starts_with(char::is_lowercase) && !WITHOUT_SCOPE.contains(&name) {
                    let parameters: String = parameters.split_whitespace().collect::<Vec<_>>().join(" ");
                    assert!(
                        parameters.starts_with("&self, scope: &Scope"),
                        "{name}({parameters:.60}"
                    );
                    calls += 1;
                }
            }
        }
    }
    assert!(calls > 50, "{calls} calls were looked at");
}
