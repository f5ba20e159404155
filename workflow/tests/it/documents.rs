//! The documents of the language: schema, canonical form, grants, input.

use flowforge_workflow::{
    Definition, canonical, complete_input, definition_digest, grant_requests, input_schema, lint, parse,
    read_canonical, release_calls, release_children, schema,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const WATCH: &str = include_str!("../../../examples/earthquake-watch/workflow.yaml");

fn watch() -> Definition {
    parse(WATCH).expect("the example is right")
}

#[test]
fn a_place_is_signed_with_the_definition_and_one_that_says_nothing_is_not_in_it() {
    let read = |runs_on: &str| {
        let text = format!("workflow: a\n{runs_on}nodes:\n  a: {{ set: {{ x: 1 }} }}\n");
        let definition = parse(&text).expect("it is right");
        let canonical = canonical(&definition, &Map::new()).expect("canonical");
        let again = read_canonical(&canonical).expect("read");
        assert_eq!(again, *definition.model());
        (canonical.get("runs_on").cloned(), again.runs_on)
    };
    assert_eq!(read("").0, None);
    let (signed, place) = read("runs_on: { pool: presses, labels: [gpu, eu], placement: failover }\n");
    let expected = json!({ "pool": "presses", "labels": ["gpu", "eu"], "lease_ms": 60_000 });
    assert_eq!(signed, Some(expected));
    assert_eq!(place.words(), ["eu", "gpu", "pool:presses"]);
    assert_eq!(
        read("runs_on: { labels: [eu], placement: pinned }\n").1.lease_ms,
        None
    );
    let (_, place) = read("runs_on: { placement: failover, lease: 2s }\n");
    assert_eq!(place.lease_ms, Some(2_000));
}

/// YAML of the language is close enough to a tree of JSON to be checked by the schema through the canonical reader's
/// own parser: both see the same file.
fn as_json(source: &str) -> Value {
    fn value(lines: &mut std::iter::Peekable<std::slice::Iter<'_, saphyr_parser::Event<'_>>>) -> Value {
        use saphyr_parser::Event;
        match lines.next() {
            Some(Event::Scalar(text, style, ..)) => match style {
                saphyr_parser::ScalarStyle::Plain => {
                    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_string()))
                }
                _ => Value::String(text.to_string()),
            },
            Some(Event::SequenceStart(..)) => {
                let mut out = Vec::new();
                while !matches!(lines.peek(), Some(Event::SequenceEnd)) {
                    out.push(value(lines));
                }
                lines.next();
                Value::Array(out)
            }
            Some(Event::MappingStart(..)) => {
                let mut out = Map::new();
                while !matches!(lines.peek(), Some(Event::MappingEnd)) {
                    let Value::String(key) = value(lines) else {
                        panic!("keys are text")
                    };
                    out.insert(key, value(lines));
                }
                lines.next();
                Value::Object(out)
            }
            Some(_) => value(lines),
            None => Value::Null,
        }
    }
    let events: Vec<_> = saphyr_parser::Parser::new_from_str(source)
        .map(|event| event.expect("it is YAML").0)
        .collect();
    value(&mut events.iter().peekable())
}

#[test]
fn the_schema_in_the_examples_is_the_one_of_this_program() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/workflow.schema.json");
    let text = format!(
        "{}\n",
        serde_json::to_string_pretty(&schema()).expect("it is JSON")
    );
    if std::env::var_os("FLOWFORGE_REGENERATE").is_some() {
        std::fs::write(path, &text).expect("the examples can be written");
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == text,
        "examples/workflow.schema.json is out of date: run the tests with FLOWFORGE_REGENERATE=1"
    );
}

