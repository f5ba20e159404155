//! How a host is admitted, and how long its session is good.

use serde_json::{Value, json};

use crate::support::{FakeHost, Home, Plane};

#[tokio::test]
async fn calls_of_hosts_need_their_session() {
    let home = Home::new();
    let plane = home.start().await;
    let host = FakeHost::join(&plane, 1).await;
    let sync = "mutation { sync(input: {workspace: \"dev\", hostIncarnation: \"00000000000000000000000000000001\", \
        received: [], refused: [], batches: [], receipts: [], asked: [], lanes: {starts: 0, changes: 0}, waitMs: 0}) \
        { timeMs } }";
    for session in [None, Some("nonsense")] {
        let answer = plane.post_host(session, sync, json!({})).await;
        assert_eq!(
            answer["errors"][0]["extensions"]["code"], "FF-API-401",
            "{answer:#}"
        );
    }
    let newer = FakeHost::join(&plane, 1).await;
    assert_eq!(newer.id, host.id);
    let old = plane.post_host(Some(&host.session), sync, json!({})).await;
    assert_eq!(
        old["errors"][0]["extensions"]["code"], "FF-API-401",
        "a new session ends the one before"
    );
    plane.stop().await;
}

/// The session of a host that was revoked was good again when the control plane had started anew, or was asked at another
/// server: the store knows sessions, and what was decided about their hosts was not looked at beside them.
#[tokio::test]
async fn the_session_of_a_revoked_host_is_refused_after_a_restart_too() {
    let home = Home::new();
    let plane = home.start().await;
    let host = FakeHost::join(&plane, 1).await;
    host.sync(&plane, json!({})).await;
    let input = json!({"host": host.id, "decision": "REVOKE"});
    let fields = "__typename ... on DecideHostSuccess { host { standing } } ... on Problem { code message }";
    let revoked = plane.change("decideHost", "DecideHostInput", input, fields).await;
    assert_eq!(revoked["host"]["standing"], "REVOKED", "{revoked}");
    let refused = async |plane: &Plane| {
        let asked = "{ sealedSecrets(names: []) { __typename } }";
        let answer = plane.post_host(Some(&host.session), asked, json!({})).await;
        assert_eq!(
            answer["errors"][0]["extensions"]["code"], "FF-API-401",
            "{answer:#}"
        );
    };
    refused(&plane).await;
    plane.stop().await;
    let plane = home.start().await;
    refused(&plane).await;
    plane.stop().await;
}

#[tokio::test]
async fn a_host_that_cannot_prove_its_keys_is_not_admitted() {
    let home = Home::new();
    let plane = home.start().await;
    let join = crate::support::join_file(&plane);
    let key = flowforge_protocol::SigningKey::from_seed(&[1; 32]);
    let other = flowforge_protocol::SigningKey::from_seed(&[2; 32]);
    let seal = flowforge_protocol::seal::SealKey::from_seed(&[1; 32]);
    let good = crate::support::registration(&join, "a", &key, &seal);
    let foreign = crate::support::registration(&join, "a", &other, &seal);
    let mut other_join = join.clone();
    other_join["token"] = json!("wrong");
    let unknown = crate::support::registration(&other_join, "a", &key, &seal);
    let with = |field: &str, value: Value| {
        let mut input = good.clone();
        input[field] = value;
        input
    };
    let cases = [
        (unknown, "FF-HOST-001"),
        (with("token", json!("wrong")), "FF-HOST-004"),
        (with("name", json!("a b")), "FF-HOST-002"),
        (with("identityKey", json!("AAAA")), "FF-HOST-003"),
        (with("proof", foreign["proof"].clone()), "FF-HOST-004"),
        (with("name", json!("b")), "FF-HOST-004"),
    ];
    for (input, code) in cases {
        let answer = plane.register(input).await;
        assert_eq!(answer["code"], code, "{answer:#}");
    }
    let answer = plane.register(good).await;
    assert_eq!(answer["__typename"], "RegisterHostSuccess");
    plane.stop().await;
}

/// A recorded registration could be sent again, by anybody, at any time.
#[tokio::test]
async fn a_registration_is_good_once_and_now() {
    let home = Home::new();
    let plane = home.start().await;
    let join = crate::support::join_file(&plane);
    let key = flowforge_protocol::SigningKey::from_seed(&[1; 32]);
    let seal = flowforge_protocol::seal::SealKey::from_seed(&[1; 32]);
    let input = crate::support::registration(&join, "a", &key, &seal);
    let first = plane.register(input.clone()).await;
    assert_eq!(first["__typename"], "RegisterHostSuccess");
    assert_eq!(plane.register(input).await["code"], "FF-HOST-006");
    let old = crate::support::registration_at(&join, "a", &key, &seal, 1);
    assert_eq!(plane.register(old).await["code"], "FF-HOST-005");
    // A host that was admitted needs no token any more; another one does.
    let without = crate::support::registration_without_token(&join, "a", &key, &seal);
    assert_eq!(plane.register(without).await["hostId"], first["hostId"]);
    let other = flowforge_protocol::SigningKey::from_seed(&[2; 32]);
    let without = crate::support::registration_without_token(&join, "a", &other, &seal);
    assert_eq!(plane.register(without).await["code"], "FF-HOST-001");
    plane.stop().await;
}
