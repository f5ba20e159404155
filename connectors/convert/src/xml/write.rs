//! Writes XML.

use flowforge_sdk::Failure;
use serde_json::Value;

use super::{ATTRIBUTE, DEPTH_MAX, TEXT};

/// A value of one field, the root element, as XML; over several lines for people.
///
/// # Errors
/// `invalid` with the path of what XML cannot hold.
pub(crate) fn write(value: &Value, pretty: bool) -> Result<String, Failure> {
    let root = value.as_object().filter(|fields| fields.len() == 1);
    let Some((name, root)) = root.and_then(|fields| fields.iter().next()) else {
        return Err(Failure::invalid(
            "value",
            "must be an object of one field, which is the root element",
        ));
    };
    if root.is_array() {
        return Err(Failure::invalid(
            format!("value.{name}"),
            "must be one element: a file has one root",
        ));
    }
    let mut writer = Writer {
        out: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned(),
        pretty,
    };
    writer.element(name, root, &format!("value.{name}"), 0)?;
    writer.out.push('\n');
    Ok(writer.out)
}

struct Writer {
    out: String,
    pretty: bool,
}

impl Writer {
    fn element(&mut self, name: &str, value: &Value, path: &str, depth: usize) -> Result<(), Failure> {
        if depth >= DEPTH_MAX {
            return Err(Failure::invalid(
                path,
                format!("is nested more than {DEPTH_MAX} deep"),
            ));
        }
        check_name(name, path)?;
        self.out.push('<');
        self.out.push_str(name);
        match value {
            Value::Object(fields) => {
                let mut inner = Vec::new();
                for (key, field) in fields {
                    let path = format!("{path}.{key}");
                    match key.strip_prefix(ATTRIBUTE) {
                        Some(attribute) => self.attribute(attribute, field, &path)?,
                        None => inner.push((key, field, path)),
                    }
                }
                self.content(name, &inner, depth)
            }
            Value::Array(_) => Err(Failure::invalid(
                path,
                "is a list in a list, which XML does not have",
            )),
            scalar => {
                let text = scalar_text(scalar, path)?;
                self.close_with(name, &text);
                Ok(())
            }
        }
    }

    /// What stands between the tags of an element that is an object.
    fn content(
        &mut self,
        name: &str,
        inner: &[(&String, &Value, String)],
        depth: usize,
    ) -> Result<(), Failure> {
        // Space between elements would become text where there is text.
        let breaks = self.pretty && !inner.iter().any(|(key, ..)| *key == TEXT);
        if inner.is_empty() {
            self.out.push_str("/>");
            return Ok(());
        }
        self.out.push('>');
        let begins = self.out.len();
        for (key, field, path) in inner {
            if *key == TEXT {
                let text = scalar_text(field, path)?;
                self.out.push_str(&text);
                continue;
            }
            let several: Vec<(&Value, String)> = match field {
                Value::Array(items) => {
                    let of = |index| format!("{path}[{index}]");
                    items
                        .iter()
                        .enumerate()
                        .map(|(index, item)| (item, of(index)))
                        .collect()
                }
                one => vec![(one, path.clone())],
            };
            for (item, path) in several {
                self.new_line(breaks, depth + 1);
                self.element(key, item, &path, depth + 1)?;
            }
        }
        self.new_line(breaks && self.out.len() > begins, depth);
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
        Ok(())
    }

    fn attribute(&mut self, name: &str, value: &Value, path: &str) -> Result<(), Failure> {
        check_name(name, path)?;
        let text = scalar_text(value, path)?;
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        for character in text.chars() {
            match character {
                '"' => self.out.push_str("&quot;"),
                '\n' => self.out.push_str("&#10;"),
                '\t' => self.out.push_str("&#9;"),
                other => self.out.push(other),
            }
        }
        self.out.push('"');
        Ok(())
    }

    fn close_with(&mut self, name: &str, text: &str) {
        if text.is_empty() {
            self.out.push_str("/>");
            return;
        }
        for piece in [">", text, "</", name, ">"] {
            self.out.push_str(piece);
        }
    }

    fn new_line(&mut self, breaks: bool, depth: usize) {
        if breaks {
            self.out.push('\n');
            self.out.push_str(&"  ".repeat(depth));
        }
    }
}

/// A text, number or switch as characters of XML; null is nothing.
fn scalar_text(value: &Value, path: &str) -> Result<String, Failure> {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(_) | Value::Object(_) => {
            return Err(Failure::invalid(
                path,
                "must be a text, a number, true, false or null",
            ));
        }
    };
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\r' => out.push_str("&#13;"),
            '\t' | '\n' => out.push(character),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                let message = format!(
                    "has the character U+{:04X}, which XML cannot hold",
                    u32::from(character)
                );
                return Err(Failure::invalid(path, message));
            }
            other => out.push(other),
        }
    }
    Ok(out)
}

/// Names as XML 1.0 has them, as far as letters and digits of all scripts go.
fn check_name(name: &str, path: &str) -> Result<(), Failure> {
    let begins = |c: char| c.is_alphabetic() || c == '_' || c == ':';
    let goes_on = |c: char| begins(c) || c.is_numeric() || c == '-' || c == '.' || c == '\u{b7}';
    if name.starts_with(begins) && name.chars().all(goes_on) {
        return Ok(());
    }
    Err(Failure::invalid(
        path,
        format!("`{name}` is no name of an element or attribute"),
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::read;
    use super::*;

    fn told(value: &Value) -> (String, String) {
        let Failure::Invalid(invalid) = write(value, false).unwrap_err() else {
            panic!("must be invalid")
        };
        (invalid.path, invalid.message)
    }

    #[test]
    fn what_is_written_reads_back() {
        let value = json!({ "order": {
            "@id": "7\n\"<", "line": ["x < y & z", "", "a\r\nb"], "price": { "@currency": "EUR", "#text": "12.50" },
            "ü:name": { "deep": { "er": "1" } },
        } });
        for pretty in [false, true] {
            let text = write(&value, pretty).unwrap();
            assert_eq!(read(&text, &[]).unwrap(), value, "{text}");
        }
    }

    #[test]
    fn for_people_every_element_has_a_line() {
        let text = write(
            &json!({ "a": { "b": [1, null], "c": { "#text": "t", "@x": true }, "d": {} } }),
            true,
        )
        .unwrap();
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a>\n  <b>1</b>\n  <b/>\n  <c x=\"true\">t</c>\n  <d/>\n</a>\n";
        assert_eq!(text, expected);
        assert_eq!(
            write(&json!({ "a": { "b": [] } }), true).unwrap().lines().last(),
            Some("<a></a>")
        );
    }

    #[test]
    fn what_xml_cannot_hold_is_named() {
        assert_eq!(told(&json!([])).0, "value");
        assert_eq!(told(&json!({ "a": 1, "b": 2 })).0, "value");
        assert_eq!(told(&json!({ "a": [1] })).0, "value.a");
        assert_eq!(told(&json!({ "a": { "b": [1, [2]] } })).0, "value.a.b[1]");
        assert_eq!(told(&json!({ "a": { "two words": 1 } })).0, "value.a.two words");
        assert_eq!(told(&json!({ "a": { "@x": {} } })).0, "value.a.@x");
        let (path, message) = told(&json!({ "a": "\u{1}" }));
        assert_eq!(
            (path.as_str(), message.as_str()),
            ("value.a", "has the character U+0001, which XML cannot hold")
        );
    }
}
