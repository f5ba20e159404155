//! JSON in files: one value, or one a line.

use flowforge_sdk::{Failure, Json, json};
use serde_json::Value;

fn parsed(place: &str, text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::invalid(place, format!("is no JSON: {error}")))
}

/// The value without a line end in it.
pub(crate) fn one_line(place: &str, value: &Json) -> Result<String, Failure> {
    json::text(&parsed(place, value)?)
}

/// The value over several lines.
pub(crate) fn pretty(place: &str, value: &Json) -> Result<String, Failure> {
    serde_json::to_string_pretty(&parsed(place, value)?)
        .map_err(|error| Failure::invalid(place, format!("cannot be written: {error}")))
}

/// The values of a text, one a line.
pub(crate) fn read(text: &str) -> Result<Vec<Json>, Failure> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rows = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let value: Value = serde_json::from_str(line).map_err(|error| {
            Failure::rejected("not_json", format!("line {} is no JSON: {error}", index + 1))
        })?;
        rows.push(json::text(&value)?);
    }
    Ok(rows)
}

/// The one value of a text.
pub(crate) fn value(text: &str) -> Result<Json, Failure> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let value: Value = serde_json::from_str(text)
        .map_err(|error| Failure::rejected("not_json", format!("the file is no JSON: {error}")))?;
    json::text(&value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_a_wrong_one_is_named() {
        assert_eq!(read("\u{feff}{\"a\":1}\r\n\n 2 \n").unwrap(), ["{\"a\":1}", "2"]);
        let failure = read("1\n{\n").unwrap_err();
        let Failure::Rejected(rejected) = failure else {
            panic!("must be rejected")
        };
        assert!(
            rejected.message.starts_with("line 2 is no JSON"),
            "{}",
            rejected.message
        );
    }

    #[test]
    fn a_value_is_written_in_one_line_or_in_many() {
        let text = "{\"a\": [1, 2]}".to_owned();
        assert_eq!(one_line("value", &text).unwrap(), "{\"a\":[1,2]}");
        assert_eq!(pretty("value", &text).unwrap().lines().count(), 6);
        assert!(one_line("value", &"{".to_owned()).is_err());
    }

    #[test]
    fn a_file_is_one_value() {
        assert_eq!(value("[1]\n").unwrap(), "[1]");
        assert!(value("1 2").is_err());
    }
}
