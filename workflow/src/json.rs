//! JSON text as a value, without losing a digit.
//!
//! A reader of JSON turns a whole number that does not fit 64 bits into a double of about its size, without a word.
//! Here it is refused, with the path of the field.

use serde_json::Value;

use crate::bounds;
use crate::input::InputProblem;

/// The value of a JSON text.
///
/// # Errors
///
/// It is not JSON; a whole number in it does not fit 64 bits; it is too deep or too large for a record.
pub fn read_json(text: &str) -> Result<Value, InputProblem> {
    let value: Value = serde_json::from_str(text).map_err(|error| InputProblem {
        path: String::new(),
        message: error.to_string(),
    })?;
    if let Some(path) = too_large_number(text) {
        return Err(InputProblem {
            path,
            message: "this whole number does not fit 64 bits; send it as text".to_owned(),
        });
    }
    bounds::check_value(&value).map_err(|problem| InputProblem {
        path: problem.path().to_owned(),
        message: problem.to_string(),
    })?;
    Ok(value)
}

/// A collection that is open: where in it the scan is.
enum Open {
    List(usize),
    Object { key: String, value_next: bool },
}

/// Path of the first whole number that does not fit 64 bits; the text must be JSON.
fn too_large_number(text: &str) -> Option<String> {
    let mut open: Vec<Open> = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let first = rest.bytes().next()?;
        let mut length = 1;
        match first {
            b'[' => open.push(Open::List(0)),
            b'{' => open.push(Open::Object {
                key: String::new(),
                value_next: false,
            }),
            b']' | b'}' => {
                open.pop();
            }
            b',' => match open.last_mut() {
                Some(Open::List(index)) => *index += 1,
                Some(Open::Object { value_next, .. }) => *value_next = false,
                None => {}
            },
            b':' => {
                if let Some(Open::Object { value_next, .. }) = open.last_mut() {
                    *value_next = true;
                }
            }
            b'"' => {
                length = string_length(rest);
                if let Some(Open::Object {
                    key,
                    value_next: false,
                }) = open.last_mut()
                {
                    let written = rest.get(..length).unwrap_or_default();
                    *key = serde_json::from_str(written).unwrap_or_default();
                }
            }
            b'-' | b'0'..=b'9' => {
                length = rest
                    .bytes()
                    .take_while(|b| b.is_ascii_digit() || b"+-.eE".contains(b))
                    .count();
                let number = rest.get(..length).unwrap_or_default();
                let whole = !number.contains(['.', 'e', 'E']);
                if whole && number.parse::<i64>().is_err() && number.parse::<u64>().is_err() {
                    return Some(path(&open));
                }
            }
            _ => length = rest.chars().next().map_or(1, char::len_utf8),
        }
        at += length;
    }
    None
}

/// Bytes of the string that begins a text, with its quotes.
fn string_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn path(open: &[Open]) -> String {
    let mut out = String::new();
    for part in open {
        match part {
            Open::List(index) => out.push_str(&format!("[{index}]")),
            Open::Object { key, .. } => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(key);
            }
        }
    }
    out
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
        assert!(read_json("{\"a\": ").is_err_and(|problem| problem.message.contains("EOF")));
    }
}
