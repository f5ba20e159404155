//! Expressions against another implementation of the language.
//!
//! What both take must have one value. Left out is what differs on purpose: numbers of both kinds mix here, and JSON
//! has no order of keys for us to compare.

use cel::{Context as Other, Program};
use flowforge_workflow::expr::{Expression, Meaning, Scope};
use proptest::prelude::*;
use serde_json::{Value, json};

struct Nothing;

impl Scope for Nothing {
    fn lookup(&self, _: &str) -> Option<Meaning<'_>> {
        None
    }
}

fn whole() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (0_i64..100).prop_map(|n| n.to_string()),
        Just("9223372036854775807".to_owned()),
        text().prop_map(|text| format!("size({text})")),
        text().prop_map(|text| format!("int(size({text}))")),
        list_of_wholes().prop_map(|list| format!("size({list})")),
    ];
    leaf.prop_recursive(4, 16, 2, |inner| {
        prop_oneof![
            (
                inner.clone(),
                prop::sample::select(vec!["+", "-", "*", "/", "%"]),
                inner.clone()
            )
                .prop_map(|(a, sign, b)| format!("{a} {sign} {b}")),
            inner.clone().prop_map(|a| format!("({a})")),
            inner.clone().prop_map(|a| format!("-({a})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("({a} < {b} ? {b} : {c})")),
        ]
    })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c]{0,4}".prop_map(|text| format!("'{text}'")),
        Just("\"\"\"a\"b\"\"\"".to_owned()),
        Just(r"r'a\n'".to_owned()),
        Just(r"'a\n\x41\u00e9\101'".to_owned()),
        "[a-c]{0,3}".prop_map(|text| format!("('{text}' + 'x')")),
    ]
}

fn list_of_wholes() -> impl Strategy<Value = String> {
    proptest::collection::vec(0_i64..9, 0..5).prop_map(|items| {
        format!(
            "[{}]",
            items.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
        )
    })
}

fn condition() -> impl Strategy<Value = String> {
    let signs = || prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let leaf = prop_oneof![
        (whole(), signs(), whole()).prop_map(|(a, sign, b)| format!("{a} {sign} {b}")),
        (text(), signs(), text()).prop_map(|(a, sign, b)| format!("{a} {sign} {b}")),
        (whole(), list_of_wholes()).prop_map(|(a, list)| format!("({a}) in {list}")),
        (list_of_wholes(), whole()).prop_map(|(list, b)| format!("{list}.exists(x, x > {b})")),
        (list_of_wholes(), whole()).prop_map(|(list, b)| format!("{list}.all(x, {b} / x > 1)")),
        (list_of_wholes(), whole()).prop_map(|(list, b)| format!("{list}.exists_one(x, x == {b})")),
        (text(), text()).prop_map(|(a, b)| format!("{a}.contains({b})")),
        (text(), text()).prop_map(|(a, b)| format!("{a}.startsWith({b}) || {a}.endsWith({b})")),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} && {b}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} || {b}")),
            inner.prop_map(|a| format!("!({a})")),
        ]
    })
}

fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        whole(),
        text(),
        condition(),
        (list_of_wholes(), whole()).prop_map(|(list, b)| format!("{list}.map(x, x * 2 + {b})")),
        (list_of_wholes(), list_of_wholes()).prop_map(|(a, b)| format!("{a} + {b}.filter(x, x % 2 == 0)")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_implementations_give_the_same_value(source in any_value()) {
        let other = Program::compile(&source)
            .ok()
            .and_then(|program| program.execute(&Other::default()).ok())
            .and_then(|value| value.json().ok());
        let ours = Expression::compile(&source)
            .unwrap_or_else(|error| panic!("{source}: {error}"))
            .evaluate(&Nothing, 0)
            .ok();
        prop_assert_eq!(ours, other, "{}", source);
    }
}

/// Values that the language definition states.
#[test]
fn the_examples_of_the_language_definition_hold() {
    for (source, expected) in [
        ("1 + 2 * 3 - 4 / 2 % 3", json!(5)),
        ("true ? false ? 1 : 2 : 3", json!(2)),
        ("!true || !!true && -1 < 0", json!(true)),
        ("1 / 0 > 0 || true", json!(true)),
        ("false && 1 / 0 > 0", json!(false)),
        ("[1, 2][1] + {'a': {'b': 3}}.a['b']", json!(5)),
        ("'\\u00fc'.size() + b'\\303\\274'.size()", json!(3)),
        ("has({'a': 1}.b) == false", json!(true)),
        ("{1: 'one', true: 'yes'}[true] + {1: 'one'}[1]", json!("yesone")),
        ("[1, ?optional.none(), ?optional.of(2)]", json!([1, 2])),
        ("{?'a': optional.none(), 'b': 1}", json!({ "b": 1 })),
        ("'a' < 'b' && [1] == [1.0] && null == null", json!(true)),
        (
            "type(1) == int && type('a') == string && type([]) == list && type(type(1)) == type",
            json!(true),
        ),
    ] {
        let value: Value = Expression::compile(source)
            .unwrap_or_else(|error| panic!("{source}: {error}"))
            .evaluate(&Nothing, 0)
            .unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_eq!(value, expected, "{source}");
    }
}
