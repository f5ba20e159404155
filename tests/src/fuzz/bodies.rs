//! What is fuzzed, and what must hold of what is accepted.

use std::collections::BTreeMap;

use flowforge_protocol::envelope::sign_document;
use flowforge_protocol::{Digest, Publication, Signed, SigningKey, parse_strict};
use flowforge_workflow::expr::{Expression, Meaning, Scope};
use flowforge_workflow::{canonical, parse, read_canonical};
use serde_json::{Map, Value, json};

use super::Body;

/// Every body.
pub const BODIES: &[Body] = &[
    Body {
        name: "envelope",
        corpus: || vec![envelope()],
        run: envelope_holds_what_was_signed,
    },
    Body {
        name: "json",
        corpus: || {
            vec![
                br#"{"a":[1,-2,3.5,null,true],"b":{"c":"\u00e9\n"}}"#.to_vec(),
                br#"[[[]],{},"",0,9007199254740991]"#.to_vec(),
            ]
        },
        run: strict_json_reads_back,
    },
    Body {
        name: "expression",
        corpus: || {
            [
                "input.n + 1 > 3 ? 'a' : \"b\"",
                "items.filter(i, i.qty > 1).map(i, i.qty * i.price)",
                "size(items) == 2 && input.name.startsWith('al') || !input.on",
                "{'a': [1, 2.5, -3], 'b': items[0].qty}",
                "string(input.n) + input.name + string(timestamp('2026-01-01T00:00:00Z'))",
            ]
            .map(|text| text.as_bytes().to_vec())
            .to_vec()
        },
        run: expression_gives_the_same_twice,
    },
    Body {
        name: "yaml",
        corpus: || {
            vec![
                include_bytes!("../../../examples/earthquake-watch/workflow.yaml").to_vec(),
                include_bytes!("../kills/workflow.yaml").to_vec(),
            ]
        },
        run: workflow_reads_back,
    },
];

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

fn publication() -> Option<Publication> {
    Some(Publication {
        name: "demo:fuzz".parse().ok()?,
        version: "1.2.3".to_owned(),
        layer_digest: Digest::of(b"component"),
    })
}

fn envelope() -> Vec<u8> {
    let signed = publication().and_then(|publication| sign_document(&publication, &key()).ok());
    signed.unwrap_or_default().into_bytes()
}

fn envelope_holds_what_was_signed(input: &[u8]) -> Result<bool, String> {
    match Signed::<Publication>::open(input, &[key().verifying_key()]) {
        Err(_) => Ok(false),
        Ok(opened) if Some(opened.document()) == publication().as_ref() => Ok(true),
        Ok(opened) => Err(format!("it opens as {:?}", opened.document())),
    }
}

fn strict_json_reads_back(input: &[u8]) -> Result<bool, String> {
    const BYTES_MAX: usize = 4096;
    let Ok(value) = parse_strict::<Value>(input, BYTES_MAX) else {
        return Ok(false);
    };
    let text = value.to_string();
    match parse_strict::<Value>(text.as_bytes(), 4 * BYTES_MAX) {
        Ok(again) if again == value => Ok(true),
        other => Err(format!("{text} reads as {other:?}")),
    }
}

/// The names that expressions may use.
struct Names(BTreeMap<&'static str, Value>);

impl Scope for Names {
    fn lookup(&self, name: &str) -> Option<Meaning<'_>> {
        self.0.get(name).map(Meaning::Value)
    }
}

fn expression_gives_the_same_twice(input: &[u8]) -> Result<bool, String> {
    let Ok(text) = std::str::from_utf8(input) else {
        return Ok(false);
    };
    let Ok(expression) = Expression::compile(text) else {
        return Ok(false);
    };
    let names = Names(BTreeMap::from([
        ("input", json!({"n": 3, "name": "alpha", "on": true})),
        ("items", json!([{"qty": 1, "price": 2.5}, {"qty": 4, "price": 0}])),
    ]));
    let (first, second) = (
        expression.evaluate(&names, 1_000),
        expression.evaluate(&names, 1_000),
    );
    if first == second {
        Ok(true)
    } else {
        Err(format!("{first:?}, then {second:?}"))
    }
}

fn workflow_reads_back(input: &[u8]) -> Result<bool, String> {
    let Ok(text) = std::str::from_utf8(input) else {
        return Ok(false);
    };
    let Ok(definition) = parse(text) else {
        return Ok(false);
    };
    let written = canonical(&definition, &Map::new()).map_err(|error| error.to_string())?;
    let read = read_canonical(&written).map_err(|why| format!("its canonical form is refused: {why}"))?;
    if read == *definition.model() {
        Ok(true)
    } else {
        Err("its canonical form reads as another workflow".to_owned())
    }
}
