//! What people threw away comes back within its time, does nothing meanwhile, and is gone after it.

use flowforge_store::{Arrangement, Keep, Links, NewSecret, PublishError, SecretSet, Store, Trashed};

use crate::growth::keep;
use crate::kit::{Home, hooks, new_run, release, run, scope};
use crate::scopes::schedule;

fn secret(version: u32) -> NewSecret {
    NewSecret {
        name: "token".to_owned(),
        kind: "opaque".to_owned(),
        destinations: Vec::new(),
        drafts: true,
        version,
        sealed: vec![1, 2],
        at_ms: 1,
    }
}

async fn names(store: &Store, trash: bool) -> Vec<String> {
    let secrets = store.secrets(scope(), "", 9, trash).await.unwrap();
    secrets.into_iter().map(|secret| secret.name).collect()
}

#[tokio::test]
async fn a_secret_in_the_trash_is_used_by_nobody_and_comes_back_as_it_was() {
    let home = Home::new();
    let open = home.open().await;
    let store = &open.store;
    assert_eq!(
        store.set_secret(scope(), secret(1)).await.unwrap(),
        SecretSet::Stored
    );
    let before = store.secret(scope(), "token").await.unwrap();
    assert!(before.as_ref().is_some_and(|secret| secret.drafts));
    assert!(!store.restore_secret(scope(), "token").await.unwrap());
    assert!(
        store
            .delete_secret(scope(), "token", "ann", 5, false)
            .await
            .unwrap()
    );
    assert!(
        !store
            .delete_secret(scope(), "token", "bob", 6, false)
            .await
            .unwrap()
    );
    assert!(store.secret(scope(), "token").await.unwrap().is_none());
    assert!(names(store, false).await.is_empty());
    let trash = store.secrets(scope(), "", 9, true).await.unwrap();
    assert_eq!(trash[0].deleted, Some((5, "ann".to_owned())));
    let young = Keep {
        trash_since_ms: 5,
        ..keep()
    };
    store.collect(scope(), young).await.unwrap();
    assert!(store.restore_secret(scope(), "token").await.unwrap());
    assert_eq!(store.secret(scope(), "token").await.unwrap(), before);
    store
        .delete_secret(scope(), "token", "ann", 5, false)
        .await
        .unwrap();
    let old = Keep {
        trash_since_ms: 6,
        ..keep()
    };
    store.collect(scope(), old).await.unwrap();
    assert!(names(store, true).await.is_empty());
    assert!(!store.restore_secret(scope(), "token").await.unwrap());
    let sealed = home
        .number("select count(*) from secret where sealed is not null")
        .await;
    assert_eq!(sealed, 0, "the value is gone for good");
    // The name is free again, and its version goes on.
    assert_eq!(
        store.set_secret(scope(), secret(2)).await.unwrap(),
        SecretSet::Stored
    );
    open.close().await;
}

#[tokio::test]
async fn a_secret_that_is_to_go_at_once_goes_at_once() {
    let home = Home::new();
    let open = home.open().await;
    let store = &open.store;
    store.set_secret(scope(), secret(1)).await.unwrap();
    store
        .delete_secret(scope(), "token", "ann", 5, false)
        .await
        .unwrap();
    assert!(
        store
            .delete_secret(scope(), "token", "ann", 6, true)
            .await
            .unwrap()
    );
    assert!(!store.restore_secret(scope(), "token").await.unwrap());
    assert!(names(store, true).await.is_empty());
    open.close().await;
}

#[tokio::test]
async fn secrets_that_drafts_may_not_use_are_named() {
    let home = Home::new();
    let open = home.open().await;
    let store = &open.store;
    let closed = NewSecret {
        name: "bank".to_owned(),
        drafts: false,
        ..secret(1)
    };
    store.set_secret(scope(), secret(1)).await.unwrap();
    store.set_secret(scope(), closed).await.unwrap();
    let asked = ["token", "bank", "absent"].map(str::to_owned).to_vec();
    assert_eq!(store.closed_to_drafts(scope(), asked).await.unwrap(), ["bank"]);
    open.close().await;
}

