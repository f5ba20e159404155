//! Forms: a page for people, and the run that it starts.

use flowforge_protocol::job::Order;
use serde_json::{Value, json};

use crate::support::{FakeHost, Home, Plane, TestClock, finish_sum};

const NOW_MS: u64 = 1_800_000_000_000;

const ASK: &str = "workflow: ask
title: Asks <people>
input:
  a: { type: integer, title: How many, description: Whole ones only., minimum: 1 }
  b: { type: integer, default: 2 }
  kind: { type: string, enum: [\"small\", \"large\"], default: small }
  note: { type: string, maxLength: 2000, optional: true }
  agreed: { type: boolean }
triggers:
  page: { form: { path: ask/us, docs: \"Tell us.\", thanks: \"It is here.\", rate: 5/min } }
  shown: { form: { path: ask-now, answer: result } }
nodes:
  total: { set: { value: \"${input.a + input.b}\" } }
output: { total: \"${total.value}\" }
";

struct Page {
    status: u16,
    text: String,
    headers: reqwest::header::HeaderMap,
}

impl Page {
    async fn of(response: reqwest::Response) -> Self {
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    /// The value of a field that the page has filled in.
    fn value(&self, name: &str) -> &str {
        let (_, rest) = self
            .text
            .split_once(&format!("name=\"{name}\" value=\""))
            .unwrap();
        rest.split_once('"').unwrap().0
    }
}

async fn show(plane: &Plane, path: &str) -> Page {
    Page::of(plane.http.get(plane.url(path)).send().await.unwrap()).await
}

async fn send(plane: &Plane, path: &str, fields: &[(&str, &str)]) -> Page {
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(fields);
    let request = plane
        .http
        .post(plane.url(path))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.finish());
    Page::of(request.send().await.unwrap()).await
}

async fn codes(plane: &Plane) -> Vec<Value> {
    let query = "{ webhookDeliveries { nodes { scheme outcome code } } }";
    let found = plane.ask(query, json!({})).await["webhookDeliveries"]["nodes"].take();
    found
        .as_array()
        .unwrap()
        .iter()
        .map(|of| of["code"].clone())
        .collect()
}

#[tokio::test]
async fn a_page_asks_for_the_input_and_starts_one_run_however_often_it_is_sent() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(ASK).await;
    let host = FakeHost::join(&plane, 1).await;
    assert_eq!(show(&plane, "/forms/nothing").await.status, 404);
    let page = show(&plane, "/forms/ask/us").await;
    assert_eq!(page.status, 200);
    for wanted in [
        "Asks &lt;people&gt;",
        "Tell us.",
        "How many",
        "Whole ones only.",
        "type=\"number\" step=\"1\" min=\"1\"",
        "<option selected>small</option>",
        "<textarea rows=\"5\" maxlength=\"2000\"",
        "type=\"checkbox\"",
    ] {
        assert!(page.text.contains(wanted), "{wanted}: {}", page.text);
    }
    assert!(!page.text.contains("<script"));
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");

    let token = page.value("_token");
    let wrong = send(
        &plane,
        "/forms/ask/us",
        &[("_token", token), ("a", "0"), ("kind", "other"), ("note", "<b>")],
    )
    .await;
    assert_eq!(wrong.status, 422, "{}", wrong.text);
    assert!(wrong.text.contains("choose one of those"), "{}", wrong.text);
    let wrong = send(
        &plane,
        "/forms/ask/us",
        &[("_token", token), ("a", "0"), ("kind", "large"), ("note", "<b>")],
    )
    .await;
    assert!(wrong.text.contains("id=\"w-a\""), "{}", wrong.text);
    assert!(
        wrong.text.contains("&lt;b&gt;</textarea>"),
        "what was written stands there: {}",
        wrong.text
    );

    let good = [
        ("_token", token),
        ("a", "5"),
        ("kind", "large"),
        ("agreed", "on"),
        ("b", ""),
    ];
    let sent = send(&plane, "/forms/ask/us", &good).await;
    assert_eq!(sent.status, 200, "{}", sent.text);
    assert!(sent.text.contains("It is here."), "{}", sent.text);
    send(&plane, "/forms/ask/us", &good).await;
    let job = host.job(&plane).await;
    let Order::Start(start) = &job.order else {
        panic!("{job:?}")
    };
    assert_eq!(
        start.input,
        json!({"a": 5, "b": 2, "kind": "large", "note": null, "agreed": true})
    );
    let run = plane.run(job.run_id.as_str()).await;
    assert_eq!(run["trigger"], json!({"kind": "form", "path": "ask/us"}));
    // The allowance of a minute is used up.
    let late = send(&plane, "/forms/ask/us", &good).await;
    assert_eq!(late.status, 200);
    let late = send(&plane, "/forms/ask/us", &good).await;
    assert_eq!(late.status, 429, "{}", late.text);
    assert!(late.headers.contains_key("retry-after"));
    plane.stop().await;
}

#[tokio::test]
async fn machines_and_old_pages_start_nothing() {
    let clock = TestClock::at(NOW_MS);
    let home = Home::at(&clock);
    let plane = home.start().await;
    plane.publish(ASK).await;
    let page = show(&plane, "/forms/ask/us").await;
    let token = page.value("_token").to_owned();
    let trapped = [("_token", token.as_str()), ("a", "5"), ("_homepage", "http://x")];
    let trapped = send(&plane, "/forms/ask/us", &trapped).await;
    assert!(
        trapped.text.contains("It is here."),
        "it learns nothing: {}",
        trapped.text
    );
    let none = send(&plane, "/forms/ask/us", &[("a", "5")]).await;
    assert_eq!(none.status, 422);
    let elsewhere = show(&plane, "/forms/ask-now").await;
    let elsewhere = elsewhere.value("_token");
    let other = send(&plane, "/forms/ask/us", &[("_token", elsewhere), ("a", "5")]).await;
    assert_eq!(other.status, 422, "a token is for one form");
    clock.pass(24 * 60 * 60 * 1_000 + 1_000);
    let old = send(&plane, "/forms/ask/us", &[("_token", &token), ("a", "5")]).await;
    assert_eq!(old.status, 422);
    let again = old.value("_token").to_owned();
    assert!(
        old.text.contains("value=\"5\""),
        "what was written stands there: {}",
        old.text
    );
    let codes = codes(&plane).await;
    assert_eq!(
        codes,
        [
            json!("FF-FORM-001"),
            json!("FF-FORM-001"),
            json!("FF-FORM-001"),
            json!("FF-FORM-002")
        ]
    );
    let runs = plane.ask("{ runs { nodes { id } } }", json!({})).await;
    assert_eq!(runs["runs"]["nodes"], json!([]));
    let sent = send(&plane, "/forms/ask/us", &[("_token", &again), ("a", "5")]).await;
    assert_eq!(sent.status, 200, "{}", sent.text);
    let large = "x".repeat(300 << 10);
    assert_eq!(
        send(&plane, "/forms/ask/us", &[("note", &large)]).await.status,
        413
    );
    plane.stop().await;
}

#[tokio::test]
async fn a_form_shows_the_result_when_its_file_says_so() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(ASK).await;
    let host = FakeHost::join(&plane, 1).await;
    let page = show(&plane, "/forms/ask-now").await;
    let fields = [("_token", page.value("_token")), ("a", "5")];
    let (sent, ()) = tokio::join!(send(&plane, "/forms/ask-now", &fields), async {
        let job = host.job(&plane).await;
        finish_sum(&plane, &host, &job).await;
    });
    assert_eq!(sent.status, 200, "{}", sent.text);
    assert!(sent.text.contains("<dt>total</dt>\n<dd>7</dd>"), "{}", sent.text);
    let again = send(&plane, "/forms/ask-now", &fields).await;
    assert!(again.text.contains("<dd>7</dd>"), "{}", again.text);
    plane.stop().await;
}
