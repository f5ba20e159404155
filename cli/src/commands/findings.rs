//! What the lint found, for people.

use serde_json::Value;

use crate::output::{list, number, text};
use crate::say;
use crate::table::one_line;

/// Says a finding of the lint, with what to do; of one that was mended, what was done.
pub(super) fn print_diagnostic(found: &Value, file: &str, fixed: bool) {
    say!(
        "{} {}: {}",
        text(found, "/severity").to_lowercase(),
        text(found, "/code"),
        one_line(text(found, "/message"))
    );
    let place = format!("  {file}:{}:{}", number(found, "/line"), number(found, "/column"));
    match one_line(text(found, "/excerpt")).trim() {
        "" => say!("{place}"),
        excerpt => say!("{place}      {excerpt}"),
    }
    let (word, pointer) = if fixed {
        ("fixed", "/fixed")
    } else {
        ("mend", "/fix")
    };
    match one_line(text(found, pointer)).as_str() {
        "" => {}
        what => say!("  {word}: {what}"),
    }
}

/// Says which fields of an input do not fit, and why.
pub(super) fn print_fields(problem: &Value) {
    for field in list(problem, "/fields") {
        eprintln!(
            "  {}: {}",
            text(field, "/path"),
            one_line(text(field, "/message"))
        );
    }
}

/// Whether two checks speak of the same finding; its line may have moved.
pub(super) fn is_same(one: &Value, other: &Value) -> bool {
    ["/code", "/message"]
        .iter()
        .all(|key| text(one, key) == text(other, key))
}

/// What somebody should know or do about the connectors of a workflow.
pub(crate) fn attention(workflow: &Value) -> Vec<String> {
    let name = text(workflow, "/name");
    let held = list(workflow, "/held").iter().map(|held| {
        let missing: Vec<&str> = list(held, "/missing").iter().filter_map(Value::as_str).collect();
        let (connector, version) = (text(held, "/connector"), text(held, "/version"));
        format!(
            "! {name} starts no runs: {connector} {version} asks for {}: flowforge connector grant {connector}@{version}",
            missing.join(", ")
        )
    });
    let notices = list(workflow, "/notices").iter().map(|notice| {
        format!(
            "! {name}: {} {}: {}; {}",
            text(notice, "/connector"),
            text(notice, "/version"),
            text(notice, "/message"),
            text(notice, "/fix")
        )
    });
    held.chain(notices).collect()
}