#[test]
fn the_schema_accepts_the_example_and_refuses_what_the_parser_refuses() {
    let validator = jsonschema::validator_for(&schema()).expect("a right schema");
    let example = as_json(WATCH);
    let errors: Vec<String> = validator
        .iter_errors(&example)
        .map(|error| error.to_string())
        .collect();
    assert_eq!(errors, Vec::<String>::new());
    for wrong in [
        "workflow: My Flow\nnodes: { a: { set: { x: 1 } } }\n",
        "workflow: a\nnodes: { a: { set: { x: 1 }, wait: { for: 1s } } }\n",
        "workflow: a\nnodes: { a: { wait: { for: soon } } }\n",
        "workflow: a\nnodes: { a: { call: http } }\n",
        "workflow: a\nnodes: { input: { set: { x: 1 } } }\n",
        "workflow: a\nnodes: {}\n",
        "workflow: a\nnodes: { a: { wait: { signal: Paid } } }\n",
        "workflow: a\nnodes: { a: { repeat: { until: \"true\" }, do: { b: { set: { x: 1 } } } } }\n",
        "workflow: a\nnodes: { a: { repeat: { until: \"true\", max: 99999 }, do: { b: { set: { x: 1 } } } } }\n",
        "workflow: a\nnodes: { a: { workflow: My Flow } }\n",
        "workflow: a\nnodes: { a: { respond: { status: 99 } } }\n",
        "workflow: a\nnodes: { a: { set: { x: 1 }, on_error: go } }\n",
        "workflow: a\nnodes: { a: { set: { x: 1 }, fallback: { value: 1, node: b } } }\n",
        "workflow: a\nnodes: { a: { set: { x: 1 }, undo: { with: {} } } }\n",
        "workflow: a\nnodes: { a: { call: x:y/z, retry: { on: [boredom] } } }\n",
        "workflow: a\nvalues: hide\nnodes: { a: { set: { x: 1 } } }\n",
        "workflow: a\n",
        "workflow: a\nnodes: { a: { set: { x: 1 } } }\ntriggers: { web: { webhook: { path: /x } } }\n",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
        assert!(!validator.is_valid(&as_json(wrong)), "{wrong}");
    }
}

#[test]
fn every_example_makes_a_plan_and_fits_the_schema() {
    let validator = jsonschema::validator_for(&schema()).expect("a right schema");
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut folders = vec![examples];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)
            .expect("it is there")
            .map(|entry| entry.expect("readable").path())
        {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.file_name().is_some_and(|name| name == "workflow.yaml") {
                let source = std::fs::read_to_string(&entry).expect("readable");
                crate::support::plan_of(&source, &std::collections::BTreeMap::new());
                let errors: Vec<String> = validator
                    .iter_errors(&as_json(&source))
                    .map(|e| e.to_string())
                    .collect();
                assert_eq!(errors, Vec::<String>::new(), "{}", entry.display());
                count += 1;
            }
        }
    }
    assert!(count >= 5, "{count} examples found");
}

#[test]
fn the_canonical_form_survives_its_bytes_and_its_digest_is_stable() {
    let canonical = canonical(&watch(), &Map::new()).expect("no overrides");
    let bytes = flowforge_protocol::canonical::canonical_json(&canonical);
    let read: Value = serde_json::from_slice(&bytes).expect("JSON");
    assert_eq!(definition_digest(&read), definition_digest(&canonical));
    let model = read_canonical(&read).expect("readable");
    let again = serde_json::to_value(&model).expect("JSON");
    assert_eq!(definition_digest(&again), definition_digest(&canonical));
    let ids: Vec<&str> = model.nodes.iter().map(|node| node.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "fetch", "quakes", "labels", "stats", "gate", "confirm", "report", "notify"
        ]
    );
    // A remark and another way to write the same changes nothing; another value does.
    let remarked = parse(&format!("# a remark\n{WATCH}")).expect("right");
    assert_eq!(digest(&remarked, json!({})), definition_digest(&canonical));
    let elsewhere = json!({ "feed": "http://127.0.0.1:7481" });
    assert_ne!(digest(&watch(), elsewhere), definition_digest(&canonical));
}

