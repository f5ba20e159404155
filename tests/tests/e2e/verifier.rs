//! A program in another language recomputes every digest of a real run: `tests/verify_run.py`, in Python.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_tests::planes::Planes;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

use super::in_clone;
use super::runs::with_w1;

/// A loop over a list of the input, values that two writers of JSON easily write differently, and a failed branch.
const WORKFLOW: &str = r#"workflow: odd
input:
  items: { type: array }
nodes:
  odd:
    set:
      numbers: "${[0.1, 1e21, 1e-7, 1.5e300, -0.0, 18446744073709551615u, -9223372036854775807]}"
      texts: { "€": "\u0007 \" \\ /", "\U0001F600": "é", "a": "\u2028" }
      items: "${input.items}"
  each:
    foreach: input.items
    as: item
    do:
      step: { call: bench:steps/step, with: { value: "${item}" } }
output: { n: "${each.map(one, one.n)}", numbers: "${odd.numbers}" }
"#;

/// Failures on every path: a branch, a fallback, a loop in a loop over lists that no value holds, rounds, and effects that
/// are taken back at the end.
const FAILING: &str = r#"workflow: failing
input:
  items: { type: array }
nodes:
  broken: { set: { x: "${1 / 0}" }, on_error: branch }
  sorry: { after: broken.failed, set: { why: "${broken.failure.message}" } }
  spare: { set: { x: "${1 / 0}" }, fallback: { value: [18446744073709551615, "é"] } }
  rows:
    foreach: "[[1], [], [2, 3]]"
    as: row
    do:
      cells: { foreach: row, do: { cell: { set: { x: "${item * 1.5}" } } } }
  rounds: { repeat: { until: round == 2, max: 3 }, do: { round_of: { set: { n: "${round}" } } } }
  gone: { wait: { signal: nobody, timeout: 10ms }, fallback: { value: late } }
  each:
    foreach: input.items
    do:
      step:
        call: bench:steps/step
        with: { value: "${item}" }
        undo: { call: bench:steps/step, with: { value: { n: "${step.n}" } } }
  end: { after: [each, gone], set: { x: "${each.size() / 0}" } }
"#;

/// How long the receipt of a run may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a run is looked at until its receipt is there.
const LOOK: Duration = Duration::from_millis(25);

const EVIDENCE: &str = "query Evidence($id: String!) { run(id: $id) { id state evidence { release grants receipt lines nextSeq } } }";

#[tokio::test(flavor = "multi_thread")]
async fn every_digest_of_a_run_is_recomputed_by_a_program_in_another_language() {
    let folder = tempfile::tempdir().unwrap();
    let planes = with_w1(&folder).await;
    let evidence = evidence_of_a_run(&planes, "odd", WORKFLOW, "DONE").await;
    let failing = evidence_of_a_run(&planes, "failing", FAILING, "FAILED").await;
    planes.stop().unwrap();
    let checked = verify(&failing);
    let said = text(&checked.stdout);
    assert!(checked.status.success(), "{said}{}", text(&checked.stderr));
    assert!(
        said.contains("elements of rounds 0") && said.contains("elements of each 3"),
        "{said}"
    );
    assert!(said.contains("list of rows "), "its list is no value: {said}");
    let checked = verify(&evidence);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success(), "{said}{}", text(&checked.stderr));
    assert!(
        said.lines().filter(|line| line.starts_with("value ")).count() >= 5,
        "{said}"
    );
    for (what, changed) in changes(&evidence) {
        let checked = verify(&changed);
        assert!(!checked.status.success(), "{what} was changed and nobody noticed");
    }
}

async fn evidence_of_a_run(planes: &Planes, name: &str, source: &str, state: &str) -> Value {
    let workflow = planes.data().join(name);
    fs::create_dir_all(&workflow).unwrap();
    fs::write(workflow.join("workflow.yaml"), source).unwrap();
    let flowforge = planes.flowforge();
    flowforge
        .json(&["workflow", "publish", &workflow.to_string_lossy()])
        .unwrap();
    let input = r#"{"items":[{"n":1,"w":1.0},{"n":9007199254740993},{"n":2,"é":[null,true,{}]}]}"#;
    let run = flowforge.json(&["run", "start", name, "--input", input]).unwrap();
    let api = planes.api();
    let end = Instant::now() + PATIENCE;
    let answer = loop {
        let answer = api.ask(EVIDENCE, json!({ "id": run["id"] })).await.unwrap();
        // The parts of an answer about a run that ends meanwhile may be of two moments.
        if answer["run"]["evidence"]["receipt"].is_string() && answer["run"]["state"] == state {
            break answer;
        }
        assert!(Instant::now() < end, "{answer:#}");
        sleep(LOOK).await;
    };
    let mut evidence = answer["run"]["evidence"].clone();
    assert_eq!(evidence["nextSeq"], Value::Null, "the run fits in one page");
    evidence["id"] = answer["run"]["id"].clone();
    evidence
}

/// The evidence with one thing changed: a record, a value, the number of records.
fn changes(evidence: &Value) -> Vec<(&'static str, Value)> {
    let lines = String::from_utf8(STANDARD.decode(evidence["lines"].as_str().unwrap()).unwrap()).unwrap();
    let with = |lines: String| {
        let mut changed = evidence.clone();
        changed["lines"] = STANDARD.encode(lines).into();
        changed
    };
    let last = lines.trim_end().rfind('\n').unwrap();
    vec![
        (
            "a value",
            with(lines.replacen("\"json\":{", "\"json\":{\"more\":1,", 1)),
        ),
        ("a record", with(lines.replacen("\"at_ms\":1", "\"at_ms\":2", 1))),
        ("the end", with(lines[..=last].to_owned())),
        ("a list", with(lines.replacen("\"count\":3", "\"count\":2", 1))),
    ]
}

fn verify(evidence: &Value) -> Output {
    let mut python = Command::new("python3")
        .arg(in_clone("tests/verify_run.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = python.stdin.take().unwrap();
    // A program that stops at the first difference may do so before it has read everything.
    let _ = stdin.write_all(evidence.to_string().as_bytes());
    drop(stdin);
    python.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
