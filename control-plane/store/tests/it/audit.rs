//! Entries of the audit: written with the change or not at all, listed, bounded.

use flowforge_core::{Action, Actor, AuditEntry, Caller, Object, ObjectKind, Outcome, Scope};
use flowforge_failpoints::FailPoints;
use flowforge_store::{AuditFilter, AuditRecord, Keep, Links, NewSecret, SecretSet, Store};

use crate::growth::keep;
use crate::kit::{Home, new_run, release, run, scope};

fn entry(action: Action, id: &str, at_ms: u64) -> AuditEntry {
    let caller = Caller::new(Actor::Owner, scope().clone(), "r-1");
    AuditEntry::done(&caller, action, Object::new(ObjectKind::Secret, id), at_ms)
}

fn secret(version: u32) -> NewSecret {
    NewSecret {
        name: "token".to_owned(),
        kind: "opaque".to_owned(),
        destinations: Vec::new(),
        drafts: false,
        version,
        sealed: vec![1],
        at_ms: 1,
    }
}

async fn listed(store: &Store, filter: AuditFilter) -> Vec<AuditRecord> {
    let page = store.audit(scope(), &filter, None, 50).await.unwrap();
    page.items.into_iter().map(|(_, record)| record).collect()
}

async fn actions(store: &Store, filter: AuditFilter) -> Vec<String> {
    let records = listed(store, filter).await;
    records.into_iter().map(|record| record.action).collect()
}

#[tokio::test]
async fn a_change_that_takes_effect_is_noted_and_another_is_not() {
    let home = Home::new();
    let open = home.ready().await;
    let noting = open.store.noting(Some(entry(Action::SetSecret, "token", 7)));
    assert_eq!(
        noting.set_secret(scope(), secret(1)).await.unwrap(),
        SecretSet::Stored
    );
    assert_eq!(
        noting.set_secret(scope(), secret(1)).await.unwrap(),
        SecretSet::Raced
    );
    let expected = AuditRecord {
        at_ms: 7,
        actor_kind: "owner".to_owned(),
        actor: "local".to_owned(),
        shown_by: "loopback".to_owned(),
        action: "secret.set".to_owned(),
        object_kind: "secret".to_owned(),
        object: "token".to_owned(),
        outcome: "done".to_owned(),
        detail: None,
        request: "r-1".to_owned(),
    };
    assert_eq!(listed(&open.store, AuditFilter::default()).await, [expected]);
    // Starts share commits and statements; each that is new is noted, and one that came before is not.
    let noting = open.store.noting(Some(entry(Action::StartRun, "1", 8)));
    let (one, other) = tokio::join!(
        noting.start_run(scope(), new_run(1, true)),
        open.store.start_run(scope(), new_run(2, true))
    );
    one.unwrap();
    other.unwrap();
    let starts = AuditFilter {
        action: Some("run.".to_owned()),
        ..AuditFilter::default()
    };
    assert_eq!(actions(&open.store, starts).await, ["run.start"]);
    open.close().await;
}

/// A start fails around its commit: change and entry are there together, or neither is.
#[tokio::test]
async fn an_entry_and_its_change_are_in_one_commit() {
    for (plan, there) in [("B1.before=error", false), ("B1=error", true)] {
        let mut home = Home::new();
        home.ready().await.close().await;
        home.fail_points = FailPoints::from_env_value(Some(plan)).unwrap();
        let open = home.open().await;
        let noting = open.store.noting(Some(entry(Action::StartRun, "1", 8)));
        noting.start_run(scope(), new_run(1, true)).await.unwrap_err();
        assert_eq!(
            open.store.run(scope(), &run(1)).await.unwrap().is_some(),
            there,
            "{plan}"
        );
        let noted = listed(&open.store, AuditFilter::default()).await;
        assert_eq!(noted.len(), usize::from(there), "{plan}");
        open.close().await;
    }
}

/// Filters, each with how many of the five entries of the test below it finds.
fn filters() -> Vec<(AuditFilter, usize)> {
    let all = AuditFilter::default;
    let text = |text: &str| Some(text.to_owned());
    let of_object = AuditFilter {
        object: text("o3"),
        object_kind: text("secret"),
        ..all()
    };
    let of_time = AuditFilter {
        since_ms: Some(2),
        until_ms: Some(4),
        ..all()
    };
    vec![
        (
            AuditFilter {
                action: text("secret.set"),
                ..all()
            },
            2,
        ),
        (
            AuditFilter {
                action: text("secret"),
                ..all()
            },
            0,
        ),
        (
            AuditFilter {
                outcome: text("denied"),
                ..all()
            },
            1,
        ),
        (of_object, 1),
        (
            AuditFilter {
                object_kind: text("run"),
                ..all()
            },
            0,
        ),
        (
            AuditFilter {
                actor: text("local"),
                ..all()
            },
            5,
        ),
        (
            AuditFilter {
                actor: text("ann"),
                ..all()
            },
            0,
        ),
        (of_time, 2),
    ]
}

#[tokio::test]
async fn entries_are_listed_by_what_they_say_and_page_by_page() {
    let home = Home::new();
    let open = home.open().await;
    for n in 1..=5 {
        let action = if n % 2 == 0 {
            Action::SetSecret
        } else {
            Action::StartRun
        };
        let noted =
            entry(action, &format!("o{n}"), n).went(if n == 5 { Outcome::Denied } else { Outcome::Done });
        open.store.note(scope(), noted).await.unwrap();
    }
    let all = AuditFilter::default();
    let first = open.store.audit(scope(), &all, None, 2).await.unwrap();
    let objects = |page: &flowforge_store::Page<AuditRecord>| -> Vec<String> {
        page.items
            .iter()
            .map(|(_, record)| record.object.clone())
            .collect()
    };
    assert_eq!(
        (objects(&first), first.has_more),
        (vec!["o5".to_owned(), "o4".to_owned()], true)
    );
    let rest = open
        .store
        .audit(scope(), &all, Some(first.items[1].0), 9)
        .await
        .unwrap();
    assert_eq!(
        (objects(&rest), rest.has_more),
        (vec!["o3".to_owned(), "o2".to_owned(), "o1".to_owned()], false)
    );
    for (filter, count) in filters() {
        assert_eq!(
            listed(&open.store, filter.clone()).await.len(),
            count,
            "{filter:?}"
        );
    }
    let other = Scope::new(scope().workspace(), "other");
    assert!(
        open.store
            .audit(&other, &all, None, 9)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    open.close().await;
}

#[tokio::test]
async fn entries_leave_by_their_age_and_by_their_number() {
    let home = Home::new();
    let open = home.open().await;
    open.store
        .publish(scope(), release("sum", 1), Links::default())
        .await
        .unwrap();
    for n in 1..=6 {
        open.store
            .note(scope(), entry(Action::SetSecret, &format!("o{n}"), n))
            .await
            .unwrap();
    }
    let left = async || -> Vec<u64> {
        let records = listed(&open.store, AuditFilter::default()).await;
        records.into_iter().map(|record| record.at_ms).collect()
    };
    let old = Keep {
        audit_since_ms: 3,
        ..keep()
    };
    open.store.collect(scope(), old).await.unwrap();
    assert_eq!(left().await, [6, 5, 4, 3]);
    let many = Keep {
        audit_max: 3,
        ..keep()
    };
    open.store.collect(scope(), many).await.unwrap();
    assert_eq!(left().await, [6, 5, 4]);
    open.store.collect(scope(), many).await.unwrap();
    assert_eq!(left().await, [6, 5, 4]);
    open.close().await;
}
