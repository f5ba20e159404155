//! Everything that is written reads back as it was.

use flowforge_protocol::canonical::canonical_json;
use flowforge_protocol::envelope::{sign, verify};
use flowforge_protocol::record::{Scope, effect_key};
use flowforge_protocol::{Digest, NodeId, RunId, StepKey};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::documents::key;

fn node_id() -> impl Strategy<Value = NodeId> {
    "[a-z][a-z0-9_]{0,63}".prop_map(|text| text.parse().unwrap())
}

fn step_key() -> impl Strategy<Value = StepKey> {
    (prop::collection::vec((node_id(), any::<u32>()), 0..4), node_id())
        .prop_map(|(path, node)| StepKey { path, node })
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        ".{0,10}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((".{0,6}", inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// The same value with the fields of every object in the opposite order.
fn reversed(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(reversed).collect(),
        Value::Object(fields) => {
            let turned: Map<_, _> = fields
                .iter()
                .rev()
                .map(|(k, v)| (k.clone(), reversed(v)))
                .collect();
            Value::Object(turned)
        }
        scalar => scalar.clone(),
    }
}

const SCOPE: Scope<'static> = Scope {
    workspace: "w",
    project: "p",
};

proptest! {
    #[test]
    fn identifiers(bytes in any::<[u8; 16]>(), other in any::<[u8; 16]>()) {
        let id = RunId::from_entropy(bytes);
        prop_assert_eq!(id.as_str().parse::<RunId>().unwrap(), id.clone());
        let json = serde_json::to_string(&id).unwrap();
        prop_assert_eq!(&serde_json::from_str::<RunId>(&json).unwrap(), &id);
        prop_assert_eq!(bytes == other, id == RunId::from_entropy(other));
    }

    #[test]
    fn steps(step in step_key()) {
        prop_assert_eq!(step.to_string().parse::<StepKey>().unwrap(), step);
    }

    #[test]
    fn steps_never_share_an_effect_key(one in step_key(), two in step_key()) {
        let run = RunId::from_entropy([1; 16]);
        let same = effect_key(SCOPE, &run, &one, 0) == effect_key(SCOPE, &run, &two, 0);
        prop_assert_eq!(same, one == two);
    }

    #[test]
    fn digests(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let digest = Digest::of(&bytes);
        prop_assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        prop_assert_eq!(Digest::from_bytes(*digest.as_bytes()), digest);
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in ".{0,80}") {
        let _ = text.parse::<Digest>();
        let _ = text.parse::<StepKey>();
        let _ = text.parse::<RunId>();
    }

    #[test]
    fn canonical_json_keeps_the_value_and_forgets_the_order(value in json_value()) {
        let bytes = canonical_json(&value);
        let again: Value = serde_json::from_slice(&bytes).unwrap();
        // A whole double comes back as the integer it is; nothing else changes.
        prop_assert_eq!(&canonical_json(&again), &bytes);
        prop_assert_eq!(canonical_json(&reversed(&value)), bytes);
    }

    #[test]
    fn envelopes(payload in prop::collection::vec(any::<u8>(), 0..300), seed in 0_u8..4) {
        let signer = key(seed);
        let keys: Vec<_> = (0..4).map(|n| key(n).verifying_key()).collect();
        let verified = verify(sign("test/type", &payload, &signer).as_bytes(), "test/type", 300, &keys).unwrap();
        prop_assert_eq!(verified.payload(), &payload);
        prop_assert_eq!(verified.key_id(), signer.verifying_key().id());
    }

    #[test]
    fn no_bytes_make_the_envelope_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(verify(&bytes, "test/type", 300, &[key(1).verifying_key()]).is_err());
    }
}

#[test]
fn a_value_is_the_same_however_it_is_ordered_and_a_number_however_it_is_typed() {
    assert_eq!(Digest::of_json(&json!(1)), Digest::of_json(&json!(1.0)));
    assert_eq!(
        Digest::of_json(&json!({"b": 1, "a": 2})),
        Digest::of_json(&json!({"a": 2, "b": 1}))
    );
}
