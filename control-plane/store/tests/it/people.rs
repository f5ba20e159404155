//! People: accounts, roles, sessions, tokens and links, each in its own workspace and project.

use std::collections::BTreeSet;

use flowforge_core::{Permission, Role, Scope};
use flowforge_protocol::Digest;
use flowforge_store::{
    LinkKept, LinkUse, LinkUsed, MAX_SESSIONS, MAX_TOKENS, Membership, NewLink, NewSession, NewToken, Store,
};

use crate::kit::{Home, scope};

const LIVES: (u64, u64) = (1_000, 10_000);

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn session(secret: &str, at_ms: u64) -> NewSession {
    NewSession {
        digest: digest(secret),
        id: format!("id-{secret}"),
        at_ms,
        agent: "a browser".to_owned(),
    }
}

fn link(secret: &str, kind: &str, account: Option<&str>, roles: &[Role]) -> NewLink {
    NewLink {
        digest: digest(secret),
        id: format!("id-{secret}"),
        kind: kind.to_owned(),
        account: account.map(str::to_owned),
        roles: roles.iter().copied().collect(),
        made_by: "local".to_owned(),
        made_at_ms: 1,
        expires_at_ms: 5_000,
    }
}

fn used(secret: &str, name: &str, at_ms: u64) -> LinkUse {
    LinkUse {
        digest: digest(secret),
        name: name.to_owned(),
        password: format!("hash of {name}"),
        session: session(&format!("session of {name} by {secret}"), at_ms),
    }
}

fn token(secret: &str, account: &str) -> NewToken {
    NewToken {
        digest: digest(secret),
        id: format!("id-{secret}"),
        account: account.to_owned(),
        name: "for the build".to_owned(),
        permissions: BTreeSet::from([Permission::Read, Permission::Run]),
        made_at_ms: 1,
        expires_at_ms: 3_000,
    }
}

/// Ann is the administrator and Bob an operator.
async fn peopled(store: &Store, of: &Scope) {
    let first = link("first", "first-administrator", None, &[Role::Admin]);
    assert_eq!(store.make_link(of, first).await.unwrap(), LinkKept::Kept);
    assert_eq!(
        store.use_link(of, used("first", "ann", 10)).await.unwrap(),
        LinkUsed::Done
    );
    let invited = link("invited", "invitation", None, &[Role::Operator]);
    assert_eq!(store.make_link(of, invited).await.unwrap(), LinkKept::Kept);
    assert_eq!(
        store.use_link(of, used("invited", "bob", 10)).await.unwrap(),
        LinkUsed::Done
    );
}

#[tokio::test]
async fn a_link_makes_an_account_once_and_the_first_one_only_while_nobody_is_there() {
    let home = Home::new();
    let open = home.open().await;
    let store = &open.store;
    // A second server printed a link, too.
    for secret in ["first", "second"] {
        let first = link(secret, "first-administrator", None, &[Role::Admin]);
        assert_eq!(store.make_link(scope(), first).await.unwrap(), LinkKept::Kept);
    }
    let use_it =
        async |secret, name, at_ms| store.use_link(scope(), used(secret, name, at_ms)).await.unwrap();
    assert_eq!(use_it("unknown", "ann", 10).await, LinkUsed::NotGood);
    assert_eq!(
        use_it("first", "ann", 5_000).await,
        LinkUsed::NotGood,
        "it expired"
    );
    assert_eq!(use_it("first", "ann", 10).await, LinkUsed::Done);
    assert_eq!(use_it("first", "eve", 11).await, LinkUsed::NotGood, "it was used");
    assert_eq!(
        use_it("second", "eve", 11).await,
        LinkUsed::NotGood,
        "somebody is there"
    );
    let another = link("third", "first-administrator", None, &[Role::Admin]);
    assert_eq!(
        store.make_link(scope(), another).await.unwrap(),
        LinkKept::NotFirst
    );
    let members = store.members(scope()).await.unwrap();
    assert_eq!(members.len(), 1);
    assert_eq!((members[0].name.as_str(), members[0].since_ms), ("ann", 10));
    assert_eq!(members[0].roles, BTreeSet::from([Role::Admin]));

    let invited = link("invited", "invitation", None, &[Role::Viewer]);
    store.make_link(scope(), invited).await.unwrap();
    assert_eq!(use_it("invited", "ann", 12).await, LinkUsed::NameTaken);
    assert_eq!(
        store.links(scope(), 12).await.unwrap().len(),
        2,
        "it is still good"
    );
    assert!(
        store
            .withdraw_link(scope(), "id-invited".to_owned())
            .await
            .unwrap()
    );
    assert_eq!(use_it("invited", "bob", 13).await, LinkUsed::NotGood);
    open.close().await;
}

