//! Expressions over JSON.

use std::collections::BTreeMap;

use flowforge_workflow::expr::{Context, Expression, Meaning, Scope};
use flowforge_workflow::expr_help;
use proptest::prelude::*;
use serde_json::{Value, json};

pub(crate) struct Names(pub(crate) BTreeMap<&'static str, Option<Value>>);

impl Scope for Names {
    fn lookup(&self, name: &str) -> Option<Meaning<'_>> {
        self.0
            .get(name)
            .map(|value| value.as_ref().map_or(Meaning::Absent, Meaning::Value))
    }
}

pub(crate) fn names() -> Names {
    Names(BTreeMap::from([
        (
            "fetch",
            Some(
                json!({ "n": 2, "f": 2.5, "xs": [1, 2.0, 3], "deep": { "a": [{ "b": null }] }, "t": "x", "feed-url": "u" }),
            ),
        ),
        ("skipped", None),
    ]))
}

pub(crate) fn value(source: &str) -> Value {
    let expression = Expression::compile(source).unwrap_or_else(|error| panic!("{source}: {error:?}"));
    expression
        .evaluate(&names(), Context::from(1_795_425_600_000).with_seed("run/step"))
        .unwrap_or_else(|error| panic!("{source}: {error}"))
}

pub(crate) fn failure(source: &str) -> String {
    let expression = Expression::compile(source).unwrap_or_else(|error| panic!("{source}: {error:?}"));
    expression
        .evaluate(&names(), 0)
        .map_or_else(|error| error.message, |value| panic!("{source} gave {value}"))
}

#[test]
fn every_example_of_the_help_gives_the_value_it_states() {
    for entry in expr_help() {
        let found = value(entry.example);
        if let Some(expected) = entry.value {
            let expected: Value = serde_json::from_str(expected).expect("the stated value is JSON");
            assert_eq!(found, expected, "{}", entry.example);
        }
    }
}

#[test]
fn json_numbers_mix_and_keep_their_kind() {
    assert_eq!(value("fetch.n"), json!(2));
    assert_eq!(value("fetch.n + 1"), json!(3));
    assert_eq!(value("fetch.n + fetch.f"), json!(4.5));
    assert_eq!(value("fetch.n * 1.5"), json!(3.0));
    assert_eq!(value("1 - fetch.f"), json!(-1.5));
    assert_eq!(value("fetch.n / 4"), json!(0));
    assert_eq!(value("sum(fetch.xs)"), json!(6.0));
    assert_eq!(value("fetch.n >= 2.0 && fetch.f > 2"), json!(true));
    assert_eq!(value("fetch.xs[fetch.n]"), json!(3));
    assert_eq!(value("type(fetch.n) == int"), json!(true));
}

#[test]
fn lists_and_objects_from_json_behave_like_those_of_the_language() {
    assert_eq!(value("fetch.xs == [1, 2, 3]"), json!(true));
    assert_eq!(value("[1, 2, 3] == fetch.xs"), json!(true));
    assert_eq!(value("[1, 2] != fetch.xs"), json!(true));
    assert_eq!(value("{'b': null} == fetch.deep.a[0]"), json!(true));
    assert_eq!(value("fetch.xs + [4]"), json!([1, 2.0, 3, 4]));
    assert_eq!(value("[0] + fetch.xs"), json!([0, 1, 2.0, 3]));
    assert_eq!(
        value("3 in fetch.xs && !(9 in fetch.xs) && 'n' in fetch"),
        json!(true)
    );
    assert_eq!(value("size(fetch.xs) + fetch.xs.size() + size(fetch)"), json!(12));
    assert_eq!(
        value("fetch.xs.map(x, {'x': x})"),
        json!([{"x": 1}, {"x": 2.0}, {"x": 3}])
    );
    assert_eq!(value("fetch.xs.filter(x, x > 1).map(x, x * 2)"), json!([4.0, 6]));
    assert_eq!(
        value("fetch.xs.all(x, x > 0) && fetch.xs.exists(x, x == 2)"),
        json!(true)
    );
    assert_eq!(value("fetch['feed-url']"), json!("u"));
    assert_eq!(
        value("fetch.map(k, k).sort()"),
        json!(["deep", "f", "feed-url", "n", "t", "xs"])
    );
    assert_eq!(
        value("{'b': 1, 'a': 2}.map(k, k)"),
        json!(["a", "b"]),
        "an object has one order"
    );
    assert_eq!(value("max(fetch.xs) + min(4, fetch.n)"), json!(5));
    assert_eq!(value("fetch.deep"), json!({ "a": [{ "b": null }] }));
}

