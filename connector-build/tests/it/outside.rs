//! What TypeScript and Python connectors do outside: requests, secrets, artefacts, operations of an interface.

use flowforge_connector_build::Built;
use flowforge_protocol::FailureKind;
use serde_json::{Value, json};

use crate::harness::{Host, Sample};
use crate::server::Server;

const WIT: &str = "package test:sample@0.1.0;
interface message-board {
  use flowforge:connector/types@0.1.0.{failure, artefact};
  record posted { message-id: string, kind: option<string> }
  post-line: func(url: string, line: string) -> result<posted, failure>;
  save: func(url: string) -> result<artefact, failure>;
}
world connector {
  export message-board;
}
";

const NEEDS: &str = "\n[needs.http]\ndestinations = [\"*\"]\nreason = \"Posts.\"\n\
                     [secrets.channel]\nkind = \"bearer\"\ndestinations = [\"*\"]\n";

const TYPESCRIPT: &str = r#"import { type Artefact, artefacts, describeSecret, http, secret } from "@flowforge/sdk";

export const messageBoard = {
  async postLine(url: string, line: string): Promise<{ messageId: string; kind?: string | undefined }> {
    const answer = await http.post(url, { json: { line }, auth: secret("channel"), idempotent: true });
    return { messageId: answer.json().id, kind: describeSecret("channel")?.kind };
  },
  async save(url: string): Promise<Artefact> {
    const { artefact } = await http.get(url, { saveAs: "page.txt" });
    if (artefact === undefined) throw new Error("nothing was saved");
    const copy = artefacts.create("copy.txt", "text/plain");
    for (const chunk of artefacts.chunks(artefact)) copy.write(chunk);
    return copy.finish();
  },
};
"#;

const PYTHON: &str = r#"from flowforge import Artefact, artefacts, context, http, secret, secrets


def message_board_post_line(url: str, line: str):
    key = context.step().idempotency_key
    answer = http.post(url, json={"line": line}, auth=secret("channel"), idempotency_key=key)
    return {"message_id": answer.json()["id"], "kind": secrets.describe("channel").kind}


def message_board_save(url: str) -> Artefact:
    saved = http.get(url, save_as="page.txt").artefact
    copy = artefacts.create("copy.txt", "text/plain")
    for chunk in artefacts.chunks(saved):
        copy.write(chunk)
    return copy.finish()
"#;

fn built(file: &str, source: &str) -> Built {
    let sample = Sample::new(&[("wit/world.wit", WIT), (file, source)]);
    sample.append("connector.toml", NEEDS);
    sample.build().unwrap_or_else(|error| panic!("{error}"))
}

async fn posts_and_saves(connector: &Built) {
    let answers = vec![
        ("200 OK", "content-type: application/json", r#"{"id":"m1"}"#),
        ("429 Too Many Requests", "retry-after: 2", "busy"),
        ("404 Not Found", "x: y", "no such board"),
        ("200 OK", "content-type: text/plain", "a page"),
    ];
    let server = Server::start(answers).await;
    let host = Host::new().allow(&server.origin, "channel", "token-1");
    let input = json!({"url": server.origin, "line": "hello"});
    let operation = "message_board.post_line";
    let posted = host.call(connector, operation, input.clone()).await.unwrap();
    assert_eq!(posted, json!({"message_id": "m1", "kind": "bearer"}));
    let busy = host.call(connector, operation, input.clone()).await.unwrap_err();
    assert_eq!(
        (busy.kind, busy.retry_after_ms),
        (FailureKind::Throttled, Some(2000))
    );
    let refused = host.call(connector, operation, input).await.unwrap_err();
    assert_eq!(
        (refused.kind, refused.code.as_deref()),
        (FailureKind::Rejected, Some("404"))
    );
    let file = host
        .call(connector, "message_board.save", json!({"url": server.origin}))
        .await
        .unwrap();
    assert_eq!(file["name"], json!("copy.txt"));
    assert_eq!(
        host.artefact_text(file["digest"].as_str().unwrap()).await,
        "a page"
    );
    let denied = host
        .call(
            connector,
            "message_board.save",
            json!({"url": "http://127.0.0.1:1/"}),
        )
        .await
        .unwrap_err();
    assert_eq!(denied.kind, FailureKind::Denied);
    let request = server.requests().await.remove(0);
    assert_eq!(request.headers["authorization"], "Bearer token-1");
    assert_eq!(request.headers["idempotency-key"], "key-1");
    assert_eq!(
        serde_json::from_str::<Value>(&request.body).unwrap(),
        json!({"line": "hello"})
    );
}

#[tokio::test]
async fn typescript_reaches_outside() {
    posts_and_saves(&built("src/connector.ts", TYPESCRIPT)).await;
}

#[tokio::test]
async fn python_reaches_outside() {
    posts_and_saves(&built("src/connector.py", PYTHON)).await;
}
