//! What an author sees for each mistake: file, line, what it says there, and the mend.

use std::collections::BTreeMap;

use flowforge_protocol::Digest;
use flowforge_workflow::{ConnectorVersion, Diagnostic, apply_fixes, lint, parse};
use serde_json::json;

pub(crate) fn connectors() -> BTreeMap<String, ConnectorVersion> {
    let port = |name: &str, ty: serde_json::Value| json!({ "name": name, "wit_name": name.replace('_', "-"), "ty": ty });
    let text = json!({ "type": "string" });
    let float = json!({ "type": "f64" });
    let whole = json!({ "type": "s64" });
    let record = |fields: serde_json::Value| json!({ "type": "record", "fields": fields });
    let operation = |name: &str, params: serde_json::Value, result: serde_json::Value| json!({ "name": name, "export": { "function": name }, "params": params, "result": result, "fails": true, "effect": { "class": "pure" } });
    let http = json!([{ "kind": "http", "import": "flowforge:connector/http@0.1.0" }]);
    let response = record(json!([
        port("status", json!({ "type": "u16" })),
        port("body", json!({ "type": "json" }))
    ]));
    let option = |ty: serde_json::Value| json!({ "type": "option", "inner": ty });
    let meta = |name: &str, secrets: serde_json::Value| json!({ "name": name, "version": "0.1.0", "secrets": secrets });
    let interfaces = [
        (
            "flowforge:http",
            json!({
                "operations": [
                    operation("get", json!([port("url", text.clone()), port("headers", option(json!({ "type": "json" })))]), response.clone()),
                    operation("post", json!([port("url", text.clone()), port("json", option(json!({ "type": "json" })))]), response),
                ],
                "capabilities": http, "baseline": [],
                "meta": meta("flowforge:http", json!({ "auth": { "kind": "bearer" } })),
            }),
        ),
        (
            "demo:quake-text",
            json!({
                "operations": [operation(
                    "label",
                    json!([port("magnitude", float.clone()), port("place", text.clone()), port("time", whole)]),
                    record(json!([port("magnitude", float.clone()), port("strength", json!({ "type": "enum", "cases": [{ "name": "light", "wit_name": "light" }, { "name": "strong", "wit_name": "strong" }] })), port("line", text.clone())])),
                )],
                "capabilities": [], "baseline": [],
                "meta": meta("demo:quake-text", json!({})),
            }),
        ),
        (
            "demo:statistics",
            json!({
                "operations": [operation(
                    "summarise",
                    json!([port("values", json!({ "type": "list", "element": float.clone() }))]),
                    record(json!([port("count", json!({ "type": "s64" })), port("mean", float.clone()), port("median", float.clone()), port("max", float)])),
                )],
                "capabilities": [], "baseline": [],
            }),
        ),
        (
            "flowforge:convert",
            json!({
                "operations": [operation(
                    "to_csv",
                    json!([port("rows", json!({ "type": "list", "element": { "type": "json" } })), port("columns", json!({ "type": "list", "element": text })), port("file_name", json!({ "type": "string" }))]),
                    json!({ "type": "artefact" }),
                )],
                "capabilities": [{ "kind": "artefacts", "import": "flowforge:connector/artefacts@0.1.0" }], "baseline": [],
            }),
        ),
    ];
    interfaces
        .into_iter()
        .map(|(name, interface)| {
            let interface = serde_json::from_value(interface).expect("an interface");
            (
                name.to_owned(),
                ConnectorVersion {
                    version: "0.1.0".to_owned(),
                    digest: Digest::of(name.as_bytes()),
                    interface,
                },
            )
        })
        .collect()
}

fn check(source: &str) -> Vec<Diagnostic> {
    match parse(source) {
        Ok(definition) => lint(&definition, &serde_json::Map::new(), &connectors()),
        Err(found) => found,
    }
}

fn shown(source: &str) -> String {
    let found = check(source);
    let mut out: String = found.iter().map(|found| found.render("workflow.yaml")).collect();
    let fixed = apply_fixes(source, &found);
    if fixed != source {
        out.push_str("--- fixed\n");
        out.push_str(&fixed);
    }
    out
}

