//! Bodies for fuzzing: what any bytes may do to the language.
//!
//! Each body makes a text of the bytes that comes near to the language, gives it to the part under test, and says what
//! rule was broken. Tests call them with a fixed number of cases, campaigns for minutes; the same bytes always do the
//! same.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::diagnostic::Diagnostic;
use crate::expr::{Context, Expression, Interrupt, Meaning, Scope};
use crate::lint::ConnectorVersion;

/// A fuzz body: a broken rule, or nothing.
pub type Body = fn(&[u8]) -> Result<(), String>;

/// Every body with its name.
pub const BODIES: [(&str, Body); 3] = [("expression", expression), ("workflow", workflow), ("json", json)];

/// Parts of expressions, chosen so that many of their sequences mean something.
const EXPRESSION_PARTS: [&str; 96] = [
    "data",
    ".xs",
    ".deep",
    ".a",
    "[0]",
    "[?9]",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "'a'",
    "\"b\"",
    "'''",
    "\"\"\"",
    "r'\\'",
    "b'\\xff'",
    " + ",
    " - ",
    " * ",
    " / ",
    " % ",
    " ? ",
    " : ",
    ", ",
    " in ",
    " == ",
    " != ",
    " < ",
    " >= ",
    " && ",
    " || ",
    "!",
    "-",
    "1",
    "0",
    "9223372036854775807",
    "18446744073709551615",
    "1.5",
    "1e308",
    "0x1F",
    "7u",
    "true",
    "null",
    "x",
    "skipped",
    ".map(x, ",
    ".filter(x, x > 1)",
    ".all(x, ",
    ".sort_by(x, x)",
    ".group_by(x, string(x))",
    ".to_map(x, x)",
    ".count(x, ",
    ".exists(x, x == 1)",
    ".?a",
    ".orValue(",
    "default(",
    "has(data.a)",
    "now()",
    "uuid()",
    "date(",
    "json(",
    "parse_json(",
    "parse_number(",
    "hash(",
    "size(",
    "sum(",
    "avg(",
    "min(",
    "unique(",
    "zip(",
    ".flatten()",
    ".join(',')",
    ".split('')",
    ".replace('a', 'bb')",
    ".upper()",
    ".matches('a+')",
    ".substring(1)",
    ".reverse()",
    ".sort()",
    ".slice(0, 1)",
    "lists.range(5)",
    "math.sqrt(",
    "round(",
    "duration('1h')",
    "timestamp('2026-07-01T10:00:00Z')",
    ".getHours('+02:00')",
    "add_time(",
    "format_date(",
    "string(",
    "int(",
    "type(",
    "é",
    "😀",
    "\\",
];

/// Parts of workflow files.
const WORKFLOW_PARTS: [&str; 72] = [
    "workflow: w\n",
    "title: t\n",
    "nodes:\n",
    "  a:\n",
    "  b: { set: { v: 1 } }\n",
    "  c: { after: a, set: { v: \"${b.v}\" } }\n",
    "    set:\n",
    "      v: \"${a.v}\"\n",
    "      w: 18446744073709551615\n",
    "    foreach: a.v\n",
    "    as: x\n",
    "    do:\n",
    "      d: { set: { v: \"${x}\" } }\n",
    "    switch:\n",
    "      one: a.v > 1\n",
    "      two: else\n",
    "    wait: { for: 5s }\n",
    "    wait: { until: now() }\n",
    "    approval: { title: \"ok?\" }\n",
    "    call: flowforge:http/get\n",
    "    with: { url: \"https://example.com\" }\n",
    "    allow: [\"https://example.com\"]\n",
    "    retry: { attempts: 3 }\n",
    "    timeout: 5s\n",
    "    after: [a, b.done]\n",
    "input:\n",
    "  n: { type: integer, default: 1 }\n",
    "  additional: refuse\n",
    "config: { k: 1 }\n",
    "secrets: [s]\n",
    "triggers:\n",
    "  t: { schedule: { cron: \"0 7 * * *\" } }\n",
    "  h: { webhook: { path: p, hmac: s } }\n",
    "output: { v: \"${a.v}\" }\n",
    "output: \"${sum(a.v) / size(a.v)}\"\n",
    "\n",
    " ",
    "  ",
    "\t",
    ": ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "#",
    "&x ",
    "*x",
    "!t ",
    "|\n",
    ">\n",
    "? ",
    "---\n",
    "...\n",
    "\u{feff}",
    "\r\n",
    "${",
    "}",
    "$${",
    "{{ a }}",
    "~",
    "null",
    "0x1F",
    "1e3",
    "-1",
    "é",
    "😀",
    "a",
    "n",
    "x",
];

