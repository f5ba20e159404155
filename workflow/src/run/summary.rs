//! What a value is, in a few words: for the table of a run.

use std::io::Write;

use flowforge_protocol::used::Used;
use serde_json::{Map, Value};

/// Values named at most.
const MAX_NAMED: usize = 3;
/// Sizes below this are not worth a word.
const WORTH_BYTES: u64 = 10 * 1024;

/// A number with commas between thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A size for people: `1.2 MB`.
pub(super) fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one digit is shown")]
    let value = bytes as f64;
    if bytes < 1000 {
        format!("{bytes} B")
    } else if bytes < 1_000_000 {
        format!("{:.1} KB", value / 1e3)
    } else {
        format!("{:.1} MB", value / 1e6)
    }
}

/// Counts bytes and keeps none.
struct Counter(u64);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += u64::try_from(bytes.len()).unwrap_or(0);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn json_bytes(value: &Value) -> u64 {
    let mut counter = Counter(0);
    // Counting cannot fail, and a JSON value can always be written.
    let _ = serde_json::to_writer(&mut counter, value);
    counter.0
}

/// The output of a call: `200, 1,707 features, 1.2 MB`, `count 128, mean 4.74`, `earthquakes.csv, 8.9 KB`.
pub(super) fn of_output(output: &Value) -> String {
    if let Some(artefact) = artefact(output) {
        return artefact;
    }
    let mut parts = Vec::new();
    let status = output.get("status").and_then(Value::as_u64);
    parts.extend(
        status
            .filter(|status| (100..600).contains(status))
            .map(|status| status.to_string()),
    );
    match longest_list(output, "", 0) {
        Some((name, length)) => parts.push(format!("{} {name}", grouped(length))),
        None if parts.is_empty() => parts.extend(scalars(output)),
        None => {}
    }
    let bytes = json_bytes(output);
    if bytes >= WORTH_BYTES {
        parts.push(size(bytes));
    }
    parts.join(", ")
}

fn artefact(value: &Value) -> Option<String> {
    let fields = value.as_object()?;
    let digest = fields.get("digest")?.as_str()?;
    let bytes = fields.get("size")?.as_u64()?;
    let name = fields.get("name")?.as_str()?;
    digest
        .starts_with("sha256:")
        .then(|| format!("{}, {}", short(name), size(bytes)))
}

/// The longest list within three levels, with its name.
fn longest_list(value: &Value, name: &str, depth: usize) -> Option<(String, u64)> {
    match value {
        Value::Array(items) => {
            let name = if name.is_empty() { "elements" } else { name };
            Some((name.to_owned(), u64::try_from(items.len()).unwrap_or(u64::MAX)))
        }
        Value::Object(fields) if depth < 3 => fields
            .iter()
            .filter(|(name, _)| name.as_str() != "headers")
            .filter_map(|(name, field)| longest_list(field, name, depth + 1))
            .max_by_key(|(_, length)| *length),
        _ => None,
    }
}

fn scalars(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter_map(|(name, field)| Some(format!("{name} {}", scalar(field)?)))
            .take(MAX_NAMED + 1)
            .collect(),
        Value::Null => Vec::new(),
        other => scalar(other).into_iter().collect(),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(short(text)),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) if float == 0.0 || (0.01..1e15).contains(&float.abs()) => trimmed(float),
            // A whole number has all its digits; one that two digits do not tell is shown as it is.
            _ => number.to_string(),
        }),
        _ => None,
    }
}

/// At most two digits after the point, and none that say nothing.
fn trimmed(float: f64) -> String {
    let text = format!("{float:.2}");
    match text.strip_suffix('0') {
        Some(shorter) if !shorter.ends_with('.') => shorter.to_owned(),
        _ => text,
    }
}

fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() > 60 {
        line.chars().take(59).chain(['…']).collect()
    } else {
        line.to_owned()
    }
}

/// The fields of a `set`: `chosen: 128`.
pub(super) fn of_fields(output: &Value) -> String {
    let Value::Object(fields) = output else {
        return of_output(output);
    };
    let mut parts: Vec<String> = fields
        .iter()
        .take(MAX_NAMED)
        .map(|(name, field)| named(name, field))
        .collect();
    if fields.len() > MAX_NAMED {
        parts.push(format!("and {} more", fields.len() - MAX_NAMED));
    }
    parts.join(", ")
}

fn named(name: &str, value: &Value) -> String {
    let count = |length: usize| grouped(u64::try_from(length).unwrap_or(u64::MAX));
    match value {
        Value::Array(items) => format!("{name}: {}", count(items.len())),
        Value::Object(fields) => {
            nested(name, fields).unwrap_or_else(|| format!("{name}: {} fields", count(fields.len())))
        }
        other => format!(
            "{name}: {}",
            scalar(other).unwrap_or_else(|| "nothing".to_owned())
        ),
    }
}

fn nested(name: &str, fields: &Map<String, Value>) -> Option<String> {
    artefact(&Value::Object(fields.clone())).map(|text| format!("{name}: {text}"))
}

/// The secrets among what a step used: `secret chat_token attached`.
pub(super) fn secrets(used: &[Used]) -> Option<String> {
    let mut names: Vec<&str> = used.iter().filter_map(|used| used.secret.as_deref()).collect();
    names.sort_unstable();
    names.dedup();
    (!names.is_empty()).then(|| format!("secret {} attached", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn used(secret: Option<&str>) -> Used {
        Used {
            destination: "https://chat:443".to_owned(),
            secret: secret.map(str::to_owned),
            count: 1,
        }
    }

    #[test]
    fn outputs_are_described_by_what_is_in_them() {
        assert_eq!(
            of_output(
                &json!({"status": 200, "body": {"features": [1, 2, 3]}, "headers": {"x": [1, 2, 3, 4]}})
            ),
            "200, 3 features"
        );
        assert_eq!(
            of_output(&json!({"count": 128, "mean": 4.7421, "median": 4.6, "max": 6.4})),
            "count 128, mean 4.74, median 4.6, max 6.4"
        );
        assert_eq!(
            of_output(
                &json!({"digest": "sha256:ab", "name": "earthquakes.csv", "media_type": "text/csv", "size": 8901})
            ),
            "earthquakes.csv, 8.9 KB"
        );
        assert_eq!(
            of_output(&json!({"n": u64::MAX, "small": 0.001, "large": 1e30, "zero": 0.0})),
            "n 18446744073709551615, small 0.001, large 1e+30, zero 0.0",
            "a number that two digits do not tell is shown as it is"
        );
        assert_eq!(of_output(&json!([1, 2])), "2 elements");
        assert_eq!(of_output(&json!(null)), "");
        assert_eq!(
            of_fields(&json!({"chosen": vec![0; 1707], "n": 4.0})),
            "chosen: 1,707, n: 4.0"
        );
        assert_eq!(
            secrets(&[used(None), used(Some("chat_token"))]),
            Some("secret chat_token attached".into())
        );
    }
}
