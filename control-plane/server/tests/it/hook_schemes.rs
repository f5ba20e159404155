//! Who sent a request: each scheme at the door.

use flowforge_protocol::webhook;
use serde_json::{Value, json};

use crate::hooking::{hmac, hook};
use crate::support::{FakeHost, Home, Plane, TestClock};

const KEY: &str = "a key of enough bytes";
const STANDARD_KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW: u64 = 1_800_000_000;

const SCHEMES: &str = r#"workflow: schemes
input:
  a: { type: integer, default: 1 }
secrets: [hook_key, standard_key]
triggers:
  own:      { webhook: { path: own, scheme: flowforge, secret: hook_key } }
  hub:      { webhook: { path: hub, scheme: github, secret: hook_key } }
  stripe:   { webhook: { path: stripe, scheme: stripe, secret: hook_key } }
  slack:    { webhook: { path: slack, scheme: slack, secret: hook_key } }
  standard: { webhook: { path: standard, scheme: standard-webhooks, secret: standard_key } }
  bearer:   { webhook: { path: bearer, scheme: token, secret: hook_key } }
  lab:      { webhook: { path: lab, scheme: token, secret: hook_key, header: X-Gitlab-Token } }
  open:     { webhook: { path: open, scheme: none, rate: 2/min } }
nodes:
  out: { set: { a: "${input.a}" } }
output: { a: "${out.a}" }
"#;