#[test]
fn what_is_absent_has_a_default() {
    assert_eq!(value("default(fetch.deep.x.y, 1)"), json!(1));
    assert_eq!(value("default(fetch.deep.a[0].b, 2)"), json!(2));
    assert_eq!(value("default(fetch.deep.a[7].b, 3)"), json!(3));
    assert_eq!(value("default(fetch.n, 4)"), json!(2));
    assert_eq!(value("default(skipped.text, 'none')"), json!("none"));
    assert_eq!(value("default(skipped, 'none')"), json!("none"));
    assert_eq!(value("has(skipped.text)"), json!(false));
    assert_eq!(value("skipped.?text.orValue('none')"), json!("none"));
    assert_eq!(value("fetch.?nope.orValue(5)"), json!(5));
    assert_eq!(value("has(fetch.n) && !has(fetch.nope)"), json!(true));
}

#[test]
fn what_an_expression_only_asks_about_is_told_apart() {
    let references = |source: &str| {
        let expression = Expression::compile(source).expect("it compiles");
        let found = expression.references();
        let list =
            |names: &std::collections::BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(" ");
        format!("needs [{}] asks [{}]", list(&found.needed), list(&found.asked))
    };
    assert_eq!(
        references("a.b + c.map(x, x + d).size()"),
        "needs [a c d] asks []"
    );
    assert_eq!(references("default(a.b[i].c, d)"), "needs [d i] asks [a]");
    assert_eq!(references("has(a.b) ? a.b : c"), "needs [a c] asks []");
    assert_eq!(
        references("a.?b.orValue(1) + (has(d.e) ? 1 : 2)"),
        "needs [] asks [a d]"
    );
    assert_eq!(references("math.abs(a)"), "needs [a] asks []");
}

#[test]
fn failures_say_what_and_how_to_fix_it() {
    let all: Vec<String> = [
        "fetch.m",
        "fetch.xss",
        "fetch.n.x",
        "fetch.xs.map(x, x.y)",
        "fetch.deep.a[0].c + 1",
        "fetch.t + 1",
        "fetch.t > 1",
        "fetch.deep.a[0].b > 1",
        "fetch.xs[9]",
        "1 / 0",
        "9223372036854775807 + 1",
        "first([])",
        "max([])",
        "sum(['a'])",
        "fetch.xs.sort_by(x, x > 1 ? 'a' : 1)",
        "json('{')",
        "date('yesterday')",
        "fetch.n ? 1 : 2",
        "skipped.text",
        "0.0 / 0.0",
    ]
    .iter()
    .map(|source| format!("{source:<40} {}\n", failure(source)))
    .collect();
    insta::assert_snapshot!(all.concat());
}

#[test]
fn what_is_no_expression_is_explained() {
    let all: Vec<String> = [
        "",
        "stats.max = 6",
        "a === b",
        "a and b",
        "not a",
        "$node[\"Fetch Data\"].json.body",
        "$json.body",
        "${fetch.body}",
        "a ?? b",
        "a?.b",
        "a +",
        "(a",
        "a b",
        "list.map(1, 2)",
        "xs.map(a, a.map(b, b.map(c, c.map(d, d))))",
        "nope(1)",
        "xs.flaten()",
        "size(1, 2)",
        "list.map(x)",
        "'open",
        "“a”",
        "Foo{a: 1}",
        "a // b",
        "while + 1",
        "'a'.matches('(')",
        "x.trim().has(1)",
    ]
    .iter()
    .map(|source| {
        let error = Expression::compile(source).expect_err(source);
        format!(
            "{source:<45} {} @{} {} | {}\n",
            error.code,
            error.offset,
            error.message,
            error.fix.unwrap_or_default()
        )
    })
    .collect();
    insta::assert_snapshot!(all.concat());
}

/// Pieces that mean something, in any order.
fn any_expression() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z]{1,3}",
        "[0-9]{1,20}",
        "[ -~]{0,3}",
        prop::sample::select(vec![
            "fetch",
            ".xs",
            ".deep",
            "[0]",
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            "'a'",
            " + ",
            " - ",
            " ? ",
            " : ",
            " in ",
            ".map(x, x)",
            ".filter(x, x > 1)",
            ".sort_by(x, x)",
            ".?a",
            "default(",
            ", 1)",
            "has(",
            "now()",
            "date(",
            "json(",
            "!",
            "-",
            "==",
            "&&",
            "math.abs(",
            "1.5",
            "null",
            "é",
            "\"",
            "b'x'",
            "1u",
            "Foo{a: 1}",
            "type(",
            "round(",
            "duration('1h')",
        ])
        .prop_map(str::to_owned),
    ];
    proptest::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is written, the answer is a value or a message with a place in the text.
    #[test]
    fn no_expression_stops_the_evaluator(source in any_expression()) {
        match Expression::compile(&source) {
            Ok(expression) => {
                if let Err(error) = expression.evaluate(&names(), 0) {
                    prop_assert!(!error.message.is_empty());
                }
            }
            Err(error) => {
                prop_assert!(error.offset <= source.len());
                prop_assert!(!error.message.is_empty());
            }
        }
    }
}
