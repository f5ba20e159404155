//! A registry with accounts: who is let in, and how the protocol's clients are told to sign in.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_protocol::Digest;
use flowforge_registry::{PullGrant, Role, Visibility, Visitor};
use serde_json::json;

use crate::kit::{Answer, DEMO, Kit, component, publication, publisher, serve};

/// A registry with a robot that publishes for `demo`, and another account.
pub(crate) async fn guarded(anonymous_pull: bool) -> Guarded {
    let kit = Kit::new().guarded();
    let registry = &kit.registry;
    registry.set_anonymous_pull(anonymous_pull).await.unwrap();
    publisher(registry, "demo", DEMO).await;
    let mut passwords = BTreeMap::new();
    for account in ["robot", "other"] {
        let password = registry.set_account(account, "test").await.unwrap();
        passwords.insert(account, password);
    }
    registry
        .set_member("demo", &Visitor::Operator, "robot", Some(Role::Publisher))
        .await
        .unwrap();
    Guarded { kit, passwords }
}

pub(crate) struct Guarded {
    pub(crate) kit: Kit,
    passwords: BTreeMap<&'static str, String>,
}

impl std::ops::Deref for Guarded {
    type Target = Kit;

    fn deref(&self) -> &Kit {
        &self.kit
    }
}

impl Guarded {
    pub(crate) fn password(&self, account: &str) -> &str {
        &self.passwords[account]
    }

    fn basic(&self, account: &str) -> String {
        basic(&format!("{account}:{}", self.password(account)))
    }
}

fn basic(credentials: &str) -> String {
    format!("Basic {}", STANDARD.encode(credentials))
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

async fn ask_with(
    kit: &Kit,
    method: &str,
    uri: &str,
    credentials: Option<&str>,
    body: impl Into<Body>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(uri);
    if let Some(credentials) = credentials {
        request = request.header(header::AUTHORIZATION, credentials);
    }
    kit.send(request.body(body.into()).unwrap()).await
}

/// Publishes `demo:text` 0.1.0 over HTTP as its robot; returns the digest of its bytes.
async fn publish_as_robot(kit: &Guarded) -> Digest {
    let server = serve(kit.router()).await;
    let bytes = component("demo:text", "0.1.0", "");
    let envelope = publication("demo:text", "0.1.0", &bytes, DEMO);
    let client = server
        .client
        .clone()
        .with_account("robot", kit.password("robot"))
        .unwrap();
    client.push(bytes, &envelope).await.unwrap().layer_digest
}

/// A token for this scope.
async fn token(kit: &Kit, scope: &str, credentials: Option<&str>) -> Answer {
    let uri = format!("/v2/token?service=flowforge&scope={scope}");
    ask(kit, "GET", &uri, credentials).await
}

const UPLOADS: &str = "/v2/demo/text/blobs/uploads/";

#[tokio::test]
async fn a_client_is_told_where_to_sign_in() {
    let kit = guarded(true).await;
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
    let kit = guarded(true).await;
    let given = token(&kit, "repository:demo/text:pull,push", Some(&kit.basic("robot"))).await;
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
        ask(&kit, "POST", UPLOADS, Some(&kit.basic("robot"))).await.status,
        StatusCode::ACCEPTED
    );
}

#[tokio::test]
async fn an_account_pushes_under_its_own_names_only() {
    let kit = guarded(true).await;
    let denied = ask(&kit, "POST", UPLOADS, Some(&kit.basic("other"))).await;
    assert_eq!(
        (denied.status, denied.error().0.as_str()),
        (StatusCode::FORBIDDEN, "DENIED")
    );
    // Whatever it asks for, its token holds no more.
    let given = token(&kit, "repository:demo/text:pull,push", Some(&kit.basic("other")))
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
    let kit = guarded(true).await;
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
    let closed = guarded(false).await;
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
    // With accounts: what is private is not mounted by those who may not pull it.
    let kit = guarded(false).await;
    publisher(&kit.registry, "other", 9).await;
    let operator = Visitor::Operator;
    kit.registry
        .set_member("other", &operator, "other", Some(Role::Publisher))
        .await
        .unwrap();
    kit.registry
        .set_visibility("demo", &operator, None, Visibility::Private)
        .await
        .unwrap();
    let robot = kit.basic("robot");
    let upload = format!("/v2/demo/text/blobs/uploads/?digest={layer}");
    let pushed = ask_with(
        &kit,
        "POST",
        &upload,
        Some(&robot),
        component("demo:text", "0.1.0", ""),
    )
    .await;
    assert_eq!(pushed.status, StatusCode::CREATED);
    let place = mount("demo/text", &layer.to_string()).replace("demo/copy", "other/copy");
    let begun = ask(&kit, "POST", &place, Some(&kit.basic("other"))).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED);
    let grant = PullGrant {
        account: "other".to_owned(),
        connector: Some("text".to_owned()),
        until_ms: None,
    };
    kit.registry
        .set_pull_grant("demo", &operator, grant, true)
        .await
        .unwrap();
    let mounted = ask(&kit, "POST", &place, Some(&kit.basic("other"))).await;
    assert_eq!(mounted.status, StatusCode::CREATED);
}

