//! Invitations, certificates, and what is decided about hosts.

use flowforge_core::Scope;
use flowforge_protocol::{Digest, HostId};
use flowforge_store::{
    Claim, Claimed, HostStanding, Invited, MAX_INVITATIONS, NewCertificate, NewHost, NewInvitation, Standing,
    Store,
};

use crate::kit::{Home, id, new_host, scope};
use crate::scopes::other;

const HOUR_MS: u64 = 3_600_000;

fn invitation(n: u64) -> NewInvitation {
    NewInvitation {
        secret_hash: Digest::of(&n.to_be_bytes()),
        name: format!("press-{n}"),
        created_by: "local".to_owned(),
        created_at_ms: 1_000,
        expires_at_ms: 1_000 + HOUR_MS,
        labels: vec![format!("press-{n}")],
    }
}

fn certificate(n: u64) -> NewCertificate {
    NewCertificate {
        digest: Digest::of(format!("certificate {n}").as_bytes()),
        link_key: id(9, n),
        certificate: n.to_be_bytes().to_vec(),
        issued_at_ms: 2_000,
        expires_at_ms: 2_000 + HOUR_MS,
    }
}

/// Machine `n` uses invitation `of` with the key of certificate `key`.
fn claim(of: u64, n: u64, key: u64, at_ms: u64) -> Claim {
    Claim {
        secret_hash: Digest::of(&of.to_be_bytes()),
        host: NewHost { at_ms, ..new_host(n) },
        certificate: certificate(key),
    }
}

async fn generation(store: &Store, scope: &Scope, key: u64) -> Option<(u64, u64)> {
    let found = store.certificate(scope, &certificate(key).digest).await.unwrap();
    found.map(|(shown, newest)| (shown.generation, newest.generation))
}

#[tokio::test]
async fn an_invitation_is_good_once_and_again_for_the_same_key_for_a_while() {
    let home = Home::new();
    let open = home.open().await;
    let store = &open.store;
    assert_eq!(store.invite(scope(), invitation(1)).await.unwrap(), Invited::Kept);
    assert_eq!(
        store.claim(scope(), claim(2, 1, 1, 5_000)).await.unwrap(),
        Claimed::Unknown
    );
    assert_eq!(
        store.claim(&other(), claim(1, 1, 1, 5_000)).await.unwrap(),
        Claimed::Unknown
    );
    let first = store.claim(scope(), claim(1, 1, 1, 5_000)).await.unwrap();
    let Claimed::Certificate(host, kept) = &first else {
        panic!("{first:?}");
    };
    assert_eq!((host.name.as_str(), kept.generation), ("press-1", 1));
    let again = store
        .claim(scope(), claim(1, 1, 1, 5_000 + 600_000))
        .await
        .unwrap();
    let Claimed::Certificate(_, repeated) = &again else {
        panic!("{again:?}");
    };
    assert_eq!(repeated, kept);
    let late = store
        .claim(scope(), claim(1, 1, 1, 5_001 + 600_000))
        .await
        .unwrap();
    assert_eq!(late, Claimed::Spent(5_000));
    assert_eq!(
        store.claim(scope(), claim(1, 2, 2, 6_000)).await.unwrap(),
        Claimed::Taken(5_000)
    );
    let after = store.claim(scope(), claim(1, 1, 1, 7_000)).await.unwrap();
    assert_eq!(after, Claimed::Spent(5_000), "another key has tried it");
    assert_eq!(
        store.hosts(scope()).await.unwrap().len(),
        1,
        "the second machine is no host"
    );
    open.close().await;
}

