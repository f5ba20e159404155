//! `flowforge webhook`: what came from outside, and having it done once more.

use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::args::Global;
use crate::output::{Exit, list, next, number, result, short, text};
use crate::pages::{Wanted, pages};
use crate::say;
use crate::table::Table;
use crate::time;

const LIST: &str = "query Deliveries($first: Int!, $after: String, $filter: WebhookDeliveryFilter) { \
    webhookDeliveries(first: $first, after: $after, filter: $filter) { nodes { id atMs path workflow trigger scheme \
    mediaType bytes outcome code run { id state } signal replayOf askedBy replayable } \
    pageInfo { hasNextPage endCursor } } }";
const REPLAY: &str = "mutation Replay($input: ReplayWebhookDeliveryInput!) { replayWebhookDelivery(input: $input) { \
    __typename ... on ReplayWebhookDeliverySuccess { delivery { id path workflow run { id } signal replayOf } } \
    ... on Problem { message code } ... on InputProblem { fields { path message } } } }";

/// See what came to webhooks, and have it done once more
#[derive(Debug, Subcommand)]
pub(crate) enum WebhookCommand {
    /// List what came and what became of it, newest first
    #[command(
        after_help = "Example:\n  flowforge webhook deliveries --workflow order-payment --outcome refused"
    )]
    Deliveries(Deliveries),
    /// Have a delivery done once more, by the workflow that listens now
    #[command(after_help = "Example:\n  flowforge webhook replay last")]
    Replay {
        /// Id, the start of one, or `last`
        id: String,
    },
}

/// Which deliveries, and how many.
#[derive(Debug, clap::Args)]
pub(crate) struct Deliveries {
    /// Only those of this workflow
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// Only those to this path below /hooks/
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// Only those of which this became
    #[arg(long, value_name = "OUTCOME")]
    outcome: Option<Outcome>,
    /// At most this many
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

/// What became of one.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Outcome {
    /// It started a run, or is a signal
    Accepted,
    /// It had come before
    Duplicate,
    /// It was refused
    Refused,
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Self::Accepted => "ACCEPTED",
            Self::Duplicate => "DUPLICATE",
            Self::Refused => "REFUSED",
        }
    }
}

/// Runs the command.
pub(crate) async fn run(command: WebhookCommand, global: &Global) -> Result<Exit> {
    match command {
        WebhookCommand::Deliveries(wanted) => deliveries(global, wanted).await,
        WebhookCommand::Replay { id } => replay(global, &id).await,
    }
}

async fn deliveries(global: &Global, wanted: Deliveries) -> Result<Exit> {
    let filter = json!({
        "workflow": wanted.workflow,
        "path": wanted.path,
        "outcome": wanted.outcome.map(Outcome::word),
    });
    let of = Wanted {
        document: LIST,
        list: "webhookDeliveries",
        limit: wanted.limit,
        variables: json!({ "filter": filter }),
    };
    let found = pages(global, of).await?;
    result(global, &found, |found| {
        let mut table = Table::new(&[
            "id", "when", "path", "scheme", "type", "size", "outcome", "became",
        ]);
        for delivery in list(found, "") {
            table.row([
                short(text(delivery, "/id")),
                &time::date(number(delivery, "/atMs")),
                text(delivery, "/path"),
                text(delivery, "/scheme"),
                text(delivery, "/mediaType"),
                &time::size(number(delivery, "/bytes")),
                &text(delivery, "/outcome").to_lowercase(),
                &became(delivery),
            ]);
        }
        table.print("nothing of this kind came to a webhook");
    });
    let refused = |delivery: &&Value| {
        text(delivery, "/outcome") == "REFUSED" && delivery.pointer("/replayable") == Some(&Value::Bool(true))
    };
    if let Some(first) = list(&found, "").iter().find(refused) {
        next(
            global,
            &format!("flowforge webhook replay {}", short(text(first, "/id"))),
        );
    }
    Ok(Exit::Done)
}

/// The run or signal of a delivery, or why there is none.
fn became(delivery: &Value) -> String {
    let what = match (
        text(delivery, "/code"),
        text(delivery, "/run/id"),
        text(delivery, "/signal"),
    ) {
        ("", "", "") => "a run that is gone".to_owned(),
        ("", "", signal) => format!("signal {}", short(signal)),
        ("", run, _) => format!("run {}", short(run)),
        (code, _, _) => code.to_owned(),
    };
    match text(delivery, "/replayOf") {
        "" => what,
        first => format!("{what} · replay of {}", short(first)),
    }
}

async fn replay(global: &Global, id: &str) -> Result<Exit> {
    let input = json!({ "id": id });
    let done = global
        .api()?
        .change("replayWebhookDelivery", REPLAY, input)
        .await?;
    let delivery = done.get("delivery").cloned().unwrap_or_default();
    result(global, &delivery, |delivery| {
        say!(
            "delivery {} was done once more as {}: {}",
            short(text(delivery, "/replayOf")),
            short(text(delivery, "/id")),
            became(&json!({ "run": delivery.get("run"), "signal": delivery.get("signal") }))
        );
    });
    match text(&delivery, "/run/id") {
        "" => next(global, "flowforge webhook deliveries"),
        run => next(global, &format!("flowforge run show {}", short(run))),
    }
    Ok(Exit::Done)
}
