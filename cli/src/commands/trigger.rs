//! `flowforge trigger`: triggers whose events a connector finds: where they are, and stopping them.

use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value, json};

use crate::args::Global;
use crate::output::{Exit, list, next, number, result, short, text};
use crate::pages::{Wanted, pages};
use crate::say;
use crate::table::Table;
use crate::time;

const LIST: &str = "query PollTriggers($first: Int!, $after: String, $workflow: String) { \
    pollTriggers(first: $first, after: $after, workflow: $workflow) { nodes { workflow trigger call everyMs state cursor nextMs \
    lastMs lastRun { id state } openRun { id state waitingFor } polls lastEvents events failures failure { code message } \
    pausedBy } pageInfo { hasNextPage endCursor } } }";
const PAUSE: &str = "mutation PauseTrigger($input: PauseTriggerInput!) { pauseTrigger(input: $input) { __typename \
    ... on PauseTriggerSuccess { trigger { workflow trigger pausedBy } } ... on Problem { message code } } }";
const RESUME: &str = "mutation ResumeTrigger($input: PauseTriggerInput!) { resumeTrigger(input: $input) { __typename \
    ... on PauseTriggerSuccess { trigger { workflow trigger pausedBy } } ... on Problem { message code } } }";

/// See the triggers whose events a connector finds, and stop them
#[derive(Debug, Subcommand)]
pub(crate) enum TriggerCommand {
    /// List them: the last poll, the next one, and what is wrong
    #[command(after_help = "Example:\n  flowforge trigger list --workflow new-items")]
    List {
        /// Only those of this workflow
        #[arg(long, value_name = "NAME")]
        workflow: Option<String>,
        /// At most this many triggers
        #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    /// Stop the polls of one; a poll that is under way ends
    #[command(after_help = "Example:\n  flowforge trigger pause new-items news --reason 'the shop moves'")]
    Pause {
        /// The workflow
        workflow: String,
        /// The trigger in it
        trigger: String,
        /// Shown while it is stopped
        #[arg(long)]
        reason: Option<String>,
    },
    /// Let one go on, and poll at once; also one that waits because it failed
    #[command(after_help = "Example:\n  flowforge trigger resume new-items news")]
    Resume {
        /// The workflow
        workflow: String,
        /// The trigger in it
        trigger: String,
    },
}

/// Runs the command.
pub(crate) async fn run(command: TriggerCommand, global: &Global) -> Result<Exit> {
    match command {
        TriggerCommand::List { workflow, limit } => table(global, workflow, limit).await,
        TriggerCommand::Pause {
            workflow,
            trigger,
            reason,
        } => {
            let input = json!({ "workflow": workflow, "trigger": trigger, "reason": reason });
            let done = global.api()?.change("pauseTrigger", PAUSE, input).await?;
            result(global, &done, |_| {
                say!("trigger {trigger} of {workflow} is stopped")
            });
            next(global, &format!("flowforge trigger resume {workflow} {trigger}"));
            Ok(Exit::Done)
        }
        TriggerCommand::Resume { workflow, trigger } => {
            let input = json!({ "workflow": workflow, "trigger": trigger });
            let done = global.api()?.change("resumeTrigger", RESUME, input).await?;
            result(global, &done, |_| say!("trigger {trigger} of {workflow} goes on"));
            next(global, &format!("flowforge trigger list --workflow {workflow}"));
            Ok(Exit::Done)
        }
    }
}

async fn table(global: &Global, workflow: Option<String>, limit: u32) -> Result<Exit> {
    let of = Wanted {
        document: LIST,
        list: "pollTriggers",
        limit,
        variables: json!({ "workflow": workflow }),
    };
    let found = pages(global, of).await?;
    result(global, &found, |found| {
        let mut table = Table::new(&[
            "workflow",
            "trigger",
            "call",
            "state",
            "last poll",
            "found",
            "events",
            "next",
            "cursor",
        ]);
        for one in list(found, "") {
            table.row([
                text(one, "/workflow"),
                text(one, "/trigger"),
                text(one, "/call"),
                &state(one),
                &moment(one, "/lastMs"),
                &number(one, "/lastEvents").to_string(),
                &number(one, "/events").to_string(),
                &moment(one, "/nextMs"),
                text(one, "/cursor"),
            ]);
            for line in troubles(one) {
                table.row(["", "", &line, "", "", "", "", "", ""]);
            }
        }
        table.print("no published workflow has a trigger with `poll`");
    });
    Ok(Exit::Done)
}

/// `failing, 3 times`, `polling in k2n8xq`
fn state(one: &Value) -> String {
    let word = text(one, "/state").to_lowercase();
    match text(one, "/openRun/id") {
        "" if number(one, "/failures") > 0 => format!("{word}, {} times", number(one, "/failures")),
        "" => word,
        run => format!("{word} in {}", short(run)),
    }
}

/// What people are to know besides.
fn troubles(one: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    if !text(one, "/pausedBy").is_empty() {
        lines.push(text(one, "/pausedBy").to_owned());
    }
    if !text(one, "/failure/code").is_empty() {
        lines.push(format!(
            "{}: {}",
            text(one, "/failure/code"),
            text(one, "/failure/message")
        ));
    }
    if !text(one, "/openRun/waitingFor").is_empty() {
        lines.push(format!("the poll waits: {}", text(one, "/openRun/waitingFor")));
    }
    lines
}

fn moment(one: &Value, path: &str) -> String {
    match one.pointer(path).and_then(Value::as_u64) {
        Some(at_ms) => time::date(at_ms),
        None => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_trigger_says_how_often_and_why() {
        let one = json!({ "state": "FAILING", "failures": 3, "openRun": null, "pausedBy": null,
            "failure": { "code": "FF-TRG-001", "message": "unavailable: 503" } });
        assert_eq!(state(&one), "failing, 3 times");
        assert_eq!(troubles(&one), ["FF-TRG-001: unavailable: 503"]);
    }

    #[test]
    fn a_poll_that_waits_for_a_host_says_so() {
        let one = json!({ "state": "POLLING", "failures": 0,
            "openRun": { "id": "k2n8xq00000000000000000000", "waitingFor": "a host" } });
        assert_eq!(state(&one), "polling in k2n8xq");
        assert_eq!(troubles(&one), ["the poll waits: a host"]);
    }
}