/// A text of parts that the bytes choose. A byte above the parts stands for a character of its own.
fn text(bytes: &[u8], parts: &[&str]) -> String {
    let mut out = String::new();
    for byte in bytes.iter().take(400) {
        match parts.get(usize::from(*byte)) {
            Some(part) => out.push_str(part),
            None => out.push(char::from(byte & 0x7f)),
        }
    }
    out
}

struct Names(BTreeMap<&'static str, Value>);

impl Scope for Names {
    fn lookup(&self, name: &str) -> Option<Meaning<'_>> {
        match name {
            "skipped" => Some(Meaning::Absent),
            _ => self.0.get(name).map(Meaning::Value),
        }
    }
}

fn check(holds: bool, rule: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(rule.to_owned()) }
}

/// An expression compiles or is explained at a place in it; its evaluation gives the same value each time, within the
/// bounds of a record, or a message; and it stops when it is told.
///
/// # Errors
///
/// The rule that was broken.
pub fn expression(bytes: &[u8]) -> Result<(), String> {
    let source = text(bytes, &EXPRESSION_PARTS);
    let expression = match Expression::compile(&source) {
        Ok(expression) => expression,
        Err(error) => {
            check(
                source.is_char_boundary(error.offset),
                "the place of an error lies in the text",
            )?;
            return check(!error.message.is_empty(), "an error has a message");
        }
    };
    let names = Names(BTreeMap::from([
        (
            "data",
            serde_json::json!({ "xs": [1, 2.5, "a", null, [1]], "deep": { "a": [{ "b": -1 }] }, "a": "text" }),
        ),
        ("x", Value::from(u64::MAX)),
    ]));
    let context = || Context::from(1_795_425_600_000).with_seed("fuzz");
    let first = expression.evaluate(&names, context());
    check(
        first == expression.evaluate(&names, context()),
        "an evaluation is the same each time",
    )?;
    match first {
        Ok(value) => {
            check(crate::check_value(&value).is_ok(), "a value fits a record")?;
            let written = value.to_string();
            let again = crate::read_json(&written)
                .map_err(|problem| problem.to_string())?
                .to_string();
            check(again == written, "a value is read back as it was written")?;
        }
        Err(error) => check(
            !error.message.is_empty() && error.message.len() < 2_000,
            "a failure has a message of a few lines",
        )?,
    }
    let stopped = Interrupt::new();
    stopped.stop();
    // A plain path is no evaluation: it is looked up where it lies.
    let outcome = expression.evaluate_cow(&names, context().with_interrupt(&stopped));
    check(
        matches!(outcome, Err(_) | Ok(Cow::Borrowed(_))),
        "a stopped evaluation ends",
    )
}

/// A file is read and checked, or each finding has its place; fixes can be applied; what is read has one canonical form.
///
/// # Errors
///
/// The rule that was broken.
pub fn workflow(bytes: &[u8]) -> Result<(), String> {
    let source = text(bytes, &WORKFLOW_PARTS);
    let lines = u32::try_from(source.lines().count()).unwrap_or(u32::MAX).max(1);
    let placed = |found: &[Diagnostic]| {
        let inside = |one: &Diagnostic| one.line >= 1 && one.line <= lines + 1 && one.column >= 1;
        check(found.iter().all(inside), "a finding has a place in the file")?;
        check(
            found.iter().all(|one| !one.message.is_empty()),
            "a finding has a message",
        )
    };
    let definition = match crate::parse(&source) {
        Ok(definition) => definition,
        Err(found) => {
            placed(&found)?;
            drop(crate::apply_fixes(&source, &found));
            return check(
                found.iter().any(Diagnostic::is_error),
                "what is not read has an error",
            );
        }
    };
    let none: BTreeMap<String, ConnectorVersion> = BTreeMap::new();
    let found = crate::lint(&definition, &Map::new(), &none);
    placed(&found)?;
    drop(crate::apply_fixes(&source, &found));
    let canonical = crate::canonical(&definition, &Map::new()).map_err(|error| error.to_string())?;
    let read = crate::read_canonical(&canonical)?;
    check(
        read == *definition.model(),
        "the canonical form says what the file says",
    )
}

/// JSON text is read exactly or refused with a message.
///
/// # Errors
///
/// The rule that was broken.
pub fn json(bytes: &[u8]) -> Result<(), String> {
    const PARTS: [&str; 24] = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"\\\"\"",
        "\"}\"",
        "1",
        "-1",
        "0.5",
        "1e3",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
        "true",
        "null",
        " ",
        "\n",
        "\"é\"",
        "\\",
        "\"",
        "9",
    ];
    let source = text(bytes, &PARTS);
    match crate::read_json(&source) {
        Ok(value) => {
            let again = crate::read_json(&value.to_string()).map_err(|problem| problem.to_string())?;
            check(again == value, "a value is read back as it was written")
        }
        Err(problem) => check(!problem.message.is_empty(), "a refusal has a message"),
    }
}
