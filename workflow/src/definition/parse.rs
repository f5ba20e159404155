//! The file as a whole.

use super::Definition;
use super::model::{FORMAT, Output, Workflow};
use super::reader::{Reader, Section};
use crate::diagnostic::{Diagnostic, Source};
use crate::yaml::Entry;
use crate::{names, yaml};

/// Reads a workflow file.
///
/// The result has the right shape; [`crate::lint`] checks what it means.
///
/// # Errors
///
/// All findings, in the order of the file; at least one of them is an error.
pub fn parse(source: &str) -> Result<Definition, Vec<Diagnostic>> {
    let source = Source::new(source);
    let root = yaml::read(&source)?;
    let mut reader = Reader::new(&source);
    let model = reader
        .section("", &root)
        .map(|section| workflow(&mut reader, section));
    let Reader {
        places, mut problems, ..
    } = reader;
    problems.sort_by_key(|problem| (problem.line, problem.column));
    match model {
        Some(model) if !problems.iter().any(Diagnostic::is_error) => Ok(Definition {
            model,
            places,
            warnings: problems,
            source,
        }),
        _ => Err(problems),
    }
}

fn workflow(reader: &mut Reader<'_>, mut section: Section<'_>) -> Workflow {
    let name = name(reader, &mut section);
    let title = section
        .get("title")
        .and_then(|entry| reader.text("title", entry))
        .unwrap_or_default();
    let (input, refuses_additional) = section
        .get("input")
        .map(|entry| reader.input(entry))
        .unwrap_or_default();
    let config = section
        .get("config")
        .and_then(|entry| reader.config(entry))
        .unwrap_or_default();
    let secrets = section
        .get("secrets")
        .map(|entry| reader.secrets(entry))
        .unwrap_or_default();
    let triggers = section
        .get("triggers")
        .map(|entry| reader.triggers(entry))
        .unwrap_or_default();
    let values_stay = section
        .get("values")
        .is_some_and(|entry| values_stay(reader, entry));
    let runs_on = section
        .get("runs_on")
        .map(|entry| reader.runs_on(entry))
        .unwrap_or_default();
    let on_done = section
        .get("on_done")
        .and_then(|entry| reader.follow("on_done", entry));
    let on_failed = section
        .get("on_failed")
        .and_then(|entry| reader.follow("on_failed", entry));
    let nodes = match section.get("nodes") {
        Some(entry) => {
            reader.place("nodes", Some(entry), &entry.node);
            reader.nodes(entry)
        }
        None => {
            reader.missing(&section, "nodes", "a workflow has at least one node");
            Vec::new()
        }
    };
    let output = section
        .get("output")
        .map_or(Output::Fields(Vec::new()), |entry| reader.output(entry));
    reader.finish(section);
    Workflow {
        format: FORMAT,
        workflow: name,
        title,
        input,
        refuses_additional,
        config,
        secrets,
        triggers,
        values_stay,
        runs_on,
        on_done,
        on_failed,
        nodes,
        output,
    }
}

fn values_stay(reader: &mut Reader<'_>, entry: &Entry) -> bool {
    match reader.text("values", entry).as_deref() {
        Some("stay") => true,
        Some("send") | None => false,
        Some(other) => {
            let message = format!("`values` is `stay` or `send`, not `{other}`");
            let fix = "stay: they stay on the host, the control plane knows their sizes and types; send: it has them too";
            reader.problem_fix("FF-WF-009", entry.node.span.start, message, fix);
            false
        }
    }
}

fn name(reader: &mut Reader<'_>, section: &mut Section<'_>) -> String {
    let Some(entry) = section.get("workflow") else {
        reader.missing(section, "workflow", "begin with `workflow: its-name`");
        return String::new();
    };
    let Some(name) = reader.text("workflow", entry) else {
        return String::new();
    };
    if !names::is_kebab(&name) {
        let message = format!("`{name}` is not a workflow name");
        let fix = "use kebab-case: lower-case letters, digits and single hyphens, beginning with a letter, at most 64";
        reader.problem_fix("FF-WF-007", entry.node.span.start, message, fix);
    }
    name
}
