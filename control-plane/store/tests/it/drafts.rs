//! Drafts: saved over what was read, numbered without repetition, apart from what is published.

use flowforge_core::Scope;
use flowforge_store::{
    DraftDiscarded, DraftSaved, DraftText, Links, MAX_DRAFTS, NewDraft, Published, draft_of, without_draft,
};

use crate::kit::{Home, release, scope};

fn draft(workflow: &str, over: u32, source: &str) -> NewDraft {
    NewDraft {
        workflow: workflow.to_owned(),
        over,
        text: DraftText {
            source: source.to_owned(),
            layout: "{}".to_owned(),
            lock: None,
        },
        base_version: None,
        saved_at_ms: 7,
        saved_by: "ada".to_owned(),
    }
}

#[expect(clippy::panic, reason = "a helper of tests is a test")]
fn revision(saved: &DraftSaved) -> u32 {
    match saved {
        DraftSaved::Saved(draft) => draft.head.revision,
        other => panic!("{other:?}"),
    }
}

/// The later of two people who had read the same revision would have written over what the earlier one saved.
#[tokio::test]
async fn a_draft_is_saved_over_what_was_read_and_over_nothing_else() {
    let home = Home::new();
    let open = home.open().await;
    let save = |draft: NewDraft| open.store.save_draft(scope(), draft);
    let first = revision(&save(draft("w", 0, "one")).await.unwrap());
    let second = revision(&save(draft("w", first, "two")).await.unwrap());
    assert!(second > first);
    for stale in [0, first, second + 1] {
        let other = save(draft("w", stale, "three")).await.unwrap();
        let DraftSaved::Other(Some(there)) = other else {
            panic!("{other:?}")
        };
        assert_eq!((there.head.revision, there.text.source.as_str()), (second, "two"));
    }
    // One of another project is another draft.
    let other = Scope::new(scope().workspace(), "other");
    let elsewhere = open.store.save_draft(&other, draft("w", 0, "elsewhere"));
    let elsewhere = revision(&elsewhere.await.unwrap());
    assert!(elsewhere > second);

    let refused = open.store.discard_draft(scope(), "w", first).await.unwrap();
    assert!(matches!(refused, DraftDiscarded::Other(_)), "{refused:?}");
    let gone = open.store.discard_draft(scope(), "w", second).await.unwrap();
    assert_eq!(gone, DraftDiscarded::Gone);
    let none = open.store.discard_draft(scope(), "w", second).await.unwrap();
    assert_eq!(none, DraftDiscarded::None);
    // Whoever still holds a revision of the one that is gone does not write over the new one.
    assert_eq!(
        save(draft("w", second, "late")).await.unwrap(),
        DraftSaved::Other(None)
    );
    let anew = revision(&save(draft("w", 0, "anew")).await.unwrap());
    assert!(anew > elsewhere);
    open.close().await;
}

#[tokio::test]
async fn drafts_are_listed_last_saved_first_and_bounded() {
    let home = Home::new();
    let open = home.open().await;
    for n in 0..MAX_DRAFTS {
        let saved = open
            .store
            .save_draft(scope(), draft(&format!("w{n}"), 0, "x"))
            .await
            .unwrap();
        assert!(matches!(saved, DraftSaved::Saved(_)));
    }
    let full = open
        .store
        .save_draft(scope(), draft("one-more", 0, "x"))
        .await
        .unwrap();
    assert_eq!(full, DraftSaved::Full);
    let old = open.store.draft(scope(), "w3").await.unwrap().unwrap();
    open.store
        .save_draft(scope(), draft("w3", old.head.revision, "yz"))
        .await
        .unwrap();
    let page = open.store.drafts(scope(), None, 2).await.unwrap();
    let names: Vec<&str> = page
        .items
        .iter()
        .map(|(_, head)| head.workflow.as_str())
        .collect();
    assert_eq!(names, ["w3", &format!("w{}", MAX_DRAFTS - 1)]);
    assert_eq!(page.items[0].1.bytes, 4);
    assert!(page.has_more);
    let next = open
        .store
        .drafts(scope(), Some(page.items[1].0), 2)
        .await
        .unwrap();
    assert_eq!(next.items[0].1.workflow, format!("w{}", MAX_DRAFTS - 2));
    open.close().await;
}

/// What is tried of a draft is no version of its workflow.
#[tokio::test]
async fn a_release_of_a_draft_is_never_the_newest() {
    let home = Home::new();
    let open = home.open().await;
    open.store
        .publish(scope(), release("sum", 1), Links::default())
        .await
        .unwrap();
    for n in [1, 2] {
        let kept = open
            .store
            .keep_draft_release(scope(), release("sum", 100 + n))
            .await
            .unwrap();
        assert_eq!((kept.workflow.as_str(), kept.version), ("sum~draft", n));
    }
    let again = open
        .store
        .keep_draft_release(scope(), release("sum", 101))
        .await
        .unwrap();
    assert_eq!(again.version, 1);
    let newest = open
        .store
        .release_of(scope(), "sum", None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(newest.version, 1);
    let next = open
        .store
        .publish(scope(), release("sum", 2), Links::default())
        .await
        .unwrap();
    assert_eq!(next, Published::New);
    assert_eq!(without_draft(&draft_of("sum")), ("sum", true));
    assert_eq!(without_draft("sum"), ("sum", false));
    open.close().await;
}
