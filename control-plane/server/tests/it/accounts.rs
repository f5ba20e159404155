//! What goes with an account: sessions, API tokens, and who has none: the owner and hosts.

use serde_json::{Value, json};

use crate::people::{PASSWORD, ann, join, person, sign_in};
use crate::support::{FakeHost, Home, TestClock};

#[tokio::test]
async fn a_token_passes_on_what_it_says_to_whoever_shows_it_until_it_is_revoked() {
    let clock = TestClock::at(1_790_000_000_000);
    let home = Home::at(&clock);
    let plane = home.start_peopled().await;
    let ann = ann(&plane).await;
    let make = |permissions: &str, life_ms: u64| {
        format!(
            "mutation {{ makeApiToken(input: {{name: \"ci\", permissions: [{permissions}], lifeMs: {life_ms}}}) {{ __typename \
             ... on MakeApiTokenSuccess {{ secret token {{ id permissions }} }} ... on Problem {{ code }} }} }}"
        )
    };
    for (permissions, life_ms) in [("KEEP_ACCOUNT", 60_000), ("", 60_000), ("READ", 1)] {
        let refused = ann.ask(&plane, &make(permissions, life_ms)).await;
        assert_eq!(
            refused["makeApiToken"]["code"], "FF-IN-001",
            "{permissions} {life_ms}"
        );
    }
    let made = ann.ask(&plane, &make("READ, RUN", 3_600_000)).await["makeApiToken"].take();
    let (secret, id) = (
        made["secret"].as_str().unwrap(),
        made["token"]["id"].as_str().unwrap(),
    );
    assert!(secret.starts_with("ff-token-1."));
    let listed = ann.ask(&plane, "{ viewer { apiTokens { id name } } }").await;
    assert_eq!(listed["viewer"]["apiTokens"], json!([{"id": id, "name": "ci"}]));
    assert!(!listed.to_string().contains(secret));
    let as_program = |query: &str| {
        let body = json!({"query": query});
        plane
            .http
            .post(plane.url("/graphql"))
            .bearer_auth(secret)
            .json(&body)
            .send()
    };
    let viewer: Value = as_program("{ viewer { name } }")
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(viewer["data"]["viewer"]["name"], "ann");
    for query in [
        "{ auditEvents { nodes { action } } }",
        "mutation { makeApiToken(input: {name: \"x\", permissions: [READ]}) { __typename } }",
    ] {
        let refused: Value = as_program(query).await.unwrap().json().await.unwrap();
        let message = refused["errors"][0]["message"].as_str().unwrap();
        assert!(message.ends_with("this token does not pass on"), "{message}");
    }
    clock.pass(3_600_000);
    assert_eq!(
        as_program("{ viewer { name } }").await.unwrap().status(),
        401,
        "its time is over"
    );

    let made = ann.ask(&plane, &make("READ", 3_600_000)).await["makeApiToken"].take();
    let (secret, id) = (
        made["secret"].as_str().unwrap(),
        made["token"]["id"].as_str().unwrap(),
    );
    // Clients of a registry show it as the password there.
    let by_password = || {
        plane
            .http
            .get(plane.url("/session"))
            .basic_auth("any", Some(secret))
            .send()
    };
    assert_eq!(by_password().await.unwrap().status(), 200);
    let revoke = format!("mutation {{ revokeApiToken(input: {{id: \"{id}\"}}) {{ __typename }} }}");
    let revoked = ann.ask(&plane, &revoke).await;
    assert_eq!(revoked["revokeApiToken"]["__typename"], "RevokeApiTokenSuccess");
    let again = ann.ask(&plane, &revoke).await;
    assert_eq!(again["revokeApiToken"]["__typename"], "ApiTokenNotFoundProblem");
    assert_eq!(by_password().await.unwrap().status(), 401);
    plane.stop().await;
}

