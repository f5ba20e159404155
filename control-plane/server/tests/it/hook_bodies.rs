//! What comes in other forms than JSON, and compressed.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use flowforge_protocol::job::{Order, StartOrder};
use flowforge_protocol::record::{BodyForm, Content, Trigger};
use serde_json::{Value, json};

use crate::hooking::{hmac, hook};
use crate::support::{FakeHost, Home, Plane};

const KEY: &str = "a key of enough bytes";

const LOOSE: &str = r#"workflow: loose
input:
  name: { type: string, default: nobody }
secrets: [hook_key]
triggers:
  any:    { webhook: { path: any, scheme: none } }
  signed: { webhook: { path: signed, scheme: github, secret: hook_key } }
nodes:
  out: { set: { name: "${input.name}", body: "${trigger.body}" } }
output: { name: "${out.name}" }
"#;

async fn started(plane: &Plane, host: &FakeHost, headers: &[(&str, &str)], body: &[u8]) -> StartOrder {
    let (status, answer) = hook(plane, "/hooks/any", body.to_vec(), headers).await;
    assert_eq!(status, 202, "{answer:#}");
    let job = host.job(plane).await;
    host.received(plane, &job).await;
    match job.order {
        Order::Start(start) => *start,
        other => panic!("{other:?}"),
    }
}

fn content(start: &StartOrder) -> Option<Content> {
    match &start.trigger {
        Trigger::Webhook { content, .. } => content.clone(),
        other => panic!("{other:?}"),
    }
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Whatever was no JSON was refused, and a form that was JSON by chance was read as such.
#[tokio::test]
async fn a_body_is_given_as_its_type_says() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(LOOSE).await;
    let host = FakeHost::join(&plane, 1).await;
    let form = [("content-type", "application/x-www-form-urlencoded; charset=UTF-8")];
    let start = started(&plane, &host, &form, b"name=Ann+B&tag=x&tag=y").await;
    assert_eq!(start.input, json!({"name": "Ann B"}));
    assert_eq!(start.extra, Some(json!({"tag": ["x", "y"]})));
    let expected = Content {
        media_type: "application/x-www-form-urlencoded".to_owned(),
        form: BodyForm::Fields,
    };
    assert_eq!(content(&start), Some(expected));

    for (kind, body, given, form) in [
        ("text/csv", &b"a;b\n1;2"[..], json!("a;b\n1;2"), BodyForm::Text),
        (
            "text/plain",
            br#"{"name": 1}"#,
            json!(r#"{"name": 1}"#),
            BodyForm::Text,
        ),
        ("image/png", &[0x89, 0x50], json!("iVA="), BodyForm::Base64),
        (
            "multipart/form-data; boundary=x",
            b"--x--",
            json!("LS14LS0="),
            BodyForm::Base64,
        ),
    ] {
        let start = started(&plane, &host, &[("content-type", kind)], body).await;
        assert_eq!(start.input, json!({"name": "nobody"}), "{kind}");
        assert_eq!(start.extra, Some(given), "{kind}");
        assert_eq!(content(&start).map(|content| content.form), Some(form), "{kind}");
    }
    let start = started(
        &plane,
        &host,
        &[("content-type", "application/cloudevents+json")],
        br#"{"name": "x"}"#,
    )
    .await;
    assert_eq!(
        (start.input.clone(), content(&start)),
        (json!({"name": "x"}), None)
    );
    plane.stop().await;
}

#[tokio::test]
async fn a_form_that_does_not_fit_says_how_it_was_read() {
    let home = Home::new();
    let plane = home.start().await;
    plane
        .publish(&LOOSE.replace("type: string, default: nobody", "type: integer"))
        .await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let (status, answer) = hook(&plane, "/hooks/any", r#"{"name": 5}"#, &form).await;
    assert_eq!((status, &answer["code"]), (422, &json!("FF-IN-001")));
    let message = answer["message"].as_str().unwrap();
    assert!(message.contains("application/json"), "{message}");
    plane.stop().await;
}

#[tokio::test]
async fn a_compressed_body_is_checked_as_it_came_and_decoded_within_its_bound() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(LOOSE).await;
    let host = FakeHost::join(&plane, 1).await;
    let gzip = [("content-encoding", "gzip")];
    let start = started(&plane, &host, &gzip, &zipped(br#"{"name": "Ann"}"#)).await;
    assert_eq!(start.input, json!({"name": "Ann"}));

    let refused = async |encoding: &str, body: Vec<u8>| -> (u16, Value) {
        let (status, answer) = hook(&plane, "/hooks/any", body, &[("content-encoding", encoding)]).await;
        (status, answer["code"].clone())
    };
    let bomb = zipped(&vec![b' '; 4 << 20]);
    assert!(bomb.len() < 8_192);
    assert_eq!(refused("gzip", bomb).await, (413, json!("FF-HOOK-002")));
    assert_eq!(refused("br", b"x".to_vec()).await, (415, json!("FF-HOOK-012")));
    assert_eq!(refused("gzip", b"{}".to_vec()).await, (400, json!("FF-HOOK-003")));

    // The signature is over what came.
    let input = json!({"name": "hook_key", "kind": "hmac-key", "value": KEY, "destinations": []});
    plane
        .change("setSecret", "SetSecretInput", input, "__typename")
        .await;
    let plain = r#"{"name": "Bob"}"#;
    let of_plain = format!("sha256={}", hmac(KEY, plain));
    let headers = [("content-encoding", "gzip"), ("x-hub-signature-256", &of_plain)];
    let wrong = hook(&plane, "/hooks/signed", zipped(plain.as_bytes()), &headers).await;
    assert_eq!(wrong.0, 401);
    plane.stop().await;
}
