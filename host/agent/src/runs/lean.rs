//! Snapshots without the large values that the run holds beside its records.
//!
//! A state holds values, and the journal has the large ones once. In a snapshot such a value is its plain digest; whatever
//! else a user's value looks like, it is not taken for one. A snapshot whose values are not here any more is of no use, and
//! the records are read instead.

use std::collections::HashMap;

use flowforge_protocol::Digest;
use serde_json::{Map, Value};

/// The one key of an object that stands for a value: with a digest, or with an object of a user that looks like this.
const HELD: &str = "held by the run";

/// A state with digests in the place of values above this size that the run holds.
pub(super) fn lean(state: Vec<u8>, inline_bytes: usize, is_held: impl Fn(&Digest) -> bool) -> Vec<u8> {
    // A short one holds nothing large, but something in it may look like what stands for a value.
    if state.len() <= inline_bytes && !is_lean(&state) {
        return state;
    }
    let Ok(mut value) = serde_json::from_slice(&state) else {
        return state;
    };
    shrink(&mut value, inline_bytes, &is_held);
    serde_json::to_vec(&value).unwrap_or(state)
}

fn shrink(value: &mut Value, inline_bytes: usize, is_held: &impl Fn(&Digest) -> bool) {
    let Ok(bytes) = serde_json::to_vec(value) else {
        return;
    };
    if bytes.len() > inline_bytes {
        let digest = Digest::of(&bytes);
        if is_held(&digest) {
            *value = marked(Value::String(digest.to_string()));
            return;
        }
    }
    drop(bytes);
    match value {
        Value::Object(fields) => {
            let looks_so = marked_in(fields).is_some();
            fields
                .values_mut()
                .for_each(|field| shrink(field, inline_bytes, is_held));
            if looks_so {
                let object = std::mem::take(fields);
                *value = marked(Value::Object(object));
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| shrink(item, inline_bytes, is_held)),
        _ => {}
    }
}

fn marked(what: Value) -> Value {
    Value::Object(Map::from_iter([(HELD.to_owned(), what)]))
}

fn marked_in(fields: &Map<String, Value>) -> Option<&Value> {
    fields.get(HELD).filter(|_| fields.len() == 1)
}

/// Whether a snapshot may lack values.
pub(super) fn is_lean(snapshot: &[u8]) -> bool {
    snapshot.windows(HELD.len()).any(|part| part == HELD.as_bytes())
}

/// The state with its values; `None` if one of them is not here.
pub(super) fn whole(snapshot: &[u8], values: &HashMap<Digest, Vec<u8>>) -> Option<Vec<u8>> {
    let mut state = serde_json::from_slice(snapshot).ok()?;
    fill(&mut state, values)?;
    serde_json::to_vec(&state).ok()
}

fn fill(value: &mut Value, values: &HashMap<Digest, Vec<u8>>) -> Option<()> {
    match value {
        Value::Object(fields) if marked_in(fields).is_some() => match fields.swap_remove(HELD)? {
            Value::String(digest) => {
                let bytes = values.get(&digest.parse().ok()?)?;
                *value = serde_json::from_slice(bytes).ok()?;
            }
            Value::Object(mut fields) => {
                fields.values_mut().try_for_each(|field| fill(field, values))?;
                *value = Value::Object(fields);
            }
            _ => return None,
        },
        Value::Object(fields) => fields.values_mut().try_for_each(|field| fill(field, values))?,
        Value::Array(items) => items.iter_mut().try_for_each(|item| fill(item, values))?,
        _ => {}
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn values_of(values: &[Value]) -> HashMap<Digest, Vec<u8>> {
        let bytes = values
            .iter()
            .map(|value| serde_json::to_vec(value).expect("JSON"));
        bytes.map(|bytes| (Digest::of(&bytes), bytes)).collect()
    }

    /// A waiting run had each large value twice in the journal: beside its record, and in its snapshot.
    #[test]
    fn a_held_value_is_its_digest_and_comes_back() {
        let large = json!({ "text": "x".repeat(1000), "n": [1, 2.5, u64::MAX] });
        let state = json!({ "steps": [large, { "of": large, "small": "y" }], "other": "z".repeat(500) });
        let bytes = serde_json::to_vec(&state).expect("JSON");
        let values = values_of(&[large]);
        let small = lean(bytes.clone(), 200, |digest| values.contains_key(digest));
        assert!(small.len() < 900 && is_lean(&small), "{}", small.len());
        assert_eq!(whole(&small, &values), Some(bytes.clone()));
        assert_eq!(whole(&small, &HashMap::new()), None, "it is not here any more");
        let untouched = lean(bytes.clone(), 200, |_| false);
        assert_eq!(untouched, bytes, "what the run does not hold stays");
        assert!(!is_lean(&untouched));
    }

    fn looks_so() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!(HELD)),
            "[a-z]{0,40}".prop_map(Value::String),
            any::<i64>().prop_map(|number| json!(number)),
            Just(json!(Digest::of(b"x").to_string())),
        ];
        leaf.prop_recursive(4, 24, 3, |inner| {
            let key = prop_oneof![Just(HELD.to_owned()), "[a-c]"];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
                prop::collection::btree_map(key, inner, 0..3)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// What a user's value looks like changes nothing, whatever of it is held.
        #[test]
        fn no_value_is_taken_for_another(
            state in looks_so(),
            held in prop::collection::vec(looks_so(), 0..4),
            inline in 0_usize..400,
        ) {
            let state = json!({ "state": state, "held": held });
            let bytes = serde_json::to_vec(&state).expect("JSON");
            let values = values_of(&held);
            let small = lean(bytes.clone(), inline, |digest| values.contains_key(digest));
            let found = if is_lean(&small) { whole(&small, &values) } else { Some(small) };
            prop_assert_eq!(found, Some(bytes));
        }
    }
}
