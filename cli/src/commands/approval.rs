//! `flowforge approval`: what runs ask people.

use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value, json};

use crate::args::Global;
use crate::output::{Exit, list, next, number, result, short, text};
use crate::say;
use crate::table::{Table, one_line};
use crate::time;

const LIST: &str = "query List($state: ApprovalState) { approvals(first: 100, state: $state) { nodes { \
    id run workflow step title show approvers state requestedAtMs expiresAtMs decidedBy comment decidedAtMs } } }";
const DECIDE: &str = "mutation Decide($input: DecideApprovalInput!) { decideApproval(input: $input) { __typename \
    ... on DecideApprovalSuccess { approval { id run workflow step title state decidedBy } } \
    ... on Problem { message code } } }";

/// Answer what runs ask people
#[derive(Debug, Subcommand)]
pub(crate) enum ApprovalCommand {
    /// List the questions that wait for an answer
    #[command(after_help = "Example:\n  flowforge approval list")]
    List {
        /// Also those that were answered or have expired
        #[arg(long)]
        all: bool,
    },
    /// Say yes: the run goes on
    #[command(
        after_help = "Example:\n  flowforge approval approve last --comment 'checked with the duty desk'"
    )]
    Approve(Answer),
    /// Say no: the run ends as rejected
    #[command(after_help = "Example:\n  flowforge approval reject a41c --comment 'the feed is a test'")]
    Reject(Answer),
    /// List the groups of people that questions are put to
    #[command(after_help = "Example:\n  flowforge approval groups")]
    Groups,
    /// Say who is in a group; without members it is gone
    #[command(after_help = "Example:\n  flowforge approval group duty --member ann --member bob")]
    Group {
        /// Its name, as `approvers` of a workflow say it
        name: String,
        /// Somebody in it; may be repeated
        #[arg(long = "member", value_name = "NAME")]
        members: Vec<String>,
    },
}

/// Which question, and what else is to be said.
#[derive(Debug, clap::Args)]
pub(crate) struct Answer {
    /// Id, the start of one, or `last`
    id: String,
    /// Kept with the decision, at most 4 KiB
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// Who decides; without it, your user name on this machine
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

/// Runs the command.
pub(crate) async fn run(command: ApprovalCommand, global: &Global) -> Result<Exit> {
    match command {
        ApprovalCommand::List { all } => show(global, all).await,
        ApprovalCommand::Approve(answer) => decide(global, answer, true).await,
        ApprovalCommand::Reject(answer) => decide(global, answer, false).await,
        ApprovalCommand::Groups => groups(global).await,
        ApprovalCommand::Group { name, members } => set_group(global, &name, &members).await,
    }
}

async fn show(global: &Global, all: bool) -> Result<Exit> {
    let state = if all { Value::Null } else { json!("PENDING") };
    let data = global.api()?.ask(LIST, json!({ "state": state })).await?;
    let approvals = data.pointer("/approvals/nodes").cloned().unwrap_or_default();
    result(global, &approvals, |approvals| {
        let mut table = Table::new(&["id", "run", "workflow", "state", "by", "until", "question"]);
        for approval in list(approvals, "") {
            table.row([
                short(text(approval, "/id")),
                short(text(approval, "/run")),
                text(approval, "/workflow"),
                &text(approval, "/state").to_lowercase(),
                &who(approval),
                &until(approval),
                text(approval, "/title"),
            ]);
        }
        table.print("nothing waits for an answer");
    });
    let pending = |approval: &&Value| text(approval, "/state") == "PENDING";
    if let Some(first) = list(&approvals, "").iter().find(pending) {
        next(
            global,
            &format!("flowforge approval approve {}", short(text(first, "/id"))),
        );
    }
    Ok(Exit::Done)
}

async fn groups(global: &Global) -> Result<Exit> {
    let data = global
        .api()?
        .ask("{ approverGroups { name members } }", Value::Null)
        .await?;
    let groups = data.pointer("/approverGroups").cloned().unwrap_or_default();
    result(global, &groups, |groups| {
        let mut table = Table::new(&["group", "members"]);
        for group in list(groups, "") {
            table.row([text(group, "/name"), &members_of(group)]);
        }
        table.print("no groups · next: flowforge approval group NAME --member PERSON");
    });
    Ok(Exit::Done)
}

fn members_of(group: &Value) -> String {
    let members = list(group, "/members").iter().filter_map(Value::as_str);
    members.collect::<Vec<_>>().join(", ")
}

async fn set_group(global: &Global, name: &str, members: &[String]) -> Result<Exit> {
    let document = "mutation Set($input: SetApproverGroupInput!) { setApproverGroup(input: $input) { __typename \
        ... on SetApproverGroupSuccess { group { name members } } ... on Problem { message code } } }";
    let input = json!({ "name": name, "members": members });
    let done = global.api()?.change("setApproverGroup", document, input).await?;
    let group = done.get("group").cloned().unwrap_or_default();
    result(global, &group, |group| match members_of(group).as_str() {
        "" => say!("group {name} is gone"),
        members => say!("group {name}: {members}"),
    });
    next(global, "flowforge approval groups");
    Ok(Exit::Done)
}

async fn decide(global: &Global, answer: Answer, approved: bool) -> Result<Exit> {
    let input = json!({ "id": answer.id, "approved": approved, "comment": answer.comment, "by": answer.by });
    let done = global.api()?.change("decideApproval", DECIDE, input).await?;
    let approval = done.get("approval").cloned().unwrap_or_default();
    result(global, &approval, |approval| {
        let word = if approved { "approved" } else { "rejected" };
        say!(
            "{word} {} · {}",
            short(text(approval, "/id")),
            one_line(text(approval, "/title"))
        );
    });
    next(
        global,
        &format!("flowforge run show {}", short(text(&approval, "/run"))),
    );
    Ok(Exit::Done)
}

fn who(approval: &Value) -> String {
    match text(approval, "/decidedBy") {
        "" => list(approval, "/approvers")
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join(", "),
        person => person.to_owned(),
    }
}

fn until(approval: &Value) -> String {
    match number(approval, "/expiresAtMs") {
        0 => "–".to_owned(),
        ms => time::date(ms),
    }
}
