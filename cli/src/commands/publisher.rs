//! `flowforge publisher`: who publishes under a name, with which keys, and who sees it.
//!
//! Keys are made here and their private halves stay here, in `publishers/NAME.pem` beside the other keys: the server gets
//! the public half with a statement that the key itself has signed.

use anyhow::{Context as _, Result};
use chrono::NaiveDate;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::args::Global;
use crate::output::{Exit, Usage, list, next, number, result, text};
use crate::publisher_keys::{self as keys, Statement};
use crate::table::Table;
use crate::{say, time};

const FIELDS: &str = "name createdAtMs visibility members { account role } keys { id usable usableFromMs addedAtMs addedBy \
    endedAtMs reason distrustedFromMs } exceptions { connector visibility } pullGrants { account connector untilMs }";

/// See and change who publishes connectors
#[derive(Debug, Subcommand)]
pub(crate) enum PublisherCommand {
    /// Make a publisher with its first key: from now on only its own keys publish under its name
    #[command(after_help = "Example:\n  flowforge publisher new acme")]
    New {
        /// The part before the colon in the names of its connectors
        name: String,
    },
    /// List the publishers that have members and keys of their own
    #[command(after_help = "Example:\n  flowforge publisher list")]
    List,
    /// Show members, keys, who sees what, and who may pull what not everybody may
    #[command(after_help = "Example:\n  flowforge publisher show acme")]
    Show {
        /// Its name
        name: String,
    },
    /// Add, rotate and end its keys
    #[command(subcommand, after_help = "Example:\n  flowforge publisher key rotate acme")]
    Key(KeyCommand),
    /// Say who belongs to it
    #[command(
        subcommand,
        after_help = "Example:\n  flowforge publisher member set acme ci-acme --role publisher"
    )]
    Member(MemberCommand),
    /// Say who sees its connectors, or one of them, through the registry's door
    #[command(after_help = "Example:\n  flowforge publisher visibility acme:geo listed")]
    Visibility {
        /// The publisher, or one connector of it
        #[arg(value_name = "NAME")]
        of: String,
        /// Who sees it
        visibility: Visibility,
    },
    /// Let accounts pull what not everybody may
    #[command(
        subcommand,
        after_help = "Example:\n  flowforge publisher grant add plant-7 acme:geo --until 2027-12-31"
    )]
    Grant(GrantCommand),
}

/// Who sees a connector.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Visibility {
    /// Everybody who may pull at all
    Public,
    /// Listed for everybody, pulled by members and by those with a pull grant
    Listed,
    /// Known to members and to those with a pull grant only
    Private,
}

/// What a member may do.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Role {
    /// Also says who belongs to it, which keys it has, and who sees its work
    Owner,
    /// Pushes versions
    Publisher,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Add another key, which the key in use vouches for; or, when all are lost, one that waits a week
    #[command(after_help = "Example:\n  flowforge publisher key add acme --lost")]
    Add {
        /// The publisher
        publisher: String,
        /// No key is left to vouch for the new one: it may be used after a week in which any owner can revoke it, and takes
        /// the place of the lost one here
        #[arg(long)]
        lost: bool,
    },
    /// Make a new key, have the old one vouch for it, use it from now on, and retire the old one
    #[command(after_help = "Example:\n  flowforge publisher key rotate acme")]
    Rotate {
        /// The publisher
        publisher: String,
    },
    /// End a key that was replaced: it signs no more, and all that it signed holds
    #[command(after_help = "Example:\n  flowforge publisher key retire acme 4f1c20aa --reason \"replaced\"")]
    Retire(KeyEnd),
    /// End a key that may be in other hands: what was published with it since then does not hold any more
    #[command(
        after_help = "Example:\n  flowforge publisher key revoke acme 4f1c20aa --since 2026-11-20 --reason \"laptop stolen\""
    )]
    Revoke {
        #[command(flatten)]
        key: KeyEnd,
        /// From when on it may have been in other hands; without it, always
        #[arg(long, value_name = "DATE")]
        since: Option<String>,
    },
    /// Let a key be used before its week is over; for whoever runs the registry
    #[command(
        after_help = "Example:\n  flowforge publisher key confirm acme 4f1c20aa --reason \"rang them up\""
    )]
    Confirm(KeyEnd),
}

