//! `flowforge account`, `flowforge token`: what whoever signed in does with the own account.

use anyhow::{Result, bail};
use clap::Subcommand;
use serde_json::{Value, json};

use crate::args::Global;
use crate::commands::login::{read_new_password, read_password};
use crate::commands::member::roles_of;
use crate::output::{Exit, Usage, list, next, number, result, text};
use crate::personal_keys;
use crate::say;
use crate::table::Table;
use crate::time;

const VIEWER: &str = "{ viewer { name kind roles signingKey } }";
const SIGNING_KEY: &str = "mutation Set($input: SetSigningKeyInput!) { setSigningKey(input: $input) { __typename \
    ... on SetSigningKeySuccess { key } ... on Problem { message code } } }";
const SESSIONS: &str = "{ viewer { sessions { id agent beganAtMs usedAtMs current } } }";
const TOKENS: &str = "{ viewer { apiTokens { id name permissions madeAtMs expiresAtMs usedAtMs } } }";
const PASSWORD: &str = "mutation Change($input: ChangePasswordInput!) { changePassword(input: $input) { __typename \
    ... on ChangePasswordSuccess { name } ... on Problem { message code } } }";
const END: &str = "mutation End($input: EndSessionInput!) { endSession(input: $input) { __typename \
    ... on EndSessionSuccess { id } ... on Problem { message code } } }";
const MAKE: &str = "mutation Make($input: MakeApiTokenInput!) { makeApiToken(input: $input) { __typename \
    ... on MakeApiTokenSuccess { secret token { id name permissions expiresAtMs } } ... on Problem { message code } } }";
const REVOKE: &str = "mutation Revoke($input: RevokeApiTokenInput!) { revokeApiToken(input: $input) { __typename \
    ... on RevokeApiTokenSuccess { id } ... on Problem { message code } } }";
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// See and keep your own account
#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Show who you are and what you may do
    #[command(after_help = "Example:\n  flowforge account show")]
    Show,
    /// Change your password; your other sessions end
    #[command(after_help = "Example:\n  flowforge account password")]
    Password,
    /// Print the key with which you sign answers, and tell your account of it; made on this machine if there is none
    #[command(after_help = "Example:\n  flowforge account key")]
    Key {
        /// Whose key it is, where nobody signs in; without it, the account's name
        #[arg(long = "as", value_name = "NAME")]
        name: Option<String>,
        /// Make another one; releases go on to believe the one that they name
        #[arg(long)]
        new: bool,
    },
    /// List your sessions
    #[command(after_help = "Example:\n  flowforge account sessions")]
    Sessions,
    /// End one of your sessions
    #[command(after_help = "Example:\n  flowforge account end 4f1c09ab77d2e310")]
    End {
        /// Its id
        id: String,
    },
}

/// Keep API tokens for programs
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// List yours
    #[command(after_help = "Example:\n  flowforge token list")]
    List,
    /// Make one; it is shown once, and goes into FLOWFORGE_TOKEN or `authorization: Bearer …`
    #[command(
        after_help = "Example:\n  flowforge token make ci --permission read --permission run --days 30"
    )]
    Make {
        /// What you call it
        name: String,
        /// What it passes on, as far as you may it: read, read-audit, edit, publish, run, operate, approve, keep-secrets,
        /// manage-members, manage-hosts; may be repeated
        #[arg(long = "permission", value_name = "PERMISSION", required = true)]
        permissions: Vec<String>,
        /// How long it is good
        #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u64).range(1..=366))]
        days: u64,
    },
    /// Revoke one
    #[command(after_help = "Example:\n  flowforge token revoke 4f1c09ab77d2e310")]
    Revoke {
        /// Its id
        id: String,
    },
}

/// Runs `account`.
pub(crate) async fn account(command: AccountCommand, global: &Global) -> Result<Exit> {
    let api = global.api()?;
    match command {
        AccountCommand::Show => {
            let data = api.ask(VIEWER, Value::Null).await?;
            let viewer = data.pointer("/viewer").cloned().unwrap_or_default();
            result(global, &viewer, |viewer| match text(viewer, "/kind") {
                "owner" => say!("owner of {}, who may everything here", api.context().server),
                _ => say!(
                    "{} at {} · {}",
                    text(viewer, "/name"),
                    api.context().server,
                    roles_of(viewer)
                ),
            });
        }
        AccountCommand::Password => {
            let old = read_password("password: ")?;
            let new = read_new_password()?;
            if old == new {
                bail!(Usage("the new password is the old one".to_owned()));
            }
            let input = json!({ "old": *old, "new": *new });
            let done = api.change("changePassword", PASSWORD, input).await?;
            result(global, &done, |_| say!("changed; your other sessions have ended"));
        }
        AccountCommand::Key { name, new } => return key(global, name, new).await,
        AccountCommand::Sessions => {
            let data = api.ask(SESSIONS, Value::Null).await?;
            let sessions = data.pointer("/viewer/sessions").cloned().unwrap_or_default();
            result(global, &sessions, print_sessions);
        }
        AccountCommand::End { id } => {
            let done = api.change("endSession", END, json!({ "id": id })).await?;
            result(global, &done, |_| say!("session {id} has ended"));
        }
    }
    Ok(Exit::Done)
}

