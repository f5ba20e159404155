//! The database is away in the middle of the load.

use std::fs;
use std::time::Duration;

use flowforge_tests::databases;
use flowforge_tests::planes::Planes;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::programs;

const ADDS: &str = "workflow: adds
input:
  n: { type: integer }
triggers:
  web: { webhook: { path: adds, answer: at_once } }
nodes:
  sum: { set: { value: \"${input.n + 1}\" } }
output: { n: \"${sum.value}\" }
";
/// How long the database is away; in a campaign it would be a minute, here long enough for every connection to be tried.
const AWAY: Duration = Duration::from_secs(8);
/// Runs that are asked for meanwhile.
const RUNS: u64 = 40;

/// Callers are told that they must come again; who does is served when it is back, once. The server stays up, and what it
/// had accepted is done.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_for_a_while_costs_nothing_but_time() {
    let folder = tempfile::tempdir().unwrap();
    let database = databases::new().await.unwrap();
    let mut planes = Planes::start_on(programs(), folder.path(), "host", Some(&database)).unwrap();
    planes.start_host(None).await.unwrap();
    let workflow = folder.path().join("adds");
    fs::create_dir_all(&workflow).unwrap();
    fs::write(workflow.join("workflow.yaml"), ADDS).unwrap();
    planes
        .flowforge()
        .json(&["workflow", "publish", &workflow.to_string_lossy()])
        .unwrap();
    let (api, server) = (planes.api().clone(), planes.api().context().server.clone());
    let load = async {
        let mut refused = 0_u64;
        for n in 0..RUNS {
            loop {
                let request = api
                    .http()
                    .post(format!("{server}/hooks/adds"))
                    .header("idempotency-key", format!("run-{n}"))
                    .json(&json!({ "n": n }));
                // The server is there all the time, and says what is missing.
                let answer = request.send().await.unwrap();
                if answer.status().is_success() {
                    break;
                }
                let said: Value = answer.json().await.unwrap();
                assert_eq!(said["code"], "FF-API-503", "{said}");
                refused += 1;
                sleep(Duration::from_millis(50)).await;
            }
            sleep(Duration::from_millis(20)).await;
        }
        refused
    };
    let outage = async {
        sleep(Duration::from_millis(200)).await;
        databases::let_in(&database, false).await.unwrap();
        sleep(AWAY).await;
        databases::let_in(&database, true).await.unwrap();
    };
    let (refused, ()) = tokio::join!(load, outage);
    assert!(refused > 0, "nobody noticed that the database was away");
    let query = "{ runs(first: 100, workflow: \"adds\") { nodes { state input output } } }";
    let mut runs = loop {
        let answer = api.ask(query, Value::Null).await.unwrap();
        let runs = answer["runs"]["nodes"].as_array().unwrap().clone();
        if runs.iter().all(|run| run["state"] == "DONE") {
            break runs;
        }
        sleep(Duration::from_millis(50)).await;
    };
    runs.sort_by_key(|run| run["input"]["n"].as_u64());
    let outputs: Vec<u64> = runs
        .iter()
        .map(|run| run["output"]["n"].as_u64().unwrap())
        .collect();
    assert_eq!(outputs, (1..=RUNS).collect::<Vec<_>>());
    planes.stop().unwrap();
}
