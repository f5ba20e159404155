//! A registry with accounts: who is let in, and how the protocol's clients are told to sign in.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_protocol::Digest;
use flowforge_registry::{Account, Accounts};
use serde_json::json;

use crate::kit::{Answer, Kit, component, config};

pub(crate) fn guarded(anonymous_pull: bool) -> Kit {
    let robot = |publisher: &str| Account {
        password_digest: Digest::of(b"long and random"),
        publishers: vec![publisher.to_owned()],
    };
    let accounts = BTreeMap::from([
        ("robot".to_owned(), robot("demo")),
        ("other".to_owned(), robot("other")),
    ]);
    let mut config = config();
    config.accounts = Some(Arc::new(Accounts::new(anonymous_pull, accounts).unwrap()));
    Kit::with(config)
}

fn basic(account: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{account}:long and random")))
}

async fn ask(kit: &Kit, method: &str, uri: &str, credentials: Option<&str>) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(uri)
        .header("host", "registry.example");
    if let Some(credentials) = credentials {
        request = request.header(header::AUTHORIZATION, credentials);
    }
    kit.send(request.body(Body::empty()).unwrap()).await
}

/// A token for this scope.
async fn token(kit: &Kit, scope: &str, credentials: Option<&str>) -> Answer {
    let uri = format!("/v2/token?service=flowforge&scope={scope}");
    ask(kit, "GET", &uri, credentials).await
}

const UPLOADS: &str = "/v2/demo/text/blobs/uploads/";

#[tokio::test]
async fn a_client_is_told_where_to_sign_in() {
    let kit = guarded(true);
    let answer = ask(&kit, "GET", "/v2/", None).await;
    assert_eq!(
        (answer.status, answer.error().0.as_str()),
        (StatusCode::UNAUTHORIZED, "UNAUTHORIZED")
    );
    assert_eq!(
        answer.header("www-authenticate"),
        "Bearer realm=\"http://registry.example/v2/token\",service=\"flowforge\""
    );
    let push = ask(&kit, "POST", UPLOADS, None).await;
    assert!(
        push.header("www-authenticate")
            .ends_with("scope=\"repository:demo/text:pull,push\"")
    );
    assert_eq!(
        ask(&kit, "GET", "/.well-known/wasm-pkg/registry.json", None)
            .await
            .status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_token_opens_what_it_was_asked_for() {
    let kit = guarded(true);
    let given = token(&kit, "repository:demo/text:pull,push", Some(&basic("robot"))).await;
    assert_eq!(given.header("cache-control"), "no-store");
    let given = given.json();
    assert_eq!(given["token"], given["access_token"]);
    assert_eq!(given["expires_in"], json!(1800));
    let bearer = format!("Bearer {}", given["token"].as_str().unwrap());
    assert_eq!(
        ask(&kit, "GET", "/v2/", Some(&bearer)).await.status,
        StatusCode::OK
    );
    assert_eq!(
        ask(&kit, "POST", UPLOADS, Some(&bearer)).await.status,
        StatusCode::ACCEPTED
    );
    let elsewhere = ask(&kit, "POST", "/v2/demo/other/blobs/uploads/", Some(&bearer)).await;
    assert_eq!(elsewhere.status, StatusCode::UNAUTHORIZED);
    assert!(
        elsewhere
            .header("www-authenticate")
            .contains("error=\"insufficient_scope\"")
    );
    // Clients that know no tokens send the password itself.
    assert_eq!(
        ask(&kit, "POST", UPLOADS, Some(&basic("robot"))).await.status,
        StatusCode::ACCEPTED
    );
}

#[tokio::test]
async fn an_account_pushes_under_its_own_names_only() {
    let kit = guarded(true);
    let denied = ask(&kit, "POST", UPLOADS, Some(&basic("other"))).await;
    assert_eq!(
        (denied.status, denied.error().0.as_str()),
        (StatusCode::FORBIDDEN, "DENIED")
    );
    // Whatever it asks for, its token holds no more.
    let given = token(&kit, "repository:demo/text:pull,push", Some(&basic("other")))
        .await
        .json();
    let bearer = format!("Bearer {}", given["token"].as_str().unwrap());
    assert_eq!(
        ask(&kit, "POST", UPLOADS, Some(&bearer)).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        token(&kit, "repository:demo/text:pull", Some("Basic bm9ib2R5OngK"))
            .await
            .error()
            .0,
        "UNAUTHORIZED"
    );
}

#[tokio::test]
async fn anonymous_ones_pull_and_never_push() {
    let kit = guarded(true);
    let given = token(&kit, "repository:demo/text:pull,push", None).await.json();
    let bearer = format!("Bearer {}", given["token"].as_str().unwrap());
    let list = ask(&kit, "GET", "/v2/demo/text/tags/list", Some(&bearer)).await;
    assert_eq!(
        list.error().0,
        "NAME_UNKNOWN",
        "it is let in, and there is nothing"
    );
    assert_eq!(
        ask(&kit, "POST", UPLOADS, Some(&bearer)).await.status,
        StatusCode::UNAUTHORIZED
    );
    let closed = guarded(false);
    assert_eq!(
        token(&closed, "repository:demo/text:pull", None).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn an_open_registry_gives_a_token_to_whoever_insists() {
    let kit = Kit::new();
    let given = token(&kit, "repository:demo/text:pull", None).await;
    assert_eq!(given.status, StatusCode::OK);
    let bearer = format!("Bearer {}", given.json()["token"].as_str().unwrap());
    assert_eq!(
        ask(&kit, "GET", "/v2/", Some(&bearer)).await.status,
        StatusCode::OK
    );
}

/// Whoever may not pull a repository learns by no mount what is in it; whoever may gets the blob without an upload.
#[tokio::test]
async fn a_blob_is_mounted_where_it_may_be_pulled() {
    let kit = Kit::new();
    kit.publish("0.1.0").await;
    let layer = Digest::of(&component("demo:text", "0.1.0", ""));
    let mount = |from: &str, digest: &str| format!("/v2/demo/copy/blobs/uploads/?mount={digest}&from={from}");
    let mounted = ask(&kit, "POST", &mount("demo/text", &layer.to_string()), None).await;
    assert_eq!(mounted.status, StatusCode::CREATED);
    assert_eq!(mounted.header("location"), format!("/v2/demo/copy/blobs/{layer}"));
    assert_eq!(
        ask(&kit, "HEAD", &format!("/v2/demo/copy/blobs/{layer}"), None)
            .await
            .status,
        StatusCode::OK
    );
    let absent = Digest::of(b"absent").to_string();
    for uri in [
        mount("demo/text", &absent),
        mount("demo/none", &layer.to_string()),
        mount("no-repository", &layer.to_string()),
        format!("/v2/demo/copy/blobs/uploads/?mount={layer}"),
    ] {
        let begun = ask(&kit, "POST", &uri, None).await;
        assert_eq!(begun.status, StatusCode::ACCEPTED, "{uri}");
    }
    let guarded = guarded(false);
    let place = mount("demo/text", &layer.to_string()).replace("demo/copy", "other/copy");
    let begun = ask(&guarded, "POST", &place, Some(&basic("other"))).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED);
}
