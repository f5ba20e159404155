//! The guide to the language: every example in it is a workflow, or a part of one, without a fault.

use flowforge_protocol::Digest;
use flowforge_workflow::{ConnectorVersion, Severity, lint, parse, schema};
use serde_json::{Map, json};

use crate::messages::{Published, connectors};

const GUIDE: &str = include_str!("../../../docs/language.md");

/// What the examples take for granted around them.
const AROUND: &str = "
workflow: guide
input:
  amount: { type: number, minimum: 0, default: 1 }
  items: { type: array }
  prices: { type: array, items: { type: number } }
  date: { type: string }
  order: { type: string }
  customer: { type: string }
config: { bank: \"https://bank.example\", job: \"https://jobs.example\" }
secrets: [bank_token, hook_key]
";

/// Nodes that examples name and do not show.
const OTHERS: [(&str, &str); 2] = [
    ("stats.", "  stats: { set: { max: 6.5, count: 3 } }\n"),
    ("quakes.", "  quakes: { set: { chosen: [{ place: Lima }] } }\n"),
];

fn published() -> Published {
    let port = |name: &str, ty| json!({ "name": name, "wit_name": name, "ty": ty });
    let operation = |name: &str, params, result| {
        json!({
            "name": name, "export": { "function": name }, "params": params, "result": result, "fails": true,
            "effect": { "class": "pure" },
        })
    };
    let http = json!([{ "kind": "http", "import": "flowforge:connector/http@0.1.0" }]);
    let result = json!({ "type": "record", "fields": [port("id", json!({ "type": "string" }))] });
    let shop = json!({
        "operations": [
            operation("reserve", json!([port("items", json!({ "type": "json" }))]), result.clone()),
            operation("release", json!([port("reservation", json!({ "type": "string" }))]), result.clone()),
        ],
        "capabilities": [], "baseline": [],
    });
    let pay = json!({
        "operations": [operation("charge", json!([port("amount", json!({ "type": "f64" }))]), result)],
        "capabilities": http, "baseline": [],
        "meta": { "name": "acme:pay", "version": "0.1.0", "secrets": { "auth": { "kind": "bearer" } } },
    });
    let label = json!({
        "operations": [operation("label", json!([port("place", json!({ "type": "string" }))]), json!({ "type": "string" }))],
        "capabilities": [], "baseline": [],
    });
    let text = json!({ "type": "string" });
    let cursor = json!({ "type": "option", "inner": text.clone() });
    let event = json!({ "type": "record", "fields": [port("id", text)] });
    let events = json!({ "type": "list", "element": event });
    let batch =
        json!({ "type": "record", "fields": [port("events", events), port("cursor", cursor.clone())] });
    let mut new_items = operation("new_items", json!([port("cursor", cursor)]), batch);
    new_items["trigger"] = json!("poll");
    new_items["effect"] = json!({ "class": "idempotent" });
    let items = json!({ "operations": [new_items], "capabilities": http, "baseline": [] });
    let mut all = connectors();
    for (name, interface) in [
        ("acme:items", items),
        ("shop:stock", shop),
        ("acme:pay", pay),
        ("demo:quake-text", label),
    ] {
        let version = ConnectorVersion {
            version: "0.1.0".to_owned(),
            digest: Digest::of(name.as_bytes()),
            interface: serde_json::from_value(interface).expect("an interface"),
        };
        all.insert(name.to_owned(), version);
    }
    Published(all)
}

/// The examples of the guide, each as it stands.
fn examples() -> Vec<&'static str> {
    let blocks = GUIDE.split("```yaml\n").skip(1);
    blocks
        .map(|rest| rest.split("```").next().expect("a block has an end"))
        .collect()
}

fn faults(source: &str) -> String {
    let found = match parse(source) {
        Ok(definition) => lint(&definition, &Map::new(), &published()),
        Err(found) => found,
    };
    // A part of a workflow does not use all that is around it: that is a warning.
    let errors = found.iter().filter(|found| found.severity == Severity::Error);
    errors.map(|found| found.render("language.md")).collect()
}

#[test]
fn every_example_of_the_guide_is_right() {
    let (mut nodes, mut others) = (0, 0);
    for example in examples() {
        let source = if example.starts_with("workflow:") {
            others += 1;
            continue;
        } else if example.starts_with("triggers:") {
            others += 1;
            let signal = "nodes:\n  paid: { wait: { signal: payment_received, correlate: input.order } }\n";
            // The night gives what the workflow is asked for.
            let input =
                "input: { all: { type: boolean, optional: true }, order: { type: string, optional: true } }";
            let values = "values: send";
            format!("workflow: guide\n{input}\n{values}\nsecrets: [hook_key]\n{example}{signal}")
        } else if example.starts_with("runs_on:") || example.starts_with("on_done:") {
            others += 1;
            format!("workflow: guide\n{example}nodes:\n  a: {{ set: {{ x: 1 }} }}\n")
        } else {
            nodes += 1;
            let body: String = example.lines().map(|line| format!("  {line}\n")).collect();
            let before: String = OTHERS
                .iter()
                .filter(|(named, _)| example.contains(named))
                .map(|(_, node)| *node)
                .collect();
            format!("{AROUND}nodes:\n{before}{body}")
        };
        assert_eq!(faults(&source), "", "{example}");
    }
    assert!(
        nodes >= 10 && others == 4,
        "{nodes} examples of nodes, {others} others"
    );
}

/// The first example names every key that a workflow has, and no other.
#[test]
fn the_guide_names_every_key_of_a_workflow_and_of_a_node() {
    let first = examples()[0];
    let mut keys: Vec<&str> = first
        .lines()
        .filter_map(|line| Some(line.split_once(':')?.0))
        .collect();
    keys.sort_unstable();
    let schema = schema();
    let mut known: Vec<&str> = schema["properties"]
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    known.sort_unstable();
    assert_eq!(keys, known);
    let mut missing = Vec::new();
    names_in(&schema, &mut |name| {
        let written = [format!("`{name}`"), format!("{name}:"), format!(" {name} ")];
        if !written.iter().any(|form| GUIDE.contains(form)) {
            missing.push(name.to_owned());
        }
    });
    assert_eq!(missing, Vec::<String>::new(), "keys that the guide does not name");
}

/// Every name of a property in a schema.
fn names_in(schema: &serde_json::Value, then: &mut impl FnMut(&str)) {
    match schema {
        serde_json::Value::Object(fields) => {
            for (key, field) in fields {
                if key == "properties"
                    && let Some(properties) = field.as_object()
                {
                    properties.keys().for_each(|name| then(name));
                }
                names_in(field, then);
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| names_in(item, then)),
        _ => {}
    }
}
