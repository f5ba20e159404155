//! Values at typed ports: what is written out is looked at as deep as it goes.

use std::collections::BTreeMap;

use flowforge_protocol::Digest;
use flowforge_workflow::{ConnectorVersion, lint, parse};
use serde_json::{Map, Value, json};

fn connectors() -> BTreeMap<String, ConnectorVersion> {
    let case = |name: &str, ty: Value| json!({ "name": name.replace('-', "_"), "wit_name": name, "ty": ty });
    let bare = |name: &str| json!({ "name": name, "wit_name": name });
    let number = json!({ "type": "f64" });
    let shape = json!({ "type": "variant", "cases": [
        case("circle", number.clone()),
        case("big-box", json!({ "type": "tuple", "items": [number.clone(), number.clone()] })),
        { "name": "none", "wit_name": "none" },
    ] });
    let port = |name: &str, ty: Value| json!({ "name": name, "wit_name": name, "ty": ty });
    let option = |inner: Value| json!({ "type": "option", "inner": inner });
    let ports = json!([
        port("shape", option(shape.clone())),
        port("shapes", option(json!({ "type": "list", "element": shape }))),
        port(
            "outcome",
            option(json!({ "type": "result", "ok": { "type": "u8" }, "err": null }))
        ),
        port(
            "pair",
            option(json!({ "type": "tuple", "items": [{ "type": "string" }, { "type": "u8" }] }))
        ),
        port(
            "flags",
            option(json!({ "type": "flags", "flags": [bare("read"), bare("write")] }))
        ),
        port(
            "level",
            option(json!({ "type": "enum", "cases": [bare("low"), bare("high")] }))
        ),
        port("wide", option(json!({ "type": "u64" }))),
        port("byte", option(json!({ "type": "s8" }))),
        port("letter", option(json!({ "type": "char" }))),
        port("raw", option(json!({ "type": "bytes" }))),
        port("twice", option(option(json!({ "type": "bool" })))),
        port(
            "row",
            option(
                json!({ "type": "record", "fields": [port("n", json!({ "type": "u8" })), port("note", option(json!({ "type": "string" })))] })
            )
        ),
    ]);
    let operation = json!({ "name": "draw", "export": { "function": "draw" }, "params": ports, "result": null, "fails": true, "effect": { "class": "pure" } });
    let interface = json!({ "operations": [operation], "capabilities": [], "baseline": [] });
    let version = ConnectorVersion {
        version: "0.1.0".to_owned(),
        digest: Digest::of(b"draw"),
        interface: serde_json::from_value(interface).expect("an interface"),
    };
    BTreeMap::from([("acme:draw".to_owned(), version)])
}

/// What the lint says of a value at a port: the message and the fix of each finding.
fn said(port: &str, value: &str) -> String {
    let source = format!(
        "workflow: a\ninput: {{ t: {{ type: string }}, n: {{ type: integer }} }}\nnodes:\n  a: {{ set: {{ t: \"${{input.t}}\", n: \"${{input.n}}\" }} }}\n  b:\n    call: acme:draw/draw\n    with:\n      {port}: {value}\n"
    );
    let definition = parse(&source).unwrap_or_else(|found| panic!("{value}: {found:#?}"));
    let found = lint(&definition, &Map::new(), &connectors());
    let lines = found.iter().map(|found| {
        let fix = found.fix.as_deref().unwrap_or_default();
        format!(
            "{} @{} | {fix}",
            found.message.replace(" of `acme:draw/draw`", ""),
            found.column
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A variant written in the form of another format was published and failed in every run.
#[test]
fn a_value_in_a_wrong_form_is_found() {
    let wrong = [
        ("shape", "circle"),
        ("shape", "{ circle: 1.5 }"),
        ("shape", "{ kind: circle }"),
        ("shape", "{ kind: circel, value: 1 }"),
        ("shape", "{ kind: circle, value: wide }"),
        ("shape", "{ kind: circle, value: \"${a.t}\" }"),
        ("shape", "{ kind: none, value: 1 }"),
        ("shape", "{ kind: circle, radius: 1 }"),
        ("shape", "{ kind: big_box, value: [1] }"),
        ("shape", "3"),
        ("shape", "[circle, 1]"),
        ("shapes", "[{ kind: none }, none]"),
        ("shapes", "{ kind: none }"),
        ("outcome", "{ ok: 1 }"),
        ("outcome", "{ kind: ok, value: 300 }"),
        ("outcome", "{ kind: err, value: why }"),
        ("pair", "[a, 1, 2]"),
        ("pair", "[\"${a.n}\", 1]"),
        ("flags", "read"),
        ("flags", "[read, wriet]"),
        ("level", "hihg"),
        ("level", "{ kind: high }"),
        ("wide", "-1"),
        ("wide", "1.5"),
        ("wide", "\"12x\""),
        ("byte", "128"),
        ("letter", "ab"),
        ("raw", "hello!"),
        ("twice", "true"),
        ("row", "{ n: 1, not: x }"),
        ("row", "{ note: x }"),
        ("row", "{ n: \"${a.t}\" }"),
    ];
    let lines: Vec<String> = wrong
        .iter()
        .map(|(port, value)| {
            let said = said(port, value);
            assert!(!said.is_empty(), "{port}: {value} was taken");
            format!("{port}: {value}\n  {said}\n")
        })
        .collect();
    insta::assert_snapshot!(lines.concat());
}

#[test]
fn a_value_in_the_right_form_is_taken() {
    for (port, value) in [
        ("shape", "null"),
        ("shape", "{ kind: circle, value: 1 }"),
        ("shape", "{ kind: circle, value: \"${a.n}\" }"),
        ("shape", "{ kind: big-box, value: [1, \"${a.n}\"] }"),
        ("shape", "{ kind: none }"),
        ("shape", "{ kind: none, value: null }"),
        ("shape", "{ kind: \"${a.t}\" }"),
        ("shapes", "[]"),
        ("shapes", "[{ kind: none }, { kind: circle, value: 2.5 }]"),
        ("outcome", "{ kind: ok, value: 255 }"),
        ("outcome", "{ kind: err }"),
        ("pair", "[a, 1]"),
        ("pair", "[\"${a.t}\", \"${a.n}\"]"),
        ("flags", "[]"),
        ("flags", "[write, read]"),
        ("level", "high"),
        ("level", "\"${a.t}\""),
        ("wide", "18446744073709551615"),
        ("wide", "\"18446744073709551615\""),
        ("wide", "\"${a.t}\""),
        ("wide", "2.0"),
        ("byte", "-128"),
        ("letter", "é"),
        ("raw", "aGVsbG8="),
        ("twice", "{ some: true }"),
        ("twice", "null"),
        ("row", "{ n: 1 }"),
        ("row", "{ n: \"${a.n}\", note: null }"),
    ] {
        assert_eq!(said(port, value), "", "{port}: {value}");
    }
}
