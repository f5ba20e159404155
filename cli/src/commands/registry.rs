//! `flowforge registry`: who comes to the registry besides members of the workspace.

use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::args::Global;
use crate::output::{Exit, list, next, result, text};
use crate::say;

const FIELDS: &str = "accounts anonymousPull";

/// See and change who comes to the registry
#[derive(Debug, Subcommand)]
pub(crate) enum RegistryCommand {
    /// Show the accounts, and whether public connectors are pulled without one
    #[command(after_help = "Example:\n  flowforge registry access")]
    Access {
        /// Whether public connectors are pulled without an account
        #[arg(long, value_name = "ON|OFF")]
        anonymous_pull: Option<Switch>,
    },
    /// Make and remove accounts of robots and customers
    #[command(subcommand, after_help = "Example:\n  flowforge registry account add ci-acme")]
    Account(AccountCommand),
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    /// It is so
    On,
    /// It is not so
    Off,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Make an account, or give one a new password; it is shown this once
    #[command(after_help = "Example:\n  flowforge registry account add ci-acme")]
    Add {
        /// Its name
        name: String,
    },
    /// Remove an account with its password
    #[command(after_help = "Example:\n  flowforge registry account remove ci-acme")]
    Remove {
        /// Its name
        name: String,
    },
}

/// Runs the command.
pub(crate) async fn run(command: RegistryCommand, global: &Global) -> Result<Exit> {
    match command {
        RegistryCommand::Access { anonymous_pull: None } => {
            let document = format!("{{ registryAccess {{ {FIELDS} }} }}");
            let data = global.api()?.ask(&document, Value::Null).await?;
            let access = data.get("registryAccess").cloned().unwrap_or_default();
            result(global, &access, lines);
            Ok(Exit::Done)
        }
        RegistryCommand::Access {
            anonymous_pull: Some(switch),
        } => {
            let input = json!({ "anonymousPull": switch == Switch::On });
            let changed = change(global, "setRegistryAccess", "SetRegistryAccessInput", input).await?;
            let access = changed.get("access").cloned().unwrap_or_default();
            result(global, &access, lines);
            Ok(Exit::Done)
        }
        RegistryCommand::Account(AccountCommand::Add { name }) => add(global, &name).await,
        RegistryCommand::Account(AccountCommand::Remove { name }) => {
            let input = json!({ "name": name, "removed": true });
            let changed = change(global, "setRegistryAccount", "SetRegistryAccountInput", input).await?;
            let access = changed.get("access").cloned().unwrap_or_default();
            result(global, &access, lines);
            Ok(Exit::Done)
        }
    }
}

async fn add(global: &Global, name: &str) -> Result<Exit> {
    let input = json!({ "name": name });
    let changed = change(global, "setRegistryAccount", "SetRegistryAccountInput", input).await?;
    let answer = json!({ "name": name, "password": text(&changed, "/password") });
    result(global, &answer, |answer| {
        say!("account {name} · password {}", text(answer, "/password"));
        say!("the password is shown this once and kept nowhere; a new one takes its place");
    });
    next(
        global,
        &format!("flowforge publisher member set PUBLISHER {name} --role publisher"),
    );
    Ok(Exit::Done)
}

async fn change(global: &Global, field: &str, input_type: &str, input: Value) -> Result<Value> {
    let document = format!(
        "mutation Change($input: {input_type}!) {{ {field}(input: $input) {{ __typename \
         ... on ChangeRegistryAccessSuccess {{ password access {{ {FIELDS} }} }} ... on Problem {{ message code }} }} }}"
    );
    Ok(global.api()?.change(field, &document, input).await?)
}

fn lines(access: &Value) {
    let anonymous = access
        .get("anonymousPull")
        .and_then(Value::as_bool)
        .unwrap_or_default();
    say!(
        "public connectors are pulled {}",
        match anonymous {
            true => "by everybody",
            false => "with an account only",
        }
    );
    let accounts: Vec<&str> = list(access, "/accounts")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    match accounts.as_slice() {
        [] => say!("no accounts · next: flowforge registry account add NAME"),
        accounts => say!("accounts: {}", accounts.join(", ")),
    }
}
