//! How a run ended, for people: the result, what it took, what was signed.

use serde_json::Value;

use crate::output::{counted, list, number, short, short_digest, text};
use crate::table::one_line;
use crate::time;

/// Longest value of an output that is shown whole, in characters.
const VALUE_CHARS_MAX: usize = 60;
/// Deepest place in an output where an artefact is looked for.
const DEPTH_MAX: usize = 8;

/// An artefact somewhere in a run's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Artefact {
    /// Where it stands in the output: `report`, `files.0`.
    pub(crate) key: String,
    /// File name.
    pub(crate) name: String,
    /// Digest of its content.
    pub(crate) digest: String,
}

impl Artefact {
    /// Whether a person means this one by a word.
    pub(crate) fn is_named(&self, word: &str) -> bool {
        self.key == word || self.name == word || self.digest == word
    }
}

/// The artefacts in a run's output.
pub(crate) fn artefacts(run: &Value) -> Vec<Artefact> {
    let mut found = Vec::new();
    if let Some(output) = run.get("output") {
        collect(output, String::new(), 0, &mut found);
    }
    found
}

fn collect(value: &Value, key: String, depth: usize, found: &mut Vec<Artefact>) {
    if depth > DEPTH_MAX {
        return;
    }
    let below = |name: &str| {
        if key.is_empty() {
            name.to_owned()
        } else {
            format!("{key}.{name}")
        }
    };
    match value {
        Value::Object(fields) => {
            let has = |name: &str| fields.contains_key(name);
            if has("digest") && has("name") && has("media_type") && has("size") {
                let (name, digest) = (text(value, "/name").to_owned(), text(value, "/digest").to_owned());
                found.push(Artefact { key, name, digest });
                return;
            }
            for (name, inner) in fields {
                collect(inner, below(name), depth + 1, found);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                collect(inner, below(&index.to_string()), depth + 1, found);
            }
        }
        _ => {}
    }
}

/// The lines below the table of a run, or what it waits for if it has not ended.
pub(crate) fn of(run: &Value) -> Vec<String> {
    let mut lines = match text(run, "/state") {
        "DONE" => done(run),
        "QUEUED" | "RUNNING" | "PAUSED" | "LOST" => unfinished(run),
        "WAITING" => waiting(run),
        "NEEDS_REVIEW" => reviews(run),
        _ => not_done(run),
    };
    lines.extend(receipt(run));
    lines.extend(beside(run));
    lines
}

/// The steps that need review, each with how to answer.
fn reviews(run: &Value) -> Vec<String> {
    let id = short(text(run, "/id"));
    let waits = list(run, "/waits").iter();
    let reviews: Vec<String> = waits
        .filter(|wait| text(wait, "/kind") == "REVIEW")
        .map(|wait| {
            let step = one_line(text(wait, "/step"));
            let what = one_line(text(wait, "/what"));
            format!("waiting for {what}:  flowforge run review {id} {step} --retry | --skip JSON | --fail")
        })
        .collect();
    if reviews.is_empty() {
        unfinished(run)
    } else {
        reviews
    }
}

/// What was done to it, and the runs around it: where it comes from, and what it has ordered.
fn beside(run: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let erased = text(run, "/erased/by");
    if !erased.is_empty() {
        let when = time::date(number(run, "/erased/atMs"));
        lines.push(format!("its values were {} · {when}", one_line(erased)));
    }
    let (parent, step) = (text(run, "/lineage/parent"), text(run, "/lineage/parentStep"));
    if !parent.is_empty() {
        lines.push(format!(
            "ordered by run {}, step {}",
            short(parent),
            one_line(step)
        ));
    }
    let before = text(run, "/lineage/predecessor");
    if !before.is_empty() {
        let generation = number(run, "/lineage/generation");
        lines.push(format!(
            "generation {generation}, a retry of run {}",
            short(before)
        ));
    }
    for (label, pointer) in [("ordered run", "/children"), ("retried as run", "/retries")] {
        for other in list(run, pointer) {
            let state = text(other, "/state").to_lowercase();
            let workflow = text(other, "/workflow");
            let workflow = if workflow.is_empty() {
                ""
            } else {
                &format!(" · {workflow}")
            };
            lines.push(format!(
                "{label} {}{workflow} · {state}",
                short(text(other, "/id"))
            ));
        }
    }
    lines
}

