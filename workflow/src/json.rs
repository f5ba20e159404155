//! JSON text as a value, without losing a digit.
//!
//! A reader of JSON turns a whole number that does not fit 64 bits into a double of about its size, without a word. Here
//! it is refused, with the path of the field.

use flowforge_protocol::json_path::path_at;
use flowforge_protocol::strict::{StrictError, parse_strict};
use serde_json::Value;

use crate::bounds;
use crate::limits::MAX_VALUE_BYTES;

/// Why a text is no value of a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", path_prefix(.path))]
pub struct JsonError {
    /// Path of the wrong part: `rows[3].price`; empty for the text as a whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

/// A path as it stands before what is said of it; nothing for the whole.
pub(crate) fn path_prefix(path: &str) -> String {
    if path.is_empty() {
        String::new()
    } else {
        format!("{path}: ")
    }
}

/// The value of a JSON text. A byte order mark before it is passed over, as RFC 8259 §8.1 allows: editors and senders of
/// some systems write one.
///
/// # Errors
///
/// It is not JSON; a key stands twice in an object; a whole number in it does not fit 64 bits; it is too deep or too
/// large for a record.
pub fn read_json(text: &str) -> Result<Value, JsonError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let value: Value = parse_strict(text.as_bytes(), MAX_VALUE_BYTES).map_err(|error| match error {
        StrictError::IntegerTooLarge { at } => JsonError {
            path: path_at(text, at),
            message: "this whole number does not fit 64 bits; send it as text".to_owned(),
        },
        StrictError::TooDeep { at } => JsonError {
            path: path_at(text, at),
            message: "nested too deeply".to_owned(),
        },
        other => JsonError {
            path: String::new(),
            message: other.to_string(),
        },
    })?;
    bounds::check_value(&value).map_err(|problem| JsonError {
        path: problem.path().to_owned(),
        message: problem.to_string(),
    })?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A whole number above 2^53 was taken and then hung the run; one above 2^64 became another number without a word.
    #[test]
    fn whole_numbers_are_exact_to_64_bits_or_refused_by_their_path() {
        let value =
            read_json("{\"a\": [18446744073709551615, -9223372036854775808, 9007199254740993, 1e30, 0.5]}")
                .expect("all of them fit");
        assert_eq!(
            value.to_string(),
            "{\"a\":[18446744073709551615,-9223372036854775808,9007199254740993,1e+30,0.5]}"
        );
        for (text, path) in [
            (
                "{\"rows\": [{\"n\": 1}, {\"it\\\"em\": 18446744073709551616}]}",
                "rows[1].it\"em",
            ),
            ("{\"a\": {\"}\": 1}, \"b\": -9223372036854775809}", "b"),
            ("99999999999999999999", ""),
            ("[\"99999999999999999999\", 99999999999999999999]", "[1]"),
        ] {
            let problem = read_json(text).expect_err(text);
            assert_eq!(
                (problem.path.as_str(), problem.message.contains("64 bits")),
                (path, true),
                "{text}"
            );
        }
        assert_eq!(
            read_json("\u{feff}{\"a\": 1}").map(|value| value.to_string()),
            Ok("{\"a\":1}".to_owned())
        );
        let behind_mark = read_json("\u{feff}{\"a\": 18446744073709551616}").expect_err("too large");
        assert_eq!(behind_mark.path, "a");
        assert!(read_json("{\"a\": ").is_err_and(|problem| problem.message.contains("EOF")));
    }
}