fn digest(definition: &Definition, config: Value) -> flowforge_protocol::Digest {
    let config = config.as_object().cloned().expect("an object");
    definition_digest(&canonical(definition, &config).expect("known names"))
}

#[test]
fn an_unknown_override_and_an_unknown_format_are_refused() {
    let unknown = Map::from_iter([("fed".to_owned(), json!("x"))]);
    let error = canonical(&watch(), &unknown).expect_err("no such value");
    assert_eq!(
        error.to_string(),
        "`config.fed` is not in the workflow; it has: feed, chat"
    );
    let mut value = canonical(&watch(), &Map::new()).expect("right");
    value["format"] = json!(2);
    assert_eq!(
        read_canonical(&value),
        Err("format 2, this program reads 1".to_owned())
    );
}

#[test]
fn grants_name_destinations_and_secrets_of_each_node() {
    let definition = watch();
    let mut config = definition.model().config.clone();
    let requests = grant_requests(definition.model(), &config).expect("right");
    insta::assert_snapshot!(serde_json::to_string_pretty(&requests).expect("JSON"));
    config.insert("feed".to_owned(), json!("http://127.0.0.1:7481"));
    let requests = grant_requests(definition.model(), &config).expect("right");
    assert_eq!(requests[0].destinations, ["http://127.0.0.1:7481"]);
    config.insert("feed".to_owned(), json!("nowhere"));
    let error = grant_requests(definition.model(), &config).expect_err("no destination");
    assert_eq!(
        error.to_string(),
        "`allow` of `fetch`, entry 1: `nowhere` is not a destination: write scheme://name or scheme://name:port"
    );
}

const ORDER: &str = include_str!("../../../examples/order-payment/workflow.yaml");

#[test]
fn what_takes_an_effect_back_has_grants_and_a_connector_of_its_own() {
    let model = parse(ORDER).expect("the example is right").model().clone();
    let requests = grant_requests(&model, &model.config).expect("right");
    let nodes: Vec<&str> = requests.iter().map(|request| request.node.as_str()).collect();
    assert_eq!(nodes, ["reserve", "reserve~undo", "ship", "release"]);
    assert_eq!(requests[1].destinations, ["https://shop.example.com:443"]);
    let calls = release_calls(&model);
    assert_eq!(calls[&"reserve~undo".parse().expect("an id")], "flowforge:http");
    assert_eq!(calls.len(), 4);
    let month = include_str!("../../../examples/parent-child/workflow.yaml");
    let model = parse(month).expect("the example is right").model().clone();
    let children: Vec<String> = release_children(&model).into_iter().collect();
    assert_eq!(children, ["archive-month", "invoice-run"]);
}

