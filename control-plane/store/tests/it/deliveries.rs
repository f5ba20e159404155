//! What came to webhooks, and schedules with what became of their times.

use flowforge_protocol::{DeliveryId, Digest, MessageId};
use flowforge_store::{
    ClientRequest, DeliveryFilter, DeliveryOutcome, Erased, Erasure, Found, KeepDeliveries, NewDelivery,
    NewErasure, NewRun, NewSignal, REPLAYABLE_MAX, SignalKept, Started,
};

use crate::growth::{keep, over};
use crate::kit::{Home, Open, id, new_run, run, scope};
use crate::scopes::{other, schedule};

fn delivery(n: u64, path: &str) -> NewDelivery {
    NewDelivery {
        id: DeliveryId::from_entropy(id(7, n)),
        at_ms: n,
        path: path.to_owned(),
        workflow: "sum".to_owned(),
        trigger: "web".to_owned(),
        scheme: "github".to_owned(),
        media_type: Some("application/json".to_owned()),
        bytes: 2,
        body: Some("e30=".to_owned()),
        replay: None,
    }
}

fn named(n: u64, name: &str, body: &[u8]) -> NewRun {
    NewRun {
        requests: vec![ClientRequest {
            id: name.to_owned(),
            body: Digest::of(body),
        }],
        delivery: Some(delivery(n, "in")),
        ..new_run(n, false)
    }
}

async fn listed(open: &Open, filter: DeliveryFilter) -> Vec<(u64, String, Option<String>, bool)> {
    let page = open.store.deliveries(scope(), &filter, None, 100).await.unwrap();
    let items = page.items.into_iter();
    items
        .map(|(_, found)| (found.at_ms, found.outcome, found.code, found.has_body))
        .collect()
}

/// Whoever sent something saw an answer, and nobody else saw that it came: what was refused left no trace.
#[tokio::test]
async fn a_delivery_is_kept_with_what_became_of_it_in_the_commit_that_decides() {
    let home = Home::new();
    let open = home.ready().await;
    let start = |run| open.store.start_run(scope(), run);
    assert_eq!(start(named(1, "a", b"x")).await.unwrap(), Started::New);
    let again = start(named(2, "a", b"x")).await.unwrap();
    assert_eq!(again, Started::Duplicate { run: run(1) });
    let taken = start(named(3, "a", b"y")).await.unwrap();
    assert_eq!(taken, Started::Conflict { run: run(1) });
    let refused = open
        .store
        .note_refused_delivery(scope(), delivery(4, "in"), "FF-IN-001");
    refused.await.unwrap();
    let row = |at_ms, outcome: &str, code: Option<&str>, body| {
        (at_ms, outcome.to_owned(), code.map(str::to_owned), body)
    };
    assert_eq!(
        listed(&open, DeliveryFilter::default()).await,
        [
            row(4, "refused", Some("FF-IN-001"), true),
            row(3, "refused", Some("FF-RUN-002"), true),
            row(2, "duplicate", None, false),
            row(1, "accepted", None, true),
        ]
    );
    let accepted = DeliveryFilter {
        outcome: Some(DeliveryOutcome::Accepted),
        ..DeliveryFilter::default()
    };
    assert_eq!(listed(&open, accepted).await.len(), 1);
    let elsewhere = DeliveryFilter {
        path: Some("out".to_owned()),
        ..DeliveryFilter::default()
    };
    assert!(listed(&open, elsewhere).await.is_empty());
    let of_other = open
        .store
        .deliveries(&other(), &DeliveryFilter::default(), None, 9)
        .await;
    assert!(of_other.unwrap().items.is_empty());
    let Found::One(last) = open.store.find_delivery(scope(), "last").await.unwrap() else {
        panic!("there is a last one")
    };
    assert_eq!(last.at_ms, 4);
    let body = open.store.delivery_body(scope(), &last.id).await.unwrap();
    assert_eq!(body.as_deref(), Some("e30="));
    assert!(matches!(
        open.store
            .find_delivery(&other(), last.id.as_str())
            .await
            .unwrap(),
        Found::None
    ));
    assert_eq!(open.store.delivery_body(&other(), &last.id).await.unwrap(), None);
    open.close().await;
}

#[tokio::test]
async fn a_signal_of_a_webhook_is_a_delivery_too() {
    let home = Home::new();
    let open = home.ready().await;
    let signal = |n: u64| NewSignal {
        message: MessageId::from_entropy(id(9, n)),
        run: None,
        workflow: "sum".to_owned(),
        name: "paid".to_owned(),
        correlation: None,
        payload: "1".to_owned(),
        by: "webhook in".to_owned(),
        at_ms: n,
        requests: vec![ClientRequest {
            id: "s".to_owned(),
            body: Digest::of(b"s"),
        }],
        delivery: Some(delivery(n, "in")),
    };
    assert_eq!(
        open.store.keep_signal(scope(), signal(1)).await.unwrap(),
        SignalKept::New
    );
    let first = MessageId::from_entropy(id(9, 1));
    assert_eq!(
        open.store.keep_signal(scope(), signal(2)).await.unwrap(),
        SignalKept::Duplicate(first.clone())
    );
    let page = open
        .store
        .deliveries(scope(), &DeliveryFilter::default(), None, 9)
        .await
        .unwrap();
    let found: Vec<_> = page
        .items
        .iter()
        .map(|(_, found)| (found.outcome.as_str(), found.signal.as_deref()))
        .collect();
    let first = Some(first.as_str());
    assert_eq!(found, [("duplicate", first), ("accepted", first)]);
    open.close().await;
}

