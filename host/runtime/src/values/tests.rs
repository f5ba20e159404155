//! Every value that goes in comes out as it was, for types of every kind.

use std::collections::HashSet;

use flowforge_ports::{Case, EnumCase, ExportName, Field, Named, Operation, Port, Type};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{LiftError, Lifter, Lowerer};

fn operation(ty: Type) -> Operation {
    Operation {
        name: "f".to_owned(),
        export: ExportName {
            interface: None,
            function: "f".to_owned(),
        },
        asynchronous: false,
        params: vec![Port {
            name: "x".to_owned(),
            wit_name: "x".to_owned(),
            ty,
            docs: None,
        }],
        result: None,
        fails: false,
        failure: None,
        standard_failure: false,
        title: None,
        docs: None,
        effect: flowforge_ports::Effect::Pure,
    }
}

/// The value after it went in and came out, or what is wrong with it: `path: message`.
fn round_trip(ty: &Type, value: Value) -> Result<Value, String> {
    let input = Map::from_iter([("x".to_owned(), value)]);
    let told = |error: super::PathError| format!("{}: {}", error.path(), error.message);
    let mut lowered = Lowerer::default()
        .arguments(&operation(ty.clone()), input)
        .map_err(told)?;
    let artefacts = HashSet::new();
    let mut lifter = Lifter::new(1 << 20, &artefacts);
    match lifter.value(ty, lowered.remove(0)) {
        Ok(value) => Ok(value),
        Err(LiftError::Wrong(error)) => Err(told(error)),
        Err(LiftError::TooLarge(limit)) => Err(format!("above {limit}")),
    }
}

fn field(name: &str, ty: Type) -> Field {
    Field {
        name: name.replace('-', "_"),
        wit_name: name.to_owned(),
        ty,
        docs: None,
    }
}

fn plain(name: &str) -> EnumCase {
    EnumCase {
        name: name.replace('-', "_"),
        wit_name: name.to_owned(),
        docs: None,
    }
}

fn case(name: &str, ty: Option<Type>) -> Case {
    Case {
        name: name.replace('-', "_"),
        wit_name: name.to_owned(),
        ty,
        docs: None,
    }
}

fn option(inner: Type) -> Type {
    Type::Option {
        inner: Box::new(inner),
    }
}

/// A type and a value of it, as this crate writes it.
fn typed_value() -> impl Strategy<Value = (Type, Value)> {
    let safe = -((1_i64 << 53) - 1)..(1_i64 << 53);
    let leaf = prop_oneof![
        any::<bool>().prop_map(|value| (Type::Bool, json!(value))),
        any::<i8>().prop_map(|value| (Type::S8, json!(value))),
        any::<u16>().prop_map(|value| (Type::U16, json!(value))),
        any::<i32>().prop_map(|value| (Type::S32, json!(value))),
        safe.prop_map(|value| (Type::S64, json!(value))),
        ((1_u64 << 53)..).prop_map(|value| (Type::U64, json!(value.to_string()))),
        (-1e9_f32..1e9).prop_map(|value| (Type::F32, json!(value.to_string().parse::<f64>().unwrap()))),
        (-1e300..1e300).prop_map(|value: f64| (Type::F64, json!(value))),
        any::<char>().prop_map(|value| (Type::Char, json!(value.to_string()))),
        ".{0,12}".prop_map(|value| (Type::String, json!(value))),
        Just((Type::Json, json!({"any": [1, null, "x", 1.5]}))),
        Just((Type::Bytes, json!("AAH/"))),
        Just((
            Type::Enum {
                named: Named::default(),
                cases: vec![plain("light"), plain("very-strong")]
            },
            json!("very_strong")
        )),
        Just((
            Type::Flags {
                named: Named::default(),
                flags: vec![plain("a"), plain("b-c")]
            },
            json!(["a", "b_c"])
        )),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|(ty, value)| (
                Type::List {
                    element: Box::new(ty)
                },
                json!([value, value])
            )),
            inner
                .clone()
                .prop_filter("`null` stands for none", |(_, value)| !value.is_null())
                .prop_map(|(ty, value)| {
                    let value = if matches!(ty, Type::Option { .. }) {
                        json!({"some": value})
                    } else {
                        value
                    };
                    (option(ty), value)
                }),
            inner.clone().prop_map(|(ty, _)| (option(ty), Value::Null)),
            (inner.clone(), inner.clone())
                .prop_map(|((a, x), (b, y))| (Type::Tuple { items: vec![a, b] }, json!([x, y]))),
            (inner.clone(), inner.clone()).prop_map(|((a, x), (b, y))| {
                let fields = vec![field("one-field", a), field("two", b)];
                (
                    Type::Record {
                        named: Named::default(),
                        fields,
                    },
                    json!({"one_field": x, "two": y}),
                )
            }),
            inner.clone().prop_map(|(ty, value)| {
                let cases = vec![case("nothing", None), case("some-thing", Some(ty))];
                (
                    Type::Variant {
                        named: Named::default(),
                        cases,
                    },
                    json!({"kind": "some_thing", "value": value}),
                )
            }),
            inner.prop_map(|(ty, value)| {
                (
                    Type::Result {
                        ok: None,
                        err: Some(Box::new(ty)),
                    },
                    json!({"kind": "err", "value": value}),
                )
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_goes_in_comes_out((ty, value) in typed_value()) {
        prop_assert_eq!(round_trip(&ty, value.clone()), Ok(value));
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
            "x.value: this case has no value",
        ),
        (
            shape.clone(),
            json!({"kind": "circle"}),
            "x.value: is missing, expected a number",
        ),
        (
            shape.clone(),
            json!({"value": 1}),
            "x.kind: is missing, expected text",
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
    let flags = Type::Flags {
        named: Named::default(),
        flags: vec![plain("a")],
    };
    assert_eq!(round_trip(&flags, json!(["a", "a"])), Ok(json!(["a"])));
}

#[test]
fn a_result_counts_against_its_budget() {
    let artefacts = HashSet::new();
    let text = || wasmtime::component::Val::String("x".repeat(98));
    assert!(Lifter::new(100, &artefacts).value(&Type::String, text()).is_ok());
    let refused = Lifter::new(99, &artefacts).value(&Type::String, text());
    assert!(matches!(refused, Err(LiftError::TooLarge(99))));
}