const WATCH: &str = include_str!("../../../examples/earthquake-watch/workflow.yaml");

/// The lint speaks of what will be published: with another destination for the chat, that one is missing.
#[test]
fn a_missing_grant_names_the_overridden_destination() {
    let source = WATCH.replace("    allow: [\"${config.chat}\"]\n", "");
    assert_ne!(source, WATCH);
    let definition = parse(&source).unwrap();
    let overrides = serde_json::Map::from_iter([("chat".to_owned(), json!("https://chat.acme.example"))]);
    let found = lint(&definition, &overrides, &connectors());
    assert_eq!(
        found
            .iter()
            .map(|found| found.message.as_str())
            .collect::<Vec<_>>(),
        ["node `notify` may not reach https://chat.acme.example:443"]
    );
}

#[test]
fn the_example_has_no_finding() {
    assert_eq!(shown(WATCH), "");
}

#[test]
fn a_missing_grant_is_added_where_it_belongs() {
    let without = WATCH.replace("    allow: [\"${config.chat}\"]\n", "");
    assert_ne!(without, WATCH);
    let found = check(&without);
    let messages: Vec<String> = found.iter().map(|found| found.render("workflow.yaml")).collect();
    insta::assert_snapshot!(messages.concat());
    let fixed = apply_fixes(&without, &found);
    assert_eq!(check(&fixed), vec![], "{fixed}");
    assert!(fixed.contains("    allow: [\"${config.chat}\"]\n"), "{fixed}");
}

macro_rules! messages {
    ($($name:ident: $source:expr;)*) => {
        $(
            #[test]
            fn $name() {
                insta::assert_snapshot!(shown($source));
            }
        )*
    };
}

