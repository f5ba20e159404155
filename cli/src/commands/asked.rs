//! What the commands about runs share: what is asked of a run, how a run is found, and how values and times are given.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use flowforge_client::Api;
use serde_json::{Value, json};

use crate::output::{Exit, Usage, text};

/// What is asked of a run wherever a whole one is shown.
pub(crate) const RUN: &str = "id workflow version release state waitingFor \
    progress { step attempt percent message atMs } trigger input createdAtMs endedAtMs \
    records chain output outcome failure view host { id name } \
    receipt { valid reason receipt } approvals { id title state approvers expiresAtMs requestedAtMs decidedAtMs decidedBy }";

/// What is asked besides where one run is looked at: the runs around it.
const BESIDE: &str = "pausedBy erased { by atMs } waits { step kind what dueMs } lineage { root generation predecessor parent parentStep } \
    children { id workflow state } retries { id state }";

/// Largest input that is read from a file, in bytes; the control plane's own limit.
const INPUT_BYTES_MAX: u64 = 256 * 1024;

/// A run that ended in any other way than done is a failure to the caller.
pub(crate) fn exit_of(run: &Value) -> Exit {
    match text(run, "/state") {
        "FAILED" | "REJECTED" | "EXPIRED" | "CANCELLED" => Exit::Failed,
        _ => Exit::Done,
    }
}

/// The run with this id, prefix or `last`.
pub(crate) async fn fetch(api: &Api, id: &str) -> Result<Value> {
    let document = format!("query Run($id: String!) {{ run(id: $id) {{ {RUN} {BESIDE} }} }}");
    let data = api.ask(&document, json!({ "id": id })).await?;
    data.get("run")
        .filter(|run| run.is_object())
        .cloned()
        .with_context(|| format!("there is no run `{id}`; see: flowforge run list"))
}

/// A value that is given as JSON, or as the file that holds it.
pub(crate) fn read_json(flag: &str, given: &str) -> Result<Value> {
    let json = match given.strip_prefix('@') {
        None => given.to_owned(),
        Some(path) => {
            let size = fs::metadata(path)
                .with_context(|| format!("cannot read {path}"))?
                .len();
            if size > INPUT_BYTES_MAX {
                bail!(Usage(format!(
                    "{path} is {size} bytes, above the limit of {INPUT_BYTES_MAX}"
                )));
            }
            fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?
        }
    };
    flowforge_workflow::read_json(&json).map_err(|error| {
        let example = "expected for example '{\"threshold\": 4.0}'";
        Usage(match error.path.as_str() {
            "" => format!("{flag} is not JSON: {error}; {example}"),
            _ => format!("{flag}: {error}"),
        })
        .into()
    })
}

/// A time such as `90s`.
pub(crate) fn parse_duration(flag: &str, given: &str) -> Result<Duration> {
    flowforge_workflow::parse_duration_ms(given)
        .map(Duration::from_millis)
        .map_err(|_| Usage(format!("{flag} {given}: expected for example 90s, 10m or 2h")).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_that_is_no_json_is_a_wrong_use() {
        assert_eq!(read_json("--input", "{\"a\": 1}").unwrap(), json!({ "a": 1 }));
        let error = read_json("--input", "{a: 1}").unwrap_err();
        assert!(error.downcast_ref::<Usage>().is_some(), "{error}");
        // It was sent as 100000000000000000000.
        let digits = read_json("--input", "{\"rows\": [{\"n\": 99999999999999999999}]}").unwrap_err();
        assert_eq!(
            digits.to_string(),
            "--input: rows[0].n: this whole number does not fit 64 bits; send it as text"
        );
    }

    #[test]
    fn only_a_run_that_is_done_or_going_on_is_no_failure() {
        assert_eq!(exit_of(&json!({ "state": "DONE" })), Exit::Done);
        assert_eq!(exit_of(&json!({ "state": "WAITING" })), Exit::Done);
        assert_eq!(exit_of(&json!({ "state": "REJECTED" })), Exit::Failed);
    }
}
