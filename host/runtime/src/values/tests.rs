//! Every value that goes in comes out as it was, for types of every kind; every wrong one is named.

use std::collections::HashSet;

use flowforge_ports::{Named, Type};
use serde_json::{Value, json};

use super::fuzz::{case, field, option, plain, round_trip, value_conversion};
use super::{LiftError, Lifter};

#[test]
fn what_goes_in_comes_out_and_nothing_else_breaks_it() {
    if let Err(failure) = value_conversion(2_000, 1) {
        panic!("{failure}");
    }
}

/// Each value is refused with this path and message.
fn assert_refused(cases: Vec<(Type, Value, &str)>) {
    for (ty, value, expected) in cases {
        assert_eq!(round_trip(&ty, value), Err(expected.to_owned()));
    }
}

#[test]
fn every_wrong_scalar_is_named_with_what_was_expected() {
    let strength = Type::Enum {
        named: Named::default(),
        cases: vec![plain("light"), plain("moderate"), plain("strong")],
    };
    assert_refused(vec![
        (
            Type::Bool,
            json!(1),
            "x: expected true or false, got the number 1",
        ),
        (Type::U8, json!(256), "x: 256 is out of range"),
        (Type::S8, json!(-129), "x: -129 is out of range"),
        (
            Type::U32,
            json!(1.5),
            "x: expected a whole number, got the number 1.5",
        ),
        (
            Type::U64,
            json!("12x"),
            "x: expected a whole number, got text that is none",
        ),
        (Type::F64, json!(null), "x: expected a number, got nothing"),
        (
            Type::F32,
            json!(1e39),
            "x: 1e+39 is too large for a 32-bit number",
        ),
        (Type::Char, json!("ab"), "x: expected one character, got 2"),
        (Type::String, json!(["a"]), "x: expected text, got a list"),
        (
            Type::Bytes,
            json!("!"),
            "x: expected base64 text: Invalid symbol 33, offset 0.",
        ),
        (
            Type::Artefact,
            json!("sha256:00"),
            "x: expected an artefact, got text",
        ),
        (
            strength,
            json!("weak"),
            "x: `weak` is not allowed, expected light, moderate, strong",
        ),
    ]);
}

#[test]
fn every_wrong_structure_is_named_with_what_was_expected() {
    let tags = Type::List {
        element: Box::new(Type::U8),
    };
    let row = Type::Record {
        named: Named::default(),
        fields: vec![field("price", Type::F64), field("tags", tags)],
    };
    let shape = Type::Variant {
        named: Named::default(),
        cases: vec![case("dot", None), case("circle", Some(Type::F64))],
    };
    let strength = Type::Enum {
        named: Named::default(),
        cases: vec![plain("light")],
    };
    let one = Type::Tuple {
        items: vec![Type::U8],
    };
    let two_levels = option(option(Type::U8));
    assert_refused(vec![
        (
            row.clone(),
            json!({"price": 1}),
            "x.tags: is missing, expected a list",
        ),
        (
            row.clone(),
            json!({"price": 1, "tags": [1, "2"]}),
            "x.tags[1]: expected a whole number, got text",
        ),
        (
            row,
            json!({"price": 1, "tags": [], "tag": 1}),
            "x.tag: no such field, expected price, tags",
        ),
        (
            shape.clone(),
            json!({"kind": "square"}),
            "x.kind: `square` is no case, expected dot, circle",
        ),
        (
            shape.clone(),
            json!({"kind": "dot", "value": 1}),
            "x.value: this case has no value; leave `value` out",
        ),
        (
            shape.clone(),
            json!({"kind": "circle"}),
            "x.value: is missing, expected a number",
        ),
        (
            shape.clone(),
            json!({"value": 1}),
            "x: expected { kind: dot } or { kind: circle, value: a number }, got an object",
        ),
        (
            shape.clone(),
            json!({"circle": 1.5}),
            "x: expected { kind: circle, value: a number }, got an object",
        ),
        (shape.clone(), json!("dot"), "x: expected { kind: dot }, got text"),
        (
            shape.clone(),
            json!(1.5),
            "x: expected { kind: dot } or { kind: circle, value: a number }, got the number 1.5",
        ),
        (
            strength,
            json!({"kind": "light"}),
            "x: expected one of light, written as the name alone, got an object",
        ),
        (
            shape,
            json!({"kind": "dot", "extra": 1}),
            "x.extra: no such field, expected kind, value",
        ),
        (one, json!([1, 2]), "x: expected a list of 1, got 2 elements"),
        (
            two_levels,
            json!(1),
            "x: expected nothing or {\"some\": …}, because the port has two levels of option",
        ),
    ]);
}

#[test]
fn lenient_spellings_become_the_one_spelling() {
    let strength = Type::Enum {
        named: Named::default(),
        cases: vec![plain("very-strong")],
    };
    assert_eq!(
        round_trip(&strength, json!("very-strong")),
        Ok(json!("very_strong"))
    );
    assert_eq!(round_trip(&Type::S64, json!("-5")), Ok(json!(-5)));
    assert_eq!(round_trip(&Type::U16, json!(7.0)), Ok(json!(7)));
    assert_eq!(round_trip(&Type::F64, json!(7)), Ok(json!(7.0)));
    assert_eq!(
        round_trip(&Type::F64, json!(u64::MAX)),
        Ok(json!(18_446_744_073_709_551_615_u64 as f64))
    );
    let flags = Type::Flags {
        named: Named::default(),
        flags: vec![plain("a")],
    };
    assert_eq!(round_trip(&flags, json!(["a", "a"])), Ok(json!(["a"])));
}

/// An order number above 2^53 arrived at a connector as its neighbour, or came back as text.
#[test]
fn integers_are_exact_to_64_bits() {
    for value in [i64::MIN, -9_007_199_254_740_993, 9_007_199_254_740_993, i64::MAX] {
        assert_eq!(round_trip(&Type::S64, json!(value)), Ok(json!(value)));
        assert_eq!(round_trip(&Type::S64, json!(value.to_string())), Ok(json!(value)));
        assert_eq!(
            round_trip(&Type::Json, json!({"n": value})),
            Ok(json!({"n": value}))
        );
    }
    for value in [9_007_199_254_740_993, u64::MAX] {
        assert_eq!(round_trip(&Type::U64, json!(value)), Ok(json!(value)));
        assert_eq!(round_trip(&Type::Json, json!(value)), Ok(json!(value)));
    }
    assert_refused(vec![
        (
            Type::S64,
            json!(u64::MAX),
            "x: 18446744073709551615 is out of range",
        ),
        (Type::U64, json!(-1), "x: -1 is out of range"),
        // It said that the text is no whole number.
        (
            Type::S64,
            json!("9223372036854775808"),
            "x: 9223372036854775808 is out of range",
        ),
    ]);
}

#[test]
fn a_result_counts_against_its_budget() {
    let artefacts = HashSet::new();
    let text = || wasmtime::component::Val::String("x".repeat(98));
    assert!(Lifter::new(100, &artefacts).value(&Type::String, text()).is_ok());
    let refused = Lifter::new(99, &artefacts).value(&Type::String, text());
    assert!(matches!(refused, Err(LiftError::TooLarge(99))));
}