#[test]
fn an_input_is_completed_or_refused_with_paths() {
    let model = watch().model().clone();
    assert_eq!(
        complete_input(&model, &json!({})),
        Ok(json!({ "threshold": 4.0 }))
    );
    assert_eq!(
        complete_input(&model, &json!({ "threshold": 6 })),
        Ok(json!({ "threshold": 6 }))
    );
    assert_eq!(input_schema(&model)["required"], json!([]));
    let problems = |given: Value| {
        let problems = complete_input(&model, &given).expect_err("wrong");
        problems
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_eq!(
        problems(json!({ "threshold": 2 })),
        "threshold: 2 is less than the minimum of 4"
    );
    assert_eq!(
        problems(json!({ "threshhold": 5 })),
        "threshhold: the workflow has no such input; did you mean `threshold`?"
    );
    assert_eq!(problems(json!([])), "the input must be an object");
    // What was read as a double about its size was another number in the run.
    let source = "workflow: a\ninput: { id: { type: integer }, ids: { type: array, items: { type: integer } }, x: { type: number } }\nnodes: { a: { set: { x: 1 } } }\n";
    let whole = parse(source).expect("right").model().clone();
    let exact = json!({ "id": u64::MAX, "ids": [i64::MIN, 9_007_199_254_740_993_u64, 3.0], "x": 1e30 });
    assert_eq!(complete_input(&whole, &exact), Ok(exact));
    let read: Value = serde_json::from_str(
        "{ \"id\": 18446744073709551616, \"ids\": [1, -9223372036854775809], \"x\": 1 }",
    )
    .expect("it is JSON");
    let paths: Vec<String> = complete_input(&whole, &read)
        .expect_err("two have lost digits")
        .into_iter()
        .map(|problem| problem.path)
        .collect();
    assert_eq!(paths, ["id", "ids[1]"]);
    let source = "workflow: a\ninput:\n  rows: { type: array, items: { type: object, properties: { price: { type: number } } } }\n  note: { type: string, optional: true }\nnodes:\n  a: { set: { x: 1 } }\n";
    let model = parse(source).expect("right").model().clone();
    let wrong =
        complete_input(&model, &json!({ "rows": [{ "price": 1 }, { "price": "x" }] })).expect_err("wrong");
    assert_eq!(
        wrong[0].to_string(),
        "rows[1].price: \"x\" is not of type \"number\""
    );
    let missing = complete_input(&model, &json!({})).expect_err("wrong");
    assert_eq!(missing[0].to_string(), "rows: is missing and has no default");
    assert_eq!(
        complete_input(&model, &json!({ "rows": [] })),
        Ok(json!({ "rows": [], "note": null }))
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is in the file, the answer is a definition or findings with a place in it.
    #[test]
    fn no_file_stops_the_reader(source in broken_file()) {
        let lines = source.split('\n').count();
        let found = match parse(&source) {
            Ok(definition) => {
                let found = lint(&definition, &Map::new(), &crate::messages::connectors());
                if !found.iter().any(flowforge_workflow::Diagnostic::is_error) {
                    // What the lint lets through can run.
                    let canonical = canonical(&definition, &Map::new()).expect("no overrides");
                    let plan = flowforge_workflow::Plan::from_canonical(
                        &canonical,
                        &std::collections::BTreeMap::new(),
                        &std::collections::BTreeMap::new(),
                    );
                    prop_assert!(plan.is_ok(), "{plan:?}");
                    grant_requests(definition.model(), &definition.model().config).expect("the lint saw every `allow`");
                }
                found
            }
            Err(found) => {
                prop_assert!(found.iter().any(flowforge_workflow::Diagnostic::is_error));
                found
            }
        };
        for found in &found {
            prop_assert!(found.line >= 1 && usize::try_from(found.line).unwrap_or(0) <= lines + 1, "{found:?}");
            prop_assert!(found.code.starts_with("FF-WF-0"));
        }
        let _ = flowforge_workflow::apply_fixes(&source, &found);
    }
}

/// The example with pieces taken out, put elsewhere, or replaced by characters that mean something.
fn broken_file() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("${".to_owned()),
        Just("}".to_owned()),
        Just("{{ x }}".to_owned()),
        Just(": ".to_owned()),
        Just("\n".to_owned()),
        Just("\t".to_owned()),
        Just("- ".to_owned()),
        Just("\"".to_owned()),
        Just("'".to_owned()),
        Just("[".to_owned()),
        Just("&a ".to_owned()),
        Just("*a".to_owned()),
        Just("!t ".to_owned()),
        Just("|".to_owned()),
        Just("é".to_owned()),
        Just("  ".to_owned()),
        "[ -~]{0,12}",
        any::<char>().prop_map(String::from),
    ];
    let edits = proptest::collection::vec((any::<u16>(), 0..20_usize, piece), 1..6);
    edits.prop_map(|edits| {
        let mut chars: Vec<char> = WATCH.chars().collect();
        for (at, remove, piece) in edits {
            let at = usize::from(at) % (chars.len() + 1);
            let end = (at + remove).min(chars.len());
            chars.splice(at..end, piece.chars());
        }
        chars.into_iter().collect()
    })
}