type Headers = Vec<(&'static str, String)>;

async fn set(plane: &Plane, name: &str, value: &str) {
    let input = json!({"name": name, "kind": "hmac-key", "value": value, "destinations": []});
    let answer = plane
        .change("setSecret", "SetSecretInput", input, "__typename")
        .await;
    assert_eq!(answer["__typename"], "SetSecretSuccess");
}

async fn ready(clock: &TestClock) -> (Home, Plane) {
    let home = Home::at(clock);
    let plane = home.start().await;
    set(&plane, "hook_key", KEY).await;
    set(&plane, "standard_key", STANDARD_KEY).await;
    plane.publish(SCHEMES).await;
    (home, plane)
}

async fn send(plane: &Plane, path: &str, body: &str, headers: &Headers) -> (u16, Value) {
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    hook(plane, &format!("/hooks/{path}"), body.to_owned(), &headers).await
}

/// What a sender of this scheme puts beside a body that it sends at this time.
fn signed(path: &str, at: u64, body: &str) -> Headers {
    match path {
        "own" => vec![(
            "x-flowforge-signature",
            webhook::sign(KEY.as_bytes(), at, body.as_bytes()).unwrap(),
        )],
        "hub" => vec![("x-hub-signature-256", format!("sha256={}", hmac(KEY, body)))],
        "stripe" => vec![(
            "stripe-signature",
            format!("t={at},v1={}", hmac(KEY, &format!("{at}.{body}"))),
        )],
        "slack" => vec![
            ("x-slack-request-timestamp", at.to_string()),
            (
                "x-slack-signature",
                format!("v0={}", hmac(KEY, &format!("v0:{at}:{body}"))),
            ),
        ],
        "standard" => vec![
            ("webhook-id", format!("msg_{}", body.len())),
            ("webhook-timestamp", at.to_string()),
            (
                "webhook-signature",
                webhook::sign_standard(
                    STANDARD_KEY.as_bytes(),
                    &format!("msg_{}", body.len()),
                    at,
                    body.as_bytes(),
                )
                .unwrap(),
            ),
        ],
        "bearer" => vec![("authorization", format!("Bearer {KEY}"))],
        "lab" => vec![("x-gitlab-token", KEY.to_owned())],
        other => panic!("{other}"),
    }
}

const CHECKED: [&str; 7] = ["own", "hub", "stripe", "slack", "standard", "bearer", "lab"];
/// Those that sign a time.
const TIMED: [&str; 4] = ["own", "stripe", "slack", "standard"];

#[tokio::test]
async fn each_scheme_lets_in_what_its_sender_signed_and_nothing_else() {
    let clock = TestClock::at(NOW * 1_000);
    let (_home, plane) = ready(&clock).await;
    let host = FakeHost::join(&plane, 1).await;
    let body = r#"{"a": 5}"#;
    for path in CHECKED {
        let bare = send(&plane, path, body, &Vec::new()).await;
        assert_eq!((bare.0, &bare.1["code"]), (401, &json!("FF-HOOK-005")), "{path}");
        let mut wrong = signed(path, NOW, body);
        let (_, value) = wrong.last_mut().unwrap();
        let last = value.pop().unwrap();
        value.push(if last == '0' { '1' } else { '0' });
        let refused = send(&plane, path, body, &wrong).await;
        assert_eq!(
            (refused.0, &refused.1["code"]),
            (401, &json!("FF-HOOK-006")),
            "{path}: {wrong:?}"
        );
        // Whatever another scheme asks for says nothing here.
        for other in CHECKED.into_iter().filter(|other| *other != path) {
            let found = send(&plane, path, body, &signed(other, NOW, body)).await;
            assert_eq!(found.0, 401, "{other} at {path}");
        }
    }
    for path in TIMED {
        for at in [NOW - 301, NOW + 301] {
            let stale = send(&plane, path, body, &signed(path, at, body)).await;
            assert_eq!(
                (stale.0, &stale.1["code"]),
                (401, &json!("FF-HOOK-006")),
                "{path}"
            );
        }
    }
    assert!(host.jobs(&plane, 0).await.is_empty(), "nothing was started");
    for path in CHECKED {
        let taken = send(&plane, path, body, &signed(path, NOW, body)).await;
        assert_eq!(taken.0, 202, "{path}: {:#}", taken.1);
        let job = host.job(&plane).await;
        assert_eq!(taken.1["run"], json!(job.run_id), "{path}");
        host.received(&plane, &job).await;
    }
    plane.stop().await;
}

/// Services send an event again under a new signature until they are answered; each time started a run.
#[tokio::test]
async fn an_event_that_comes_again_under_a_new_signature_is_the_same_delivery() {
    let clock = TestClock::at(NOW * 1_000);
    let (_home, plane) = ready(&clock).await;
    let once = |path: &'static str, body: &'static str, at: u64| {
        let plane = &plane;
        async move {
            let (status, answer) = send(plane, path, body, &signed(path, at, body)).await;
            assert_eq!(status, 202, "{path}: {answer:#}");
            answer["run"].clone()
        }
    };
    // What else stands in an event may change from one time to the next.
    for (path, first, again, other) in [
        (
            "stripe",
            r#"{"id": "evt_1", "pending_webhooks": 1}"#,
            r#"{"id": "evt_1", "pending_webhooks": 0}"#,
            r#"{"id": "evt_2", "pending_webhooks": 0}"#,
        ),
        (
            "slack",
            r#"{"event_id": "Ev1", "n": 1}"#,
            r#"{"event_id": "Ev1", "n": 2}"#,
            r#"{"event_id": "Ev2", "n": 2}"#,
        ),
        ("standard", r#"{"n": 1}"#, r#"{"n": 2}"#, r#"{"n": 12}"#),
    ] {
        let started = once(path, first, NOW).await;
        assert_eq!(once(path, again, NOW + 60).await, started, "{path}");
        assert_ne!(once(path, other, NOW + 60).await, started, "{path}");
    }
    plane.stop().await;
}

#[tokio::test]
async fn slack_hears_its_own_word_and_no_run_starts() {
    let clock = TestClock::at(NOW * 1_000);
    let (_home, plane) = ready(&clock).await;
    let body = r#"{"type": "url_verification", "challenge": "3eZbrw1aB"}"#;
    let unsigned = send(&plane, "slack", body, &Vec::new()).await;
    assert_eq!(unsigned.0, 401);
    let mut request = plane.http.post(plane.url("/hooks/slack")).body(body);
    for (name, text) in signed("slack", NOW, body) {
        request = request.header(name, text);
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    assert_eq!(answer.text().await.unwrap(), "3eZbrw1aB");
    let runs = plane.ask("{ runs(first: 1) { nodes { id } } }", json!({})).await;
    assert_eq!(runs["runs"]["nodes"], json!([]));
    plane.stop().await;
}

/// A key that cannot be one is its owner's fault: the sender did nothing wrong.
#[tokio::test]
async fn a_key_of_the_wrong_form_is_named_to_its_owner() {
    let clock = TestClock::at(NOW * 1_000);
    let (_home, plane) = ready(&clock).await;
    set(&plane, "standard_key", "no base64 at all, but long").await;
    let found = send(&plane, "standard", "{}", &signed("standard", NOW, "{}")).await;
    assert_eq!(
        (found.0, &found.1["code"]),
        (503, &json!("FF-HOOK-004")),
        "{found:?}"
    );
    plane.stop().await;
}

#[tokio::test]
async fn a_webhook_with_a_rate_takes_so_many_and_says_when_to_come_again() {
    let clock = TestClock::at(NOW * 1_000);
    let (_home, plane) = ready(&clock).await;
    let post = || plane.http.post(plane.url("/hooks/open")).body("{}").send();
    for _ in 0..2 {
        assert_eq!(post().await.unwrap().status().as_u16(), 202);
    }
    let refused = post().await.unwrap();
    assert_eq!(refused.status().as_u16(), 429);
    assert_eq!(refused.headers()["retry-after"], "30");
    let body: Value = refused.json().await.unwrap();
    assert_eq!(body["code"], "FF-HOOK-011");
    clock.pass(30_000);
    assert_eq!(post().await.unwrap().status().as_u16(), 202);
    assert_eq!(post().await.unwrap().status().as_u16(), 429);
    plane.stop().await;
}
