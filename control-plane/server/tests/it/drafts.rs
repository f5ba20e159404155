//! Drafts: saved, looked at, tried, compared, restored, published.

use flowforge_protocol::job::Order;
use serde_json::{Value, json};

use crate::support::{FakeHost, Home, Plane};

const CHAIN: &str = r#"workflow: chain
input:
  n: { type: integer, default: 1 }
nodes:
  one: { set: { value: "${input.n + 1}" } }
  two: { set: { value: "${one.value + 1}" } }
  three: { set: { value: "${two.value + 1}" } }
output: { value: "${three.value}" }
"#;

const SAVED: &str = "__typename ... on SaveDraftSuccess { draft { revision source layout baseVersion savedBy \
    check { errors diagnostics { code line column } } } } ... on Problem { message code } \
    ... on DraftConflictProblem { draft { revision source } } ... on InputProblem { fields { path } }";

const TRIED: &str = "__typename ... on StartRunSuccess { run { id workflow version draft state } } \
    ... on Problem { message code } ... on InputProblem { fields { path message } } \
    ... on WorkflowProblem { diagnostics { code line } }";

async fn save(plane: &Plane, input: Value) -> Value {
    plane.change("saveDraft", "SaveDraftInput", input, SAVED).await
}

async fn try_draft(plane: &Plane, input: Value) -> Value {
    plane.change("tryDraft", "TryDraftInput", input, TRIED).await
}

async fn publish(plane: &Plane, revision: &Value) -> Value {
    let fields = "__typename ... on PublishReleaseSuccess { workflow { name version } } ... on Problem { message code }";
    let input = json!({"workflow": "chain", "revision": revision});
    plane
        .change("publishDraft", "PublishDraftInput", input, fields)
        .await
}

#[tokio::test]
async fn a_draft_is_saved_linted_and_never_over_a_newer_one() {
    let home = Home::new();
    let plane = home.start().await;
    let broken = CHAIN.replace("one.value + 1", "ona.value + 1");
    let first = save(
        &plane,
        json!({"workflow": "chain", "source": broken, "layout": {"nodes": {"one": {"x": 1, "y": 2}}}}),
    )
    .await;
    assert_eq!(first["__typename"], "SaveDraftSuccess", "{first:#}");
    let found = &first["draft"]["check"]["diagnostics"][0];
    assert_eq!(
        (&found["code"], &found["line"]),
        (&json!("FF-WF-013"), &json!(6)),
        "{first:#}"
    );
    let revision = first["draft"]["revision"].clone();
    let second = save(
        &plane,
        json!({"workflow": "chain", "source": CHAIN, "revision": revision}),
    )
    .await;
    assert_eq!(second["draft"]["check"]["errors"], 0, "{second:#}");
    assert_eq!(
        second["draft"]["layout"],
        json!({"nodes": {"one": {"x": 1, "y": 2}}}),
        "it stays as it was"
    );
    // The other window is told, with what is there now.
    let late = save(
        &plane,
        json!({"workflow": "chain", "source": "late", "revision": revision}),
    )
    .await;
    assert_eq!(
        (&late["code"], &late["draft"]["source"]),
        (&json!("FF-DR-001"), &json!(CHAIN)),
        "{late:#}"
    );

    // What cannot be read is kept too; what cannot be kept is refused by its field.
    let unreadable = save(&plane, json!({"workflow": "half", "source": "nodes: ["})).await;
    assert_eq!(unreadable["draft"]["check"]["errors"], 1, "{unreadable:#}");
    for (input, path) in [
        (json!({"workflow": "No", "source": ""}), "workflow"),
        (
            json!({"workflow": "big", "source": "x".repeat(300_000)}),
            "source",
        ),
        (json!({"workflow": "big", "source": "", "layout": [1]}), "layout"),
    ] {
        let refused = save(&plane, input).await;
        assert_eq!(refused["fields"][0]["path"], path, "{refused:#}");
    }
    let listed = plane
        .ask(
            "{ drafts(first: 1) { nodes { workflow revision bytes } pageInfo { hasNextPage } } }",
            json!({}),
        )
        .await;
    assert_eq!(listed["drafts"]["nodes"][0]["workflow"], "half", "{listed:#}");
    assert_eq!(listed["drafts"]["pageInfo"]["hasNextPage"], true);
    let discard = |revision: Value| {
        let fields = "__typename ... on Problem { code }";
        plane.change(
            "discardDraft",
            "DiscardDraftInput",
            json!({"workflow": "chain", "revision": revision}),
            fields,
        )
    };
    assert_eq!(discard(revision).await["code"], "FF-DR-001");
    assert_eq!(
        discard(second["draft"]["revision"].clone()).await["__typename"],
        "DiscardDraftSuccess"
    );
    assert_eq!(discard(json!(1)).await["code"], "FF-DR-002");
    plane.stop().await;
}

