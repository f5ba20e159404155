//! Publishers as organisations: their keys, what becomes of their work when a key is lost or stolen, and what a site installs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::StatusCode;
use flowforge_protocol::{ConnectorName, VerifyingKey};
use flowforge_registry::{Code, KeyDecision, NewKey, Refusal, RegistryConfig, Role, Visibility, Visitor};
use semver::Version;

use crate::kit::{
    DEMO, Kit, STRANGER, component, config, key, key_statement, name, publication, publisher, serve,
};

const WEEK_MS: u64 = 7 * 24 * 60 * 60 * 1_000;

/// A registry whose trust root lets one key speak for everybody, and whose time the test moves.
fn site(now: &Arc<AtomicU64>) -> RegistryConfig {
    let mut config = config();
    let any = vec![key(DEMO).verifying_key()];
    config.trust.publishers = [("*".to_owned(), any)].into();
    let now = Arc::clone(now);
    config.now_ms = Arc::new(move || now.load(Ordering::Relaxed));
    config
}

fn ann() -> Visitor {
    Visitor::Account("ann".to_owned())
}

/// Pushes `acme:geo` of this version with a signature of this key.
async fn push(kit: &Kit, version: &str, by: u8) -> Result<(), String> {
    let bytes = component("acme:geo", version, "");
    let envelope = publication("acme:geo", version, &bytes, by);
    let manifest = kit.manifest_of("acme/geo", &bytes).await;
    let mut answer = kit.put_manifest("acme/geo", version, &manifest).await;
    if answer.status == StatusCode::CREATED {
        answer = kit.put_publication("acme/geo", &manifest, &envelope).await;
    }
    match answer.status {
        StatusCode::CREATED => Ok(()),
        _ => Err(answer.error().1),
    }
}

fn geo() -> ConnectorName {
    name("acme:geo")
}

fn versions(kit: &Kit) -> Vec<String> {
    let found = kit.registry.versions(&geo());
    found.iter().map(|entry| entry.version.to_string()).collect()
}

async fn add(kit: &Kit, by: &Visitor, n: u8, endorsed_by: Option<u8>) -> Result<(), Refusal> {
    let key: VerifyingKey = key(n).verifying_key();
    let by_itself = key_statement("acme", n, n);
    let by_another = endorsed_by.map(|by| key_statement("acme", n, by));
    let new = NewKey {
        key: &key,
        by_itself: &by_itself,
        by_another: by_another.as_deref(),
    };
    kit.registry.add_key("acme", by, new).await.map(drop)
}

async fn decide(kit: &Kit, by: &Visitor, n: u8, decision: KeyDecision) -> Result<(), Refusal> {
    let id = key(n).verifying_key().id().short();
    kit.registry
        .decide_key("acme", by, &id, "a laptop was lost", decision)
        .await
        .map(drop)
}

/// A site with the publisher acme, which ann owns and which has key 3.
async fn with_acme(now: &Arc<AtomicU64>) -> Kit {
    let kit = Kit::with(site(now));
    publisher(&kit.registry, "acme", 3).await;
    let made = kit
        .registry
        .set_member("acme", &Visitor::Operator, "ann", Some(Role::Owner));
    made.await.unwrap();
    kit
}

#[tokio::test]
async fn a_publisher_s_name_belongs_to_its_own_keys() {
    let now = Arc::new(AtomicU64::new(1_000));
    let kit = Kit::with(site(&now));
    push(&kit, "0.1.0", DEMO).await.unwrap();
    assert!(kit.registry.latest_installed(&geo()).is_some(), "the site's own");
    // From now on acme publishes its own; what was published before stays.
    now.store(2_000, Ordering::Relaxed);
    publisher(&kit.registry, "acme", 3).await;
    let refused = push(&kit, "0.1.1", DEMO).await.unwrap_err();
    assert!(
        refused.contains("can only install what it published"),
        "{refused}"
    );
    assert!(
        push(&kit, "0.1.1", STRANGER)
            .await
            .unwrap_err()
            .contains("is owned by the keys of its publisher")
    );
    push(&kit, "0.1.1", 3).await.unwrap();
    let kit = kit.restart(site(&now));
    assert_eq!(versions(&kit), ["0.1.1", "0.1.0"]);
}

