//! What people tell a run that is there: signals, pauses, the end, what to do with a step that needs review.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::args::Global;
use crate::commands::asked::{parse_duration, read_json};
use crate::output::{Exit, Usage, next, result, short, text};
use crate::say;

/// Longest time for which attempts that are under way may go on after a cancellation; the server's bound.
const LONGEST_GRACE: Duration = Duration::from_secs(3600);

/// A signal.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("receiver").required(true).args(["run", "workflow"])))]
pub(crate) struct Signal {
    /// Name of the signal, as the run's `wait` says it
    name: String,
    /// The run: id, the start of one, or `last`; it keeps the signal until a step waits for it
    #[arg(long, value_name = "ID")]
    run: Option<String>,
    /// All runs of this workflow that wait for it, or, if none does, the first that will
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// For whom it is among several waits of this name
    #[arg(long, value_name = "TEXT")]
    correlation: Option<String>,
    /// What it carries, as JSON, or @FILE
    #[arg(long, value_name = "JSON", default_value = "null")]
    payload: String,
    /// A name of your choice: sent again with the same one, the signal goes once
    #[arg(long, value_name = "TEXT")]
    request_id: Option<String>,
}

/// Which run, and why.
#[derive(Debug, Args)]
pub(crate) struct Reasoned {
    /// Id, the start of one, or `last`
    id: String,
    /// Kept in the run's records
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// What to stop, and how.
#[derive(Debug, Args)]
pub(crate) struct Cancel {
    #[command(flatten)]
    run: Reasoned,
    /// How long attempts that are under way may go on, for example 30s, at most 1h; without it, they are stopped at once
    #[arg(long, value_name = "TIME")]
    grace: Option<String>,
}

/// Whose values go.
#[derive(Debug, Args)]
pub(crate) struct Erase {
    #[command(flatten)]
    run: Reasoned,
    /// Needed: what is erased does not come back
    #[arg(long)]
    yes: bool,
}

/// What to do with a step that needs review.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("action").required(true).args(["retry", "skip", "fail"])))]
pub(crate) struct Review {
    /// Id of the run, the start of one, or `last`
    id: String,
    /// The step, as `run show` names it
    step: String,
    /// Make another attempt; an effect may happen twice, under the same idempotency key
    #[arg(long)]
    retry: bool,
    /// Go on with this value as the step's result: JSON, or @FILE
    #[arg(long, value_name = "JSON")]
    skip: Option<String>,
    /// The step has failed
    #[arg(long)]
    fail: bool,
    /// Kept in the run's records, at most 4 KiB
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
}

/// Sends a signal.
pub(crate) async fn signal(global: &Global, signal: Signal) -> Result<Exit> {
    let document = "mutation Signal($input: SendSignalInput!) { sendSignal(input: $input) { __typename \
        ... on SendSignalSuccess { signal duplicate } ... on Problem { message code } } }";
    let payload = read_json("--payload", &signal.payload)?;
    let input = json!({
        "run": signal.run, "workflow": signal.workflow, "name": signal.name, "correlation": signal.correlation,
        "payload": payload, "clientRequestId": signal.request_id,
    });
    let sent = global.api()?.change("sendSignal", document, input).await?;
    result(global, &sent, |sent| {
        let again = match sent.get("duplicate") == Some(&Value::Bool(true)) {
            true => ", as before",
            false => "",
        };
        say!("signal {} is on its way{again}", short(text(sent, "/signal")));
    });
    match &signal.run {
        Some(run) => next(global, &format!("flowforge run show {run}")),
        None => next(global, "flowforge run list"),
    }
    Ok(Exit::Done)
}

/// Erases the values of a run.
pub(crate) async fn erase(global: &Global, erase: Erase) -> Result<Exit> {
    let Erase { run, yes } = erase;
    if !yes {
        bail!(Usage(format!(
            "the input, the output and every value of run {} would be erased for good, here and at its host; its records, \
             artefacts and the runs that it ordered stay: give --yes if that is meant",
            run.id
        )));
    }
    let input = json!({ "id": run.id, "reason": run.reason });
    let told = tell(global, "eraseRun", "EraseRunInput", "EraseRunSuccess", input).await?;
    result(global, &told, |run| {
        say!("the values of run {} are erased", short(text(run, "/id")));
    });
    next(
        global,
        &format!("flowforge run show {}", short(text(&told, "/id"))),
    );
    Ok(Exit::Done)
}

/// Pauses a run.
pub(crate) async fn pause(global: &Global, run: Reasoned) -> Result<Exit> {
    let input = json!({ "id": run.id, "reason": run.reason });
    let told = tell(global, "pauseRun", "PauseRunInput", "PauseRunSuccess", input).await?;
    result(global, &told, |run| {
        say!(
            "run {} will pause; what is under way ends",
            short(text(run, "/id"))
        )
    });
    let command = format!("flowforge run resume {}", short(text(&told, "/id")));
    next(global, &command);
    Ok(Exit::Done)
}

/// Lets a paused run go on.
pub(crate) async fn resume(global: &Global, run: Reasoned) -> Result<Exit> {
    let input = json!({ "id": run.id, "reason": run.reason });
    let told = tell(global, "resumeRun", "PauseRunInput", "ResumeRunSuccess", input).await?;
    result(global, &told, |run| {
        say!("run {} goes on", short(text(run, "/id")))
    });
    show_it(global, &told);
    Ok(Exit::Done)
}

/// A grace in milliseconds.
fn grace_ms(given: &str) -> Result<u64> {
    let grace = parse_duration("--grace", given)?;
    if grace > LONGEST_GRACE {
        return Err(Usage(format!("--grace {given}: at most 1h")).into());
    }
    Ok(u64::try_from(grace.as_millis()).unwrap_or(u64::MAX))
}

/// Stops a run.
pub(crate) async fn cancel(global: &Global, cancel: Cancel) -> Result<Exit> {
    let grace_ms = cancel.grace.as_deref().map(grace_ms).transpose()?;
    let input = json!({ "id": cancel.run.id, "reason": cancel.run.reason, "graceMs": grace_ms });
    let told = tell(global, "cancelRun", "CancelRunInput", "CancelRunSuccess", input).await?;
    result(global, &told, |run| {
        say!("run {} will stop", short(text(run, "/id")))
    });
    show_it(global, &told);
    Ok(Exit::Done)
}

/// Says what to do with a step that needs review.
pub(crate) async fn review(global: &Global, review: Review) -> Result<Exit> {
    let skipped = review.skip.as_deref();
    let output = skipped.map(|value| read_json("--skip", value)).transpose()?;
    let action = match (review.retry, &output, review.fail) {
        (true, None, false) => "RETRY",
        (false, Some(_), false) => "SKIP",
        (false, None, true) => "FAIL",
        _ => bail!(Usage("give one of --retry, --skip and --fail".to_owned())),
    };
    let mut input = json!({
        "run": review.id, "step": review.step, "action": action, "comment": review.comment,
    });
    if let (Some(output), Some(fields)) = (output, input.as_object_mut()) {
        fields.insert("output".to_owned(), output);
    }
    let told = tell(
        global,
        "reviewStep",
        "ReviewStepInput",
        "ReviewStepSuccess",
        input,
    )
    .await?;
    result(global, &told, |run| {
        let what = match action {
            "RETRY" => "is tried again",
            "SKIP" => "is skipped with this value",
            _ => "has failed",
        };
        say!("step {} of run {} {what}", review.step, short(text(run, "/id")));
    });
    show_it(global, &told);
    Ok(Exit::Done)
}

/// One change of a run; gives the run.
async fn tell(global: &Global, name: &str, input_type: &str, success: &str, input: Value) -> Result<Value> {
    let document = format!(
        "mutation Tell($input: {input_type}!) {{ {name}(input: $input) {{ __typename \
         ... on {success} {{ run {{ id state }} }} ... on Problem {{ message code }} }} }}"
    );
    let done = global.api()?.change(name, &document, input).await?;
    Ok(done.get("run").cloned().unwrap_or_default())
}

fn show_it(global: &Global, run: &Value) {
    let command = format!("flowforge run show {} --wait", short(text(run, "/id")));
    next(global, &command);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The server cut a longer one to an hour without a word.
    #[test]
    fn a_grace_of_more_than_an_hour_is_a_wrong_use() {
        assert_eq!(grace_ms("60m").unwrap(), 3_600_000);
        let error = grace_ms("2h").unwrap_err();
        assert!(error.downcast_ref::<Usage>().is_some(), "{error}");
        assert_eq!(error.to_string(), "--grace 2h: at most 1h");
    }
}
