use flowforge_ports::{CapabilityKind, Effect, InspectError, Interface, Type, inspect};
use serde_json::json;

use crate::support::component;

fn read(wit: &str) -> Interface {
    inspect(&component(wit)).expect("reads")
}

const CONVERT: &str = "
package flowforge:convert@0.1.0;
world connector {
  use flowforge:connector/types@0.1.0.{json, failure, artefact};
  export to-csv: func(rows: list<json>, columns: list<string>, file-name: string) -> result<artefact, failure>;
  export echo: func(value: json) -> json;
}";

#[test]
fn json_and_artefact_are_recognised_by_their_owner() {
    let interface = read(CONVERT);
    let to_csv = interface.operation("to_csv").expect("is there");
    let types: Vec<&Type> = to_csv.params.iter().map(|port| &port.ty).collect();
    let list = |element| Type::List {
        element: Box::new(element),
    };
    assert_eq!(types, [&list(Type::Json), &list(Type::String), &Type::String]);
    assert_eq!(to_csv.params[2].name, "file_name");
    assert_eq!(to_csv.params[2].wit_name, "file-name");
    assert_eq!(to_csv.result, Some(Type::Artefact));
    assert!(to_csv.fails && to_csv.standard_failure);
    let echo = interface.operation("echo").expect("is there");
    assert_eq!(
        (&echo.params[0].ty, &echo.result),
        (&Type::Json, &Some(Type::Json))
    );
    assert!(!echo.fails);
    assert_eq!(to_csv.effect, Effect::Pure);
    assert_eq!(interface.capabilities, []);
}

#[test]
fn an_alias_named_json_of_another_package_is_text() {
    let interface = read(
        "package other:thing;
         interface types { type json = string; record artefact { id: u8 } }
         world w { use types.{json, artefact}; export f: func(a: json, b: artefact); }",
    );
    let f = interface.operation("f").expect("is there");
    assert_eq!(f.params[0].ty, Type::String);
    assert!(matches!(f.params[1].ty, Type::Record { .. }));
}

