//! From a workflow file to a published release.

use flowforge_protocol::envelope::sign;
use flowforge_protocol::release::RELEASE_TYPE;
use serde_json::{Value, json};

use crate::connector::{CALLER, caller_component, push_caller};
use crate::support::{Home, Plane, SUM};

async fn signed(plane: &Plane) -> Value {
    let prepared = plane.prepare(SUM).await;
    plane.sign_prepared(&prepared, SUM)
}

fn payload_of(envelope: &Value) -> Value {
    use base64::Engine as _;
    let envelope: Value = serde_json::from_str(envelope.as_str().unwrap()).unwrap();
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(envelope["payload"].as_str().unwrap())
        .unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn versions_are_numbered_without_holes_and_stay() {
    let home = Home::new();
    let plane = home.start().await;
    let first = signed(&plane).await;
    assert_eq!(
        plane.publish_signed(first.clone()).await["workflow"]["version"],
        1
    );
    let same = plane.publish_signed(first.clone()).await;
    assert_eq!(
        same["workflow"]["version"], 1,
        "the same release again is no error: {same:#}"
    );
    assert_eq!(plane.publish(SUM).await["version"], 2);
    // The documents of version 1 are the evidence of its runs, and so in many hands: sent again, they move nothing.
    let old = plane.publish_signed(first.clone()).await;
    assert_eq!(old["workflow"]["version"], 1, "{old:#}");
    let newest = plane
        .ask("{ workflow(name: \"sum\") { version } }", json!({}))
        .await;
    assert_eq!(newest["workflow"]["version"], 2);

    let mut skipping = payload_of(&first["release"]);
    skipping["version"] = json!(9);
    let bytes = serde_json::to_vec(&skipping).unwrap();
    let mut grants = payload_of(&first["grants"]);
    grants["release"] = json!(flowforge_protocol::Digest::of(&bytes));
    let grants = sign(
        flowforge_protocol::grants::GRANT_SET_TYPE,
        &serde_json::to_vec(&grants).unwrap(),
        &plane.key("grant.pem"),
    );
    let release = sign(RELEASE_TYPE, &bytes, &plane.key("release.pem"));
    let problem = plane
        .publish_signed(json!({"release": release, "grants": grants}))
        .await;
    assert_eq!(
        (&problem["__typename"], &problem["expected"]),
        (&json!("VersionProblem"), &json!(3)),
        "{problem:#}"
    );

    plane.stop().await;
    let plane = home.start().await;
    let query = "{ workflow(name: \"sum\") { version versions { version source signedBy } inputSchema triggers connectors { name } } }";
    let workflow = plane.ask(query, json!({})).await["workflow"].take();
    assert_eq!(workflow["version"], 2);
    let signer = plane.key("release.pem").verifying_key().id().to_string();
    assert_eq!(
        workflow["versions"][1],
        json!({"version": 1, "source": SUM, "signedBy": signer})
    );
    assert_eq!(workflow["inputSchema"]["required"], json!(["a"]));
    plane.stop().await;
}

#[tokio::test]
async fn only_the_right_keys_over_the_compiled_documents_count() {
    let home = Home::new();
    let plane = home.start().await;
    let good = signed(&plane).await;
    let with = |field: &str, value: Value| {
        let mut input = good.clone();
        input[field] = value;
        input
    };
    let release = payload_of(&good["release"]);
    let sign_release = |payload: &Value, key: &str| {
        json!(sign(
            RELEASE_TYPE,
            &serde_json::to_vec(payload).unwrap(),
            &plane.key(key)
        ))
    };
    let mut changed = release.clone();
    changed["title"] = json!("Another title");
    let mut forged = release.clone();
    forged["definition"]["title"] = json!("Another title");
    let cases = [
        (
            "grant key",
            with("release", sign_release(&release, "grant.pem")),
            "SignatureProblem",
        ),
        (
            "scheduler key",
            with("release", sign_release(&release, "scheduler.pem")),
            "SignatureProblem",
        ),
        ("no envelope", with("grants", json!("{}")), "SignatureProblem"),
        (
            "grants of another release",
            with("release", sign_release(&changed, "release.pem")),
            "ReleaseProblem",
        ),
        (
            "a changed definition",
            with("release", sign_release(&forged, "release.pem")),
            "ReleaseProblem",
        ),
        (
            "another file",
            with("source", json!(SUM.replace("Adds", "Subtracts"))),
            "ReleaseProblem",
        ),
        (
            "a broken file",
            with("source", json!("workflow: [")),
            "WorkflowProblem",
        ),
    ];
    for (what, input, problem) in cases {
        let answer = plane.publish_signed(input).await;
        assert_eq!(answer["__typename"], problem, "{what}: {answer:#}");
    }
    assert_eq!(
        plane.publish_signed(good).await["__typename"],
        "PublishReleaseSuccess"
    );
    plane.stop().await;
}

#[tokio::test]
async fn a_workflow_with_mistakes_is_shown_them_with_their_places() {
    let home = Home::new();
    let plane = home.start().await;
    let source = SUM.replace("input.a + input.b", "input.a + nothing.b");
    let fields = "errors warnings nodes diagnostics { severity code line column message excerpt }";
    let checked = plane
        .change(
            "checkWorkflow",
            "CheckWorkflowInput",
            json!({"source": source}),
            fields,
        )
        .await;
    assert!(checked["errors"].as_u64().unwrap() > 0, "{checked:#}");
    let found = checked["diagnostics"].as_array().unwrap();
    let error = found.iter().find(|found| found["severity"] == "ERROR").unwrap();
    assert_eq!(error["line"], 13, "{error:#}");
    assert!(error["excerpt"].as_str().unwrap().contains("nothing.b"));
    assert_eq!(plane.prepare(&source).await["__typename"], "WorkflowProblem");
    let unknown = "workflow: w\nnodes:\n  x:\n    call: nobody:nothing/run\n";
    let problem = plane.prepare(unknown).await;
    assert!(
        problem["message"].as_str().unwrap().contains("nobody:nothing"),
        "{problem:#}"
    );
    let fine = plane
        .change(
            "checkWorkflow",
            "CheckWorkflowInput",
            json!({"source": SUM}),
            fields,
        )
        .await;
    assert_eq!(fine["errors"], 0, "{fine:#}");
    plane.stop().await;
}

#[tokio::test]
async fn a_hook_path_belongs_to_one_workflow() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let other = SUM.replace("workflow: sum", "workflow: other");
    let prepared = plane.prepare(&other).await;
    let answer = plane.publish_signed(plane.sign_prepared(&prepared, &other)).await;
    assert_eq!(answer["__typename"], "ReleaseProblem", "{answer:#}");
    assert!(
        answer["message"]
            .as_str()
            .unwrap()
            .contains("belongs to workflow `sum`")
    );
    plane.stop().await;
}

