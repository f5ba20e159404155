//! `flowforge connector yank`, `deprecate` and `advise`: what is decided about published connectors.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use flowforge_gates::Advisory;
use serde_json::{Value, json};

use crate::args::Global;
use crate::output::{Exit, Usage, result, text};
use crate::say;

#[derive(Debug, Args)]
pub(crate) struct YankArgs {
    /// The version, `publisher:name@version`
    #[arg(value_name = "NAME@VERSION")]
    version: String,
    /// Why, in one line
    #[arg(long, value_name = "TEXT", required_unless_present = "undo")]
    reason: Option<String>,
    /// Take the withdrawal back
    #[arg(long, conflicts_with = "reason")]
    undo: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DeprecateArgs {
    /// The connector, `publisher:name`
    #[arg(value_name = "NAME")]
    name: String,
    /// Why, in one line
    #[arg(long, value_name = "TEXT", required_unless_present = "undo")]
    reason: Option<String>,
    /// What to use in its place, such as acme:geo@0.3
    #[arg(long = "use", value_name = "CONNECTOR", conflicts_with = "undo")]
    instead: Option<String>,
    /// Take the notice back
    #[arg(long, conflicts_with = "reason")]
    undo: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AdviseArgs {
    /// OSV documents about packages of the ecosystem `FlowForge`
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

const YANK: &str = "mutation Yank($input: YankConnectorInput!) { yankConnector(input: $input) { __typename \
    ... on Problem { message code } } }";
const DEPRECATE: &str = "mutation Deprecate($input: DeprecateConnectorInput!) { deprecateConnector(input: $input) { \
    __typename ... on Problem { message code } } }";
const ADVISE: &str = "mutation Advise($input: PublishAdvisoryInput!) { publishAdvisory(input: $input) { __typename \
    ... on Problem { message code } } }";

/// Withdraws a version: it is listed no more, and whoever names it still gets it.
pub(super) async fn yank(args: YankArgs, global: &Global) -> Result<Exit> {
    let Some((name, version)) = args.version.split_once('@') else {
        return Err(Usage(format!(
            "`{}` names no version; write acme:geo@0.1.0",
            args.version
        ))
        .into());
    };
    let input = json!({ "name": name, "version": version, "reason": args.reason });
    let done = match args.undo {
        false => format!("{name} {version} is withdrawn: listed no more, still served to whoever names it"),
        true => format!("{name} {version} is offered again"),
    };
    send(global, YANK, "/yankConnector", input, &done).await
}

/// Says that a connector is replaced.
pub(super) async fn deprecate(args: DeprecateArgs, global: &Global) -> Result<Exit> {
    let input = json!({ "name": args.name, "reason": args.reason, "useInstead": args.instead });
    let done = match args.undo {
        false => format!("{} is marked as replaced", args.name),
        true => format!("{} is not marked any more", args.name),
    };
    send(global, DEPRECATE, "/deprecateConnector", input, &done).await
}

/// Hands advisories to the registry, all of them read before the first is sent.
pub(super) async fn advise(args: AdviseArgs, global: &Global) -> Result<Exit> {
    let mut documents = Vec::with_capacity(args.files.len());
    for file in &args.files {
        let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let wrong = || format!("{} is no advisory", file.display());
        let advisory: Advisory = serde_json::from_slice(&bytes).with_context(wrong)?;
        advisory.check().with_context(wrong)?;
        documents.push((advisory.id, serde_json::from_slice::<Value>(&bytes)?));
    }
    for (id, advisory) in documents {
        let input = json!({ "advisory": advisory });
        let exit = send(
            global,
            ADVISE,
            "/publishAdvisory",
            input,
            &format!("{id} is kept"),
        )
        .await?;
        if exit != Exit::Done {
            return Ok(exit);
        }
    }
    Ok(Exit::Done)
}

async fn send(global: &Global, mutation: &str, place: &str, input: Value, done: &str) -> Result<Exit> {
    let data = global.api()?.ask(mutation, json!({ "input": input })).await?;
    let answer = data.pointer(place).cloned().unwrap_or_default();
    let refused = text(&answer, "/message").to_owned();
    if refused.is_empty() {
        result(global, &json!({ "done": done }), |_| say!("✓ {done}"));
        return Ok(Exit::Done);
    }
    let told = json!({ "refused": refused, "code": text(&answer, "/code") });
    result(global, &told, |_| {
        say!("✗ {refused} ({})", text(&answer, "/code"))
    });
    Ok(Exit::Failed)
}
