//! Webhooks.

use flowforge_protocol::job::Order;
use flowforge_protocol::record::{Event, Outcome, Trigger};
use flowforge_protocol::{Failure, FailureKind, webhook};
use serde_json::json;

use crate::hooking::{hmac, hook};
use crate::support::{FakeHost, Home, Plane, SUM, Script, TestClock, accepted, finish_sum};

const KEY: &str = "a key of enough bytes";

async fn set_key(plane: &Plane) {
    let input = json!({"name": "hook_key", "kind": "hmac-key", "value": KEY, "destinations": []});
    let answer = plane
        .change("setSecret", "SetSecretInput", input, "__typename")
        .await;
    assert_eq!(answer["__typename"], "SetSecretSuccess");
}

fn hub(body: &str) -> String {
    format!("sha256={}", hmac(KEY, body))
}

#[tokio::test]
async fn only_a_signed_body_starts_a_run() {
    let clock = TestClock::at(1_800_000_000_000);
    let home = Home::at(&clock);
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    let body = r#"{"a": 5}"#;
    let good = hub(body);
    let unset = hook(&plane, "/hooks/sum", body, &[("x-flowforge-signature", &good)]).await;
    assert_eq!((unset.0, &unset.1["code"]), (503, &json!("FF-HOOK-004")));
    set_key(&plane).await;
    let cases = [
        (body, None, "FF-HOOK-005"),
        (body, Some("sha256=00".to_owned()), "FF-HOOK-006"),
        (body, Some(hub(r#"{"a": 6}"#)), "FF-HOOK-006"),
        (body, Some("nonsense".to_owned()), "FF-HOOK-006"),
    ];
    for (body, signature, code) in cases {
        let headers: Vec<_> = signature
            .iter()
            .map(|text| ("x-flowforge-signature", text.as_str()))
            .collect();
        let refused = hook(&plane, "/hooks/sum", body, &headers).await;
        assert_eq!(
            (refused.0, &refused.1["code"]),
            (401, &json!(code)),
            "{signature:?}"
        );
    }
    let old = webhook::sign(KEY.as_bytes(), 1_799_999_000, body.as_bytes()).unwrap();
    assert_eq!(
        hook(&plane, "/hooks/sum", body, &[("x-flowforge-signature", &old)])
            .await
            .0,
        401
    );
    assert!(host.jobs(&plane, 0).await.is_empty(), "nothing was started");

    let fresh = webhook::sign(KEY.as_bytes(), 1_800_000_000, body.as_bytes()).unwrap();
    let other = r#"{"a": 7}"#;
    let other_good = hub(other);
    let forms = [
        ("x-flowforge-signature", body, good.as_str()),
        ("x-hub-signature-256", other, &other_good),
        ("x-flowforge-signature", body, &fresh),
    ];
    for (name, body, value) in forms {
        let (status, answer) = hook(&plane, "/hooks/sum", body, &[(name, value)]).await;
        assert_eq!(status, 202, "{answer:#}");
        let job = host.job(&plane).await;
        assert_eq!(answer["run"], json!(job.run_id));
        let Order::Start(start) = &job.order else {
            panic!("{job:?}")
        };
        assert_eq!(
            start.trigger,
            Trigger::Webhook {
                path: "sum".to_owned(),
                content: None,
            }
        );
        host.received(&plane, &job).await;
    }
    plane.stop().await;
}

#[tokio::test]
async fn a_waiting_webhook_answers_with_the_output() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers = [("traceparent", trace)];
    let work = async {
        let job = host.job(&plane).await;
        assert_eq!(job.traceparent.as_deref(), Some(trace));
        finish_sum(&plane, &host, &job).await;
    };
    let (answer, ()) = tokio::join!(hook(&plane, "/hooks/sum-now", r#"{"a": 5}"#, &headers), work);
    assert_eq!(answer, (200, json!({"total": 7})));
    plane.stop().await;
}

#[tokio::test]
async fn a_failed_run_answers_with_the_problem() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    let work = async {
        let job = host.job(&plane).await;
        let failure = Failure::new(FailureKind::Expression, "overflow");
        let outcome = Outcome::Failed {
            node: Some("total".parse().unwrap()),
            failure,
        };
        let batch = Script::new(&job).batch(vec![accepted(&job), Event::Ended { outcome }]);
        host.sync(&plane, json!({"batches": [batch]})).await;
    };
    let ((status, answer), ()) = tokio::join!(hook(&plane, "/hooks/sum-now", r#"{"a": 5}"#, &[]), work);
    assert_eq!(status, 502);
    assert_eq!(answer["message"], "overflow", "{answer:#}");
    assert_eq!(answer["node"], "total");
    plane.stop().await;
}

#[tokio::test]
async fn a_named_request_starts_one_run_and_gets_its_answer_again() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    let key = [("idempotency-key", "order-7")];
    let work = async {
        let job = host.job(&plane).await;
        finish_sum(&plane, &host, &job).await;
    };
    let (first, ()) = tokio::join!(hook(&plane, "/hooks/sum-now", r#"{"a": 5}"#, &key), work);
    assert_eq!(first, (200, json!({"total": 7})));
    assert_eq!(hook(&plane, "/hooks/sum-now", r#"{"a": 5}"#, &key).await, first);
    let other = hook(&plane, "/hooks/sum-now", r#"{"a": 6}"#, &key).await;
    assert_eq!((other.0, &other.1["code"]), (409, &json!("FF-RUN-002")));
    assert!(host.jobs(&plane, 0).await.is_empty());
    plane.stop().await;
}

#[tokio::test]
async fn what_cannot_start_a_run_says_why() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let none = hook(&plane, "/hooks/none", "{}", &[]).await;
    assert_eq!((none.0, &none.1["code"]), (404, &json!("FF-HOOK-001")));
    let text = hook(&plane, "/hooks/sum-now", "a=1", &[]).await;
    assert_eq!((text.0, &text.1["code"]), (400, &json!("FF-HOOK-003")));
    let twice = hook(&plane, "/hooks/sum-now", r#"{"a": 1, "a": 2}"#, &[]).await;
    assert_eq!(twice.0, 400, "a key that stands twice means two things");
    let wrong = hook(&plane, "/hooks/sum-now", r#"{"a": "x"}"#, &[]).await;
    assert_eq!((wrong.0, &wrong.1["fields"][0]["path"]), (422, &json!("a")));
    // Only the byte of the body was named, which the sender of a webhook cannot look up.
    let digits = hook(&plane, "/hooks/sum-now", r#"{"a": 99999999999999999999}"#, &[]).await;
    assert_eq!(
        (digits.0, &digits.1["fields"][0]["path"]),
        (422, &json!("a")),
        "{:#}",
        digits.1
    );
    let empty = hook(&plane, "/hooks/sum-now", "", &[]).await;
    assert_eq!(
        (empty.0, &empty.1["fields"][0]["path"]),
        (422, &json!("a")),
        "an empty body is an empty input"
    );
    let large = hook(&plane, "/hooks/sum-now", &" ".repeat(300_000), &[]).await;
    assert_eq!((large.0, &large.1["code"]), (413, &json!("FF-HOOK-002")));
    plane.stop().await;
}

/// One signed request that was caught once started a run each time it was sent again: the name of a request is not signed.
#[tokio::test]
async fn a_delivery_that_comes_again_starts_nothing() {
    let clock = TestClock::at(1_800_000_000_000);
    let home = Home::at(&clock);
    let plane = home.start().await;
    plane.publish(SUM).await;
    set_key(&plane).await;
    let body = r#"{"a": 5}"#;
    let signed = webhook::sign(KEY.as_bytes(), 1_800_000_000, body.as_bytes()).unwrap();
    let send = |headers: Vec<(&'static str, String)>| {
        let plane = &plane;
        async move {
            let headers: Vec<_> = headers
                .iter()
                .map(|(name, text)| (*name, text.as_str()))
                .collect();
            let (status, answer) = hook(plane, "/hooks/sum", body, &headers).await;
            assert_eq!(status, 202, "{answer:#}");
            answer["run"].clone()
        }
    };
    let timed = || ("x-flowforge-signature", signed.clone());
    let first = send(vec![timed()]).await;
    for key in ["k1", "k2"] {
        let again = send(vec![timed(), ("idempotency-key", key.to_owned())]).await;
        assert_eq!(again, first, "another name makes no other delivery");
    }
    assert_eq!(send(vec![timed()]).await, first);
    let later = webhook::sign(KEY.as_bytes(), 1_800_000_001, body.as_bytes()).unwrap();
    let second = send(vec![("x-flowforge-signature", later)]).await;
    assert_ne!(second, first, "signed anew it is another delivery");
    // The form without a time: GitHub names its deliveries, and the name is not signed. Whoever caught one could send it
    // again under another name.
    let hub = |delivery: &str| {
        send(vec![
            ("x-hub-signature-256", hub(body)),
            ("x-github-delivery", delivery.to_owned()),
        ])
    };
    let delivered = hub("72d3162e").await;
    assert_eq!(hub("72d3162e").await, delivered);
    assert_eq!(hub("8f1b2c3d").await, delivered);
    plane.stop().await;
}

/// A delivery with more fields than the workflow names was refused; senders add fields at any time.
#[tokio::test]
async fn fields_that_the_workflow_does_not_name_are_no_reason_to_refuse() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    let body = r#"{"a": 5, "sender": {"login": "pat"}, "installation": 7}"#;
    let (answer, ()) = tokio::join!(hook(&plane, "/hooks/sum-now", body, &[]), async {
        let job = host.job(&plane).await;
        let Order::Start(start) = &job.order else {
            panic!("{job:?}")
        };
        assert_eq!(start.input, json!({"a": 5, "b": 2}));
        // They were dropped: nothing in the run could see them.
        let others = json!({"sender": {"login": "pat"}, "installation": 7});
        assert_eq!(start.extra, Some(others));
        finish_sum(&plane, &host, &job).await;
    });
    assert_eq!(answer, (200, json!({"total": 7})));
    let wrong = hook(&plane, "/hooks/sum-now", r#"{"a": "x", "more": 1}"#, &[]).await;
    assert_eq!(wrong.0, 422, "what is named must fit");
    plane
        .publish(&SUM.replace("input:\n", "input:\n  additional: refuse\n"))
        .await;
    let strict = hook(&plane, "/hooks/sum-now", body, &[]).await;
    assert_eq!(
        (strict.0, &strict.1["fields"][0]["path"]),
        (422, &json!("sender"))
    );
    plane.stop().await;
}