/// A private connector is not there for those who may not have it: no answer tells it from one that nobody pushed.
#[tokio::test]
async fn what_is_private_answers_as_what_is_not_there() {
    let kit = guarded(true).await;
    let operator = Visitor::Operator;
    let layer = publish_as_robot(&kit).await;
    let anonymous = token(&kit, "repository:demo/text:pull", None).await.json();
    let anonymous = format!("Bearer {}", anonymous["token"].as_str().unwrap());
    let other = kit.basic("other");
    let tags = "/v2/demo/text/tags/list";
    assert_eq!(
        ask(&kit, "GET", tags, Some(&anonymous)).await.status,
        StatusCode::OK
    );
    let set = |visibility| {
        kit.registry
            .set_visibility("demo", &operator, Some("text"), visibility)
    };

    set(Visibility::Listed).await.unwrap();
    let catalog = |credentials: String| {
        let kit = &kit;
        async move { ask(kit, "GET", "/v2/_catalog", Some(&credentials)).await.json()["repositories"].clone() }
    };
    assert_eq!(catalog(other.clone()).await, json!(["demo/text"]));
    let denied = ask(&kit, "GET", tags, Some(&other)).await;
    assert_eq!(
        (denied.status, denied.error().0.as_str()),
        (StatusCode::FORBIDDEN, "DENIED")
    );
    assert_eq!(
        ask(&kit, "GET", tags, Some(&anonymous)).await.status,
        StatusCode::UNAUTHORIZED
    );

    set(Visibility::Private).await.unwrap();
    for credentials in [&other, &anonymous] {
        assert_eq!(catalog(credentials.clone()).await, json!([]));
        for path in [
            "tags/list".to_owned(),
            "manifests/0.1.0".to_owned(),
            format!("blobs/{layer}"),
            format!("referrers/{layer}"),
        ] {
            let hidden = ask(&kit, "GET", &format!("/v2/demo/text/{path}"), Some(credentials)).await;
            let absent = ask(&kit, "GET", "/v2/demo/none/tags/list", Some(credentials)).await;
            let (code, message) = absent.error();
            // A token is for what it was asked for, and nobody can ask for what is not there.
            let expected = match credentials == &anonymous {
                true => hidden.error(),
                false => (code, message.replace("demo:none", "demo:text")),
            };
            assert_eq!(
                (hidden.status, hidden.error()),
                (StatusCode::NOT_FOUND, expected),
                "{path}"
            );
        }
        let by_digest = format!("/connectors/{layer}/publication");
        assert_eq!(
            ask(&kit, "GET", &by_digest, Some(credentials)).await.status,
            StatusCode::NOT_FOUND
        );
        let judged = "/connectors/judgement?name=demo:text&version=0.2.0";
        assert_eq!(
            ask(&kit, "POST", judged, Some(credentials)).await.error().0,
            "NAME_UNKNOWN"
        );
    }
    assert_eq!(
        ask(&kit, "GET", tags, Some(&kit.basic("robot"))).await.status,
        StatusCode::OK
    );
}

/// A password that was renewed, and an account that was removed, open nothing any more.
#[tokio::test]
async fn an_account_ends_with_its_password() {
    let kit = guarded(false).await;
    let before = kit.basic("other");
    assert_eq!(
        ask(&kit, "GET", "/v2/", Some(&before)).await.status,
        StatusCode::OK
    );
    let renewed = kit.registry.set_account("other", "test").await.unwrap();
    let after = basic(&format!("other:{renewed}"));
    assert_eq!(
        ask(&kit, "GET", "/v2/", Some(&before)).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        ask(&kit, "GET", "/v2/", Some(&after)).await.status,
        StatusCode::OK
    );
    kit.registry.remove_account("other").await.unwrap();
    assert_eq!(
        ask(&kit, "GET", "/v2/", Some(&after)).await.status,
        StatusCode::UNAUTHORIZED
    );
    for wrong in ["", "a:b", "../x", "-x", "a/b"] {
        assert_eq!(
            kit.registry.set_account(wrong, "test").await.unwrap_err().code,
            flowforge_registry::Code::NameInvalid,
            "{wrong}"
        );
    }
}
