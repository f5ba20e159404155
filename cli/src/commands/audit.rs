//! `flowforge audit`: who did what.

use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::args::Global;
use crate::output::{Exit, list, number, result, text};
use crate::pages::{Wanted, pages};
use crate::table::Table;
use crate::time;

const LIST: &str = "query Audit($first: Int!, $after: String, $filter: AuditEventFilter) { \
    auditEvents(first: $first, after: $after, filter: $filter) { nodes { atMs actorKind actor shownBy action objectKind \
    object outcome detail request } pageInfo { hasNextPage endCursor } } }";

/// See who did what
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List what was done and refused, newest first
    #[command(after_help = "Example:\n  flowforge audit list --action secret. --outcome denied")]
    List(List),
}

/// Which entries, and how many.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Only what this one did
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Only this action, `run.start`; with a dot at its end, all that begin so
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Only what was done to this: a name or id
    #[arg(long, value_name = "NAME")]
    object: Option<String>,
    /// Only what went so
    #[arg(long, value_name = "OUTCOME")]
    outcome: Option<Outcome>,
    /// At most this many
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

/// How something went.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Outcome {
    /// It was done
    Done,
    /// Whoever asked may not do it
    Denied,
    /// It was refused all the same
    Refused,
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Self::Done => "DONE",
            Self::Denied => "DENIED",
            Self::Refused => "REFUSED",
        }
    }
}

/// Runs the command.
pub(crate) async fn run(command: AuditCommand, global: &Global) -> Result<Exit> {
    let AuditCommand::List(wanted) = command;
    let events = events(global, &wanted).await?;
    result(global, &events, |events| {
        let mut table = Table::new(&["when", "who", "action", "on", "outcome", "detail"]);
        for event in list(events, "") {
            let object = format!("{} {}", text(event, "/objectKind"), text(event, "/object"));
            table.row([
                &time::date(number(event, "/atMs")),
                text(event, "/actor"),
                text(event, "/action"),
                object.trim_end(),
                &text(event, "/outcome").to_lowercase(),
                text(event, "/detail"),
            ]);
        }
        table.print("nothing of this kind is written down");
    });
    Ok(Exit::Done)
}

/// The entries that are wanted.
async fn events(global: &Global, wanted: &List) -> Result<Value> {
    let filter = json!({
        "actor": wanted.actor,
        "action": wanted.action,
        "object": wanted.object,
        "outcome": wanted.outcome.map(Outcome::word),
    });
    let of = Wanted {
        document: LIST,
        list: "auditEvents",
        limit: wanted.limit,
        variables: json!({ "filter": filter }),
    };
    pages(global, of).await
}