messages! {
    nothing: "";
    not_yaml: "workflow: a\nnodes: [\n";
    a_tab: "workflow: a\nnodes:\n\ta: { set: { x: 1 } }\n";
    two_documents: "workflow: a\n---\nworkflow: b\n";
    an_anchor: "workflow: a\nnodes: &n\n  a: { set: { x: 1 } }\n";
    a_repeated_key: "workflow: a\nnodes:\n  a: { set: { x: 1 } }\n  a: { set: { x: 2 } }\n";
    unquoted_choice: "workflow: a\nnodes:\n  a:\n    set:\n      x: ${input.n > 1 ? 1 : 2}\n";
    unquoted_in_braces: "workflow: a\nnodes:\n  a: { set: { x: ${input.n}, y: 2 } }\n";
    foreign_braces: "workflow: a\nnodes:\n  a:\n    set:\n      x: {{ $json.body }}\n";
    foreign_braces_quoted: "workflow: a\nnodes:\n  a:\n    set:\n      x: \"{{ stats.count }}\"\n";
    foreign_node: "workflow: a\nnodes:\n  a:\n    set:\n      x: ${$node[\"Fetch\"].json.body}\n";
    unknown_keys: "workflow: a\nnode:\n  a: { set: { x: 1 } }\nnodes:\n  a: { sett: { x: 1 } }\n  b: { if: x }\n  c: { call: demo:statistics/summarise, wiht: { values: [] } }\n";
    wrong_names: "workflow: My Flow\ninput:\n  feed-url: { type: string }\nnodes:\n  fetchData: { set: { x: 1 } }\n  input: { set: { x: 1 } }\n";
    wrong_kinds: "workflow: a\ntitle: [x]\nsecrets: x\nnodes:\n  a: { foreach: xs, parallel: many, do: [] }\n  b: { wait: { for: soon } }\n  c: { wait: { for: 1h, until: x } }\n  d: { call: http }\n";
    wrong_input: "workflow: a\ninput:\n  n: { type: numbr }\n  m: { type: integer, default: x, minimun: 1 }\nnodes:\n  a: { set: { x: \"${input.m}${input.n}\" } }\n";
    wrong_triggers: "workflow: a\ntriggers:\n  web: { webhook: { path: /x/, answer: later } }\n  daily: { schedule: { cron: \"* * *\" } }\n  zone: { schedule: { cron: \"0 7 * * *\", time_zone: Mars/Base } }\n  none: {}\nnodes:\n  a: { set: { x: 1 } }\n";
    the_minus_trap: "workflow: a\ninput:\n  feed: { type: string }\nnodes:\n  a:\n    set: { x: \"${input.feed-url}\" }\n";
    names_out_of_reach: "workflow: a\ninput: { n: { type: integer } }\nsecrets: [tok]\nnodes:\n  a: { set: { x: \"${quaks}\", y: \"${n}\", z: \"${tok}\" } }\n  quakes: { foreach: \"[1]\", do: { label: { set: { x: \"${item}\" } } } }\n  b: { set: { x: \"${label.x}\", y: \"${input.n}\" } }\n  c: { call: flowforge:http/get, with: { url: https://a.example }, allow: [https://a.example], secrets: { auth: tok } }\n";
    an_element_named_like_a_node: "workflow: a\nnodes:\n  quake: { set: { x: [1] } }\n  each: { foreach: quake.x, as: quake, do: { one: { set: { x: \"${quake}\" } } } }\n";
    a_cycle: "workflow: a\nnodes:\n  fetch: { set: { x: \"${report.x}\" } }\n  stats: { set: { x: \"${fetch.x}\" } }\n  report: { after: stats, set: { x: 1 } }\n  self: { set: { x: \"${self.x}\" } }\n";
    wrong_after: "workflow: a\nnodes:\n  gate: { switch: { strong: \"true\", quiet: else } }\n  a: { after: gat, set: { x: 1 } }\n  b: { after: gate.strng, set: { x: 1 } }\n  c: { after: [inner], set: { x: 1 } }\n  d: { foreach: \"[1]\", do: { inner: { set: { x: 1 } } } }\n";
    marked_condition: "workflow: a\nnodes:\n  gate: { switch: { strong: \"${input.n > 1}\", quiet: else } }\ninput: { n: { type: integer } }\n";
    wrong_calls: "workflow: a\nnodes:\n  a: { call: demo:quake-txt/label }\n  b: { call: demo:quake-text/lable }\n  c: { call: demo:quake-text/label, with: { magnitud: 1, place: x, time: 1 } }\n  d: { call: demo:statistics/summarise, allow: [https://x.example], with: { values: [] } }\n";
    wrong_secrets: "workflow: a\nsecrets: [chat_token]\nnodes:\n  a: { call: flowforge:http/get, with: { url: https://a.example }, allow: [https://a.example], secrets: { auht: chat_tokn } }\n  b: { call: flowforge:http/get, with: { url: https://a.example }, allow: [https://a.example], secrets: { auth: other } }\n";
    wrong_allow: "workflow: a\ninput: { u: { type: string } }\nconfig: { feed: https://feed.example }\nnodes:\n  a:\n    call: flowforge:http/get\n    with: { url: \"${input.u}\" }\n    allow: [\"${input.u}\", feed.example]\n  b:\n    call: flowforge:http/get\n    with:\n      url: \"${config.feed}/x\"\n    # a remark\n    retry: never\n\n  c: { call: flowforge:http/get, with: { url: \"https://other.example/y\" } }\n  d: { call: flowforge:http/get, with: { url: \"${input.u}\" } }\n";
    unused: "workflow: a\ninput: { n: { type: integer } }\nconfig: { feed: x }\nsecrets: [tok]\nnodes:\n  a: { set: { x: 1 } }\n";
    wrong_types: "workflow: a\ninput: { n: { type: integer }, s: { type: string } }\nnodes:\n  a: { call: demo:quake-text/label, with: { magnitude: strong, place: \"${input.n}\", time: \"${input.n / 2.0}\" } }\n  b: { set: { x: \"${a.lin}\", y: \"${a.line.x}\", z: \"${a.line + 1}\", w: \"${input.s > 1}\" } }\n  gate: { switch: { strong: a.line, other: else } }\n  each: { foreach: a.magnitude, do: { e: { set: { x: \"${item}\" } } } }\n  c: { call: demo:statistics/summarise, with: { values: \"${[input.s]}\" } }\n  d: { call: demo:statistics/summarise, with: { values: 3 } }\n  f: { set: { x: \"${nope(1)}\", y: \"${input.m}\", z: \"${a.line.trimm()}\" } }\n";
}
