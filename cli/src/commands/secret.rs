//! `flowforge secret`: values that the host attaches to requests and connectors never see.

use std::io::{IsTerminal, Read, stdin};

use anyhow::{Context as _, Result, bail};
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::args::Global;
use crate::output::{Exit, Usage, counted, list, next, number, result, text};
use crate::say;
use crate::table::Table;
use crate::time;

/// Longest value that is read, in bytes.
const VALUE_BYTES_MAX: u64 = 64 * 1024;

const SET: &str = "mutation Set($input: SetSecretInput!) { setSecret(input: $input) { __typename \
    ... on SetSecretSuccess { secret { name kind destinations drafts version updatedAtMs } } \
    ... on Problem { message code } ... on InputProblem { fields { path message } } } }";
const LIST: &str = "query List($trash: Boolean!) { secrets(trash: $trash) { name kind destinations drafts version updatedAtMs \
    deletedAtMs deletedBy } }";
const RESTORE: &str = "mutation Restore($input: RestoreSecretInput!) { restoreSecret(input: $input) { __typename \
    ... on RestoreSecretSuccess { secret { name version } } ... on Problem { message code } } }";
const DELETE: &str = "mutation Delete($input: DeleteSecretInput!) { deleteSecret(input: $input) { __typename \
    ... on DeleteSecretSuccess { name } ... on Problem { message code } } }";

/// Keep the secrets that workflows use
#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Set a secret; the value is asked for without echo, or read from standard input
    #[command(
        after_help = "Example:\n  flowforge secret set chat_token --kind bearer --for https://chat.example.com"
    )]
    Set {
        /// Name as workflows use it, snake_case
        name: String,
        /// What kind of secret it is
        #[arg(long, value_name = "KIND")]
        kind: Kind,
        /// Where it may be sent, `scheme://name[:port]`; may be repeated
        #[arg(long = "for", value_name = "DESTINATION")]
        destinations: Vec<String>,
        /// Runs of drafts may use it, too
        #[arg(long)]
        drafts: bool,
    },
    /// List names, kinds and destinations; never a value
    #[command(after_help = "Example:\n  flowforge secret list")]
    List {
        /// Those in the trash
        #[arg(long)]
        trash: bool,
    },
    /// Take a secret out of the trash, with the value that it had
    #[command(after_help = "Example:\n  flowforge secret restore chat_token")]
    Restore {
        /// Its name
        name: String,
    },
    /// Put a secret into the trash for 30 days; runs that need it fail from then on
    #[command(after_help = "Example:\n  flowforge secret delete chat_token --yes")]
    Delete {
        /// Its name
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// Forget its value at once, for good
        #[arg(long)]
        purge: bool,
    },
}

/// What kind of secret it is.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    /// A token, sent as `authorization: Bearer …`
    Bearer,
    /// A password, sent as `authorization: Basic …`
    Basic,
    /// A key for a header or query parameter of its own
    ApiKey,
    /// A key that checks the signature of webhooks
    HmacKey,
    /// Anything else
    Opaque,
}

/// Runs the command.
pub(crate) async fn run(command: SecretCommand, global: &Global) -> Result<Exit> {
    match command {
        SecretCommand::Set {
            name,
            kind,
            destinations,
            drafts,
        } => set(global, &name, kind, &destinations, drafts).await,
        SecretCommand::List { trash } => show(global, trash).await,
        SecretCommand::Restore { name } => restore(global, &name).await,
        SecretCommand::Delete { name, yes, purge } => delete(global, &name, yes, purge).await,
    }
}

