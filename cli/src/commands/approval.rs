//! `flowforge approval`: what runs ask people.

use anyhow::{Context as _, Result};
use clap::Subcommand;
use flowforge_client::Api;
use serde_json::{Value, json};

use crate::args::Global;
use crate::commands::asked::read_json;
use crate::output::{Exit, list, next, number, result, short, text};
use crate::personal_keys::{self, Said};
use crate::say;
use crate::table::{Table, one_line};
use crate::time;

const LIST: &str = "query List($state: ApprovalState) { approvals(first: 100, state: $state) { nodes { \
    id run workflow step title show approvers state requestedAtMs expiresAtMs decidedBy comment decidedAtMs quorum \
    reminders answers { by approved } } } }";
const SHOW: &str = "query Show($id: String!) { approval(id: $id) { id run workflow step title show approvers state \
    requestedAtMs expiresAtMs decidedBy comment decidedAtMs quorum form signers onExpiry reminders nextReminderAtMs \
    workspace project answers { by answersFor approved comment atMs form signed } } }";
const DECIDE: &str = "mutation Decide($input: DecideApprovalInput!) { decideApproval(input: $input) { __typename \
    ... on DecideApprovalSuccess { approval { id run workflow step title state decidedBy quorum answers { by approved } } } \
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
    /// Show a question: what is asked, who answered, and what is to be filled in
    #[command(after_help = "Example:\n  flowforge approval show a41c")]
    Show {
        /// Id, the start of one, or `last`
        #[arg(default_value = "last")]
        id: String,
    },
    /// Say yes: the run goes on when enough people did
    #[command(
        after_help = "Example:\n  flowforge approval approve last --comment 'checked with the duty desk'\n  \
            flowforge approval approve a41c --form '{\"limit\": 1000}'"
    )]
    Approve {
        #[command(flatten)]
        answer: Answer,
        /// What is filled in, as JSON, or @FILE; `flowforge approval show` lists the fields
        #[arg(long, value_name = "JSON")]
        form: Option<String>,
    },
    /// Say no: the run ends as rejected
    #[command(after_help = "Example:\n  flowforge approval reject a41c --comment 'the feed is a test'")]
    Reject(Answer),
    /// List the groups of people that questions are put to
    #[command(after_help = "Example:\n  flowforge approval groups")]
    Groups,
    /// Say who is in a group, or add and remove people; without members it is gone
    #[command(
        after_help = "Example:\n  flowforge approval group duty --member ann --member bob\n  \
            flowforge approval group duty --add cy --remove ann"
    )]
    Group {
        /// Its name, as `approvers` of a workflow say it
        name: String,
        /// Somebody in it, in the place of those there are; may be repeated
        #[arg(long = "member", value_name = "NAME", conflicts_with_all = ["add", "remove"])]
        members: Vec<String>,
        /// Somebody more; may be repeated
        #[arg(long, value_name = "NAME")]
        add: Vec<String>,
        /// Somebody less; may be repeated
        #[arg(long, value_name = "NAME")]
        remove: Vec<String>,
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
    /// Who answers, where nobody signs in; without it, the owner of the server
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Sign it with your own key, see `flowforge account key`
    #[arg(long)]
    sign: bool,
}

/// Runs the command.
pub(crate) async fn run(command: ApprovalCommand, global: &Global) -> Result<Exit> {
    match command {
        ApprovalCommand::List { all } => list_all(global, all).await,
        ApprovalCommand::Show { id } => show(global, &id).await,
        ApprovalCommand::Approve { answer, form } => {
            let form = form.map(|form| read_json("--form", &form)).transpose()?;
            decide(global, answer, true, form).await
        }
        ApprovalCommand::Reject(answer) => decide(global, answer, false, None).await,
        ApprovalCommand::Groups => groups(global).await,
        ApprovalCommand::Group {
            name,
            members,
            add,
            remove,
        } => {
            let members = (add.is_empty() && remove.is_empty()).then_some(members);
            let input = json!({ "name": name, "members": members, "add": add, "remove": remove });
            set_group(global, &name, input).await
        }
    }
}

