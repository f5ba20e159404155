//! What was expected against what came: every difference with its path.

use serde_json::Value;

/// Most differences of one comparison that are told.
const DIFFERENCES_MAX: usize = 20;

/// Longest value that is shown, in characters.
const SHOWN_CHARS: usize = 200;

/// Every difference between two values; none if they are the same. Numbers are compared as numbers: `4` is `4.0`.
pub(crate) fn differences(expected: &Value, found: &Value) -> Vec<String> {
    let mut all = Vec::new();
    compare("", expected, found, &mut all);
    let more = all.len().saturating_sub(DIFFERENCES_MAX);
    all.truncate(DIFFERENCES_MAX);
    if more > 0 {
        all.push(format!("and {more} more differences"));
    }
    all
}

fn compare(path: &str, expected: &Value, found: &Value, all: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(wanted), Value::Object(got)) => {
            for (key, value) in wanted {
                let inner = below(path, key);
                match got.get(key) {
                    Some(other) => compare(&inner, value, other, all),
                    None => all.push(format!("{inner}: expected {}, it is missing", shown(value))),
                }
            }
            for (key, value) in got.iter().filter(|(key, _)| !wanted.contains_key(*key)) {
                all.push(format!(
                    "{}: not expected, got {}",
                    below(path, key),
                    shown(value)
                ));
            }
        }
        (Value::Array(wanted), Value::Array(got)) => {
            for (index, (value, other)) in wanted.iter().zip(got).enumerate() {
                compare(&format!("{path}[{index}]"), value, other, all);
            }
            if wanted.len() != got.len() {
                let place = if path.is_empty() { "result" } else { path };
                all.push(format!(
                    "{place}: expected {} elements, got {}",
                    wanted.len(),
                    got.len()
                ));
            }
        }
        (Value::Number(wanted), Value::Number(got)) if same_number(wanted, got) => {}
        _ if expected == found => {}
        _ => {
            let place = if path.is_empty() { "result" } else { path };
            all.push(format!(
                "{place}: expected {}, got {}",
                shown(expected),
                shown(found)
            ));
        }
    }
}

fn same_number(a: &serde_json::Number, b: &serde_json::Number) -> bool {
    a == b || (a.is_f64() || b.is_f64()) && a.as_f64() == b.as_f64()
}

fn below(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// A value on one line, cut.
pub(crate) fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_difference_names_its_path() {
        let expected = json!({"a": {"b": [1, 2]}, "n": 4, "gone": true});
        let found = json!({"a": {"b": [1, 3, 4]}, "n": 4.0, "new": null});
        assert_eq!(
            differences(&expected, &found),
            [
                "a.b[1]: expected 2, got 3",
                "a.b: expected 2 elements, got 3",
                "gone: expected true, it is missing",
                "new: not expected, got null",
            ]
        );
        assert!(differences(&json!(1), &json!(1.0)).is_empty());
        assert_eq!(
            differences(&json!("x"), &json!(null)),
            ["result: expected \"x\", got null"]
        );
    }
}
