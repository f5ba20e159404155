//! What differs between two workflows, wherever their texts are.

use std::path::Path;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use crate::args::Global;
use crate::commands::workflow::{self, Source};
use crate::output::{Exit, Usage, list, number, result, text};
use crate::say;
use crate::table::one_line;

/// Two texts.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The earlier one: a folder or file, or NAME, NAME@VERSION, NAME@draft
    before: String,
    /// The later one
    after: String,
}

const DOCUMENT: &str = "query Diff($before: WorkflowTextInput!, $after: WorkflowTextInput!) { \
    compareWorkflows(before: $before, after: $after) { __typename ... on WorkflowComparison { same \
    nodes { node change properties { path before after hasBefore hasAfter } } \
    settings { path before after hasBefore hasAfter } hunks { beforeLine afterLine lines { kind text } } } \
    ... on Problem { message code } } }";

/// Shows what differs.
pub(crate) async fn diff(global: &Global, wanted: &Diff) -> Result<Exit> {
    let variables = json!({ "before": meant(&wanted.before)?, "after": meant(&wanted.after)? });
    let found = global
        .api()?
        .typed("compareWorkflows", DOCUMENT, variables)
        .await?;
    result(global, &found, |found| {
        lines(found).iter().for_each(|line| say!("{line}"))
    });
    Ok(Exit::Done)
}

/// Which text is meant: what is on disk wins over a name.
fn meant(given: &str) -> Result<Value> {
    if Path::new(given).exists() {
        let on_disk = workflow::read(&Source::at(given))?;
        return Ok(json!({ "source": on_disk.source, "lock": on_disk.lock }));
    }
    let (name, which) = given.split_once('@').unwrap_or((given, ""));
    Ok(match (which, which.parse::<u32>()) {
        ("", _) => json!({ "workflow": name }),
        ("draft", _) => json!({ "workflow": name, "draft": true }),
        (_, Ok(version)) => json!({ "workflow": name, "version": version }),
        (_, Err(_)) => {
            let message = format!("{given}: expected a file that is there, NAME, NAME@VERSION or NAME@draft");
            return Err(Usage(message).into());
        }
    })
}

fn lines(found: &Value) -> Vec<String> {
    let mut out = Vec::new();
    for change in list(found, "/settings") {
        out.push(property("", change));
    }
    for node in list(found, "/nodes") {
        let name = text(node, "/node");
        match text(node, "/change") {
            "ADDED" => out.push(format!("+ node {name}")),
            "REMOVED" => out.push(format!("- node {name}")),
            _ => {
                out.push(format!("~ node {name}"));
                let changes = list(node, "/properties");
                out.extend(changes.iter().map(|change| property("  ", change)));
            }
        }
    }
    if out.is_empty() {
        out.push("both mean the same".to_owned());
    }
    for hunk in list(found, "/hunks") {
        out.push(String::new());
        out.push(format!(
            "@@ line {} → line {} @@",
            number(hunk, "/beforeLine"),
            number(hunk, "/afterLine")
        ));
        for line in list(hunk, "/lines") {
            let mark = match text(line, "/kind") {
                "ADDED" => "+",
                "REMOVED" => "-",
                _ => " ",
            };
            out.push(format!("{mark} {}", one_line(text(line, "/text"))));
        }
    }
    out
}

fn property(indent: &str, change: &Value) -> String {
    let side = |has: &str, value: &str| match change.get(has).and_then(Value::as_bool) {
        Some(true) => one_line(&change.get(value).cloned().unwrap_or_default().to_string()),
        _ => "nothing".to_owned(),
    };
    format!(
        "{indent}~ {}: {} → {}",
        text(change, "/path"),
        side("hasBefore", "before"),
        side("hasAfter", "after")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_a_version_and_a_draft_are_meant_by_their_spelling() {
        assert_eq!(meant("w").unwrap(), json!({"workflow": "w"}));
        assert_eq!(meant("w@3").unwrap(), json!({"workflow": "w", "version": 3}));
        assert_eq!(meant("w@draft").unwrap(), json!({"workflow": "w", "draft": true}));
        let error = meant("w@latest").unwrap_err();
        assert!(error.downcast_ref::<Usage>().is_some(), "{error}");
    }

    #[test]
    fn differences_read_from_the_outside_in() {
        let found = json!({
            "same": false,
            "settings": [{"path": "title", "before": "A", "after": "B", "hasBefore": true, "hasAfter": true}],
            "nodes": [
                {"node": "fetch", "change": "CHANGED", "properties": [
                    {"path": "with.url", "before": "x", "after": null, "hasBefore": true, "hasAfter": false}]},
                {"node": "notify", "change": "ADDED", "properties": []},
                {"node": "old", "change": "REMOVED", "properties": []},
            ],
            "hunks": [{"beforeLine": 3, "afterLine": 3, "lines": [
                {"kind": "SAME", "text": "nodes:"}, {"kind": "REMOVED", "text": "  old: {}"},
                {"kind": "ADDED", "text": "  notify: {}"}]}],
        });
        insta::assert_snapshot!(lines(&found).join("\n"));
        let same = json!({"same": true, "settings": [], "nodes": [], "hunks": []});
        assert_eq!(lines(&same), ["both mean the same"]);
    }
}