#[tokio::test]
async fn a_session_ends_idle_old_by_hand_and_with_the_password() {
    let home = Home::new();
    let open = home.open().await;
    let store = &open.store;
    peopled(store, scope()).await;
    let begin = async |secret: &str, password: &str, at_ms| {
        let (ann, password) = ("ann".to_owned(), password.to_owned());
        store
            .begin_session(scope(), ann, password, session(secret, at_ms))
            .await
            .unwrap()
    };
    assert!(
        !begin("s0", "an older hash", 100).await,
        "the password changed meanwhile"
    );
    assert!(begin("s1", "hash of ann", 100).await && begin("s2", "hash of ann", 101).await);
    let of = async |secret: &str, now_ms| {
        store
            .of_session(scope(), digest(secret), now_ms, LIVES)
            .await
            .unwrap()
    };
    let shown = of("s1", 1_099).await.unwrap();
    assert_eq!((shown.account.as_str(), shown.id.as_str()), ("ann", "id-s1"));
    assert_eq!(shown.roles, BTreeSet::from([Role::Admin]));
    assert!(of("s1", 1_100).await.is_none(), "idle for too long");
    for at_ms in (600..10_000).step_by(500) {
        store.session_used(scope(), digest("s1"), at_ms).await.unwrap();
    }
    assert!(of("s1", 10_099).await.is_some());
    assert!(
        of("s1", 10_100).await.is_none(),
        "too old, however much it is used"
    );
    assert!(
        !store
            .end_session(scope(), "bob".to_owned(), "id-s2".to_owned())
            .await
            .unwrap()
    );
    assert!(
        store
            .end_session(scope(), "ann".to_owned(), "id-s2".to_owned())
            .await
            .unwrap()
    );
    assert!(of("s2", 102).await.is_none());

    assert!(begin("s3", "hash of ann", 200).await && begin("s4", "hash of ann", 200).await);
    let keep = Some(digest("s4"));
    let changed = store.set_password(scope(), "ann".to_owned(), "another".to_owned(), keep);
    assert!(changed.await.unwrap());
    assert!(of("s3", 201).await.is_none() && of("s4", 201).await.is_some());
    assert_eq!(
        store.password_of(scope(), "ann").await.unwrap().unwrap().hash,
        "another"
    );
    assert_eq!(store.forget_sessions(scope(), 50_000, LIVES).await.unwrap(), 2);
    open.close().await;
}

#[tokio::test]
async fn an_account_has_so_many_sessions_and_tokens_and_no_more() {
    let home = Home::new();
    let open = home.open().await;
    let store = &open.store;
    peopled(store, scope()).await;
    for n in 0..=MAX_SESSIONS {
        let new = session(&format!("s{n}"), 100 + u64::from(n));
        let password = "hash of ann".to_owned();
        assert!(
            store
                .begin_session(scope(), "ann".to_owned(), password, new)
                .await
                .unwrap()
        );
    }
    let sessions = store.sessions(scope(), "ann").await.unwrap();
    assert_eq!(sessions.len(), MAX_SESSIONS as usize);
    assert_eq!(sessions[0].id, format!("id-s{MAX_SESSIONS}"), "the oldest went");
    for n in 0..MAX_TOKENS {
        assert!(
            store
                .make_token(scope(), token(&format!("t{n}"), "ann"))
                .await
                .unwrap()
        );
    }
    assert!(!store.make_token(scope(), token("more", "ann")).await.unwrap());
    assert!(store.make_token(scope(), token("bobs", "bob")).await.unwrap());
    open.close().await;
}

#[tokio::test]
async fn a_token_is_good_for_its_time_and_until_it_is_revoked() {
    let home = Home::new();
    let open = home.open().await;
    let store = &open.store;
    peopled(store, scope()).await;
    assert!(store.make_token(scope(), token("t", "bob")).await.unwrap());
    let of = async |now_ms| store.of_token(scope(), digest("t"), now_ms).await.unwrap();
    let shown = of(2_999).await.unwrap();
    assert_eq!(shown.account, "bob");
    assert_eq!(shown.roles, BTreeSet::from([Role::Operator]));
    assert_eq!(
        shown.passes_on,
        Some(BTreeSet::from([Permission::Read, Permission::Run]))
    );
    assert!(of(3_000).await.is_none());
    store.token_used(scope(), digest("t"), 77).await.unwrap();
    assert_eq!(
        store.tokens(scope(), "bob").await.unwrap()[0].used_at_ms,
        Some(77)
    );
    assert!(
        !store
            .revoke_token(scope(), "ann".to_owned(), "id-t".to_owned())
            .await
            .unwrap()
    );
    assert!(
        store
            .revoke_token(scope(), "bob".to_owned(), "id-t".to_owned())
            .await
            .unwrap()
    );
    assert!(of(100).await.is_none() && store.tokens(scope(), "bob").await.unwrap().is_empty());
    open.close().await;
}