/// Whatever is sent to a plane all day must not fill its disk.
#[tokio::test]
async fn deliveries_leave_by_age_and_number_and_their_bodies_before_them() {
    let home = Home::new();
    let open = home.ready().await;
    let kept = u64::from(REPLAYABLE_MAX);
    for n in 0..kept + 5 {
        let noted = open
            .store
            .note_refused_delivery(scope(), delivery(n, "in"), "FF-IN-001");
        noted.await.unwrap();
    }
    let noted = open
        .store
        .note_refused_delivery(scope(), delivery(1_000, "out"), "FF-IN-001");
    noted.await.unwrap();
    let all = KeepDeliveries { ..keep().deliveries };
    open.store.trim_deliveries(scope(), all, 100).await.unwrap();
    let found = listed(&open, DeliveryFilter::default()).await;
    let with_body: Vec<u64> = found.iter().filter(|row| row.3).map(|row| row.0).collect();
    let mut expected: Vec<u64> = (5..kept + 5).rev().collect();
    expected.insert(0, 1_000);
    assert_eq!(with_body, expected, "the newest of each path");

    let fewer = KeepDeliveries {
        body_bytes_max: 8,
        ..all
    };
    open.store.trim_deliveries(&other(), fewer, 100).await.unwrap();
    assert!(
        listed(&open, DeliveryFilter::default())
            .await
            .iter()
            .filter(|row| row.3)
            .count()
            > 2
    );
    open.store.trim_deliveries(scope(), fewer, 100).await.unwrap();
    let found = listed(&open, DeliveryFilter::default()).await;
    let with_body: Vec<u64> = found.iter().filter(|row| row.3).map(|row| row.0).collect();
    assert_eq!(with_body, [1_000, kept + 4]);

    let newest = KeepDeliveries {
        since_ms: 10,
        count_max: 20,
        ..all
    };
    open.store.trim_deliveries(scope(), newest, 10).await.unwrap();
    let found = listed(&open, DeliveryFilter::default()).await;
    assert!(found.iter().all(|row| row.0 >= 10), "those that are too old went");
    let mut whole = keep();
    whole.deliveries = newest;
    for _ in 0..9 {
        open.store.collect(scope(), whole).await.unwrap();
    }
    let found = listed(&open, DeliveryFilter::default()).await;
    assert_eq!((found.len(), found[0].0), (20, 1_000));
    open.close().await;
}

/// The values of a run were erased, and its input stood in the list of deliveries.
#[tokio::test]
async fn the_body_goes_with_the_values_of_its_run() {
    let home = Home::new();
    let open = home.ready().await;
    over(&open, 1, true).await;
    home.execute(&format!(
        "insert into delivery (workspace, project, id, at_ms, path, workflow, trigger, scheme, bytes, outcome, run, body) \
         values ('dev', 'default', '{}', 1, 'in', 'sum', 'web', 'none', 2, 'accepted', '{}', 'e30=')",
        DeliveryId::from_entropy([3; 16]),
        run(1)
    ))
    .await;
    let erasure = NewErasure {
        run: run(1),
        erasure: Erasure {
            by: "ann".to_owned(),
            at_ms: 9,
        },
        job: None,
    };
    assert_eq!(
        open.store.erase_run(scope(), erasure).await.unwrap(),
        Erased::Done
    );
    let found = listed(&open, DeliveryFilter::default()).await;
    assert_eq!(found, [(1, "accepted".to_owned(), None, false)]);
    open.close().await;
}

/// Two servers that look at the same time: the one that writes second changes nothing.
#[tokio::test]
async fn a_schedule_moves_on_only_from_where_it_was_read() {
    let home = Home::new();
    let open = home.ready().await;
    let read = schedule("a");
    open.store
        .set_schedules(scope(), "sum".to_owned(), vec![read.clone()])
        .await
        .unwrap();
    let mut moved = read.clone();
    moved.next_due_ms = 9;
    moved.past.last_due_ms = Some(7);
    moved.past.last_run = Some(run(1));
    moved.past.waiting = vec![8];
    moved.past.skipped = 3;
    let go = |from, to| open.store.move_schedule(scope(), from, to);
    assert!(go(read.clone(), moved.clone()).await.unwrap());
    assert!(!go(read.clone(), read.clone()).await.unwrap());
    let stored = open.store.schedules(scope()).await.unwrap();
    assert_eq!(stored, std::slice::from_ref(&moved));
    // Only what waits differs, or only what was started.
    let mut taken = moved.clone();
    taken.past.waiting.clear();
    assert!(go(moved.clone(), taken.clone()).await.unwrap());
    assert!(!go(moved, read.clone()).await.unwrap());
    let mut again = taken.clone();
    again.past.last_run = Some(run(2));
    assert!(go(taken.clone(), again).await.unwrap());
    assert!(!go(taken, read).await.unwrap());
    open.close().await;
}
