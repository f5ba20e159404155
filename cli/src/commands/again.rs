//! Runs that are made from others: retry from a node, and trying a node.

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::args::Global;
use crate::commands::asked::{RUN, read_json};
use crate::commands::follow::{Follow, Version};
use crate::output::{Exit, Usage, counted, list, next, number, short, text};
use crate::say;
use crate::table::one_line;

/// What to run again.
#[derive(Debug, Args)]
pub(crate) struct Retry {
    /// Id, the start of one, or `last`
    id: String,
    /// The node, or a step of a round as `each[0].send`; it and what comes after it run again, and whatever has no result
    #[arg(long, value_name = "STEP")]
    from: String,
    /// With the newest release of the workflow; without it, with the one that the run had
    #[arg(long)]
    newest: bool,
    /// Only show what would happen
    #[arg(long)]
    dry_run: bool,
    /// Also when completed effects happen again
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    follow: Follow,
}

/// What to try.
#[derive(Debug, Args)]
pub(crate) struct Try {
    /// Name of a published workflow
    workflow: String,
    /// The node; it and what it needs run, and nothing else
    #[arg(long, value_name = "NODE")]
    node: String,
    /// Input as JSON, or @FILE; without it, that of --pinned-from, or {}
    #[arg(long, value_name = "JSON")]
    input: Option<String>,
    /// Results that stand for nodes, which do not run then: a JSON object of node and output, or @FILE
    #[arg(long, value_name = "JSON")]
    given: Option<String>,
    /// A run whose results stand for all other nodes: id, the start of one, or `last`
    #[arg(long, value_name = "ID")]
    pinned_from: Option<String>,
    #[command(flatten)]
    which: Version,
    #[command(flatten)]
    follow: Follow,
}

const PLAN: &str = "query Plan($id: String!, $from: String!, $newest: Boolean!) { \
    retryPlan(id: $id, from: $from, newest: $newest) { __typename ... on RetryPlan { run version generation reused \
    runsAgain continued changed added digest repeated { step times key used { destination secret count } } } \
    ... on Problem { message code } } }";

/// Shows what a retry would do, and starts it.
pub(crate) async fn retry(global: &Global, retry: Retry) -> Result<Exit> {
    let following = retry.follow.read()?;
    let api = global.api()?;
    let variables = json!({ "id": retry.id, "from": retry.from, "newest": retry.newest });
    let plan = api.typed("retryPlan", PLAN, variables).await?;
    if !global.json() {
        plan_lines(&plan).iter().for_each(|line| say!("{line}"));
    }
    if retry.dry_run {
        if global.json() {
            say!("{plan:#}");
        }
        let newest = if retry.newest { " --newest" } else { "" };
        let command = format!(
            "flowforge run retry {} --from {}{newest} --yes",
            retry.id, retry.from
        );
        next(global, &command);
        return Ok(Exit::Done);
    }
    let repeated = list(&plan, "/repeated").len();
    if repeated > 0 && !retry.yes {
        bail!(Usage(format!(
            "{} would happen again; nothing was started: give --yes if that is meant",
            counted(repeated, "completed effect")
        )));
    }
    let document = format!(
        "mutation Retry($input: RetryRunInput!) {{ retryRun(input: $input) {{ __typename \
         ... on StartRunSuccess {{ run {{ {RUN} }} duplicate }} ... on Problem {{ message code }} }} }}"
    );
    let input = json!({
        "id": text(&plan, "/run"), "from": retry.from, "newest": retry.newest, "plan": text(&plan, "/digest"),
    });
    let done = api.change("retryRun", &document, input).await?;
    let run = done.get("run").cloned().unwrap_or_default();
    following.begun(global, &api, run).await
}

/// What a retry would do.
fn plan_lines(plan: &Value) -> Vec<String> {
    let names = |pointer: &str| {
        let names: Vec<&str> = list(plan, pointer).iter().filter_map(Value::as_str).collect();
        match names.as_slice() {
            [] => "nothing".to_owned(),
            names => names.join(", "),
        }
    };
    let mut lines = vec![
        format!(
            "retry of run {} with version {}, generation {}",
            short(text(plan, "/run")),
            number(plan, "/version"),
            number(plan, "/generation")
        ),
        format!("  reused      {}", names("/reused")),
        format!("  runs again  {}", names("/runsAgain")),
    ];
    if !list(plan, "/continued").is_empty() {
        lines.push(format!("  goes on     {}", names("/continued")));
    }
    if !list(plan, "/changed").is_empty() {
        lines.push(format!("  changed     {}", names("/changed")));
    }
    if !list(plan, "/added").is_empty() {
        lines.push(format!("  new         {}", names("/added")));
    }
    for effect in list(plan, "/repeated") {
        let used: Vec<String> = list(effect, "/used")
            .iter()
            .map(|used| format!("{} × {}", text(used, "/destination"), number(used, "/count")))
            .collect();
        let used = match used.as_slice() {
            [] => "another run".to_owned(),
            used => {
                // The uses are the node's: of a step in a loop they are those of all its rounds.
                let rounds = if text(effect, "/step").contains('[') {
                    " in all rounds"
                } else {
                    ""
                };
                format!("{}{rounds}", used.join(", "))
            }
        };
        lines.push(format!(
            "  AGAIN       {}: {} · key {}…",
            text(effect, "/step"),
            one_line(&used),
            text(effect, "/key").get(..12).unwrap_or_default()
        ));
    }
    lines
}

/// Tries a node.
pub(crate) async fn try_node(global: &Global, wanted: Try) -> Result<Exit> {
    let following = wanted.follow.read()?;
    let input = wanted.input.as_deref();
    let input = input.map(|given| read_json("--input", given)).transpose()?;
    let given = wanted.given.as_deref();
    let given = given.map(|given| read_json("--given", given)).transpose()?;
    let api = global.api()?;
    let document = format!(
        "mutation Try($input: TryNodeInput!) {{ tryNode(input: $input) {{ __typename \
         ... on StartRunSuccess {{ run {{ {RUN} }} duplicate }} ... on Problem {{ message code }} }} }}"
    );
    let request = json!({
        "workflow": wanted.workflow, "version": wanted.which.version, "node": wanted.node, "input": input, "given": given,
        "pinnedFrom": wanted.pinned_from,
    });
    let done = api.change("tryNode", &document, request).await?;
    let run = done.get("run").cloned().unwrap_or_default();
    following.begun(global, &api, run).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_says_what_happens_again_and_under_which_key() {
        let plan = json!({
            "run": "7f3kaaaaaaaaaaaaaaaaaaaaaa", "version": 2, "generation": 3, "reused": ["fetch"],
            "runsAgain": ["pay", "each[7].mail", "invoice"], "continued": ["each"], "changed": ["invoice"],
            "added": ["thank"],
            "repeated": [
                { "step": "pay", "key": "0123456789abcdef", "used": [
                    { "destination": "https://bank.example.com:443", "count": 2 }] },
                { "step": "invoice", "key": "fedcba9876543210", "used": [] },
                { "step": "each[0].mail", "key": "00112233445566778899", "used": [
                    { "destination": "https://mail.example.com:443", "count": 3 }] },
            ],
        });
        insta::assert_snapshot!(plan_lines(&plan).join("\n"));
    }
}
