//! Two servers on one database: what is done at one is seen at the other, and either may die.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use flowforge_client::{Api, Context, RunEvents};
use flowforge_tests::databases;
use flowforge_tests::kills::{self, Settings};
use flowforge_tests::planes::Planes;
use flowforge_tests::programs::Running;
use serde_json::{Value, json};

use super::{components, programs};

/// Kills in this short form of the campaign `servers`.
const KILLS: u64 = 12;
/// How often a host is stopped for longer than its leases.
const STOPS: u64 = 4;

const ADDS: &str = "workflow: adds
input:
  n: { type: integer, default: 0 }
triggers:
  web: { webhook: { path: adds, answer: result } }
nodes:
  sum: { set: { value: \"${input.n + 1}\" } }
output: { n: \"${sum.value}\" }
";

const WAITS: &str = "workflow: waits
triggers:
  web: { webhook: { path: waits, answer: at_once } }
nodes:
  go: { wait: { signal: go, timeout: 1h } }
output: {}
";

/// A second server on the data folder and the database of the first. Commands and hosts go on to find the first.
fn second(planes: &Planes, database: &str) -> (Running, Api) {
    let addresses = ["client.json", "host-join.json"].map(|name| planes.data().join("plane").join(name));
    let of_first = addresses.clone().map(|path| fs::read(path).unwrap());
    let mut command = Command::new(planes.programs().path("flowforge"));
    command
        .args([
            "server",
            "--listen",
            "127.0.0.1:0",
            "--output",
            "json",
            "--data-dir",
        ])
        .arg(planes.data().join("plane"))
        .env("FLOWFORGE_DATABASE", database)
        .env("FLOWFORGE_HOME", planes.data().join("home"));
    let mut running = Running::start("second", &mut command, &planes.data().join("logs")).unwrap();
    let ready: Value = serde_json::from_str(&running.first_line().unwrap()).unwrap();
    for (path, text) in addresses.iter().zip(of_first) {
        fs::write(path, text).unwrap();
    }
    let server = ready["server"].as_str().unwrap().to_owned();
    let of_first = Context::resolve(None, Some(&addresses[0])).unwrap();
    let api = Api::new(Context { server, ..of_first });
    (running, api.unwrap())
}

fn publish(planes: &Planes, name: &str, text: &str) {
    let folder = planes.data().join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("workflow.yaml"), text).unwrap();
    planes
        .flowforge()
        .json(&["workflow", "publish", &folder.to_string_lossy()])
        .unwrap();
}

async fn hook(api: &Api, path: &str, body: &Value) -> (u16, Value) {
    let url = format!("{}/hooks/{path}", api.context().server);
    let answer = api.http().post(url).json(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn decide(api: &Api, decision: &str) {
    let query = "mutation($input: DecideHostInput!) { decideHost(input: $input) { __typename } }";
    let input = json!({ "host": "host", "decision": decision });
    let decided = api.ask(query, json!({ "input": input })).await.unwrap();
    assert_eq!(decided["decideHost"]["__typename"], "DecideHostSuccess");
}

async fn until_it_stands(api: &Api, standing: &str) {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let hosts = api.ask("{ hosts { standing } }", Value::Null).await.unwrap();
        if hosts["hosts"][0]["standing"] == standing {
            return;
        }
        assert!(Instant::now() < until, "{hosts}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The host calls the first server. Runs are started, followed, signalled and answered at the second one.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_at_one_server_is_seen_at_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let database = databases::new().await.unwrap();
    let mut planes = Planes::start_on(programs(), folder.path(), "host", Some(&database)).unwrap();
    let (running, other) = second(&planes, &database);
    planes.start_host(None).await.unwrap();
    // Published at the first, called at once at the second, where no host calls: it is answered with the run's result.
    publish(&planes, "adds", ADDS);
    for n in 0..5 {
        let (status, answer) = hook(&other, "adds", &json!({ "n": n })).await;
        assert_eq!((status, &answer["n"]), (200, &json!(n + 1)), "{answer}");
    }
    // A run that waits at the host of the first: followed and signalled at the second, ended for both.
    publish(&planes, "waits", WAITS);
    let (_, started) = hook(planes.api(), "waits", &json!({})).await;
    let run = started["run"].as_str().unwrap().to_owned();
    let mut events = RunEvents::subscribe(other.context(), &run, "ended run { state }")
        .await
        .unwrap();
    let signal = "mutation($input: SendSignalInput!) { sendSignal(input: $input) { __typename } }";
    let input = json!({ "run": run, "name": "go", "payload": {} });
    let sent = other.ask(signal, json!({ "input": input })).await.unwrap();
    assert_eq!(sent["sendSignal"]["__typename"], "SendSignalSuccess");
    let state = loop {
        let event = events.next().await.unwrap().expect("the end is told");
        if event["ended"] == json!(true) {
            break event["run"]["state"].clone();
        }
    };
    assert_eq!(state, "DONE");
    for api in [planes.api(), &other] {
        let hosts = api
            .ask("{ hosts { name connected } }", Value::Null)
            .await
            .unwrap();
        assert_eq!(hosts["hosts"], json!([{ "name": "host", "connected": true }]));
    }
    // Decided at the second, where the host does not call: it holds at the first, too.
    for (decision, standing) in [("DRAIN", "DRAINING"), ("UNDRAIN", "ACTIVE")] {
        decide(&other, decision).await;
        until_it_stands(planes.api(), standing).await;
    }
    running.stop().unwrap();
    // With the second gone in order, the first goes on alone.
    let (status, _) = hook(planes.api(), "adds", &json!({ "n": 1 })).await;
    assert_eq!(status, 200);
    planes.stop().unwrap();
}

/// Either server dies at its commit points, some times, with hosts and clients behind a balancer.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_done_twice_when_one_of_two_servers_dies() {
    let folder = tempfile::tempdir().unwrap();
    let database = databases::new().await.unwrap();
    let settings = Settings {
        kills: KILLS,
        seed: 11,
        runs_at_a_time: 8,
        settle: Duration::from_secs(120),
    };
    let http = components().join("flowforge.http.wasm");
    let tally = kills::servers::run(programs(), &http, folder.path(), &database, &settings, |_| {})
        .await
        .unwrap();
    assert!(tally.is_clean(), "{tally}");
    assert!(tally.followed > 0, "{tally}");
}

/// A host calls one server, and stands still; the host that gets its runs calls the other one.
#[tokio::test(flavor = "multi_thread")]
async fn runs_go_to_a_host_that_calls_another_server() {
    let folder = tempfile::tempdir().unwrap();
    let database = databases::new().await.unwrap();
    let settings = Settings {
        kills: STOPS,
        seed: 5,
        runs_at_a_time: 8,
        settle: Duration::from_secs(120),
    };
    let http = components().join("flowforge.http.wasm");
    let url = Some(database.as_str());
    let moves = kills::failover::run(programs(), &http, folder.path(), url, &settings, |_, _| {})
        .await
        .unwrap();
    assert!(moves.is_clean(), "{moves}");
}

/// A folder is one server's, unless its data is in a database.
#[tokio::test]
async fn a_second_server_on_a_folder_without_a_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let database = databases::new().await.unwrap();
    let planes = Planes::start_on(programs(), folder.path(), "host", Some(&database)).unwrap();
    let said = refused(folder.path(), &planes);
    assert!(said.contains("is already open in process"), "{said}");
    planes.stop().unwrap();
}

fn refused(folder: &Path, planes: &Planes) -> String {
    let output = Command::new(planes.programs().path("flowforge"))
        .args(["server", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder.join("plane"))
        .env("FLOWFORGE_HOME", folder.join("home"))
        .output()
        .unwrap();
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}