async fn list_all(global: &Global, all: bool) -> Result<Exit> {
    let state = if all { Value::Null } else { json!("PENDING") };
    let data = global.api()?.ask(LIST, json!({ "state": state })).await?;
    let approvals = data.pointer("/approvals/nodes").cloned().unwrap_or_default();
    result(global, &approvals, |approvals| {
        let mut table = Table::new(&[
            "id", "run", "workflow", "state", "yes", "by", "until", "reminded", "question",
        ]);
        for approval in list(approvals, "") {
            table.row([
                short(text(approval, "/id")),
                short(text(approval, "/run")),
                text(approval, "/workflow"),
                &text(approval, "/state").to_lowercase(),
                &progress(approval),
                &who(approval),
                &until(approval),
                &reminded(approval),
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
            table.row([text(group, "/name"), &names(group, "/members")]);
        }
        table.print("no groups · next: flowforge approval group NAME --member PERSON");
    });
    Ok(Exit::Done)
}

async fn set_group(global: &Global, name: &str, input: Value) -> Result<Exit> {
    let document = "mutation Set($input: SetApproverGroupInput!) { setApproverGroup(input: $input) { __typename \
        ... on SetApproverGroupSuccess { group { name members } } ... on Problem { message code } } }";
    let done = global.api()?.change("setApproverGroup", document, input).await?;
    let group = done.get("group").cloned().unwrap_or_default();
    result(global, &group, |group| match names(group, "/members").as_str() {
        "" => say!("group {name} is gone"),
        members => say!("group {name}: {members}"),
    });
    next(global, "flowforge approval groups");
    Ok(Exit::Done)
}

/// What is answered, as it goes to the server.
struct Sent {
    id: String,
    form: Option<Value>,
    signature: Option<String>,
}

/// An answer with the own signature, over the question as it is shown now.
async fn signed(
    global: &Global,
    api: &Api,
    answer: &Answer,
    approved: bool,
    form: Option<Value>,
) -> Result<Sent> {
    let shown = question(api, &answer.id).await?;
    let by = match &answer.by {
        Some(by) => by.clone(),
        None => {
            let data = api.ask("{ viewer { name } }", Value::Null).await?;
            text(&data, "/viewer/name").to_owned()
        }
    };
    let said = Said {
        by: &by,
        approved,
        comment: answer.comment.as_deref(),
        form: form.as_ref(),
    };
    let signed = personal_keys::sign(&shown, &said, time::now_ms())?;
    if !global.json() {
        say!("you sign your answer to: {}", text(&shown, "/title"));
        let show = shown.get("show").cloned().unwrap_or_default();
        say!("  shown with it: {show}");
    }
    Ok(Sent {
        // Whatever is asked by now under a word such as `last`.
        id: text(&shown, "/id").to_owned(),
        form: signed.form,
        signature: Some(signed.envelope),
    })
}

async fn decide(global: &Global, answer: Answer, approved: bool, form: Option<Value>) -> Result<Exit> {
    let api = global.api()?;
    let sent = if answer.sign {
        signed(global, &api, &answer, approved, form).await?
    } else {
        Sent {
            id: answer.id.clone(),
            form,
            signature: None,
        }
    };
    let input = json!({
        "id": sent.id,
        "approved": approved,
        "comment": answer.comment,
        "by": answer.by,
        "form": sent.form,
        "signature": sent.signature,
    });
    let done = api.change("decideApproval", DECIDE, input).await?;
    let approval = done.get("approval").cloned().unwrap_or_default();
    result(global, &approval, |approval| {
        let word = if approved { "approved" } else { "rejected" };
        let waits = match text(approval, "/state") {
            "PENDING" => format!(" · {} said yes, it waits for others", progress(approval)),
            _ => String::new(),
        };
        say!(
            "{word} {} · {}{waits}",
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

/// The question with this id, prefix or `last`.
async fn question(api: &Api, id: &str) -> Result<Value> {
    let mut data = api.ask(SHOW, json!({ "id": id })).await?;
    let approval = data.get_mut("approval").map(Value::take);
    let approval = approval.filter(Value::is_object);
    approval.with_context(|| format!("there is no approval `{id}`; see: flowforge approval list"))
}

async fn show(global: &Global, id: &str) -> Result<Exit> {
    let approval = question(&global.api()?, id).await?;
    result(global, &approval, print_question);
    if text(&approval, "/state") == "PENDING" {
        let id = short(text(&approval, "/id"));
        let sign = if list(&approval, "/signers").is_empty() {
            ""
        } else {
            " --sign"
        };
        next(global, &format!("flowforge approval approve {id}{sign}"));
    }
    Ok(Exit::Done)
}

fn print_question(approval: &Value) {
    say!("{}", text(approval, "/title"));
    let line = |name: &str, value: &str| {
        if !value.is_empty() {
            say!("  {name:<10} {value}");
        }
    };
    line("approval", text(approval, "/id"));
    line(
        "asked by",
        &format!(
            "run {}, step {}",
            short(text(approval, "/run")),
            text(approval, "/step")
        ),
    );
    line("state", &text(approval, "/state").to_lowercase());
    line("said yes", &progress(approval));
    line("put to", &names(approval, "/approvers"));
    line("signed by", &names(approval, "/signers"));
    let means = match text(approval, "/onExpiry") {
        "REJECT" => ", then it is a no",
        "APPROVE" => ", then it is a yes",
        _ => "",
    };
    if number(approval, "/expiresAtMs") > 0 {
        line("until", &format!("{}{means}", until(approval)));
    }
    line("reminded", &reminded(approval));
    match approval.get("show") {
        None | Some(Value::Null) => {}
        Some(shown) => line("shown", &shown.to_string()),
    }
    for field in list(approval, "/form") {
        let wanted = match (field.get("default"), field.get("optional")) {
            (Some(default), _) => format!(", {default} if left out"),
            (None, Some(Value::Bool(true))) => ", may be left out".to_owned(),
            _ => String::new(),
        };
        let schema = field.get("schema").cloned().unwrap_or_default();
        line(
            "to fill in",
            &format!("{} {schema}{wanted}", text(field, "/name")),
        );
    }
    for answer in list(approval, "/answers") {
        let word = if answer.get("approved") == Some(&Value::Bool(true)) {
            "yes"
        } else {
            "no"
        };
        let signed = if answer.get("signed") == Some(&Value::Bool(true)) {
            ", signed"
        } else {
            ""
        };
        let form = answer.get("form").filter(|form| !form.is_null());
        let form = form.map_or_else(String::new, |form| format!(" {form}"));
        let comment = match text(answer, "/comment") {
            "" => String::new(),
            words => format!(": {words}"),
        };
        line(word, &format!("{}{signed}{form}{comment}", text(answer, "/by")));
    }
}

fn names(approval: &Value, path: &str) -> String {
    let names = list(approval, path).iter().filter_map(Value::as_str);
    names.collect::<Vec<_>>().join(", ")
}

/// How many said yes of how many who must.
fn progress(approval: &Value) -> String {
    let yes = |answer: &&Value| answer.get("approved") == Some(&Value::Bool(true));
    let said = list(approval, "/answers").iter().filter(yes).count();
    format!("{said} of {}", number(approval, "/quorum"))
}

fn reminded(approval: &Value) -> String {
    match number(approval, "/reminders") {
        0 => String::new(),
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}

fn who(approval: &Value) -> String {
    match text(approval, "/decidedBy") {
        "" => names(approval, "/approvers"),
        person => person.to_owned(),
    }
}

fn until(approval: &Value) -> String {
    match number(approval, "/expiresAtMs") {
        0 => "–".to_owned(),
        ms => time::date(ms),
    }
}