/// A draft runs under its own name: nothing is published by it, and no signal or list of its workflow sees it.
#[tokio::test]
async fn a_draft_is_tried_as_a_whole_up_to_a_node_and_one_node_alone() {
    let home = Home::new();
    let plane = home.start().await;
    let host = FakeHost::join(&plane, 1).await;
    let tried = try_draft(&plane, json!({"source": CHAIN, "input": {"n": 4}})).await;
    assert_eq!(tried["__typename"], "StartRunSuccess", "{tried:#}");
    let run = &tried["run"];
    assert_eq!(
        (&run["workflow"], &run["version"], &run["draft"]),
        (&json!("chain"), &json!(0), &json!(true))
    );
    let job = host.job(&plane).await;
    let Order::Start(start) = &job.order else {
        panic!("{job:?}")
    };
    assert_eq!((start.input.clone(), &start.until), (json!({"n": 4}), &None));
    host.received(&plane, &job).await;
    let lists = "{ workflows { nodes { name } } a: runs(workflow: \"chain\") { nodes { id } } \
        b: runs(workflow: \"chain\", draft: true) { nodes { id } } }";
    let listed = plane.ask(lists, json!({})).await;
    assert_eq!(listed["workflows"]["nodes"], json!([]), "{listed:#}");
    assert_eq!(listed["a"]["nodes"], json!([]));
    assert_eq!(listed["b"]["nodes"][0]["id"], run["id"]);
    let started = plane.start_run(json!({"workflow": "chain~draft"})).await;
    assert_eq!(started["code"], "FF-RUN-001", "{started:#}");
    let named = plane
        .ask("{ workflow(name: \"chain~draft\") { name } }", json!({}))
        .await;
    assert_eq!(named["workflow"], Value::Null);

    let alone = try_draft(&plane, json!({"source": CHAIN, "node": "two"})).await;
    assert_eq!(alone["fields"][0]["path"], "pins", "{alone:#}");
    assert!(
        alone["fields"][0]["message"]
            .as_str()
            .unwrap()
            .contains("it needs one"),
        "{alone:#}"
    );
    for (input, path) in [
        (json!({"source": CHAIN, "to": "none"}), "to"),
        (json!({"source": CHAIN, "to": "two", "node": "two"}), "to"),
        (json!({"source": CHAIN, "pins": {"none": 1}}), "pins"),
        (json!({"source": CHAIN, "release": "{}"}), "release"),
        (json!({"source": CHAIN, "input": {"n": "x"}}), "n"),
        (json!({}), "workflow"),
    ] {
        let refused = try_draft(&plane, input).await;
        assert_eq!(refused["fields"][0]["path"], path, "{refused:#}");
    }
    let alone = try_draft(
        &plane,
        json!({"source": CHAIN, "node": "two", "pins": {"one": {"value": 40}}}),
    )
    .await;
    assert_eq!(alone["__typename"], "StartRunSuccess", "{alone:#}");
    let job = host.job(&plane).await;
    let Order::Start(start) = &job.order else {
        panic!("{job:?}")
    };
    assert_eq!(json!(start.given), json!({"one": {"value": 40}}));
    assert_eq!(start.until.as_ref().unwrap().as_str(), "two");
    host.received(&plane, &job).await;
    let to = try_draft(&plane, json!({"source": CHAIN, "to": "two"})).await;
    assert_eq!(to["__typename"], "StartRunSuccess", "{to:#}");
    let wrong = try_draft(&plane, json!({"source": CHAIN.replace("one.value", "ona.value")})).await;
    assert_eq!(wrong["diagnostics"][0]["line"], 6, "{wrong:#}");
    assert_eq!(
        try_draft(&plane, json!({"workflow": "chain"})).await["code"],
        "FF-DR-002"
    );
    plane.stop().await;
}

