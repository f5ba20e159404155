//! `flowforge workflow move | delete | restore | trash`: where workflows are.

use anyhow::{Result, bail};
use clap::Subcommand;
use serde_json::{Value, json};

use crate::args::Global;
use crate::output::{Exit, Usage, list, next, number, result, text};
use crate::table::Table;
use crate::{say, time};

const MOVE: &str = "mutation Move($input: ArrangeWorkflowInput!) { arrangeWorkflow(input: $input) { __typename \
    ... on ArrangeWorkflowSuccess { workflow { name folder tags } } \
    ... on Problem { message code } ... on InputProblem { fields { path message } } } }";
const DELETE: &str = "mutation Delete($input: DeleteWorkflowInput!) { deleteWorkflow(input: $input) { __typename \
    ... on DeleteWorkflowSuccess { workflow } ... on Problem { message code } } }";
const RESTORE: &str = "mutation Restore($input: RestoreWorkflowInput!) { restoreWorkflow(input: $input) { __typename \
    ... on RestoreWorkflowSuccess { workflow { name version } } ... on Problem { message code } } }";
const TRASH: &str = "{ trashedWorkflows { name folder tags deletedAtMs deletedBy } }";

/// Where workflows are.
#[derive(Debug, Subcommand)]
pub(crate) enum ArrangeCommand {
    /// Put a workflow into a folder and give it tags
    #[command(after_help = "Example:\n  flowforge workflow move sales-report --folder shop --tag daily")]
    Move(Move),
    /// Put a workflow into the trash for 30 days
    #[command(after_help = "Example:\n  flowforge workflow delete sales-report --yes")]
    Delete {
        /// Its name
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Take a workflow out of the trash
    #[command(after_help = "Example:\n  flowforge workflow restore sales-report")]
    Restore {
        /// Its name
        name: String,
    },
    /// List the workflows in the trash
    #[command(after_help = "Example:\n  flowforge workflow trash")]
    Trash,
}

/// Where a workflow is to be.
#[derive(Debug, clap::Args)]
pub(crate) struct Move {
    /// Its name
    name: String,
    /// The folder, `shop/orders`; empty: at the top
    #[arg(long, value_name = "FOLDER", default_value = "")]
    folder: String,
    /// A tag; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
}

/// Runs the command.
pub(super) async fn run(command: ArrangeCommand, global: &Global) -> Result<Exit> {
    match command {
        ArrangeCommand::Move(wanted) => arrange(global, &wanted).await,
        ArrangeCommand::Delete { name, yes } => delete(global, &name, yes).await,
        ArrangeCommand::Restore { name } => restore(global, &name).await,
        ArrangeCommand::Trash => trash(global).await,
    }
}

/// Puts a workflow into a folder and gives it tags.
async fn arrange(global: &Global, wanted: &Move) -> Result<Exit> {
    let input = json!({"workflow": wanted.name, "folder": wanted.folder, "tags": wanted.tags});
    let done = global.api()?.change("arrangeWorkflow", MOVE, input).await?;
    result(global, &done, |done| {
        let tags: Vec<&str> = list(done, "/workflow/tags")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        say!(
            "{} is in /{} {}",
            wanted.name,
            text(done, "/workflow/folder"),
            tags.join(" ")
        );
    });
    Ok(Exit::Done)
}

/// Puts a workflow into the trash.
async fn delete(global: &Global, name: &str, yes: bool) -> Result<Exit> {
    if !yes {
        bail!(Usage(format!(
            "{name} takes no starts, webhooks and schedules once it is in the trash; to go on: flowforge workflow delete \
             {name} --yes"
        )));
    }
    let api = global.api()?;
    let done = api
        .change("deleteWorkflow", DELETE, json!({ "workflow": name }))
        .await?;
    result(global, &done, |_| {
        say!("{name} is in the trash for 30 days; its runs go on")
    });
    next(global, &format!("flowforge workflow restore {name}"));
    Ok(Exit::Done)
}

/// Takes a workflow out of the trash.
async fn restore(global: &Global, name: &str) -> Result<Exit> {
    let api = global.api()?;
    let done = api
        .change("restoreWorkflow", RESTORE, json!({ "workflow": name }))
        .await?;
    result(global, &done, |done| {
        say!(
            "{name} version {} is there again",
            number(done, "/workflow/version")
        );
    });
    next(global, "flowforge workflow list");
    Ok(Exit::Done)
}

/// Lists what is in the trash.
async fn trash(global: &Global) -> Result<Exit> {
    let data = global.api()?.ask(TRASH, Value::Null).await?;
    let trashed = data.get("trashedWorkflows").cloned().unwrap_or_default();
    result(global, &trashed, |trashed| {
        let mut table = Table::new(&["name", "folder", "deleted", "by"]);
        for workflow in list(trashed, "") {
            table.row([
                text(workflow, "/name"),
                text(workflow, "/folder"),
                &time::date(number(workflow, "/deletedAtMs")),
                text(workflow, "/deletedBy"),
            ]);
        }
        table.print("the trash is empty");
    });
    Ok(Exit::Done)
}
