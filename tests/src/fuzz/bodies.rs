//! What is fuzzed, and what must hold of what is accepted.

use std::collections::BTreeMap;

use flowforge_protocol::chain::{self, encode_record, no_fetch, walk, without_values};
use flowforge_protocol::envelope::sign_document;
use flowforge_protocol::record::{Event, Outcome, Record};
use flowforge_protocol::value::{Salt, Sealer};
use flowforge_protocol::{Digest, Publication, Signed, SigningKey, parse_strict};
use flowforge_runtime::fuzz::value_conversion;
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
        name: "records",
        corpus: || vec![records()],
        run: records_read_back,
    },
    Body {
        name: "value",
        corpus: || vec![b"seed".to_vec()],
        run: values_come_out_as_they_went_in,
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

/// Two records, one of them with a value beside it, as lines.
fn records() -> Vec<u8> {
    let mut lines = Vec::new();
    let mut salt = |_: &[u8]| Salt::from_entropy([5; 16]);
    let mut sealer = Sealer {
        salt: &mut salt,
        inline_bytes: usize::MAX,
        keep: None,
    };
    let told = Event::CancelRequested {
        reason: "somebody".to_owned(),
        grace_ms: 5,
    };
    let ended = Event::Ended {
        outcome: Outcome::Done {
            output: json!({"n": [1, 2.5, -3]}).into(),
        },
    };
    for (seq, event) in (0..).zip([told, ended]) {
        let mut record = Record {
            seq,
            at_ms: 1_700_000_000_000,
            event,
        };
        let line = record
            .seal(&mut sealer, &mut lines)
            .map_err(|error| error.to_string())
            .and_then(|()| encode_record(&record).map_err(|error| error.to_string()));
        lines.extend(line.unwrap_or_default());
    }
    lines
}

/// What is read without values is covered by the same chain, and a record that is written again reads as the same.
fn records_read_back(input: &[u8]) -> Result<bool, String> {
    let start = Digest::of(b"chain");
    let (Ok(walked), Ok(alone)) = (walk(input, 0, &start), without_values(input, 0)) else {
        return Ok(false);
    };
    if walk(&alone, 0, &start) != Ok(walked) {
        return Err("without its values it has another chain".to_owned());
    }
    let Ok(read) = chain::records(input, 0, &no_fetch).collect::<Result<Vec<Record>, _>>() else {
        return Ok(false);
    };
    for record in read {
        let Ok(line) = encode_record(&record) else {
            continue;
        };
        let again = chain::records(&line, record.seq, &no_fetch).next();
        let same =
            matches!(&again, Some(Ok(again)) if encode_record(again).is_ok_and(|second| second == line));
        if !same {
            return Err(format!("{record:?} reads as {again:?}"));
        }
    }
    Ok(true)
}

/// The input is only where the dice begin: types and values are made from it, converted and compared.
fn values_come_out_as_they_went_in(input: &[u8]) -> Result<bool, String> {
    const CASES: u32 = 4;
    let digest = Digest::of(input);
    let seed = digest
        .as_bytes()
        .first_chunk()
        .map_or(0, |bytes| u64::from_be_bytes(*bytes));
    value_conversion(CASES, seed).map(|()| true)
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