#[derive(Debug, Args)]
pub(crate) struct KeyEnd {
    /// The publisher
    publisher: String,
    /// The key's id, or the beginning of it
    key: String,
    /// Why, in one line
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MemberCommand {
    /// Make an account a member, or change what it may do
    #[command(after_help = "Example:\n  flowforge publisher member set acme ann --role owner")]
    Set {
        /// The publisher
        publisher: String,
        /// The account, of the registry or of the workspace
        account: String,
        /// What it may do
        #[arg(long, value_name = "ROLE", default_value = "publisher")]
        role: Role,
    },
    /// Take an account out
    #[command(after_help = "Example:\n  flowforge publisher member remove acme ann")]
    Remove {
        /// The publisher
        publisher: String,
        /// The account
        account: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum GrantCommand {
    /// Let an account pull a connector, or all of a publisher's
    #[command(after_help = "Example:\n  flowforge publisher grant add plant-7 acme:geo --until 2027-12-31")]
    Add {
        /// The account
        account: String,
        /// The publisher, or one connector of it
        #[arg(value_name = "NAME")]
        of: String,
        /// The last day; what was pulled before stays
        #[arg(long, value_name = "DATE")]
        until: Option<String>,
    },
    /// Let it pull no more; what it pulled stays with it
    #[command(after_help = "Example:\n  flowforge publisher grant remove plant-7 acme:geo")]
    Remove {
        /// The account
        account: String,
        /// The publisher, or one connector of it
        #[arg(value_name = "NAME")]
        of: String,
    },
}

/// Runs the command.
pub(crate) async fn run(command: PublisherCommand, global: &Global) -> Result<Exit> {
    match command {
        PublisherCommand::New { name } => create(global, &name).await,
        PublisherCommand::List => list_all(global).await,
        PublisherCommand::Show { name } => show(global, &name).await,
        PublisherCommand::Key(command) => key(global, command).await,
        PublisherCommand::Member(command) => member(global, command).await,
        PublisherCommand::Visibility { of, visibility } => {
            let input = json!({ "of": of, "visibility": word(visibility) });
            change(
                global,
                "setConnectorVisibility",
                "SetConnectorVisibilityInput",
                input,
            )
            .await
        }
        PublisherCommand::Grant(command) => grant(global, command).await,
    }
}

/// A word of the command line as the API spells it.
fn word(value: impl ValueEnum) -> String {
    let possible = value.to_possible_value();
    possible.map_or_else(String::new, |possible| possible.get_name().to_uppercase())
}

/// The beginning of a day, milliseconds since 1970 UTC.
fn day(flag: &str, text: &str) -> Result<u64> {
    let day: Option<NaiveDate> = text.parse().ok();
    let moment = day
        .and_then(|day| day.and_hms_opt(0, 0, 0))
        .and_then(|moment| u64::try_from(moment.and_utc().timestamp_millis()).ok());
    moment.ok_or_else(|| Usage(format!("{flag}: `{text}` is no day; write 2027-12-31")).into())
}

async fn create(global: &Global, name: &str) -> Result<Exit> {
    let api = global.api()?;
    let statement = keys::make(api.context(), name)?;
    let input = json!({ "name": name, "key": statement.key, "possession": statement.by_itself });
    let made = call(global, "createPublisher", "CreatePublisherInput", input).await?;
    let path = keys::take(api.context(), name, &statement)?;
    result(global, &made, |made| {
        lines(made);
        say!(
            "its key is in {}; keep a copy where nobody else finds it",
            path.display()
        );
    });
    next(
        global,
        &format!("flowforge connector publish FOLDER   (under {name}:…)"),
    );
    Ok(Exit::Done)
}

async fn key(global: &Global, command: KeyCommand) -> Result<Exit> {
    match command {
        KeyCommand::Add { publisher, lost } => add_key(global, &publisher, lost, false).await,
        KeyCommand::Rotate { publisher } => add_key(global, &publisher, false, true).await,
        KeyCommand::Retire(end) => decide(global, end, "RETIRE", None).await,
        KeyCommand::Confirm(end) => decide(global, end, "CONFIRM", None).await,
        KeyCommand::Revoke { key, since } => {
            let since = since.map(|since| day("--since", &since)).transpose()?;
            decide(global, key, "REVOKE", since).await
        }
    }
}

async fn add_key(global: &Global, publisher: &str, lost: bool, retires: bool) -> Result<Exit> {
    let api = global.api()?;
    let old = match lost {
        true => None,
        false => Some(keys::own(api.context(), publisher)?.with_context(|| {
            format!("no key of {publisher} is here to vouch for the new one; if all are lost, add --lost")
        })?),
    };
    let Statement {
        key,
        by_itself,
        secret,
    } = keys::make(api.context(), publisher)?;
    let endorsement = old
        .as_ref()
        .map(|old| keys::endorse(publisher, &key, old))
        .transpose()?;
    let input = json!({
        "publisher": publisher, "key": key, "possession": by_itself, "endorsement": endorsement,
    });
    let mut changed = call(global, "addPublisherKey", "AddPublisherKeyInput", input).await?;
    let statement = Statement {
        key,
        by_itself,
        secret,
    };
    let path = keys::take(api.context(), publisher, &statement)?;
    if let Some(old) = old.filter(|_| retires) {
        let input = json!({
            "publisher": publisher, "key": old.verifying_key().id().to_string(), "decision": "RETIRE",
            "reason": "replaced by a new key",
        });
        changed = call(global, "decidePublisherKey", "DecidePublisherKeyInput", input).await?;
    }
    result(global, &changed, |changed| {
        lines(changed);
        say!(
            "its new key is in {}; the one before is beside it",
            path.display()
        );
    });
    Ok(Exit::Done)
}

async fn decide(global: &Global, end: KeyEnd, decision: &str, since_ms: Option<u64>) -> Result<Exit> {
    let input = json!({
        "publisher": end.publisher, "key": end.key, "decision": decision, "reason": end.reason, "sinceMs": since_ms,
    });
    change(global, "decidePublisherKey", "DecidePublisherKeyInput", input).await
}

async fn member(global: &Global, command: MemberCommand) -> Result<Exit> {
    let input = match command {
        MemberCommand::Set {
            publisher,
            account,
            role,
        } => json!({ "publisher": publisher, "account": account, "role": word(role) }),
        MemberCommand::Remove { publisher, account } => json!({ "publisher": publisher, "account": account }),
    };
    change(global, "setPublisherMember", "SetPublisherMemberInput", input).await
}

async fn grant(global: &Global, command: GrantCommand) -> Result<Exit> {
    const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
    let input = match command {
        GrantCommand::Add { account, of, until } => {
            let until = until.map(|until| day("--until", &until)).transpose()?;
            json!({ "account": account, "of": of, "untilMs": until.map(|until| until.saturating_add(DAY_MS)) })
        }
        GrantCommand::Remove { account, of } => json!({ "account": account, "of": of, "taken": true }),
    };
    change(global, "setPullGrant", "SetPullGrantInput", input).await
}

/// One change of a publisher; returns the publisher as it is now.
async fn call(global: &Global, field: &str, input_type: &str, input: Value) -> Result<Value> {
    let document = format!(
        "mutation Change($input: {input_type}!) {{ {field}(input: $input) {{ __typename \
         ... on ChangePublisherSuccess {{ publisher {{ {FIELDS} }} }} ... on Problem {{ message code }} }} }}"
    );
    let mut changed = global.api()?.change(field, &document, input).await?;
    Ok(changed.get_mut("publisher").map(Value::take).unwrap_or_default())
}

async fn change(global: &Global, field: &str, input_type: &str, input: Value) -> Result<Exit> {
    let publisher = call(global, field, input_type, input).await?;
    result(global, &publisher, lines);
    Ok(Exit::Done)
}

async fn list_all(global: &Global) -> Result<Exit> {
    let document = format!("{{ publishers {{ {FIELDS} }} }}");
    let data = global.api()?.ask(&document, Value::Null).await?;
    let found = data.get("publishers").cloned().unwrap_or_default();
    result(global, &found, |found| {
        let mut table = Table::new(&["publisher", "since", "members", "keys", "seen by"]);
        for publisher in list(found, "") {
            let usable = list(publisher, "/keys").iter().filter(|key| is_usable(key));
            table.row([
                text(publisher, "/name"),
                &time::date(number(publisher, "/createdAtMs")),
                &list(publisher, "/members").len().to_string(),
                &usable.count().to_string(),
                &text(publisher, "/visibility").to_lowercase(),
            ]);
        }
        table.print("no publishers with keys of their own · next: flowforge publisher new NAME");
    });
    Ok(Exit::Done)
}

async fn show(global: &Global, name: &str) -> Result<Exit> {
    let document = format!("query One($name: String!) {{ publisher(name: $name) {{ {FIELDS} }} }}");
    let data = global.api()?.ask(&document, json!({ "name": name })).await?;
    let found = data.get("publisher").filter(|found| !found.is_null());
    let found = found.with_context(|| {
        format!(
            "`{name}` has no members and keys of its own here; make it with `flowforge publisher new {name}`"
        )
    })?;
    result(global, found, lines);
    Ok(Exit::Done)
}

fn is_usable(key: &Value) -> bool {
    key.get("usable").and_then(Value::as_bool).unwrap_or_default()
}

/// A publisher for people.
fn lines(publisher: &Value) {
    say!(
        "{} · seen by {}",
        text(publisher, "/name"),
        text(publisher, "/visibility").to_lowercase()
    );
    for member in list(publisher, "/members") {
        say!(
            "  member  {} ({})",
            text(member, "/account"),
            text(member, "/role").to_lowercase()
        );
    }
    for key in list(publisher, "/keys") {
        say!("  key     {}", key_line(key));
    }
    for exception in list(publisher, "/exceptions") {
        let visibility = text(exception, "/visibility").to_lowercase();
        say!("  {} is {visibility}", text(exception, "/connector"));
    }
    for grant in list(publisher, "/pullGrants") {
        let of = match text(grant, "/connector") {
            "" => "everything",
            connector => connector,
        };
        let until = match number(grant, "/untilMs") {
            0 => String::new(),
            until => format!(" until {}", time::date(until)),
        };
        say!("  {} may pull {of}{until}", text(grant, "/account"));
    }
}

fn key_line(key: &Value) -> String {
    let id = text(key, "/id").rsplit(':').next().unwrap_or_default();
    let id = id.get(..8).unwrap_or(id);
    let added = format!(
        "added {} by {}",
        time::date(number(key, "/addedAtMs")),
        text(key, "/addedBy")
    );
    let state = match (number(key, "/endedAtMs"), number(key, "/distrustedFromMs")) {
        (0, _) if is_usable(key) => "signs".to_owned(),
        (0, _) => format!("may sign from {} on", time::date(number(key, "/usableFromMs"))),
        (_, _) if key.get("distrustedFromMs").is_some_and(Value::is_u64) => format!(
            "revoked, nothing that it signed since {} holds: {}",
            time::date(number(key, "/distrustedFromMs")),
            text(key, "/reason")
        ),
        (ended, _) => format!("retired {}: {}", time::date(ended), text(key, "/reason")),
    };
    format!("{id} · {state} · {added}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_with_what_it_may() {
        let key = |more: Value| {
            let mut key = json!({
                "id": format!("sha256:{}", "4f".repeat(32)), "usable": false, "usableFromMs": 1_795_684_440_000_u64,
                "addedAtMs": 1_795_684_440_000_u64, "addedBy": "ann", "endedAtMs": null, "distrustedFromMs": null,
            });
            for (name, value) in more.as_object().unwrap() {
                key[name] = value.clone();
            }
            key_line(&key)
        };
        let told = [
            key(json!({ "usable": true })),
            key(json!({})),
            key(json!({ "endedAtMs": 1_795_684_440_000_u64, "reason": "replaced" })),
            key(json!({ "endedAtMs": 1_795_684_440_000_u64, "distrustedFromMs": 0, "reason": "stolen" })),
        ];
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn a_day_is_written_as_one() {
        assert_eq!(day("--until", "1970-01-02").unwrap(), 24 * 60 * 60 * 1_000);
        let error = day("--until", "tomorrow").unwrap_err().to_string();
        assert_eq!(error, "--until: `tomorrow` is no day; write 2027-12-31");
    }
}
