//! Disks that are full: what is said, what stays, and how it goes on when there is space again.

use std::fs;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_protocol::facts::RunFacts;
use flowforge_tests::planes::Planes;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::own_disk::{SmallDisk, in_own_mounts};
use super::refused::{host_on, plane_on};
use super::{components, programs};

/// How long something that must come may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(25);
/// Steps behind the question.
const LARGE_STEPS: u64 = 60;
/// Bytes in the result of each of them; all together are more than a full disk has left in its files.
const LARGE_BYTES: usize = 60_000;

/// One step, a question, and then many steps with large results.
fn filling() -> String {
    let items: Vec<String> = (0..LARGE_STEPS).map(|item| item.to_string()).collect();
    format!(
        "workflow: filling
input:
  text: {{ type: string }}
nodes:
  before: {{ call: bench:steps/step, with: {{ value: {{ n: 1 }} }} }}
  confirm:
    after: before
    approval: {{ title: Go on?, approvers: [duty] }}
  each:
    after: confirm
    foreach: \"[{}]\"
    as: item
    do:
      large: {{ call: bench:steps/step, with: {{ value: {{ n: \"${{item}}\", text: \"${{input.text}}\" }} }} }}
output: {{ n: \"${{before.n}}\" }}
",
        items.join(", ")
    )
}

/// Both planes, with the workflow published and one run of it that asks its question.
async fn with_a_question(planes: &mut Planes) -> String {
    planes.start_host(None).await.unwrap();
    let component = components().join("bench.steps.wasm");
    let folder = planes.data().join("filling");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("workflow.yaml"), filling()).unwrap();
    let flowforge = planes.flowforge();
    flowforge
        .json(&["connector", "publish", &component.to_string_lossy()])
        .unwrap();
    flowforge
        .json(&["workflow", "publish", &folder.to_string_lossy()])
        .unwrap();
    let run = start(planes).unwrap();
    until(planes, "the question", async |planes| {
        let asked = planes.flowforge().json(&["approval", "list"]).unwrap();
        asked != json!([])
    })
    .await;
    run
}

/// Starts a run; gives its id, or what was said instead.
fn start(planes: &Planes) -> Result<String, String> {
    let input = json!({ "text": "x".repeat(LARGE_BYTES) }).to_string();
    let started = planes
        .flowforge()
        .json(&["run", "start", "filling", "--input", &input]);
    started
        .map(|run| run["id"].as_str().unwrap().to_owned())
        .map_err(|error| error.to_string())
}

fn approve(planes: &Planes, run: &str) {
    let asked = planes.flowforge().json(&["approval", "list"]).unwrap();
    let question = asked
        .as_array()
        .unwrap()
        .iter()
        .find(|question| question["run"] == run)
        .unwrap();
    let id = question["id"].as_str().unwrap();
    planes
        .flowforge()
        .json(&["approval", "approve", id, "--by", "duty"])
        .unwrap();
}

fn state(planes: &Planes, run: &str) -> String {
    let run = planes.flowforge().json(&["run", "show", run]).unwrap();
    run["state"].as_str().unwrap().to_owned()
}

/// Looks again and again until it is so.
async fn until(planes: &Planes, what: &str, mut so: impl AsyncFnMut(&Planes) -> bool) {
    let end = Instant::now() + PATIENCE;
    while !so(planes).await {
        assert!(Instant::now() < end, "{what} did not come:\n{}", logs(planes));
        sleep(LOOK).await;
    }
}

/// Waits for the end, which must be good: every step recorded once, the receipt valid.
async fn ends_right(planes: &Planes, run: &str) {
    until(planes, "the run's end", async |planes| {
        let run = planes.flowforge().json(&["run", "show", run]).unwrap();
        !run["receipt"].is_null()
    })
    .await;
    let shown = planes.flowforge().json(&["run", "show", run]).unwrap();
    assert_eq!(shown["state"], "DONE", "{}", shown["failure"]);
    assert_eq!(shown["receipt"]["valid"], true, "{}", shown["receipt"]);
    let query = "query Lines($id: String!, $from: Long!) { run(id: $id) { evidence(fromSeq: $from) { lines nextSeq } } }";
    let (mut lines, mut from) = (Vec::new(), Some(json!(0)));
    while let Some(next) = from {
        let data = planes
            .api()
            .ask(query, json!({ "id": run, "from": next }))
            .await
            .unwrap();
        let evidence = &data["run"]["evidence"];
        lines.extend(STANDARD.decode(evidence["lines"].as_str().unwrap()).unwrap());
        from = (!evidence["nextSeq"].is_null()).then(|| evidence["nextSeq"].clone());
    }
    let (facts, _) = RunFacts::of(&run.parse().unwrap(), &lines).unwrap();
    assert_eq!(facts.steps_repeated(), 0, "no step is recorded twice");
    assert!(facts.steps() > LARGE_STEPS, "{} steps", facts.steps());
}

/// What both programs said.
fn logs(planes: &Planes) -> String {
    ["plane.log", "host.log"]
        .map(|name| fs::read_to_string(planes.data().join("logs").join(name)).unwrap_or_default())
        .concat()
}

fn host_log(planes: &Planes) -> String {
    fs::read_to_string(planes.data().join("logs/host.log")).unwrap()
}

#[test]
fn a_host_whose_disk_is_full_says_so_and_goes_on_when_there_is_space() {
    in_own_mounts(
        "full_disk::a_host_whose_disk_is_full_says_so_and_goes_on_when_there_is_space",
        async || {
            let folder = tempfile::tempdir().unwrap();
            let mut planes = Planes::start(programs(), folder.path(), "host")
                .unwrap()
                .with_host_arguments(&["--min-free-bytes", "0"]);
            let data = planes.data().join("host");
            let disk = SmallDisk::on(&data, 32);
            let run = with_a_question(&mut planes).await;
            disk.fill();
            approve(&planes, &run);
            let said = planes.host_ends().await.unwrap();
            let place = data.join("journal.redb");
            let expected = format!(
                "flowforge-host: the host stopped: the journal has stopped: no space is left for the journal {}; free some \
                 and start again, nothing is lost",
                place.display()
            );
            assert!(said.contains(&expected), "{said}");
            assert_ne!(state(&planes, &run), "DONE");
            disk.free();
            planes.start_host(None).await.unwrap();
            ends_right(&planes, &run).await;
            planes.stop().unwrap();
        },
    );
}

#[test]
fn with_little_space_left_runs_end_and_none_begins() {
    in_own_mounts(
        "full_disk::with_little_space_left_runs_end_and_none_begins",
        async || {
            let folder = tempfile::tempdir().unwrap();
            let mut planes = Planes::start(programs(), folder.path(), "host")
                .unwrap()
                .with_host_arguments(&["--min-free-bytes", "33554432"]);
            let data = planes.data().join("host");
            let disk = SmallDisk::on(&data, 96);
            let first = with_a_question(&mut planes).await;
            disk.fill_but(24);
            let second = start(&planes).unwrap();
            until(&planes, "the warning", async |planes| {
                host_log(planes).contains("the disk of the data folder is nearly full")
            })
            .await;
            let status = planes.host_status().unwrap();
            assert_eq!(
                (&status["disk"]["low"], &status["busy"]),
                (&json!(true), &json!(true))
            );
            let output = Command::new(programs().path("flowforge-host"))
                .args(["status", "--data-dir"])
                .arg(&data)
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let place = format!("✗ the disk of {} has ", data.display());
            assert!(text.contains(&place), "{text}");
            assert!(text.contains("no new run is taken; free some space"), "{text}");
            // The order for the second run was given before the answer for the first.
            approve(&planes, &first);
            ends_right(&planes, &first).await;
            assert_eq!(state(&planes, &second), "QUEUED");
            disk.free();
            until(&planes, "the second run's question", async |planes| {
                planes.flowforge().json(&["approval", "list"]).unwrap() != json!([])
            })
            .await;
            approve(&planes, &second);
            ends_right(&planes, &second).await;
            assert_eq!(planes.host_status().unwrap()["disk"]["low"], json!(false));
            planes.stop().unwrap();
        },
    );
}

fn signal(planes: &Planes, name: &str) {
    let status = Command::new("kill")
        .args([name, &planes.host().unwrap().id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn a_control_plane_whose_disk_is_full_stays_up_and_refuses_what_it_cannot_store() {
    in_own_mounts(
        "full_disk::a_control_plane_whose_disk_is_full_stays_up_and_refuses_what_it_cannot_store",
        async || {
            let folder = tempfile::tempdir().unwrap();
            let data = folder.path().join("plane");
            let disk = SmallDisk::on(&data, 48);
            let mut planes = Planes::start(programs(), folder.path(), "host").unwrap();
            let place = planes.data().join("plane/server.db");
            let run = with_a_question(&mut planes).await;
            // The host hears the answer only when nothing can be stored any more.
            signal(&planes, "-STOP");
            approve(&planes, &run);
            disk.fill();
            let before = runs(&planes).len();
            let mut refused = None;
            for started in 0..80 {
                if let Err(said) = start(&planes) {
                    refused = Some((said, started));
                    break;
                }
            }
            let (said, started) = refused.expect("a full disk does not take eighty runs");
            let expected = format!(
                "the disk of the control plane is full: nothing was stored; free some space for {}, then try again",
                place.display()
            );
            assert!(said.contains(&expected), "{said}");
            assert_eq!(
                runs(&planes).len(),
                before + started,
                "reading works, and what was confirmed is there"
            );
            signal(&planes, "-CONT");
            until(&planes, "the host's trouble with the upload", async |planes| {
                host_log(planes).contains("upload failed; results wait in the journal")
            })
            .await;
            assert!(
                host_log(&planes).contains("the disk of the control plane is full"),
                "{}",
                logs(&planes)
            );
            disk.free();
            ends_right(&planes, &run).await;
            start(&planes).unwrap();
            planes.stop().unwrap();
        },
    );
}

fn runs(planes: &Planes) -> Vec<Value> {
    let listed = planes
        .flowforge()
        .json(&["run", "list", "--limit", "100"])
        .unwrap();
    listed.as_array().unwrap().clone()
}

#[test]
fn a_first_start_on_a_full_disk_names_the_folder() {
    in_own_mounts(
        "full_disk::a_first_start_on_a_full_disk_names_the_folder",
        async || {
            let folder = tempfile::tempdir().unwrap();
            let planes = Planes::start(programs(), &folder.path().join("other"), "host").unwrap();
            let data = folder.path().join("data");
            let disk = SmallDisk::on(&data, 1);
            disk.fill();
            for word in ["dev", "server"] {
                let said = plane_on(&data, word);
                let place = format!("cannot write {}", data.display());
                assert!(said.contains(&place), "{said}");
                assert!(
                    said.contains("the disk is full; free some space or choose another --data-dir"),
                    "{said}"
                );
            }
            let said = host_on(&data, &planes);
            assert!(said.contains(&*data.to_string_lossy()), "{said}");
            assert!(said.contains("free some"), "{said}");
            planes.stop().unwrap();
        },
    );
}