/// A site runs what it installed: its own word about the same bytes is what its hosts check.
#[tokio::test]
async fn what_a_publisher_publishes_is_installed_by_the_site_s_own_word() {
    let now = Arc::new(AtomicU64::new(1_000));
    let kit = with_acme(&now).await;
    push(&kit, "0.1.0", 3).await.unwrap();
    let entry = kit.registry.latest(&geo()).unwrap();
    assert!(!entry.is_installed);
    assert!(kit.registry.latest_installed(&geo()).is_none());
    push(&kit, "0.1.0", DEMO).await.unwrap();
    let kit = kit.restart(site(&now));
    let entry = kit.registry.latest_installed(&geo()).unwrap();
    assert_eq!(
        entry.publisher_key,
        key(3).verifying_key().id(),
        "it stays the publisher's"
    );
    assert_ne!(entry.statement(), entry.publication);
    let bytes = component("acme:geo", "0.1.0", "");
    let served = kit
        .get(&format!("/connectors/{}/publication", entry.layer_digest))
        .await;
    assert_eq!(served.body, publication("acme:geo", "0.1.0", &bytes, DEMO));
    // Its publisher signs it once more, and it stays installed.
    push(&kit, "0.1.0", 3).await.unwrap();
    assert!(kit.registry.latest_installed(&geo()).is_some());
    // A registry of people who trust another site takes the publisher's word and leaves the site's.
    let other = with_acme(&now).await;
    let mut elsewhere = site(&now);
    elsewhere.trust.publishers = [("*".to_owned(), vec![key(8).verifying_key()])].into();
    let other = other.restart(elsewhere);
    let (from, to) = (serve(kit.router()).await, serve(other.router()).await);
    let fetched = from.client.fetch(&geo(), "0.1.0").await.unwrap();
    to.client.store(&geo(), "0.1.0", &fetched).await.unwrap();
    assert_eq!(versions(&other), ["0.1.0"]);
    assert!(other.registry.latest_installed(&geo()).is_none());
}

#[tokio::test]
async fn keys_rotate_without_anybody_else_s_word() {
    let now = Arc::new(AtomicU64::new(1_000));
    let kit = with_acme(&now).await;
    push(&kit, "0.1.0", 3).await.unwrap();
    let bob = Visitor::Account("bob".to_owned());
    assert_eq!(add(&kit, &bob, 4, Some(3)).await.unwrap_err().code, Code::Denied);
    assert_eq!(
        add(&kit, &ann(), 4, Some(STRANGER)).await.unwrap_err().code,
        Code::ManifestInvalid
    );
    add(&kit, &ann(), 4, Some(3)).await.unwrap();
    decide(&kit, &ann(), 3, KeyDecision::Retire).await.unwrap();
    push(&kit, "0.1.1", 3).await.unwrap_err();
    push(&kit, "0.1.1", 4).await.unwrap();
    // What the old key signed holds.
    let kit = kit.restart(site(&now));
    assert_eq!(versions(&kit), ["0.1.1", "0.1.0"]);
    // It vouches for nothing any more.
    assert_eq!(
        add(&kit, &ann(), 5, Some(3)).await.unwrap_err().code,
        Code::ManifestInvalid
    );
}

#[tokio::test]
async fn a_lost_key_is_replaced_after_a_week_in_which_any_owner_may_object() {
    let now = Arc::new(AtomicU64::new(1_000));
    let kit = with_acme(&now).await;
    add(&kit, &ann(), 4, None).await.unwrap();
    push(&kit, "0.1.0", 4).await.unwrap_err();
    assert_eq!(
        decide(&kit, &ann(), 4, KeyDecision::Confirm)
            .await
            .unwrap_err()
            .code,
        Code::Denied
    );
    now.store(1_000 + WEEK_MS - 1, Ordering::Relaxed);
    push(&kit, "0.1.0", 4).await.unwrap_err();
    now.store(1_000 + WEEK_MS, Ordering::Relaxed);
    push(&kit, "0.1.0", 4).await.unwrap();
    // Another one is revoked before its time comes, and one more is let in by whoever runs the registry.
    add(&kit, &ann(), 5, None).await.unwrap();
    decide(&kit, &ann(), 5, KeyDecision::Revoke { since_ms: None })
        .await
        .unwrap();
    add(&kit, &ann(), 6, None).await.unwrap();
    decide(&kit, &Visitor::Operator, 6, KeyDecision::Confirm)
        .await
        .unwrap();
    push(&kit, "0.1.1", 6).await.unwrap();
    now.fetch_add(2 * WEEK_MS, Ordering::Relaxed);
    push(&kit, "0.1.2", 5).await.unwrap_err();
}

