//! `flowforge member`: who belongs here, with which roles.

use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::args::Global;
use crate::output::{Exit, list, next, number, result, text};
use crate::say;
use crate::table::Table;
use crate::time;

const LIST: &str = "query List($after: String) { members(first: 100, after: $after) { nodes { name roles sinceMs signingKey } \
    pageInfo { hasNextPage endCursor } } }";
const LINKS: &str = "{ invitations { id kind account roles madeBy expiresAtMs } }";

/// See, invite and dismiss the people who use this control plane
#[derive(Debug, Subcommand)]
pub(crate) enum MemberCommand {
    /// List them with their roles
    #[command(after_help = "Example:\n  flowforge member list")]
    List,
    /// Make a link by which somebody makes an account; good once, for seven days
    #[command(after_help = "Example:\n  flowforge member invite --role operator")]
    Invite {
        /// What the account is; may be repeated
        #[arg(long = "role", value_name = "ROLE", required = true)]
        roles: Vec<Role>,
    },
    /// List the links that wait to be used
    #[command(after_help = "Example:\n  flowforge member invitations")]
    Invitations,
    /// Take a link back that nobody has used
    #[command(after_help = "Example:\n  flowforge member withdraw 4f1c09ab77d2e310")]
    Withdraw {
        /// Its id
        id: String,
    },
    /// Give somebody roles in the place of those there are
    #[command(after_help = "Example:\n  flowforge member roles bob --role builder --role operator")]
    Roles {
        /// Name of the account
        name: String,
        /// What the account is from now on; may be repeated
        #[arg(long = "role", value_name = "ROLE", required = true)]
        roles: Vec<Role>,
    },
    /// Make a link by which somebody sets a new password; good once, for an hour
    #[command(after_help = "Example:\n  flowforge member reset bob")]
    Reset {
        /// Name of the account
        name: String,
    },
    /// Remove somebody: sessions and tokens end, and the name is not given to anybody else
    #[command(after_help = "Example:\n  flowforge member remove bob")]
    Remove {
        /// Name of the account
        name: String,
    },
}

/// What somebody is.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Role {
    /// Looks
    Viewer,
    /// Writes and tries drafts, and starts runs
    Builder,
    /// Starts, stops and repairs runs
    Operator,
    /// Publishes releases and connectors
    Publisher,
    /// Does all that people do, and says who may what
    Admin,
}

impl Role {
    fn word(self) -> &'static str {
        match self {
            Self::Viewer => "VIEWER",
            Self::Builder => "BUILDER",
            Self::Operator => "OPERATOR",
            Self::Publisher => "PUBLISHER",
            Self::Admin => "ADMIN",
        }
    }
}

fn words(roles: &[Role]) -> Vec<&'static str> {
    roles.iter().map(|role| role.word()).collect()
}

/// The roles of a member or link, as people read them.
pub(crate) fn roles_of(value: &Value) -> String {
    let roles = list(value, "/roles").iter().filter_map(Value::as_str);
    roles.map(str::to_lowercase).collect::<Vec<_>>().join(", ")
}

/// Runs the command.
pub(crate) async fn run(command: MemberCommand, global: &Global) -> Result<Exit> {
    match command {
        MemberCommand::List => members(global).await,
        MemberCommand::Invite { roles } => {
            link(
                global,
                "inviteMember",
                "InviteMember",
                json!({ "roles": words(&roles) }),
            )
            .await
        }
        MemberCommand::Invitations => invitations(global).await,
        MemberCommand::Withdraw { id } => {
            let done = change(
                global,
                "withdrawInvitation",
                "WithdrawInvitation",
                "id",
                json!({ "id": id }),
            );
            let done = done.await?;
            result(global, &done, |_| say!("link {id} is good for nothing any more"));
            Ok(Exit::Done)
        }
        MemberCommand::Roles { name, roles } => {
            let input = json!({ "name": name, "roles": words(&roles) });
            let wanted = "member { name roles }";
            let done = change(global, "setMemberRoles", "SetMemberRoles", wanted, input).await?;
            let member = done.get("member").cloned().unwrap_or_default();
            result(global, &member, |member| say!("{name}: {}", roles_of(member)));
            Ok(Exit::Done)
        }
        MemberCommand::Reset { name } => {
            link(global, "resetPassword", "ResetPassword", json!({ "name": name })).await
        }
        MemberCommand::Remove { name } => {
            let done = change(
                global,
                "removeMember",
                "RemoveMember",
                "name",
                json!({ "name": name }),
            );
            let done = done.await?;
            result(global, &done, |_| say!("{name} is removed; the name stays taken"));
            Ok(Exit::Done)
        }
    }
}

/// A change of people: its field, and what its types begin with.
async fn change(global: &Global, field: &str, of: &str, wanted: &str, input: Value) -> Result<Value> {
    let document = format!(
        "mutation Change($input: {of}Input!) {{ {field}(input: $input) {{ __typename \
         ... on {of}Success {{ {wanted} }} ... on Problem {{ message code }} }} }}"
    );
    Ok(global.api()?.change(field, &document, input).await?)
}

async fn link(global: &Global, field: &str, of: &str, input: Value) -> Result<Exit> {
    let done = change(global, field, of, "link { id address expiresAtMs }", input).await?;
    let link = done.get("link").cloned().unwrap_or_default();
    result(global, &link, |link| {
        say!("{}", text(link, "/address"));
        say!(
            "  good once, until {}; it is not shown again",
            time::date(number(link, "/expiresAtMs"))
        );
    });
    next(global, "flowforge member invitations");
    Ok(Exit::Done)
}

async fn members(global: &Global) -> Result<Exit> {
    let api = global.api()?;
    let (mut members, mut after) = (Vec::new(), Value::Null);
    loop {
        let data = api.ask(LIST, json!({ "after": after })).await?;
        members.extend(list(&data, "/members/nodes").iter().cloned());
        if data.pointer("/members/pageInfo/hasNextPage") != Some(&Value::Bool(true)) {
            break;
        }
        after = data
            .pointer("/members/pageInfo/endCursor")
            .cloned()
            .unwrap_or_default();
    }
    result(global, &Value::Array(members), |members| {
        let mut table = Table::new(&["member", "roles", "since", "signs with"]);
        for member in list(members, "") {
            let since = time::date(number(member, "/sinceMs"));
            table.row([
                text(member, "/name"),
                &roles_of(member),
                &since,
                text(member, "/signingKey"),
            ]);
        }
        table.print("nobody has an account here");
    });
    next(global, "flowforge member invite --role ROLE");
    Ok(Exit::Done)
}

async fn invitations(global: &Global) -> Result<Exit> {
    let data = global.api()?.ask(LINKS, Value::Null).await?;
    let links = data.pointer("/invitations").cloned().unwrap_or_default();
    result(global, &links, |links| {
        let mut table = Table::new(&["id", "for", "who", "by", "until"]);
        for link in list(links, "") {
            let who = match text(link, "/account") {
                "" => roles_of(link),
                account => account.to_owned(),
            };
            table.row([
                text(link, "/id"),
                &text(link, "/kind").to_lowercase().replace('_', " "),
                &who,
                text(link, "/madeBy"),
                &time::date(number(link, "/expiresAtMs")),
            ]);
        }
        table.print("no link waits to be used");
    });
    Ok(Exit::Done)
}