async fn set(global: &Global, name: &str, kind: Kind, destinations: &[String], drafts: bool) -> Result<Exit> {
    let kind_name = kind
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default();
    let needs_destination = !matches!(kind, Kind::HmacKey | Kind::Opaque);
    if needs_destination && destinations.is_empty() {
        let example =
            format!("flowforge secret set {name} --kind {kind_name} --for https://chat.example.com");
        bail!(Usage(format!(
            "a secret of kind {kind_name} needs to know where it may be sent: {example}"
        )));
    }
    let api = global.api()?;
    let value = read_value(name)?;
    let input = json!({
        "name": name,
        "kind": kind_name,
        "value": value,
        "destinations": destinations,
        "drafts": if drafts { "ALLOW" } else { "DENY" },
    });
    let done = api.change("setSecret", SET, input).await?;
    let secret = done.pointer("/secret").cloned().unwrap_or_default();
    result(global, &secret, |secret| {
        say!(
            "{name} version {} · {kind_name}{}",
            number(secret, "/version"),
            destinations_text(secret)
        );
    });
    next(global, "flowforge workflow publish FOLDER");
    Ok(Exit::Done)
}

fn read_value(name: &str) -> Result<String> {
    let value = if stdin().is_terminal() {
        rpassword::prompt_password(format!("value of {name}: ")).context("cannot ask for the value")?
    } else {
        let mut value = String::new();
        stdin()
            .take(VALUE_BYTES_MAX + 1)
            .read_to_string(&mut value)
            .context("cannot read the value from standard input")?;
        value.trim_end_matches(['\n', '\r']).to_owned()
    };
    if value.is_empty() {
        bail!(Usage(format!(
            "no value for {name}: type it, or pipe it in: printf %s VALUE | flowforge secret set …"
        )));
    }
    if value.len() as u64 > VALUE_BYTES_MAX {
        bail!(Usage(format!(
            "the value of {name} is above {VALUE_BYTES_MAX} bytes"
        )));
    }
    Ok(value)
}

async fn show(global: &Global, trash: bool) -> Result<Exit> {
    let data = global.api()?.ask(LIST, json!({ "trash": trash })).await?;
    let secrets = data.get("secrets").cloned().unwrap_or_default();
    result(global, &secrets, |secrets| {
        let mut table = Table::new(&["name", "kind", "version", "set", "drafts", "for"]);
        for secret in list(secrets, "") {
            table.row([
                text(secret, "/name"),
                text(secret, "/kind"),
                &number(secret, "/version").to_string(),
                &time::date(number(secret, "/updatedAtMs")),
                &text(secret, "/drafts").to_lowercase(),
                &destinations(secret).join(", "),
            ]);
        }
        table.print("no secrets · next: flowforge secret set NAME --kind bearer --for https://…");
    });
    if !trash && !list(&secrets, "").is_empty() {
        next(global, "flowforge workflow publish FOLDER");
    }
    Ok(Exit::Done)
}

async fn restore(global: &Global, name: &str) -> Result<Exit> {
    let api = global.api()?;
    let done = api
        .change("restoreSecret", RESTORE, json!({ "name": name }))
        .await?;
    result(global, &done, |done| {
        say!(
            "{name} version {} is there again",
            number(done, "/secret/version")
        );
    });
    next(global, "flowforge secret list");
    Ok(Exit::Done)
}

async fn delete(global: &Global, name: &str, yes: bool, purge: bool) -> Result<Exit> {
    if !yes {
        bail!(Usage(format!(
            "runs that need {name} fail once it is gone; to go on: flowforge secret delete {name} --yes"
        )));
    }
    let done = global
        .api()?
        .change("deleteSecret", DELETE, json!({ "name": name, "purge": purge }))
        .await?;
    result(global, &done, |_| match purge {
        true => say!("{name} deleted, its value is gone"),
        false => say!("{name} deleted; it is in the trash for 30 days"),
    });
    if purge {
        next(global, "flowforge secret list");
    } else {
        next(global, &format!("flowforge secret restore {name}"));
    }
    Ok(Exit::Done)
}

fn destinations(secret: &Value) -> Vec<&str> {
    list(secret, "/destinations")
        .iter()
        .filter_map(Value::as_str)
        .collect()
}

fn destinations_text(secret: &Value) -> String {
    match destinations(secret).as_slice() {
        [] => String::new(),
        [one] => format!(" · only for {one}"),
        several => format!(
            " · only for {}: {}",
            counted(several.len(), "destination"),
            several.join(", ")
        ),
    }
}
