//! Writes YAML for people: a line for each field, quotes where a text could be taken for something else.

use flowforge_sdk::{Failure, json};
use serde_json::Value;

use super::scalar;

/// A value over several lines.
///
/// # Errors
/// `invalid`, when a text in it cannot be written.
pub(crate) fn write(value: &Value) -> Result<String, Failure> {
    let mut out = String::new();
    if is_block(value) {
        block(&mut out, value, 0)?;
    } else {
        out.push_str(&flow(value)?);
        out.push('\n');
    }
    Ok(out)
}

/// Whether a value takes lines of its own.
fn is_block(value: &Value) -> bool {
    match value {
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => false,
    }
}

fn block(out: &mut String, value: &Value, depth: usize) -> Result<(), Failure> {
    match value {
        Value::Object(fields) => {
            for (index, (name, field)) in fields.iter().enumerate() {
                // The first one stands behind the dash of its item.
                if index > 0 || !out.ends_with("- ") {
                    out.push_str(&"  ".repeat(depth));
                }
                out.push_str(&text(name)?);
                out.push(':');
                field_or_item(out, field, depth + usize::from(!field.is_array()), '\n')?;
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 || !out.ends_with("- ") {
                    out.push_str(&"  ".repeat(depth));
                }
                out.push('-');
                field_or_item(out, item, depth + 1, ' ')?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// What stands behind a name or a dash: a value in the same line, or a block, which `before` sets off.
fn field_or_item(out: &mut String, value: &Value, depth: usize, before: char) -> Result<(), Failure> {
    if is_block(value) {
        out.push(before);
        return block(out, value, depth);
    }
    out.push(' ');
    out.push_str(&flow(value)?);
    out.push('\n');
    Ok(())
}

/// A value in one line.
fn flow(value: &Value) -> Result<String, Failure> {
    match value {
        Value::String(string) => text(string),
        Value::Array(_) => Ok("[]".to_owned()),
        Value::Object(_) => Ok("{}".to_owned()),
        other => Ok(other.to_string()),
    }
}

/// A text as it is, or in the quotes of JSON, which are those of YAML.
fn text(string: &str) -> Result<String, Failure> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '/' || c == '(';
    let goes_on = |c: char| is_word(c) || " -.,;)+*'=<>@%?!".contains(c);
    let is_plain = string.starts_with(is_word)
        && string.chars().all(goes_on)
        && !string.ends_with(' ')
        && !scalar::is_ambiguous(string);
    if is_plain {
        Ok(string.to_owned())
    } else {
        json::text(string)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::read;
    use super::*;

    #[test]
    fn every_field_has_a_line() {
        let value = json!({ "title": "A report, for people", "rows": [{ "a": 1, "b": [true, null] }, [1, [2]], {}], "deep": { "er": "no" } });
        let expected = "title: A report, for people\nrows:\n- a: 1\n  b:\n  - true\n  - null\n- - 1\n  - - 2\n- {}\ndeep:\n  er: \"no\"\n";
        assert_eq!(write(&value).unwrap(), expected);
        assert_eq!(write(&json!([])).unwrap(), "[]\n");
    }

    #[test]
    fn what_is_written_reads_back() {
        let value = json!({
            "texts": [
                "no", "12:30", "01234", "1e3", "null", "~", "", " x ", "a: b", "- c", "# d", "é", "two\nlines\n", "true", "0x1f", "{a}", "a #b",
                "<<", "=", "*a", "&a", "!a", "|", ">", "%a", "@a", "`a", "\"", "'", "a'b", "\u{1}\u{85}\u{2028}\u{feff}", "\\", "[x", "? a", "...", "---", "12",
                "-1", "+1", ".5", "2026-11-29",
            ],
            "numbers": [0, -1, 2.5, 1e300, u64::MAX, i64::MIN],
            "deep": { "er": { "list": [[], {}, null, false, [{ "a": { "b": [1] } }]] } },
            "a: b": 1, "": 2, "no": 3, "5": 4, "<<": 5,
        });
        let text = write(&value).unwrap();
        assert_eq!(read(&text).unwrap(), value, "{text}");
    }
}