fn done(run: &Value) -> Vec<String> {
    let mut lines = vec![format!("done in {}", took(run))];
    let id = short(text(run, "/id"));
    let output = match run.get("output") {
        Some(Value::Object(fields)) => fields,
        Some(Value::Null) | None => {
            lines.push(match run.pointer("/outcome/absent") {
                Some(absent) => format!(
                    "  the output is not here: {} bytes stay on the host, or were erased",
                    number(absent, "/bytes")
                ),
                None => "  no output".to_owned(),
            });
            return lines;
        }
        Some(other) => {
            lines.push(format!("  {}", brief(other)));
            return lines;
        }
    };
    let values: Vec<String> = output
        .iter()
        .map(|(name, value)| match artefacts_of(value).first() {
            Some(file) => {
                let file = one_line(&file.name);
                format!("{name} {file} (flowforge run artefact {id} {name} -o {file})")
            }
            None => format!("{name} {}", brief(value)),
        })
        .collect();
    if !values.is_empty() {
        lines.push(format!("  {}", values.join(" · ")));
    }
    lines
}

fn artefacts_of(value: &Value) -> Vec<Artefact> {
    let mut found = Vec::new();
    collect(value, String::new(), 0, &mut found);
    found
}

fn not_done(run: &Value) -> Vec<String> {
    let state = text(run, "/state").to_lowercase();
    let mut lines = vec![format!("{state} after {}", took(run))];
    let outcome = run.get("outcome").unwrap_or(&Value::Null);
    for (label, pointer) in [
        ("node", "/node"),
        ("step", "/step"),
        ("by", "/by"),
        ("reason", "/reason"),
    ] {
        if !text(outcome, pointer).is_empty() {
            lines.push(format!("  {label} {}", one_line(text(outcome, pointer))));
        }
    }
    let failure = run.get("failure").filter(|failure| failure.is_object());
    if let Some(failure) = failure.or_else(|| outcome.get("failure")) {
        let code = match text(failure, "/code") {
            "" => String::new(),
            code => format!(" ({code})"),
        };
        lines.push(format!(
            "  {}: {}{code}",
            text(failure, "/kind"),
            one_line(text(failure, "/message"))
        ));
        if !text(failure, "/path").is_empty() {
            lines.push(format!("  at {}", one_line(text(failure, "/path"))));
        }
    }
    if state == "failed" {
        lines.push(format!(
            "  what the connectors said: flowforge run logs {}",
            short(text(run, "/id"))
        ));
    }
    lines
}

fn unfinished(run: &Value) -> Vec<String> {
    let why = text(run, "/waitingFor");
    if why.is_empty() {
        Vec::new()
    } else {
        vec![one_line(why)]
    }
}

fn waiting(run: &Value) -> Vec<String> {
    let pending: Vec<String> = list(run, "/approvals")
        .iter()
        .filter(|approval| text(approval, "/state") == "PENDING")
        .map(|approval| question(approval).one_line())
        .collect();
    if pending.is_empty() {
        unfinished(run)
    } else {
        pending
    }
}

/// A question that waits for a person.
pub(crate) struct Question {
    /// Who is asked and until when.
    pub(crate) told: String,
    /// The command that answers it.
    pub(crate) command: String,
}

impl Question {
    /// Both in one line.
    pub(crate) fn one_line(&self) -> String {
        format!("{}  {}", self.told, self.command)
    }
}

/// What tells a person how to answer.
pub(crate) fn question(approval: &Value) -> Question {
    let by: Vec<&str> = list(approval, "/approvers")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let by = if by.is_empty() {
        String::new()
    } else {
        format!(" by {}", one_line(&by.join(", ")))
    };
    let until = match number(approval, "/expiresAtMs") {
        0 => String::new(),
        ms => format!(" until {}", time::date(ms)),
    };
    let id = short(text(approval, "/id"));
    Question {
        told: format!("waiting for approval {id}{by}{until}:"),
        command: format!("flowforge approval approve {id}"),
    }
}

/// `41.2 s: 0.2 s of work, 41.0 s waiting for a person`.
fn took(run: &Value) -> String {
    let total = number(run, "/endedAtMs").saturating_sub(number(run, "/createdAtMs"));
    let waited: u64 = list(run, "/approvals")
        .iter()
        .filter(|approval| number(approval, "/decidedAtMs") > 0)
        .map(|approval| number(approval, "/decidedAtMs").saturating_sub(number(approval, "/requestedAtMs")))
        .sum();
    if waited == 0 {
        return time::seconds(total);
    }
    let work = total.saturating_sub(waited);
    format!(
        "{}: {} of work, {} waiting for a person",
        time::seconds(total),
        time::seconds(work),
        time::seconds(waited)
    )
}