#[tokio::test]
async fn a_machine_that_is_known_keeps_its_id_and_its_numbers() {
    let home = Home::new();
    let open = home.open().await;
    let store = &open.store;
    for n in [1, 2] {
        store.invite(scope(), invitation(n)).await.unwrap();
    }
    store.claim(scope(), claim(1, 1, 1, 5_000)).await.unwrap();
    let id = new_host(1).id;
    let decided = HostStanding {
        host: id.clone(),
        standing: Standing::Revoked,
        reason: "stolen".to_owned(),
        since_ms: 6_000,
    };
    assert!(store.decide_host(scope(), decided.clone()).await.unwrap());
    assert_eq!(
        store.standings(scope()).await.unwrap(),
        std::slice::from_ref(&decided)
    );
    let (standing, held) = store.admission(scope(), &id).await.unwrap();
    assert_eq!(
        (standing, held.map(|held| held.generation)),
        (Some(decided), Some(1))
    );
    let nobody = HostId::from_entropy([99; 16]);
    assert_eq!(store.admission(scope(), &nobody).await.unwrap(), (None, None));
    let mut again = claim(2, 1, 2, 7_000);
    again.host.id = HostId::from_entropy([77; 16]);
    assert_eq!(
        store.claim(scope(), again.clone()).await.unwrap(),
        Claimed::OtherId(id.clone())
    );
    again.host.id = id.clone();
    let Claimed::Certificate(host, kept) = store.claim(scope(), again).await.unwrap() else {
        panic!("it was invited");
    };
    assert_eq!((host.id, host.name.as_str(), kept.generation), (id, "press-2", 2));
    let standings = store.standings(scope()).await.unwrap();
    assert_eq!(standings.len(), 1);
    assert_eq!(
        standings[0].standing,
        Standing::Active,
        "who invites it anew takes that back"
    );
    assert_eq!(store.newest_certificates(scope()).await.unwrap().len(), 1);
    assert_eq!(generation(store, scope(), 1).await, Some((1, 2)));
    open.close().await;
}

#[tokio::test]
async fn a_number_is_issued_once_and_what_is_shown_first_is_kept() {
    let home = Home::new();
    let open = home.open().await;
    let store = &open.store;
    store.invite(scope(), invitation(1)).await.unwrap();
    store.claim(scope(), claim(1, 1, 1, 5_000)).await.unwrap();
    let host = new_host(1).id;
    let second = store
        .issue_certificate(scope(), host.clone(), 2, certificate(2))
        .await
        .unwrap();
    assert_eq!(second.unwrap().generation, 2);
    let raced = store
        .issue_certificate(scope(), host.clone(), 2, certificate(3))
        .await
        .unwrap();
    assert_eq!(raced, None);
    for at_ms in [9_000, 10_000] {
        store
            .certificate_shown(scope(), certificate(2).digest, at_ms)
            .await
            .unwrap();
    }
    let (shown, _) = store
        .certificate(scope(), &certificate(2).digest)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(shown.first_used_ms, Some(9_000));
    assert_eq!(
        generation(store, &other(), 2).await,
        None,
        "another project sees nothing"
    );
    // Long after its end a certificate is forgotten.
    let mut late = certificate(4);
    late.issued_at_ms = certificate(1).expires_at_ms + 91 * 24 * HOUR_MS;
    late.expires_at_ms = late.issued_at_ms + HOUR_MS;
    store
        .issue_certificate(scope(), host, 3, late)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(generation(store, scope(), 1).await, None);
    assert_eq!(generation(store, scope(), 4).await, Some((3, 3)));
    open.close().await;
}

#[tokio::test]
async fn invitations_that_wait_are_counted_and_end_by_themselves() {
    let home = Home::new();
    let open = home.open().await;
    let store = &open.store;
    for n in 0..u64::from(MAX_INVITATIONS) {
        assert_eq!(store.invite(scope(), invitation(n)).await.unwrap(), Invited::Kept);
    }
    let more = u64::from(MAX_INVITATIONS);
    assert_eq!(
        store.invite(scope(), invitation(more)).await.unwrap(),
        Invited::TooMany
    );
    assert_eq!(
        store.invite(&other(), invitation(more + 1)).await.unwrap(),
        Invited::Kept
    );
    let mut later = invitation(more);
    later.created_at_ms = 1_000 + HOUR_MS;
    later.expires_at_ms = later.created_at_ms + HOUR_MS;
    assert_eq!(store.invite(scope(), later).await.unwrap(), Invited::Kept);
    let expired = store
        .claim(scope(), claim(0, 1, 1, 1_000 + HOUR_MS))
        .await
        .unwrap();
    assert_eq!(expired, Claimed::Expired(1_000 + HOUR_MS));
    open.close().await;
}