#[tokio::test]
async fn sessions_are_listed_and_ended_and_what_is_anothers_is_as_if_it_were_not_there() {
    let home = Home::new();
    let plane = home.start_peopled().await;
    let ann = ann(&plane).await;
    let bob = join(&plane, &ann.invite(&plane, "BUILDER").await, "bob").await;
    let (_, cookie, about) = sign_in(&plane, "ann", PASSWORD).await;
    let other = person(cookie, &about);
    let sessions = "{ viewer { sessions { id current agent } } }";
    let listed = ann.ask(&plane, sessions).await["viewer"]["sessions"].take();
    let listed = listed.as_array().unwrap();
    assert_eq!(listed.len(), 2, "{listed:#?}");
    let of = |current: bool| {
        let found = listed.iter().find(|session| session["current"] == current);
        found.unwrap()["id"].as_str().unwrap().to_owned()
    };
    let end = |id: &str| format!("mutation {{ endSession(input: {{id: \"{id}\"}}) {{ __typename }} }}");
    // Of another's session and of none the same is said.
    for id in [of(false), "0123456789abcdef".to_owned()] {
        let ended = bob.ask(&plane, &end(&id)).await;
        assert_eq!(ended["endSession"]["__typename"], "SessionNotFoundProblem");
        let node = bob
            .ask(&plane, &format!("{{ node(id: \"{id}\") {{ id }} }}"))
            .await;
        assert_eq!(node["node"], Value::Null);
    }
    let own = ann
        .ask(
            &plane,
            &format!("{{ node(id: \"{}\") {{ id __typename }} }}", of(true)),
        )
        .await;
    assert_eq!(own["node"]["__typename"], "AccountSession");
    let ended = ann.ask(&plane, &end(&of(false))).await;
    assert_eq!(ended["endSession"]["__typename"], "EndSessionSuccess");
    assert_eq!(other.post(&plane, sessions, json!({})).await.0, 401);

    let (_, cookie, about) = sign_in(&plane, "ann", PASSWORD).await;
    let other = person(cookie, &about);
    let change = |old: &str, new: &str| {
        format!(
            "mutation {{ changePassword(input: {{old: \"{old}\", new: \"{new}\"}}) {{ __typename ... on Problem {{ code }} }} }}"
        )
    };
    for (old, new, code) in [
        ("not my old password", "other plain words", "FF-ACC-001"),
        (PASSWORD, "short", "FF-IN-001"),
    ] {
        let refused = ann.ask(&plane, &change(old, new)).await;
        assert_eq!(refused["changePassword"]["code"], code);
    }
    let changed = ann.ask(&plane, &change(PASSWORD, "other plain words")).await;
    assert_eq!(changed["changePassword"]["__typename"], "ChangePasswordSuccess");
    assert_eq!(
        other.post(&plane, sessions, json!({})).await.0,
        401,
        "all others end"
    );
    assert_eq!(ann.post(&plane, sessions, json!({})).await.0, 200);

    let reset = "mutation { resetPassword(input: {name: \"bob\"}) { ... on ResetPasswordSuccess { link { address } } } }";
    let reset = ann.ask(&plane, reset).await;
    let address = reset["resetPassword"]["link"]["address"].as_str().unwrap();
    let bob_again = join(&plane, address, "bob").await;
    assert_eq!(bob.post(&plane, sessions, json!({})).await.0, 401);
    assert_eq!(
        bob_again.ask(&plane, "{ viewer { roles } }").await["viewer"]["roles"],
        json!(["BUILDER"])
    );
    plane.stop().await;
}

#[tokio::test]
async fn the_owner_is_who_may_read_the_data_folder_and_connectors_are_brought_by_who_may() {
    let home = Home::new();
    let plane = home.start_peopled().await;
    let client: Value = serde_json::from_slice(&std::fs::read(&plane.handle.client_file).unwrap()).unwrap();
    let token = client["token"].as_str().unwrap();
    let query = json!({"query": "{ viewer { name kind } members { nodes { name } } }"});
    let as_owner = plane
        .http
        .post(plane.url("/graphql"))
        .bearer_auth(token)
        .json(&query);
    let answer: Value = as_owner.send().await.unwrap().json().await.unwrap();
    assert_eq!(
        answer["data"]["viewer"],
        json!({"name": "local", "kind": "owner"})
    );
    let cut = &token[..token.len() - 8];
    let wrong = plane
        .http
        .post(plane.url("/graphql"))
        .bearer_auth(cut)
        .json(&query);
    assert_eq!(wrong.send().await.unwrap().status(), 401);

    let ann = ann(&plane).await;
    let bob = join(&plane, &ann.invite(&plane, "BUILDER").await, "bob").await;
    let push = || plane.http.post(plane.url("/v2/demo/x/blobs/uploads/"));
    let nobody = push().send().await.unwrap();
    assert_eq!(nobody.status(), 401);
    assert!(nobody.headers().contains_key("www-authenticate"));
    let as_bob = push()
        .header("cookie", &bob.cookie)
        .header("x-csrf-token", &bob.csrf);
    assert_eq!(as_bob.send().await.unwrap().status(), 403);
    let as_ann = push()
        .header("cookie", &ann.cookie)
        .header("x-csrf-token", &ann.csrf);
    assert_eq!(as_ann.send().await.unwrap().status(), 202);
    assert_eq!(push().bearer_auth(token).send().await.unwrap().status(), 202);
    let read = plane.http.get(plane.url("/v2/")).send().await.unwrap();
    assert_eq!(
        read.status(),
        200,
        "hosts of this machine fetch without showing who they are"
    );
    let artefact = format!("/artefacts/sha256:{}", "0".repeat(64));
    assert_eq!(
        plane
            .http
            .get(plane.url(&artefact))
            .send()
            .await
            .unwrap()
            .status(),
        401
    );
    plane.stop().await;
}

#[tokio::test]
async fn hosts_join_and_work_as_before() {
    let home = Home::new();
    let plane = home.start_peopled().await;
    let host = FakeHost::join(&plane, 1).await;
    let synced = host.sync(&plane, json!({})).await;
    assert_eq!(synced["workspace"], "dev");
    let looked = plane
        .post(Some(&host.session), "{ members { nodes { name } } }", json!({}))
        .await;
    assert_eq!(
        looked["errors"][0]["extensions"]["code"], "FF-API-403",
        "{looked}"
    );
    plane.stop().await;
}
