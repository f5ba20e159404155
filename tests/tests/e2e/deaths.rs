//! A connector that takes the whole host process down, again and again.

use std::fs;
use std::time::Duration;

use flowforge_tests::planes::Planes;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{components, programs};

/// The connector of `poison` ends, and with it the host: this plan stands in for what a fault in the sandbox would do.
const PLAN: &str = "B7=abort";
/// How long something that must come may take.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(25);
/// More deaths than a host may need to know what it dies of: the first may leave no mark.
const DEATHS_MAX: u32 = 6;

const POISON: &str = "
workflow: poison
nodes:
  bad: { call: bench:steps/step, with: { value: { n: 1 } } }
output: { n: \"${bad.n}\" }
";

/// It asks no connector anything, so no plan touches it.
const OTHER: &str = "
workflow: other
nodes:
  pause: { wait: { for: 2s } }
  after: { after: pause, set: { n: 7 } }
output: { n: \"${after.n}\" }
";

fn publish(planes: &Planes, name: &str, source: &str) {
    let folder = planes.data().join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("workflow.yaml"), source).unwrap();
    let publishing = ["workflow", "publish", &folder.to_string_lossy()];
    planes.flowforge().json(&publishing).unwrap();
}

fn start(planes: &Planes, workflow: &str) -> String {
    let started = planes.flowforge().json(&["run", "start", workflow]).unwrap();
    started["id"].as_str().unwrap().to_owned()
}

async fn until(planes: &Planes, run: &str, state: &str) {
    let query = "query Run($id: String!) { run(id: $id) { state waitingFor failure } }";
    let end = Instant::now() + PATIENCE;
    loop {
        let shown = planes.api().ask(query, json!({ "id": run })).await.unwrap();
        if shown["run"]["state"] == state {
            return;
        }
        assert!(Instant::now() < end, "{state} did not come: {shown:#}");
        sleep(LOOK).await;
    }
}

/// Whether the host has died; false once it says of the run that it needs review.
async fn dies(planes: &mut Planes, run: &str) -> bool {
    let end = Instant::now() + PATIENCE;
    loop {
        if !planes.host_lives().unwrap() {
            return true;
        }
        let standing = planes.host_status().map(|status| status["standing"].clone());
        let rests = |known: &Value| {
            let about = known["about"].as_str().unwrap_or_default();
            known["run"] == run && about.contains("needs review") && about.contains("step bad")
        };
        if standing.is_ok_and(|all| all.as_array().is_some_and(|all| all.iter().any(rests))) {
            return false;
        }
        assert!(
            Instant::now() < end,
            "the host neither dies nor leaves the run alone"
        );
        sleep(LOOK).await;
    }
}

/// A step without an effect that took its host down was begun again at every start, and took all other runs of the host with
/// it.
#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_takes_the_host_down_is_left_alone_and_other_runs_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut planes = Planes::start(programs(), folder.path(), "edge").unwrap();
    planes.start_host(None).await.unwrap();
    let component = components().join("bench.steps.wasm");
    let publishing = ["connector", "publish", &component.to_string_lossy()];
    planes.flowforge().json(&publishing).unwrap();
    publish(&planes, "poison", POISON);
    publish(&planes, "other", OTHER);
    planes.kill_host().unwrap();
    let (poison, other) = (start(&planes, "poison"), start(&planes, "other"));
    let mut deaths = 0;
    loop {
        planes.start_doomed_host(PLAN).unwrap();
        if !dies(&mut planes, &poison).await {
            break;
        }
        deaths += 1;
        assert!(
            deaths <= DEATHS_MAX,
            "the host died {deaths} times of the same step"
        );
    }
    assert!(deaths >= 3, "three deaths may be chance: {deaths}");
    // The very host that would die of that step does everything else.
    until(&planes, &other, "DONE").await;
    let cancelling = ["run", "cancel", &poison, "--reason", "it kills the host"];
    planes.flowforge().json(&cancelling).unwrap();
    until(&planes, &poison, "CANCELLED").await;
    planes.stop().unwrap();
}
