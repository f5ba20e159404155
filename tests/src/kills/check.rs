//! What is true when all is quiet again: for every accepted run, what the control plane has and what the ledger has.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::ledger::{Ledger, STEPS};
use super::load::Accepted;
use super::processes::Place;
use super::tally::Tally;

const RUN: &str = "query Run($id: String!) { run(id: $id) { state failure evidence { lines } } }";
/// How often a run that has not ended is asked for again.
const AGAIN: Duration = Duration::from_millis(50);

/// Asks for every run until it has ended, then counts.
pub(super) async fn all(
    place: &Place,
    ledger: &Ledger,
    accepted: &[Accepted],
    settle: Duration,
    tally: &mut Tally,
) -> Result<()> {
    let until = Instant::now() + settle;
    for run in accepted {
        let found = ended(place, run, until).await?;
        judge(run, &found, ledger, tally)?;
    }
    let (requests, entries) = ledger.totals();
    (tally.requests, tally.repeated) = (requests, requests - entries);
    Ok(())
}

async fn ended(place: &Place, run: &Accepted, until: Instant) -> Result<Value> {
    loop {
        let found = place.api.ask(RUN, json!({ "id": run.id })).await?;
        let run = found.get("run").cloned().unwrap_or_default();
        let state = text(&run, "/state");
        if ["DONE", "FAILED", "CANCELLED", "EXPIRED"].contains(&state.as_str()) || Instant::now() > until {
            return Ok(run);
        }
        sleep(AGAIN).await;
    }
}

fn judge(run: &Accepted, found: &Value, ledger: &Ledger, tally: &mut Tally) -> Result<()> {
    let (name, id, state) = (&run.name, &run.id, text(found, "/state"));
    if state == "FAILED" {
        let why = found.get("failure").cloned().unwrap_or_default();
        tally
            .failed_for_being_stopped
            .push(format!("{name} ({id}): {why}"));
    } else if state != "DONE" {
        tally.lost.push(format!("{name} ({id}): it is `{state}`"));
    }
    for step in STEPS {
        let entry = ledger.entry(name, step);
        if entry.keys.len() > 1 {
            tally
                .second_key
                .push(format!("{name} ({id}), step {step}: {:?}", entry.keys));
        }
        if state == "DONE" && entry.requests == 0 {
            tally
                .lost
                .push(format!("{name} ({id}): the ledger has no `{step}`"));
        }
    }
    for (step, times) in completed(found)? {
        if times > 1 {
            tally
                .recorded_twice
                .push(format!("{name} ({id}), step {step}: {times} times"));
        }
    }
    Ok(())
}

/// How often each step is completed in the records.
fn completed(found: &Value) -> Result<BTreeMap<String, u64>> {
    let lines = STANDARD
        .decode(text(found, "/evidence/lines"))
        .context("the records cannot be read")?;
    let mut steps = BTreeMap::new();
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let record: Value = serde_json::from_slice(line)?;
        let event = record.get("event").unwrap_or(&record);
        if event.get("type").and_then(Value::as_str) == Some("completed")
            && let Some(step) = event.get("step")
        {
            *steps.entry(step.to_string()).or_insert(0) += 1;
        }
    }
    Ok(steps)
}

fn text(value: &Value, pointer: &str) -> String {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}
