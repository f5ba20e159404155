//! `flowforge login`, `logout`, `context`: who this user is at which control plane.

use std::io::{BufRead as _, IsTerminal as _, Read as _, stdin};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use flowforge_client::{
    Api, Context, Known, SignInError, SignedIn, forget_token, join, keep_context, kept_contexts, sign_in,
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::args::Global;
use crate::output::{Exit, Usage, list, result, text};
use crate::say;
use crate::table::Table;

/// Longest password that is read, bytes.
const PASSWORD_BYTES_MAX: u64 = 4 * 1024;

/// Sign in at a control plane, or use the one-time link that it was sent with
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  flowforge login http://127.0.0.1:7400 --name ann\n  flowforge login 'http://127.0.0.1:7400/join#ff-link-1.…' --name ann"
)]
pub(crate) struct LoginArgs {
    /// Its address, or the address of a one-time link: then the account is made, or gets a new password
    url: String,
    /// Name of the account; without it, it is asked for
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Keep it as the context of this name, for `--context NAME`; without it, the host and port of the address
    #[arg(long, value_name = "NAME")]
    keep_as: Option<String>,
}

/// See and choose the control planes that were signed in to
#[derive(Debug, Subcommand)]
pub(crate) enum ContextCommand {
    /// List them
    #[command(after_help = "Example:\n  flowforge context list")]
    List,
    /// Mean this one from now on, without naming it
    #[command(after_help = "Example:\n  flowforge context use plant-a")]
    Use {
        /// Its name
        name: String,
    },
}

/// Reads a password: without echo from a terminal, or as the next line of the standard input.
pub(crate) fn read_password(prompt: &str) -> Result<Zeroizing<String>> {
    if stdin().is_terminal() {
        let typed = rpassword::prompt_password(prompt).context("cannot ask for the password")?;
        return Ok(Zeroizing::new(typed));
    }
    let mut piped = Zeroizing::new(String::new());
    stdin()
        .lock()
        .take(PASSWORD_BYTES_MAX)
        .read_line(&mut piped)
        .context("cannot read the password from standard input")?;
    Ok(Zeroizing::new(piped.trim_end_matches(['\n', '\r']).to_owned()))
}

/// A password that is set is typed twice; one that is piped in is not.
pub(crate) fn read_new_password() -> Result<Zeroizing<String>> {
    let first = read_password("new password (12 characters or more): ")?;
    if stdin().is_terminal() && *read_password("the same again: ")? != *first {
        bail!(Usage("the two are not the same".to_owned()));
    }
    Ok(first)
}

fn ask_name() -> Result<String> {
    if !stdin().is_terminal() {
        bail!(Usage("who? give --name NAME".to_owned()));
    }
    eprint!("name: ");
    let mut name = String::new();
    stdin().read_line(&mut name).context("cannot ask for the name")?;
    Ok(name.trim().to_owned())
}

/// What a context is kept as unless it is said: the name of the server, without what file names do not have.
fn kept_as(server: &str) -> String {
    let place = server.split_once("://").map_or(server, |(_, place)| place);
    place
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '-'
            }
        })
        .collect()
}

fn is_context_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Runs `login`.
pub(crate) async fn login(args: LoginArgs, global: &Global) -> Result<Exit> {
    let (server, link) = match args.url.split_once("/join#") {
        Some((server, link)) => (server, Some(link)),
        None => (args.url.as_str(), None),
    };
    // The keys that belong to this server stay with it.
    let context = Context::resolve(Some(server), global.context.as_deref())?;
    let name = args.keep_as.unwrap_or_else(|| kept_as(&context.server));
    if !is_context_name(&name) {
        bail!(Usage(format!(
            "`{name}` is no name of a context: expected 1 to 64 letters, digits, `-` or `_`"
        )));
    }
    let api = Api::new(Context {
        token: None,
        ..context.clone()
    })?;
    let account = args.name.map_or_else(ask_name, Ok)?;
    let signed_in = match link {
        Some(link) => join(&api, link, &account, &read_new_password()?).await,
        None => {
            sign_in(
                &api,
                &account,
                &read_password(&format!("password of {account}: "))?,
            )
            .await
        }
    };
    let SignedIn {
        name: account,
        roles,
        token,
    } = signed_in.map_err(refused)?;
    let known = Known {
        server: context.server.clone(),
        keys_dir: context.keys_dir,
        token: Some(token),
    };
    let kept = keep_context(Some(&name), &known).context("signed in, and this cannot be kept")?;
    let done =
        json!({ "server": context.server, "name": account, "roles": roles, "context": name, "file": kept });
    result(global, &done, |done| {
        say!(
            "{} at {} · {}",
            text(done, "/name"),
            text(done, "/server"),
            roles.join(", ")
        );
    });
    crate::output::next(global, "flowforge account show");
    Ok(Exit::Done)
}

fn refused(error: SignInError) -> anyhow::Error {
    match error {
        SignInError::Api(error) => error.into(),
        error @ SignInError::Refused { .. } => error.into(),
    }
}

/// Runs `logout`.
pub(crate) async fn logout(global: &Global) -> Result<Exit> {
    let api = global.api()?;
    let server = api.context().server.clone();
    let ended = api
        .signed_in(api.http().delete(format!("{server}/session")))
        .send()
        .await;
    // What is kept here goes, whether the server could be told or not.
    forget_token(&server)?;
    let told = ended.is_ok_and(|answer| answer.status().is_success());
    result(
        global,
        &json!({ "server": server, "ended": told }),
        |_| match told {
            true => say!("signed out at {server}"),
            false => say!("forgotten here; {server} could not be told, so the session ends there by itself"),
        },
    );
    Ok(Exit::Done)
}

/// Runs `context`.
pub(crate) fn context(command: &ContextCommand, global: &Global) -> Result<Exit> {
    let kept = kept_contexts()?;
    match command {
        ContextCommand::List => {
            let shown: Vec<Value> = kept
                .iter()
                .map(|(name, known)| {
                    json!({ "name": name, "server": known.server, "signedIn": known.token.is_some() })
                })
                .collect();
            result(global, &Value::Array(shown), |shown| {
                let mut table = Table::new(&["context", "server", "signed in"]);
                for context in list(shown, "") {
                    let signed_in = context.pointer("/signedIn") == Some(&Value::Bool(true));
                    table.row([
                        text(context, "/name"),
                        text(context, "/server"),
                        if signed_in { "yes" } else { "no" },
                    ]);
                }
                table.print("no contexts · next: flowforge login URL");
            });
        }
        ContextCommand::Use { name } => {
            let Some((_, known)) = kept.iter().find(|(kept, _)| kept == name) else {
                bail!(Usage(format!(
                    "there is no context `{name}`: flowforge context list"
                )));
            };
            keep_context(None, known).context("this cannot be kept")?;
            result(global, &json!({ "name": name, "server": known.server }), |_| {
                say!("{name}: {}", known.server);
            });
        }
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_has_the_name_of_its_server_unless_it_is_said() {
        assert_eq!(kept_as("http://127.0.0.1:7400"), "127-0-0-1-7400");
        assert!(is_context_name(&kept_as("http://plane.example:1")));
        for wrong in ["", "../x", "a/b", "a.b", &"a".repeat(65)] {
            assert!(!is_context_name(wrong), "{wrong}");
        }
    }
}