/// After a restart, what was tried is no published workflow either.
#[tokio::test]
async fn a_draft_is_published_compared_and_an_old_version_restored() {
    let home = Home::new();
    let plane = home.start().await;
    try_draft(&plane, json!({"source": CHAIN})).await;
    plane.publish(CHAIN).await;
    let changed = CHAIN.replace("two.value + 1", "two.value * 2");
    let saved = save(
        &plane,
        json!({"workflow": "chain", "source": changed, "baseVersion": 1}),
    )
    .await;
    let compare = "query($a: WorkflowTextInput!, $b: WorkflowTextInput!) { compareWorkflows(before: $a, after: $b) { __typename \
        ... on WorkflowComparison { same nodes { node change properties { path before after } } settings { path } \
        hunks { beforeLine lines { kind text } } } ... on Problem { code } } }";
    let texts = json!({"a": {"workflow": "chain"}, "b": {"workflow": "chain", "draft": true}});
    let found = plane.ask(compare, texts).await;
    let found = &found["compareWorkflows"];
    assert_eq!(found["same"], false);
    assert_eq!(
        found["nodes"],
        json!([{"node": "three", "change": "CHANGED", "properties": [
            {"path": "set.value", "before": "${two.value + 1}", "after": "${two.value * 2}"}]}])
    );
    assert_eq!(
        found["hunks"][0]["lines"].as_array().unwrap().len(),
        6,
        "{found:#}"
    );
    let none = plane
        .ask(
            compare,
            json!({"a": {"workflow": "none"}, "b": {"workflow": "chain", "version": 9}}),
        )
        .await;
    assert_eq!(none["compareWorkflows"]["__typename"], "WorkflowNotFoundProblem");

    let stale = publish(&plane, &json!(0)).await;
    assert_eq!(stale["code"], "FF-DR-001", "{stale:#}");
    let published = publish(&plane, &saved["draft"]["revision"]).await;
    assert_eq!(published["workflow"]["version"], 2, "{published:#}");
    assert_eq!(
        publish(&plane, &saved["draft"]["revision"]).await["code"],
        "FF-DR-002"
    );
    let restored = plane
        .change(
            "restoreVersion",
            "RestoreVersionInput",
            json!({"workflow": "chain", "version": 1}),
            SAVED,
        )
        .await;
    assert_eq!(
        (&restored["draft"]["source"], &restored["draft"]["baseVersion"]),
        (&json!(CHAIN), &json!(1)),
        "{restored:#}"
    );
    plane.stop().await;
    let plane = home.start().await;
    let listed = plane
        .ask("{ workflows { nodes { name version } } }", json!({}))
        .await;
    assert_eq!(
        listed["workflows"]["nodes"],
        json!([{"name": "chain", "version": 2}])
    );
    plane.stop().await;
}

/// A server that is not for development holds no key that signs: it says what to do, and takes what its owner signed.
#[tokio::test]
async fn without_keys_a_server_tries_only_what_was_signed_elsewhere() {
    let home = Home::new();
    let mut config = home.config();
    config.dev = false;
    let plane = home.start_with(config).await;
    let refused = try_draft(&plane, json!({"source": CHAIN})).await;
    assert_eq!(
        (&refused["__typename"], &refused["code"]),
        (&json!("SigningProblem"), &json!("FF-DR-003"))
    );
    let saved = save(&plane, json!({"workflow": "chain", "source": CHAIN})).await;
    let refused = publish(&plane, &saved["draft"]["revision"]).await;
    assert_eq!(refused["code"], "FF-DR-003", "{refused:#}");

    let fields = "__typename ... on PreparedRelease { workflow version release grants }";
    let prepare = |draft: bool| {
        plane.change(
            "prepareRelease",
            "PrepareReleaseInput",
            json!({"source": CHAIN, "draft": draft}),
            fields,
        )
    };
    let prepared = prepare(true).await;
    assert_eq!(prepared["version"], 0);
    let signed = plane.sign_prepared(&prepared, CHAIN);
    let tried = try_draft(&plane, signed.clone()).await;
    assert_eq!(tried["__typename"], "StartRunSuccess", "{tried:#}");
    let other = json!({"release": signed["release"], "grants": signed["grants"], "source": CHAIN.replace("+ 1", "+ 2")});
    assert_eq!(try_draft(&plane, other).await["code"], "FF-REL-001");
    // What is signed as a draft is not published, and what is signed as a version is not tried.
    let published = plane.publish_signed(signed).await;
    assert_eq!(published["code"], "FF-REL-001", "{published:#}");
    let version = plane.sign_prepared(&prepare(false).await, CHAIN);
    assert_eq!(try_draft(&plane, version).await["code"], "FF-REL-001");
    plane.stop().await;
}