/// What a stolen key may have signed is not served any more, at once; what came before and what the site installed is.
#[tokio::test]
async fn a_stolen_key_takes_back_what_it_may_have_signed() {
    let now = Arc::new(AtomicU64::new(1_000));
    let kit = with_acme(&now).await;
    push(&kit, "0.1.0", 3).await.unwrap();
    now.store(2_000, Ordering::Relaxed);
    push(&kit, "0.1.1", 3).await.unwrap();
    push(&kit, "0.1.2", 3).await.unwrap();
    push(&kit, "0.1.2", DEMO).await.unwrap();
    decide(
        &kit,
        &ann(),
        3,
        KeyDecision::Revoke {
            since_ms: Some(2_000),
        },
    )
    .await
    .unwrap();
    assert_eq!(versions(&kit), ["0.1.2", "0.1.0"]);
    let kept = kit.registry.get(&geo(), &Version::new(0, 1, 2)).unwrap();
    assert!(kept.is_disowned && kept.is_installed);
    assert!(
        !kit.registry
            .get(&geo(), &Version::new(0, 1, 0))
            .unwrap()
            .is_disowned
    );
    let kit = kit.restart(site(&now));
    assert_eq!(versions(&kit), ["0.1.2", "0.1.0"]);
    // Signed by a new key, the withdrawn version is there again.
    add(&kit, &Visitor::Operator, 4, None).await.unwrap();
    push(&kit, "0.1.1", 4).await.unwrap();
    assert_eq!(versions(&kit), ["0.1.2", "0.1.1", "0.1.0"]);
}

#[tokio::test]
async fn nobody_takes_a_name_that_is_another_s_or_looks_like_it() {
    let now = Arc::new(AtomicU64::new(1_000));
    let kit = with_acme(&now).await;
    push(&kit, "0.1.0", 3).await.unwrap();
    let try_name = |wanted: &'static str, who: Visitor| {
        let kit = &kit;
        async move {
            let (key, by_itself) = (key(9).verifying_key(), key_statement(wanted, 9, 9));
            let new = NewKey {
                key: &key,
                by_itself: &by_itself,
                by_another: None,
            };
            kit.registry
                .create_publisher(wanted, &who, new)
                .await
                .map(drop)
                .map_err(|refusal| refusal.code)
        }
    };
    assert_eq!(try_name("acme", ann()).await, Err(Code::Denied));
    assert_eq!(try_name("acne", ann()).await, Err(Code::Denied));
    assert_eq!(try_name("a/b", ann()).await, Err(Code::NameInvalid));
    assert_eq!(try_name("zeta", ann()).await, Ok(()));
    let members = &kit.registry.publisher("zeta").unwrap().members;
    assert_eq!(members.get("ann"), Some(&Role::Owner));
    // The statement has to be the key's own, and about this publisher.
    let key = key(9).verifying_key();
    for statement in [key_statement("other", 9, 9), key_statement("beta", 9, 8)] {
        let new = NewKey {
            key: &key,
            by_itself: &statement,
            by_another: None,
        };
        let refused = kit
            .registry
            .create_publisher("beta", &ann(), new)
            .await
            .unwrap_err();
        assert_eq!(refused.code, Code::ManifestInvalid);
    }
}

/// A publisher whose file is damaged is nobody's until it is restored, and the rest goes on.
#[tokio::test]
async fn a_damaged_publisher_is_taken_by_nobody() {
    let now = Arc::new(AtomicU64::new(1_000));
    let kit = with_acme(&now).await;
    push(&kit, "0.1.0", 3).await.unwrap();
    let file = kit.folder.path().join("publishers/acme.json");
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, b"{").unwrap();
    let kit = kit.restart(site(&now));
    assert_eq!(
        kit.registry.publisher("acme").unwrap().visibility,
        Visibility::Private
    );
    push(&kit, "0.1.1", DEMO).await.unwrap_err();
    push(&kit, "0.1.1", 3).await.unwrap_err();
    std::fs::write(&file, whole).unwrap();
    let kit = kit.restart(site(&now));
    push(&kit, "0.1.1", 3).await.unwrap();
}