#[tokio::test]
async fn a_workflow_is_put_into_a_folder_with_tags() {
    let home = Home::new();
    let open = home.ready().await;
    let store = &open.store;
    assert!(!store.arrange(scope(), "nothing", "a", Vec::new()).await.unwrap());
    assert!(store.arrangements(scope()).await.unwrap().is_empty());
    let tags = vec!["daily".to_owned(), "money".to_owned()];
    assert!(
        store
            .arrange(scope(), "sum", "shop/orders", tags.clone())
            .await
            .unwrap()
    );
    let expected = Arrangement {
        workflow: "sum".to_owned(),
        folder: "shop/orders".to_owned(),
        tags,
        deleted: None,
    };
    assert_eq!(
        store.arrangement(scope(), "sum").await.unwrap(),
        Some(expected.clone())
    );
    assert_eq!(store.arrangements(scope()).await.unwrap(), [expected]);
    open.close().await;
}

#[tokio::test]
async fn a_workflow_in_the_trash_starts_nothing_and_comes_back_with_its_paths() {
    let home = Home::new();
    let open = home.ready().await;
    let store = &open.store;
    store
        .publish(scope(), release("sum", 2), hooks("in"))
        .await
        .unwrap();
    store
        .set_schedules(scope(), "sum".to_owned(), vec![schedule("a")])
        .await
        .unwrap();
    assert_eq!(
        store.trash_workflow(scope(), "nothing", "ann", 5).await.unwrap(),
        Trashed::None
    );
    assert_eq!(
        store.trash_workflow(scope(), "sum", "ann", 5).await.unwrap(),
        Trashed::Trashed
    );
    assert_eq!(
        store.trash_workflow(scope(), "sum", "bob", 6).await.unwrap(),
        Trashed::Before
    );
    assert!(store.release_of(scope(), "sum", None).await.unwrap().is_none());
    assert!(
        store
            .newest_releases(scope(), "", 9)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert_eq!(store.hook_owner(scope(), "in").await.unwrap(), None);
    assert!(store.schedules(scope()).await.unwrap().is_empty());
    assert!(!store.arrange(scope(), "sum", "a", Vec::new()).await.unwrap());
    let refused = store
        .publish(scope(), release("sum", 3), Links::default())
        .await
        .unwrap_err();
    assert!(matches!(refused, PublishError::Trashed { .. }), "{refused}");
    let digest = release("sum", 2).digest;
    assert!(
        store.release(scope(), &digest).await.unwrap().is_some(),
        "runs of it go on"
    );
    // Somebody else has taken the path meanwhile.
    store
        .publish(scope(), release("other", 1), hooks("in"))
        .await
        .unwrap();
    let restored = store
        .restore_workflow(scope(), "sum", vec!["in".to_owned()])
        .await
        .unwrap();
    assert_eq!(restored, Some(Err("in".to_owned())));
    store
        .publish(scope(), release("other", 2), Links::default())
        .await
        .unwrap();
    let restored = store
        .restore_workflow(scope(), "sum", vec!["in".to_owned()])
        .await
        .unwrap();
    assert_eq!(restored, Some(Ok(())));
    assert_eq!(
        store.restore_workflow(scope(), "sum", Vec::new()).await.unwrap(),
        None
    );
    assert_eq!(
        store.hook_owner(scope(), "in").await.unwrap().as_deref(),
        Some("sum")
    );
    assert_eq!(
        store
            .release_of(scope(), "sum", None)
            .await
            .unwrap()
            .unwrap()
            .version,
        2
    );
    open.close().await;
}

#[tokio::test]
async fn a_workflow_whose_time_in_the_trash_is_over_goes_as_far_as_no_run_needs_it() {
    let home = Home::new();
    let open = home.ready().await;
    let store = &open.store;
    store
        .publish(scope(), release("sum", 2), Links::default())
        .await
        .unwrap();
    store.start_run(scope(), new_run(1, true)).await.unwrap();
    store.trash_workflow(scope(), "sum", "ann", 5).await.unwrap();
    let keep_young = Keep {
        trash_since_ms: 5,
        ..keep()
    };
    store.collect(scope(), keep_young).await.unwrap();
    let there = async |version| {
        store
            .release(scope(), &release("sum", version).digest)
            .await
            .unwrap()
            .is_some()
    };
    assert!(there(2).await);
    let empty = Keep {
        trash_since_ms: 6,
        ..keep()
    };
    store.collect(scope(), empty).await.unwrap();
    assert!(there(1).await && !there(2).await, "run 1 is of version 1");
    assert!(store.run(scope(), &run(1)).await.unwrap().is_some());
    assert!(
        store.release_of(scope(), "sum", None).await.unwrap().is_none(),
        "it stays in the trash"
    );
    open.close().await;
}
