//! Making an input that breaks a connector as small as it still breaks it.

use flowforge_ports::{Operation, Type};
use serde_json::{Map, Value, json};

use super::inputs::{Maker, kind};

/// Inputs one step smaller, the smallest first: one port each.
pub(super) fn smaller_inputs(
    maker: &Maker,
    operation: &Operation,
    input: &Map<String, Value>,
) -> Vec<Map<String, Value>> {
    let mut all = Vec::new();
    for port in &operation.params {
        let Some(old) = input.get(&port.name) else {
            continue;
        };
        for new in smaller(maker, &port.ty, old) {
            let mut next = input.clone();
            next.insert(port.name.clone(), new);
            all.push(next);
        }
    }
    all
}

/// Values of this type that are smaller than this one, the smallest first.
fn smaller(maker: &Maker, ty: &Type, value: &Value) -> Vec<Value> {
    let smallest = maker.smallest(ty);
    if *value == smallest {
        return Vec::new();
    }
    let mut all = vec![smallest];
    match (ty, value) {
        (Type::Option { inner }, value) if !matches!(**inner, Type::Option { .. }) => {
            all.extend(smaller(maker, inner, value));
        }
        (Type::List { element }, Value::Array(items)) => {
            all.extend(shorter(items).map(Value::Array));
            for (at, item) in items.iter().enumerate() {
                all.extend(
                    smaller(maker, element, item)
                        .into_iter()
                        .map(|item| with_item(items, at, item)),
                );
            }
        }
        (Type::Tuple { items: types }, Value::Array(items)) => {
            for (at, (ty, item)) in types.iter().zip(items).enumerate() {
                all.extend(
                    smaller(maker, ty, item)
                        .into_iter()
                        .map(|item| with_item(items, at, item)),
                );
            }
        }
        (Type::Record { fields, .. }, Value::Object(parts)) => {
            for field in fields {
                let Some(part) = parts.get(&field.name) else {
                    continue;
                };
                for part in smaller(maker, &field.ty, part) {
                    let mut next = parts.clone();
                    next.insert(field.name.clone(), part);
                    all.push(Value::Object(next));
                }
            }
        }
        (Type::Variant { cases, .. }, Value::Object(parts)) => {
            let name = parts.get("kind").and_then(Value::as_str).unwrap_or_default();
            let case = cases.iter().find(|case| case.name == name);
            if let (Some(ty), Some(part)) = (case.and_then(|case| case.ty.as_ref()), parts.get("value")) {
                all.extend(
                    smaller(maker, ty, part)
                        .into_iter()
                        .map(|part| kind(name, Some(part))),
                );
            }
        }
        (Type::Json, value) => all.extend(smaller_json(value)),
        (_, Value::String(text)) if matches!(ty, Type::String) => all.extend(smaller_text(text)),
        (_, Value::Number(number)) => {
            if let Some(whole) = number.as_i64() {
                all.push(json!(whole / 2));
            }
        }
        _ => {}
    }
    all.retain(|next| next != value);
    all
}

fn smaller_json(value: &Value) -> Vec<Value> {
    match value {
        Value::String(text) => smaller_text(text),
        Value::Array(items) => items
            .iter()
            .cloned()
            .chain(shorter(items).map(Value::Array))
            .collect(),
        Value::Object(parts) => {
            let without = |key: &String| {
                let mut next = parts.clone();
                next.remove(key);
                Value::Object(next)
            };
            parts.values().cloned().chain(parts.keys().map(without)).collect()
        }
        _ => Vec::new(),
    }
}

fn smaller_text(text: &str) -> Vec<Value> {
    let chars: Vec<char> = text.chars().collect();
    shorter(&chars)
        .map(|chars| json!(chars.into_iter().collect::<String>()))
        .collect()
}

/// Either half, and without each of the first elements.
fn shorter<T: Clone>(items: &[T]) -> impl Iterator<Item = Vec<T>> {
    /// More would be tried for too long.
    const SINGLY_MAX: usize = 24;
    let (first, second) = items.split_at(items.len() / 2);
    let singly = (0..items.len().min(SINGLY_MAX)).map(|at| {
        let mut rest = items.to_vec();
        rest.remove(at);
        rest
    });
    [first.to_vec(), second.to_vec()].into_iter().chain(singly)
}

fn with_item(items: &[Value], at: usize, item: Value) -> Value {
    let mut next = items.to_vec();
    if let Some(place) = next.get_mut(at) {
        *place = item;
    }
    Value::Array(next)
}
