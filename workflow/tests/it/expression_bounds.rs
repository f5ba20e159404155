//! What an evaluation may cost, and how it is stopped.

use std::collections::BTreeMap;

use flowforge_workflow::expr::{Context, Expression, Interrupt, Template};
use serde_json::{Value, json};

use crate::expressions::{Names, names};

fn bounded_names() -> Names {
    Names(BTreeMap::from([
        ("xs", Some(Value::from(vec![1; 10_000]))),
        ("tens", Some(json!([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]))),
        ("rows", Some((0..1_000).map(Value::from).collect())),
        ("longer", Some(Value::from(vec![1; 10_001]))),
        ("text", Some(Value::from("x".repeat(3 * 1024 * 1024)))),
        ("commas", Some(Value::from(",".repeat(120_000)))),
        ("wide", Some(Value::from("x".repeat(120_000)))),
        (
            "words",
            Some((0..10_000).map(|n| Value::from(format!("w{n}"))).collect()),
        ),
    ]))
}

fn bound(source: &str) -> String {
    let expression = Expression::compile(source).unwrap_or_else(|error| panic!("{source}: {error:?}"));
    match expression.evaluate(&bounded_names(), 0) {
        Ok(value) => panic!("{source} gave {} bytes", value.to_string().len()),
        Err(error) => error.message,
    }
}

/// Library functions were outside the budget: one `distinct()` over a long list held a worker for ever, eleven nested
/// `replace` exhausted the memory of the process, and a run with either did so again at every start. Now every function
/// pays for what it reads and makes, before it makes it.
#[test]
fn an_evaluation_is_bounded_in_work_and_memory() {
    let nested = format!("'aaaaaaaaaa'{}", ".replace('a','aaaaaaaaaa')".repeat(11));
    let all: Vec<String> = [
        "longer.map(x, x)",
        "xs.map(x, xs.map(y, xs.map(z, z)))",
        "text + text",
        "[text, text]",
        "commas.replace(',', wide)",
        nested.as_str(),
        "lists.range(1000000).distinct()",
        "xs.map(x, text + 'x')",
        "text.split('')",
        "xs.all(x, text == text + '')",
        "xs.map(x, words == words + [])",
        "words.all(x, !('nothing' in words))",
        "xs.map(x, text.matches('(x+x+)+y'))",
        "words.map(x, words.join(x))",
        "words.map(x, words.sort())",
        "words.map(x, unique(words))",
        "words.map(x, json(words))",
        "words.map(x, hash(text))",
        "words.map(x, text.upper())",
        "words.all(x, !text.contains(x))",
        "words.map(x, words.group_by(y, y))",
        "text.replace('', 'xx')",
        "xs.map(x, words.flatten(8))",
        "xs.map(x, 'a'.matches('(a{100}){100}' + string(x)))",
        "'a'.matches('((a{100}){100}){100}' + '')",
    ]
    .iter()
    .map(|source| format!("{:<52.52} {}\n", source, bound(source)))
    .collect();
    insta::assert_snapshot!(all.concat());
    assert!(Expression::compile(&"1+".repeat(3000)).is_err_and(|error| error.code == "FF-WF-017"));
    assert!(Expression::compile(&format!("{}1{}", "(".repeat(1500), ")".repeat(1500))).is_err());
    assert!(Expression::compile("'a'.matches('((a{100}){100}){100}')").is_err());
}

/// What was quadratic takes time in proportion to the list now, so that an honest use fits the budget.
#[test]
fn long_lists_are_worked_on_within_the_budget() {
    let names = bounded_names();
    let value = |source: &str| {
        let expression = Expression::compile(source).unwrap_or_else(|error| panic!("{source}: {error:?}"));
        expression
            .evaluate(&names, 0)
            .unwrap_or_else(|error| panic!("{source}: {error}"))
    };
    for source in [
        "size(words.distinct())",
        "size(unique(words + words))",
        "size(words.sort())",
        "size(words.sort_by(w, w.substring(1)))",
        "size(words.group_by(w, w))",
        "size(words.to_map(w, w, 1))",
        "size(zip(words, words))",
        "size(words.map(w, w.upper() + '!').filter(w, w != 'W5!')) + 1",
        "count(words)",
        "size(words.map(w, sum(tens) + tens.count(t, t > 3)))",
    ] {
        assert_eq!(value(source), json!(10_000), "{source}");
    }
    assert_eq!(value("size(words.join(','))"), json!(58_889));
    assert_eq!(
        value("count(rows.filter(a, rows.exists(b, a == b)))"),
        json!(1_000),
        "a join of two lists"
    );
}

