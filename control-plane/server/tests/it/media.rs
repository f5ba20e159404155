//! The form of an answer: media type, status and what is in it, by what the caller accepts.

use serde_json::{Value, json};

use crate::support::{Home, Plane};

const RESPONSE: &str = "application/graphql-response+json";

async fn ask(plane: &Plane, accept: &str, body: &Value) -> (u16, String, Value) {
    let call = plane
        .http
        .post(plane.url("/graphql"))
        .header("accept", accept)
        .json(body);
    let answer = call.send().await.unwrap();
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (answer.status().as_u16(), kind, answer.json().await.unwrap())
}

/// Whoever asked for the media type of the specification got `application/json`, and 200 with `data: null` for a document
/// that could not be read.
#[tokio::test]
async fn a_request_that_is_not_carried_out_is_told_by_status_to_who_asks_so() {
    let home = Home::new();
    let plane = home.start().await;
    let good = json!({"query": "{ server { version } }"});
    let (status, kind, answer) = ask(&plane, RESPONSE, &good).await;
    assert_eq!(
        (status, kind.as_str()),
        (200, "application/graphql-response+json; charset=utf-8")
    );
    assert!(answer["data"]["server"]["version"].is_string());
    for wrong in [
        json!({"query": "{ server { "}),
        json!({"query": "{ nothing }"}),
        json!({"query": "query($n: Int!) { runs(first: $n) { nodes { id } } }", "variables": {"n": "x"}}),
        json!({"notquery": "{ server { version } }"}),
        json!({"query": "mutation { a: deleteSecret(input: {name: \"x\"}) { __typename } b: deleteSecret(input: {name: \"y\"}) { __typename } }"}),
    ] {
        let (status, kind, answer) = ask(&plane, RESPONSE, &wrong).await;
        assert_eq!(status, 400, "{wrong}: {answer}");
        assert!(kind.starts_with(RESPONSE), "{kind}");
        assert!(
            answer["errors"].is_array() && answer.get("data").is_none(),
            "{answer}"
        );
    }
    // A field that fails is carried out as far as it goes; callers of plain JSON see every answer of the engine as 200.
    let field = json!({"query": "{ run(id: \"\") { id } runs(first: 101) { nodes { id } } }"});
    let (status, _, answer) = ask(&plane, RESPONSE, &field).await;
    assert!(answer["errors"][0]["path"].is_array(), "{answer}");
    assert_eq!(status, 200, "{answer}");
    let (status, kind, answer) = ask(&plane, "application/json", &json!({"query": "{ nothing }"})).await;
    assert_eq!((status, kind.as_str()), (200, "application/json"), "{answer}");
    plane.stop().await;
}
