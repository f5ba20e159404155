//! `flowforge schedule`: when runs start by themselves.

use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value, json};

use crate::args::Global;
use crate::output::{Exit, list, number, result, short, text};
use crate::pages::{Wanted, pages};
use crate::table::Table;
use crate::time;

const LIST: &str = "query Schedules($first: Int!, $after: String, $workflow: String, $times: Int!) { \
    schedules(first: $first, after: $after, workflow: $workflow) { nodes { workflow trigger cron timeZone catchUp overlap \
    nextMs(count: $times) lastDueMs lastRun { id state } waitingMs skipped } pageInfo { hasNextPage endCursor } } }";

/// See when runs start by themselves
#[derive(Debug, Subcommand)]
pub(crate) enum ScheduleCommand {
    /// List the schedules of published workflows with their next times
    #[command(after_help = "Example:\n  flowforge schedule list --workflow nightly-sync --times 5")]
    List {
        /// Only those of this workflow
        #[arg(long, value_name = "NAME")]
        workflow: Option<String>,
        /// So many of the next times of each
        #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=20))]
        times: u32,
        /// At most this many schedules
        #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
}

/// Runs the command.
pub(crate) async fn run(command: ScheduleCommand, global: &Global) -> Result<Exit> {
    let ScheduleCommand::List {
        workflow,
        times,
        limit,
    } = command;
    let of = Wanted {
        document: LIST,
        list: "schedules",
        limit,
        variables: json!({ "workflow": workflow, "times": times }),
    };
    let found = pages(global, of).await?;
    result(global, &found, |found| {
        let mut table = Table::new(&[
            "workflow", "trigger", "cron", "zone", "next", "last run", "waiting", "skipped",
        ]);
        for schedule in list(found, "") {
            let mut times = list(schedule, "/nextMs")
                .iter()
                .filter_map(Value::as_u64)
                .map(time::date);
            table.row([
                text(schedule, "/workflow"),
                text(schedule, "/trigger"),
                text(schedule, "/cron"),
                text(schedule, "/timeZone"),
                &times.next().unwrap_or_else(|| "never".to_owned()),
                &last_run(schedule),
                &list(schedule, "/waitingMs").len().to_string(),
                &number(schedule, "/skipped").to_string(),
            ]);
            for time in times {
                table.row(["", "", "", "", &time, "", "", ""]);
            }
        }
        table.print("no published workflow has a schedule");
    });
    Ok(Exit::Done)
}

fn last_run(schedule: &Value) -> String {
    match text(schedule, "/lastRun/id") {
        "" => "-".to_owned(),
        run => format!(
            "{} {}",
            short(run),
            text(schedule, "/lastRun/state").to_lowercase()
        ),
    }
}