#[test]
fn functions_of_interfaces_carry_its_name() {
    let interface = read(
        "package demo:text@1.2.3;
         interface label { classify: func(depth-km: f64) -> string; }
         world w { export label; export help: func() -> string; export plain: interface { go: func(); } }",
    );
    let names: Vec<&str> = interface.operations.iter().map(|op| op.name.as_str()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    let classify = interface.operation("label.classify").expect("is there");
    assert_eq!(
        classify.export.interface.as_deref(),
        Some("demo:text/label@1.2.3")
    );
    assert_eq!(classify.params[0].name, "depth_km");
    assert_eq!(interface.operation("plain.go").expect("is there").result, None);
    assert!(interface.operation("help").is_some());
}

#[test]
fn capabilities_are_told_from_the_baseline() {
    let interface = read(
        "package demo:reach;
         interface elsewhere { go: func(); }
         world w {
           import flowforge:connector/http@0.1.0;
           import flowforge:connector/log@0.1.0;
           import elsewhere;
           export run: func();
         }",
    );
    let kinds: Vec<CapabilityKind> = interface.capabilities.iter().map(|c| c.kind).collect();
    assert_eq!(
        kinds,
        [CapabilityKind::Http, CapabilityKind::Log, CapabilityKind::Unknown]
    );
    assert_eq!(interface.capabilities[2].import, "demo:reach/elsewhere");
    assert_eq!(interface.baseline, ["flowforge:connector/types@0.1.0"]);
    assert_eq!(
        interface.operation("run").expect("is there").effect,
        Effect::Unsafe
    );
}

#[test]
fn observations_leave_an_operation_pure() {
    let interface = read(
        "package demo:watch;
         world w { import flowforge:connector/log@0.1.0; import flowforge:connector/context@0.1.0; export run: func(); }",
    );
    assert_eq!(interface.operation("run").expect("is there").effect, Effect::Pure);
}

#[test]
fn what_cannot_be_called_is_listed_with_its_reason() {
    let interface = read(
        "package demo:odd;
         interface things { resource thing { constructor(); name: func() -> string; } open: func(t: borrow<thing>); }
         world w { export things; export feed: func(bytes: stream<u8>); export fine: func(); }",
    );
    assert_eq!(interface.operations.len(), 1);
    let reason = |name: &str| {
        let found = interface.not_callable.iter().find(|item| item.name == name);
        found.map(|item| item.reason.as_str())
    };
    assert_eq!(
        reason("things.open"),
        Some("parameter `t`: it uses the resource `thing`")
    );
    assert_eq!(reason("feed"), Some("parameter `bytes`: it uses a stream"));
    assert_eq!(
        interface
            .not_callable
            .iter()
            .filter(|item| item.reason == "it belongs to a resource")
            .count(),
        2
    );
}

#[test]
fn a_type_that_grows_without_end_is_not_callable() {
    let mut wit = "package demo:bomb; world w { record t0 { a: u8 }\n".to_owned();
    for level in 1..16 {
        let below = level - 1;
        wit.push_str(&format!("record t{level} {{ a: t{below}, b: t{below} }}\n"));
    }
    wit.push_str("export f: func(x: t15); }");
    let interface = read(&wit);
    assert_eq!(interface.operations, []);
    assert!(
        interface.not_callable[0].reason.contains("4096 parts"),
        "{:?}",
        interface.not_callable
    );
}

#[test]
fn exports_of_the_toolchain_are_hidden() {
    let interface = read("package demo:js; world w { export init: func(); export label: func() -> string; }");
    assert_eq!(interface.hidden, ["init"]);
    assert_eq!(interface.operations.len(), 1);
}

#[test]
fn schemas_say_what_json_is_accepted() {
    let interface = read(
        "package demo:all;
         interface t {
           enum strength { light, very-strong }
           flags tags { hot, cold }
           variant shape { dot, circle(f64) }
           record row { id: u64, note: option<string>, pair: tuple<u8, bool>, raw: list<u8> }
         }
         world w { use t.{strength, tags, shape, row}; export f: func(s: strength, t: tags, v: shape, r: row, m: option<u16>); }",
    );
    let schema = interface.operation("f").expect("is there").input_schema();
    assert_eq!(schema["required"], json!(["s", "t", "v", "r"]));
    assert_eq!(schema["additionalProperties"], json!(false));
    let ports = &schema["properties"];
    assert_eq!(ports["s"], json!({"enum": ["light", "very_strong"]}));
    assert_eq!(ports["t"]["items"], json!({"enum": ["hot", "cold"]}));
    assert_eq!(ports["v"]["oneOf"][1]["required"], json!(["kind", "value"]));
    assert_eq!(ports["r"]["required"], json!(["id", "pair", "raw"]));
    assert_eq!(
        ports["r"]["properties"]["raw"]["contentEncoding"],
        json!("base64")
    );
    assert_eq!(ports["m"]["anyOf"][0]["maximum"], json!(65535));
}

#[test]
fn an_interface_survives_json() {
    let interface = read(CONVERT);
    let text = serde_json::to_string(&interface).expect("writes");
    assert_eq!(
        serde_json::from_str::<Interface>(&text).expect("reads"),
        interface
    );
}

#[test]
fn files_that_are_no_component_are_told_apart() {
    assert!(matches!(inspect(b"#!/bin/sh"), Err(InspectError::NotWasm)));
    assert!(matches!(inspect(b""), Err(InspectError::NotWasm)));
    assert!(matches!(
        inspect(b"\0asm\x01\0\0\0"),
        Err(InspectError::CoreModule)
    ));
    let whole = component(CONVERT);
    let cut = &whole[..whole.len() - 7];
    assert!(matches!(inspect(cut), Err(InspectError::Malformed { .. })));
}