#[tokio::test]
async fn a_member_who_is_removed_is_gone_with_all_and_an_administrator_stays() {
    let home = Home::new();
    let open = home.open().await;
    let store = &open.store;
    peopled(store, scope()).await;
    store.make_token(scope(), token("t", "bob")).await.unwrap();
    let viewer = BTreeSet::from([Role::Viewer]);
    let roles = async |name: &str| {
        store
            .set_roles(scope(), name.to_owned(), viewer.clone())
            .await
            .unwrap()
    };
    assert_eq!(roles("eve").await, Membership::Unknown);
    assert_eq!(roles("ann").await, Membership::LastAdmin);
    assert_eq!(roles("bob").await, Membership::Changed);
    let shown = store.of_token(scope(), digest("t"), 100).await.unwrap().unwrap();
    assert_eq!(shown.roles, viewer, "what a token shows are the roles of now");
    let remove = async |name: &str| store.remove_member(scope(), name.to_owned(), 200).await.unwrap();
    assert_eq!(remove("ann").await, Membership::LastAdmin);
    assert_eq!(remove("bob").await, Membership::Changed);
    assert_eq!(remove("bob").await, Membership::Unknown);
    let session = digest("session of bob by invited");
    assert!(
        store
            .of_session(scope(), session, 100, LIVES)
            .await
            .unwrap()
            .is_none()
    );
    assert!(store.of_token(scope(), digest("t"), 100).await.unwrap().is_none());
    assert!(store.password_of(scope(), "bob").await.unwrap().is_none());
    let again = link("again", "invitation", None, &[Role::Admin]);
    store.make_link(scope(), again).await.unwrap();
    let taken = store.use_link(scope(), used("again", "bob", 300)).await.unwrap();
    assert_eq!(
        taken,
        LinkUsed::NameTaken,
        "the name of somebody who did things here"
    );
    let reset = link("reset", "password-reset", Some("bob"), &[]);
    assert_eq!(store.make_link(scope(), reset).await.unwrap(), LinkKept::Unknown);
    open.close().await;
}

#[tokio::test]
async fn a_reset_is_for_one_account_and_ends_its_sessions() {
    let home = Home::new();
    let open = home.open().await;
    let store = &open.store;
    peopled(store, scope()).await;
    let reset = link("reset", "password-reset", Some("bob"), &[]);
    assert_eq!(store.make_link(scope(), reset).await.unwrap(), LinkKept::Kept);
    let other = store.use_link(scope(), used("reset", "ann", 20)).await.unwrap();
    assert_eq!(other, LinkUsed::OtherName);
    let mut mine = used("reset", "bob", 20);
    mine.password = "new".to_owned();
    assert_eq!(store.use_link(scope(), mine).await.unwrap(), LinkUsed::Done);
    assert_eq!(
        store.password_of(scope(), "bob").await.unwrap().unwrap().hash,
        "new"
    );
    let sessions = store.sessions(scope(), "bob").await.unwrap();
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    assert_eq!(sessions[0].digest, digest("session of bob by reset"));
    open.close().await;
}

/// Neither names, nor ids, nor secrets of one workspace or project are good in another.
#[tokio::test]
async fn people_of_another_workspace_or_project_are_not_seen() {
    let home = Home::new();
    let open = home.open().await;
    let store = &open.store;
    peopled(store, scope()).await;
    store.make_token(scope(), token("t", "bob")).await.unwrap();
    let waiting = link("waiting", "invitation", None, &[Role::Admin]);
    store.make_link(scope(), waiting).await.unwrap();
    let session = digest("session of bob by invited");
    let (bob, id) = ("bob".to_owned(), "id-session of bob by invited".to_owned());
    for other in [
        Scope::new("elsewhere", scope().project()),
        Scope::new(scope().workspace(), "elsewhere"),
    ] {
        let of = &other;
        assert!(store.members(of).await.unwrap().is_empty());
        assert!(store.member(of, "bob").await.unwrap().is_none());
        assert!(store.password_of(of, "bob").await.unwrap().is_none());
        assert!(store.of_session(of, session, 20, LIVES).await.unwrap().is_none());
        assert!(store.of_token(of, digest("t"), 20).await.unwrap().is_none());
        assert!(store.tokens(of, "bob").await.unwrap().is_empty());
        assert!(store.links(of, 20).await.unwrap().is_empty());
        let viewer = BTreeSet::from([Role::Viewer]);
        let changed = store.set_roles(of, bob.clone(), viewer).await.unwrap();
        assert_eq!(changed, Membership::Unknown);
        let removed = store.remove_member(of, bob.clone(), 20).await.unwrap();
        assert_eq!(removed, Membership::Unknown);
        assert!(
            !store
                .revoke_token(of, bob.clone(), "id-t".to_owned())
                .await
                .unwrap()
        );
        assert!(!store.withdraw_link(of, "id-waiting".to_owned()).await.unwrap());
        let taken = store.use_link(of, used("waiting", "eve", 20)).await.unwrap();
        assert_eq!(taken, LinkUsed::NotGood);
    }
    let elsewhere = Scope::new("elsewhere", scope().project());
    assert!(!store.end_session(&elsewhere, bob, id).await.unwrap());
    assert!(
        store
            .of_session(scope(), session, 20, LIVES)
            .await
            .unwrap()
            .is_some()
    );
    assert!(store.of_token(scope(), digest("t"), 20).await.unwrap().is_some());
    open.close().await;
}