#[tokio::test]
async fn a_lock_that_cannot_be_read_is_named_with_its_line() {
    let home = Home::new();
    let plane = home.start().await;
    let input = json!({"source": SUM, "lock": "flowforge:http 0.1.0\n"});
    let checked = plane
        .change(
            "checkWorkflow",
            "CheckWorkflowInput",
            input,
            "diagnostics { code message }",
        )
        .await;
    assert!(
        checked["diagnostics"][0]["message"]
            .as_str()
            .unwrap()
            .starts_with("workflow.lock:1"),
        "{checked:#}"
    );
    plane.stop().await;
}

/// A lock with a version that this control plane lacks was answered "there is no connector `demo:caller`; did you mean
/// `demo:caller`?".
#[tokio::test]
async fn a_lock_that_pins_what_is_not_here_says_so() {
    let home = Home::new();
    let plane = home.start().await;
    push_caller(&plane).await;
    let there = flowforge_protocol::Digest::of(&caller_component());
    let other = flowforge_protocol::Digest::of(b"another component");
    let fields = "__typename ... on WorkflowProblem { diagnostics { code line message fix } }";
    for (version, here) in [
        ("0.1.0", format!("version 0.1.0 is {there} here")),
        ("0.9.0", format!("the newest here is 0.1.0 ({there})")),
    ] {
        let lock = format!("demo:caller {version} {other}\n");
        let input = json!({"source": CALLER, "lock": lock});
        let refused = plane
            .change("prepareRelease", "PrepareReleaseInput", input, fields)
            .await;
        let diagnostics = refused["diagnostics"].as_array().unwrap();
        let errors: Vec<&Value> = diagnostics
            .iter()
            .filter(|found| found["code"] == "FF-WF-091" || found["code"] == "FF-WF-023")
            .collect();
        assert_eq!(errors.len(), 1, "{refused:#}");
        let message = format!(
            "workflow.lock pins `demo:caller` to {version} ({other}), which is not published here: {here}"
        );
        assert_eq!(
            (&errors[0]["line"], &errors[0]["message"]),
            (&json!(5), &json!(message))
        );
        assert_eq!(
            errors[0]["fix"],
            "take the line of `demo:caller` out of workflow.lock to use 0.1.0, or publish the pinned version here"
        );
    }
    plane.stop().await;
}