/// The own key: made if it must be, told to the account, and printed as `signed_by` of a workflow takes it.
async fn key(global: &Global, name: Option<String>, new: bool) -> Result<Exit> {
    let api = global.api()?;
    let data = api.ask(VIEWER, Value::Null).await?;
    let viewer = data.pointer("/viewer").cloned().unwrap_or_default();
    let is_account = text(&viewer, "/kind") == "account";
    let own = text(&viewer, "/name");
    let name = name.unwrap_or_else(|| own.to_owned());
    if is_account && name != own {
        bail!(Usage(format!(
            "you signed in as {own}; --as is for where nobody signs in"
        )));
    }
    let key = match personal_keys::own(&name)? {
        Some(key) if !new => key,
        _ => personal_keys::make(&name)?,
    };
    let public = key.verifying_key().to_string();
    if is_account && text(&viewer, "/signingKey") != public {
        api.change("setSigningKey", SIGNING_KEY, json!({ "key": public }))
            .await?;
    }
    let path = personal_keys::file(&name)?;
    let shown = json!({ "name": name, "key": public, "file": path });
    result(global, &shown, |_| {
        say!("{name}: \"{public}\"");
        say!(
            "  the line for `signed_by` of an approval; the private half is {}",
            path.display()
        );
    });
    Ok(Exit::Done)
}

fn print_sessions(sessions: &Value) {
    let mut table = Table::new(&["id", "what", "began", "used", ""]);
    for session in list(sessions, "") {
        let is_own = session.pointer("/current") == Some(&Value::Bool(true));
        table.row([
            text(session, "/id"),
            text(session, "/agent"),
            &time::date(number(session, "/beganAtMs")),
            &time::date(number(session, "/usedAtMs")),
            if is_own { "this one" } else { "" },
        ]);
    }
    table.print("no sessions");
}

/// Runs `token`.
pub(crate) async fn token(command: TokenCommand, global: &Global) -> Result<Exit> {
    let api = global.api()?;
    match command {
        TokenCommand::List => {
            let data = api.ask(TOKENS, Value::Null).await?;
            let tokens = data.pointer("/viewer/apiTokens").cloned().unwrap_or_default();
            result(global, &tokens, print_tokens);
        }
        TokenCommand::Make {
            name,
            permissions,
            days,
        } => {
            let permissions: Vec<String> = permissions
                .iter()
                .map(|held| held.to_uppercase().replace('-', "_"))
                .collect();
            let input = json!({ "name": name, "permissions": permissions, "lifeMs": days * DAY_MS });
            let done = api.change("makeApiToken", MAKE, input).await?;
            result(global, &done, |done| {
                say!("{}", text(done, "/secret"));
                say!(
                    "  {name}, good until {}; it is not shown again",
                    time::date(number(done, "/token/expiresAtMs"))
                );
            });
            next(global, "flowforge token list");
        }
        TokenCommand::Revoke { id } => {
            let done = api.change("revokeApiToken", REVOKE, json!({ "id": id })).await?;
            result(global, &done, |_| say!("token {id} is revoked"));
        }
    }
    Ok(Exit::Done)
}

fn print_tokens(tokens: &Value) {
    let mut table = Table::new(&["id", "name", "passes on", "until", "used"]);
    for token in list(tokens, "") {
        let held = list(token, "/permissions").iter().filter_map(Value::as_str);
        let held: Vec<String> = held.map(|held| held.to_lowercase().replace('_', "-")).collect();
        let used = match token.pointer("/usedAtMs") {
            None | Some(Value::Null) => "never".to_owned(),
            Some(_) => time::date(number(token, "/usedAtMs")),
        };
        table.row([
            text(token, "/id"),
            text(token, "/name"),
            &held.join(", "),
            &time::date(number(token, "/expiresAtMs")),
            &used,
        ]);
    }
    table.print("no tokens · next: flowforge token make NAME --permission read");
}
