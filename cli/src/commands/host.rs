//! `flowforge host`: the machines that execute runs.

use anyhow::Result;
use clap::Subcommand;
use serde_json::Value;

use crate::args::Global;
use crate::output::{Exit, list, next, number, result, short, text};
use crate::table::Table;
use crate::time;

const LIST: &str = "{ hosts { id name connected busy lastHeardMs registeredAtMs openRuns identityKey } }";

/// See the hosts that execute runs
#[derive(Debug, Subcommand)]
pub(crate) enum HostCommand {
    /// List the hosts and when each was last heard
    #[command(after_help = "Example:\n  flowforge host list")]
    List,
}

/// Runs the command.
pub(crate) async fn run(command: HostCommand, global: &Global) -> Result<Exit> {
    let HostCommand::List = command;
    let data = global.api()?.ask(LIST, Value::Null).await?;
    let hosts = data.get("hosts").cloned().unwrap_or_default();
    result(global, &hosts, |hosts| {
        let mut table = Table::new(&["id", "name", "state", "last heard", "open runs"]);
        for host in list(hosts, "") {
            table.row([
                short(text(host, "/id")),
                text(host, "/name"),
                state(host),
                &last_heard(number(host, "/lastHeardMs")),
                &number(host, "/openRuns").to_string(),
            ]);
        }
        table.print(
            "no host has joined · next: flowforge-host --data-dir DIR --join SERVER-DATA/host-join.json",
        );
    });
    if !list(&hosts, "").is_empty() {
        next(global, "flowforge run list");
    }
    Ok(Exit::Done)
}

fn state(host: &Value) -> &'static str {
    let is = |key: &str| host.get(key).and_then(Value::as_bool).unwrap_or_default();
    match (is("connected"), is("busy")) {
        (true, false) => "connected",
        (true, true) => "connected, takes nothing new",
        (false, _) => "not connected",
    }
}

fn last_heard(ms: u64) -> String {
    if ms == 0 {
        "never".to_owned()
    } else {
        format!("{} ago", time::elapsed(time::now_ms().saturating_sub(ms)))
    }
}
