//! The fuzz body of value conversion: types and values of every kind, in, out and wrong.
//!
//! Runs with a small budget in this crate's tests and for as long as it is told in a campaign (feature `fuzz`). The same
//! seed makes the same cases on every machine.

use std::collections::HashSet;

use flowforge_ports::{Case, EnumCase, ExportName, Field, Named, Operation, Port, Type};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use serde_json::{Map, Value, json};

use super::{LiftError, Lifter, Lowerer};

/// Makes this many cases from the seed and checks that a value of a type comes out as it went in, and that any other value
/// is refused with a place or taken as it is meant, never with a panic.
///
/// # Errors
/// The smallest case that fails, for people.
#[cfg_attr(
    not(feature = "fuzz"),
    expect(unreachable_pub, reason = "public where the feature is on")
)]
pub fn value_conversion(cases: u32, seed: u64) -> Result<(), String> {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    for (place, byte) in bytes.iter_mut().zip(seed.to_be_bytes()) {
        *place = byte;
    }
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let strategy = (typed_value(), json_value());
    TestRunner::new_with_rng(config, rng)
        .run(&strategy, |((ty, value), other)| check(&ty, value, other))
        .map_err(|error| error.to_string())
}

fn check(ty: &Type, value: Value, other: Value) -> Result<(), TestCaseError> {
    prop_assert_eq!(round_trip(ty, value.clone()), Ok(value));
    match round_trip(ty, other) {
        // What was taken has one spelling from then on.
        Ok(taken) => prop_assert_eq!(round_trip(ty, taken.clone()), Ok(taken)),
        Err(message) => prop_assert!(
            message.starts_with('x') || message.starts_with("above"),
            "{}",
            message
        ),
    }
    Ok(())
}

/// Any JSON value, a few levels deep.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|value| json!(value)),
        ".{0,8}".prop_map(Value::from),
        Just(json!({"kind": "ok"})),
        Just(json!({"kind": "nothing", "value": null})),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let name = prop_oneof![
            Just("kind"),
            Just("value"),
            Just("some"),
            Just("one_field"),
            Just("two"),
            Just("other")
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::vec((name, inner), 0..3).prop_map(|fields| fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

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
        trigger: None,
    }
}

/// The value after it went in and came out, or what is wrong with it: `path: message`.
pub(super) fn round_trip(ty: &Type, value: Value) -> Result<Value, String> {
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

pub(super) fn field(name: &str, ty: Type) -> Field {
    Field {
        name: name.replace('-', "_"),
        wit_name: name.to_owned(),
        ty,
        docs: None,
    }
}

pub(super) fn plain(name: &str) -> EnumCase {
    EnumCase {
        name: name.replace('-', "_"),
        wit_name: name.to_owned(),
        docs: None,
    }
}

pub(super) fn case(name: &str, ty: Option<Type>) -> Case {
    Case {
        name: name.replace('-', "_"),
        wit_name: name.to_owned(),
        ty,
        docs: None,
    }
}

pub(super) fn option(inner: Type) -> Type {
    Type::Option {
        inner: Box::new(inner),
    }
}

/// A type and a value of it, as this crate writes it.
fn typed_value() -> impl Strategy<Value = (Type, Value)> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(|value| (Type::Bool, json!(value))),
        any::<i8>().prop_map(|value| (Type::S8, json!(value))),
        any::<u16>().prop_map(|value| (Type::U16, json!(value))),
        any::<i32>().prop_map(|value| (Type::S32, json!(value))),
        any::<i64>().prop_map(|value| (Type::S64, json!(value))),
        any::<u64>().prop_map(|value| (Type::U64, json!(value))),
        (-1e9_f32..1e9).prop_map(|value| (
            Type::F32,
            json!(value.to_string().parse::<f64>().unwrap_or_default())
        )),
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