fn receipt(run: &Value) -> Option<String> {
    let receipt = run.get("receipt").filter(|receipt| receipt.is_object())?;
    if receipt.get("valid") != Some(&Value::Bool(true)) {
        return Some(format!(
            "receipt NOT VALID: {}",
            one_line(text(receipt, "/reason"))
        ));
    }
    let connectors = receipt
        .pointer("/receipt/connectors")
        .and_then(Value::as_object)
        .map_or(0, serde_json::Map::len);
    Some(format!(
        "receipt valid: signed by {}, release {}, {} by digest, {} steps, chain {}",
        text(run, "/host/name"),
        short_digest(text(receipt, "/receipt/release")),
        counted(connectors, "connector"),
        number(receipt, "/receipt/steps"),
        short_digest(text(receipt, "/receipt/chain")),
    ))
}

fn brief(value: &Value) -> String {
    let whole = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let whole = one_line(&whole);
    if whole.chars().count() <= VALUE_CHARS_MAX {
        return whole;
    }
    format!("{}…", whole.chars().take(VALUE_CHARS_MAX).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn run() -> Value {
        json!({
            "id": "7f3kaaaaaaaaaaaaaaaaaaaaaa", "state": "DONE", "createdAtMs": 1_000, "endedAtMs": 42_200,
            "host": { "name": "dev-host" },
            "output": { "count": 128, "strongest": 6.4, "report": {
                "digest": "sha256:ab", "name": "earthquakes.csv", "media_type": "text/csv", "size": 8_900 } },
            "approvals": [{ "state": "APPROVED", "requestedAtMs": 1_200, "decidedAtMs": 42_200 }],
            "receipt": { "valid": true, "receipt": {
                "release": "sha256:91d2c01d5e", "chain": "sha256:0c7eaaaabb", "steps": 136,
                "connectors": { "a:b": "sha256:1", "c:d": "sha256:2" } } },
        })
    }

    #[test]
    fn a_run_that_is_done_shows_result_time_and_receipt() {
        insta::assert_snapshot!(of(&run()).join("\n"));
    }

    /// Of an output that is no object, or is not here, nothing was said.
    #[test]
    fn every_output_has_a_line() {
        let line = |output: Value, outcome: Value| {
            let mut other = run();
            other["output"] = output;
            other["outcome"] = outcome;
            done(&other)[1..].to_vec()
        };
        assert_eq!(line(json!([1, "x"]), json!({})), ["  [1,\"x\"]"]);
        assert_eq!(line(json!("text"), json!({})), ["  text"]);
        assert_eq!(line(Value::Null, json!({ "state": "done" })), ["  no output"]);
        assert_eq!(line(json!({}), json!({})), Vec::<String>::new());
        let absent = json!({ "state": "done", "absent": { "bytes": 23, "type": "application/json" } });
        assert_eq!(
            line(Value::Null, absent),
            ["  the output is not here: 23 bytes stay on the host, or were erased"]
        );
    }

    #[test]
    fn a_run_that_failed_shows_where_and_why() {
        let mut failed = run();
        failed["state"] = json!("FAILED");
        failed["receipt"] = json!({ "valid": false, "reason": "signed by another key" });
        failed["outcome"] = json!({ "state": "failed", "node": "notify", "failure": {
            "kind": "rejected", "code": "404", "message": "the service answered 404" } });
        insta::assert_snapshot!(of(&failed).join("\n"));
    }

    #[test]
    fn a_step_that_needs_review_shows_how_to_answer_and_runs_around_are_named() {
        let mut held = run();
        held["state"] = json!("NEEDS_REVIEW");
        held["receipt"] = Value::Null;
        held["waits"] = json!([
            { "step": "pause", "kind": "TIME", "what": "the time of `pause`" },
            { "step": "pay", "kind": "REVIEW", "what": "a review of `pay`: it was stopped at work" },
        ]);
        held["lineage"] = json!({ "generation": 2, "predecessor": "9k2maaaaaaaa", "parent": "aaaabbbbcccc",
            "parentStep": "both" });
        held["children"] = json!([{ "id": "cccceeeeffff", "workflow": "sum", "state": "DONE" }]);
        insta::assert_snapshot!(of(&held).join("\n"));
    }

    #[test]
    fn artefacts_are_found_by_key_name_and_digest() {
        let found = artefacts(&run());
        assert_eq!(found.len(), 1);
        assert!(
            ["report", "earthquakes.csv", "sha256:ab"]
                .iter()
                .all(|word| found[0].is_named(word))
        );
        assert!(!found[0].is_named("other"));
    }
}
