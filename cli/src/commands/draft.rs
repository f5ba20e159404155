//! Trying a workflow as it stands on disk: signed here as a draft, run as one, published by nobody.

use anyhow::{Result, bail};
use clap::Args;
use flowforge_client::ApiError;
use serde_json::{Map, Value, json};

use crate::args::Global;
use crate::commands::asked::{RUN, read_json};
use crate::commands::findings::print_fields;
use crate::commands::follow::Follow;
use crate::commands::workflow::{self, Source};
use crate::output::{Exit, Usage};

/// What to try.
#[derive(Debug, Args)]
pub(crate) struct Try {
    #[command(flatten)]
    source: Source,
    /// This node alone; whatever it needs is given by --pin or --pinned-from
    #[arg(long, value_name = "NODE", conflicts_with = "to")]
    node: Option<String>,
    /// As far as this node: it and what it needs
    #[arg(long, value_name = "NODE")]
    to: Option<String>,
    /// Input as JSON, or @FILE; without it, that of --pinned-from, or {}
    #[arg(long, value_name = "JSON")]
    input: Option<String>,
    /// One field of the input, as JSON or plain text; may be repeated
    #[arg(long = "with", value_name = "FIELD=VALUE")]
    fields: Vec<String>,
    /// The result that stands for a node, which does not run then; may be repeated
    #[arg(long = "pin", value_name = "NODE=JSON")]
    pins: Vec<String>,
    /// A run whose results stand for all other nodes: id, the start of one, or `last`
    #[arg(long, value_name = "ID")]
    pinned_from: Option<String>,
    #[command(flatten)]
    follow: Follow,
}

/// Tries a file.
pub(crate) async fn try_draft(global: &Global, wanted: Try) -> Result<Exit> {
    let following = wanted.follow.read()?;
    let given = wanted.input.as_deref();
    let given = given.map(|given| read_json("--input", given)).transpose()?;
    let input = with_fields(given, &wanted.fields)?;
    let pins = pins(&wanted.pins)?;
    let on_disk = workflow::read(&wanted.source)?;
    let api = global.api()?;
    let Some(prepared) = workflow::prepare(global, &api, &on_disk, true).await? else {
        return Ok(Exit::Failed);
    };
    let signed = workflow::sign(&api, &prepared, &on_disk)?;
    let document = format!(
        "mutation TryDraft($input: TryDraftInput!) {{ tryDraft(input: $input) {{ __typename \
         ... on StartRunSuccess {{ run {{ {RUN} }} duplicate }} ... on Problem {{ message code }} \
         ... on InputProblem {{ fields {{ path message }} }} }} }}"
    );
    let request = json!({
        "source": on_disk.source, "lock": on_disk.lock, "config": on_disk.config, "release": signed.release,
        "grants": signed.grants, "node": wanted.node, "to": wanted.to, "input": input, "pins": pins,
        "pinnedFrom": wanted.pinned_from,
    });
    let done = match api.change("tryDraft", &document, request).await {
        Err(ApiError::Problem(problem)) if problem.kind == "InputProblem" => {
            eprintln!("error: nothing was tried ({})", problem.code);
            print_fields(&problem.fields);
            return Ok(Exit::Failed);
        }
        other => other?,
    };
    let run = done.get("run").cloned().unwrap_or_default();
    following.begun(global, &api, run).await
}

/// The input with single fields set; nothing if neither is given.
fn with_fields(given: Option<Value>, fields: &[String]) -> Result<Option<Value>> {
    if fields.is_empty() {
        return Ok(given);
    }
    let mut input = match given {
        None => Map::new(),
        Some(Value::Object(input)) => input,
        Some(_) => bail!(Usage("--with needs an --input that is an object".to_owned())),
    };
    for field in fields {
        let Some((name, value)) = field.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            bail!(Usage(format!(
                "--with {field}: expected FIELD=VALUE, for example day=2026-11-26"
            )));
        };
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        input.insert(name.to_owned(), value);
    }
    Ok(Some(Value::Object(input)))
}

fn pins(pins: &[String]) -> Result<Map<String, Value>> {
    let mut out = Map::new();
    for pin in pins {
        let Some((node, output)) = pin.split_once('=').filter(|(node, _)| !node.is_empty()) else {
            bail!(Usage(format!(
                "--pin {pin}: expected NODE=JSON, for example 'rows={{\"items\": []}}'"
            )));
        };
        out.insert(node.to_owned(), read_json("--pin", output)?);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_the_input_are_json_or_text() {
        let fields = ["day=2026-11-26", "n=3", "on=true"].map(str::to_owned);
        let input = with_fields(Some(json!({"n": 1, "x": 2})), &fields).unwrap();
        assert_eq!(
            input,
            Some(json!({"n": 3, "x": 2, "day": "2026-11-26", "on": true}))
        );
        assert_eq!(with_fields(None, &[]).unwrap(), None);
        for wrong in ["n", "=1"] {
            let error = with_fields(None, &[wrong.to_owned()]).unwrap_err();
            assert!(error.downcast_ref::<Usage>().is_some(), "{wrong}");
        }
        assert!(with_fields(Some(json!(1)), &["n=1".to_owned()]).is_err());
        assert_eq!(pins(&["a={\"x\": 1}".to_owned()]).unwrap()["a"], json!({"x": 1}));
        for wrong in ["a", "a={", "=1"] {
            assert!(pins(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
