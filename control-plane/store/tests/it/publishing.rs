//! Which release is the newest, and whose a webhook path is, are facts of the store.

use flowforge_protocol::Digest;
use flowforge_store::{Links, PublishError, Published};

use crate::kit::{Home, hooks, release, scope};

/// Who held the signed documents of version 1, which every run gives away as evidence, could publish them again and make
/// version 1 the newest.
#[tokio::test]
async fn an_old_release_that_comes_again_changes_nothing() {
    let home = Home::new();
    let open = home.open().await;
    for version in [1, 2] {
        let published = open
            .store
            .publish(scope(), release("sum", version), Links::default())
            .await;
        assert_eq!(published.unwrap(), Published::New);
    }
    let again = open.store.publish(scope(), release("sum", 1), hooks("old")).await;
    assert_eq!(again.unwrap(), Published::Known);
    let newest = open
        .store
        .release_of(scope(), "sum", None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(newest.version, 2);
    let mut other = release("sum", 1);
    other.grants_digest = Digest::of(b"wider grants");
    let refused = open
        .store
        .publish(scope(), other, Links::default())
        .await
        .unwrap_err();
    assert!(matches!(refused, PublishError::OtherGrants), "{refused:?}");
    open.store
        .publish(scope(), release("sum2", 1), hooks("old"))
        .await
        .unwrap();
    open.close().await;
}

/// Two workflows that were published at the same moment could both get one webhook path.
#[tokio::test]
async fn a_webhook_path_belongs_to_one_workflow_until_that_gives_it_up() {
    let home = Home::new();
    let open = home.open().await;
    let publish =
        |name: &str, version, path: &str| open.store.publish(scope(), release(name, version), hooks(path));
    let (one, two) = tokio::join!(publish("one", 1, "in"), publish("two", 1, "in"));
    one.unwrap();
    let refused = two.unwrap_err();
    assert!(
        matches!(&refused, PublishError::HookTaken { path, workflow } if path == "in" && workflow == "one"),
        "{refused:?}"
    );
    publish("one", 2, "other").await.unwrap();
    publish("two", 1, "in").await.unwrap();
    open.close().await;
}