/// An evaluation could not be stopped from outside: the deadline of a request never fired, because nothing yielded.
#[test]
fn an_evaluation_is_stopped_by_its_handle() {
    let names = bounded_names();
    let expression = Expression::compile("xs.map(x, x + 1)").expect("it compiles");
    let interrupt = Interrupt::new();
    let context = || Context::from(0).with_interrupt(&interrupt);
    assert!(expression.evaluate(&names, context()).is_ok());
    interrupt.clone().stop();
    let error = expression
        .evaluate(&names, context())
        .expect_err("it was stopped");
    assert_eq!(error.message, "the evaluation was stopped: it took too long");
    // No part of an expression goes on after that.
    let absorbed = Expression::compile("xs.all(x, x > 1) || true").expect("it compiles");
    assert!(absorbed.evaluate(&names, context()).is_err());
}

/// Chains and nests of any kind are bounded, so that walking a tree never takes more than its stack.
#[test]
fn no_expression_is_deeper_than_its_bound() {
    let run = || {
        for deep in [
            format!("{}1", "!".repeat(4000)),
            format!("{}1", "- ".repeat(2000)),
            format!("x{}", ".trim()".repeat(500)),
            format!("{}1{}", "[".repeat(2000), "]".repeat(2000)),
            format!("{}1{}", "{1:".repeat(1000), "}".repeat(1000)),
            "a[".repeat(2000),
            "f(".repeat(2000),
            "true?".repeat(800),
        ] {
            assert!(Expression::compile(&deep).is_err(), "{deep:.20}");
        }
        for long in [
            format!("1{}", "+1".repeat(2000)),
            format!("true{}", "&&true".repeat(680)),
            format!("{}1", "false?0:".repeat(500)),
            format!("has(fetch{}.x)", "[0]".repeat(1000)),
        ] {
            let expression = Expression::compile(&long).unwrap_or_else(|error| panic!("{long:.20}: {error}"));
            drop(expression.evaluate(&names(), 0));
        }
    };
    std::thread::Builder::new()
        .stack_size(1024 * 1024)
        .spawn(run)
        .expect("a thread")
        .join()
        .expect("its stack is enough");
}

/// A template handed a value on without a look at its depth, and added levels of its own around it: six nodes made a
/// record that nobody could read back.
#[test]
fn a_template_gives_only_what_a_record_can_hold() {
    let nest = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    let of = |levels, template: Value| {
        let names = Names(BTreeMap::from([
            ("deep", Some(nest(levels))),
            ("large", Some(json!("x".repeat(3 << 20)))),
        ]));
        Template::compile(&template)
            .expect("it compiles")
            .evaluate(&names, 0)
            .map(|_| ())
            .map_err(|failure| format!("{}: {}", failure.path, failure.error))
    };
    assert_eq!(of(64, json!("${deep}")), Ok(()));
    assert!(of(65, json!("${deep}")).is_err_and(|error| error.ends_with("is nested deeper than 64 levels")));
    assert_eq!(of(62, json!({ "a": { "b": "${deep}" } })), Ok(()));
    let error = of(63, json!({ "a": { "b": "${deep}" } })).expect_err("one level too many");
    assert!(error.starts_with(".a.b[0]"), "{error}");
    let error = of(1, json!({ "a": "${large}", "b": { "c": "${large}" } })).expect_err("too large together");
    assert!(
        error.starts_with(".b.c: ") && error.contains("4194304"),
        "{error}"
    );
    let error = of(1, json!(["${large}${large}"])).expect_err("too large together");
    assert!(error.starts_with("[0]: "), "{error}");
}
