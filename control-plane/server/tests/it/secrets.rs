//! Secrets: kept encrypted, given only sealed, only to who needs them.

use flowforge_protocol::seal::{SealContext, Sealed, open};
use serde_json::{Value, json};

use crate::support::{FakeHost, Home, Plane, SUM};

const VALUE: &str = "very-secret-value-81723";

async fn set(plane: &Plane, name: &str, value: &str) -> Value {
    let input =
        json!({"name": name, "kind": "bearer", "value": value, "destinations": ["https://chat.example.com"]});
    let fields = "__typename ... on SetSecretSuccess { secret { name kind destinations version } } \
        ... on InputProblem { message fields { path } }";
    plane.change("setSecret", "SetSecretInput", input, fields).await
}

#[tokio::test]
async fn a_value_is_nowhere_in_the_data_folder_and_in_no_answer() {
    let home = Home::new();
    let plane = home.start().await;
    let answer = set(&plane, "chat_token", VALUE).await;
    let expected = json!({"name": "chat_token", "kind": "bearer", "version": 1, "destinations": ["https://chat.example.com:443"]});
    assert_eq!(answer["secret"], expected);
    assert_eq!(set(&plane, "chat_token", VALUE).await["secret"]["version"], 2);
    let listed = plane.ask("{ secrets { name version kind } }", json!({})).await;
    assert_eq!(
        listed["secrets"],
        json!([{"name": "chat_token", "version": 2, "kind": "bearer"}])
    );
    plane.stop().await;
    let mut folders = vec![home.path().to_owned()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let bytes = std::fs::read(&path).unwrap();
            assert!(
                !bytes
                    .windows(VALUE.len())
                    .any(|window| window == VALUE.as_bytes()),
                "{path:?}"
            );
        }
    }
    assert!(files > 5);
}

#[tokio::test]
async fn a_deleted_secret_is_gone_and_its_version_never_comes_back() {
    let home = Home::new();
    let plane = home.start().await;
    set(&plane, "chat_token", VALUE).await;
    let delete = || {
        plane.change(
            "deleteSecret",
            "DeleteSecretInput",
            json!({"name": "chat_token"}),
            "__typename",
        )
    };
    assert_eq!(delete().await["__typename"], "DeleteSecretSuccess");
    assert_eq!(delete().await["__typename"], "SecretNotFoundProblem");
    assert_eq!(
        plane.ask("{ secrets { name } }", json!({})).await["secrets"],
        json!([])
    );
    assert_eq!(set(&plane, "chat_token", VALUE).await["secret"]["version"], 2);
    plane.stop().await;
}

#[tokio::test]
async fn faults_name_their_fields() {
    let home = Home::new();
    let plane = home.start().await;
    let answer = set(&plane, "Chat-Token", VALUE).await;
    assert_eq!(
        (&answer["__typename"], &answer["fields"][0]["path"]),
        (&json!("InputProblem"), &json!("name"))
    );
    plane.stop().await;
}

const SEALED: &str = "query($names: [String!]!) { sealedSecrets(names: $names) { __typename \
    ... on SealedSecret { name version kind destinations sealed } ... on SecretAbsent { name } \
    ... on SecretNotGranted { name } } }";

#[tokio::test]
async fn only_granted_names_are_sealed_and_only_for_the_host_that_runs_them() {
    let home = Home::new();
    let plane = home.start().await;
    set(&plane, "chat_token", VALUE).await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    plane
        .start_run(json!({"workflow": "sum", "input": {"a": 1}}))
        .await;
    host.job(&plane).await;
    // The run of `sum` has no grant for it.
    let denied = plane
        .post_host(Some(&host.session), SEALED, json!({"names": ["chat_token"]}))
        .await;
    assert_eq!(
        denied["data"]["sealedSecrets"],
        json!([{"__typename": "SecretNotGranted", "name": "chat_token"}]),
        "{denied:#}"
    );
    let person = plane
        .post_host(None, SEALED, json!({"names": ["chat_token"]}))
        .await;
    assert_eq!(person["errors"][0]["extensions"]["code"], "FF-API-401");
    plane.stop().await;
}

#[tokio::test]
async fn a_sealed_value_opens_with_the_key_of_its_host_only() {
    let home = Home::new();
    let plane = home.start().await;
    set(&plane, "chat_token", VALUE).await;
    crate::connector::publish_caller(&plane).await;
    let host = FakeHost::join(&plane, 1).await;
    let started = plane.start_run(json!({"workflow": "caller"})).await;
    assert_eq!(started["__typename"], "StartRunSuccess", "{started:#}");
    host.job(&plane).await;
    let answer = plane
        .post_host(Some(&host.session), SEALED, json!({"names": ["chat_token"]}))
        .await;
    let secret = &answer["data"]["sealedSecrets"][0];
    assert_eq!(
        (&secret["kind"], &secret["version"]),
        (&json!("bearer"), &json!(1)),
        "{answer:#}"
    );
    let sealed: Sealed = serde_json::from_value(secret["sealed"].clone()).unwrap();
    let destinations = ["https://chat.example.com:443".to_owned()];
    let context = SealContext {
        workspace: "dev",
        project: "default",
        host: &host.id,
        secret: "chat_token",
        version: 1,
        kind: "bearer",
        destinations: &destinations,
    };
    assert_eq!(
        open(&host.seal, &context, &sealed).unwrap().as_slice(),
        VALUE.as_bytes()
    );
    let other = FakeHost::join(&plane, 2).await;
    assert!(open(&other.seal, &context, &sealed).is_err());
    let denied = plane
        .post_host(Some(&other.session), SEALED, json!({"names": ["chat_token"]}))
        .await;
    assert_eq!(
        denied["data"]["sealedSecrets"][0]["__typename"], "SecretNotGranted",
        "it runs nothing that needs it"
    );
    let delete = json!({"name": "chat_token"});
    plane
        .change("deleteSecret", "DeleteSecretInput", delete, "__typename")
        .await;
    let absent = plane
        .post_host(Some(&host.session), SEALED, json!({"names": ["chat_token"]}))
        .await;
    assert_eq!(
        absent["data"]["sealedSecrets"],
        json!([{"__typename": "SecretAbsent", "name": "chat_token"}])
    );
    plane.stop().await;
}
