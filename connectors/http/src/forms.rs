//! Forms as browsers send them: fields in a line, or parts with files.

use flowforge_sdk::{Artefact, Failure, Json, Writer, context, json};
use serde_json::Value;

use crate::bindings::Part;

/// A form above this size goes through the artefact store, in bytes: a body in memory has at most 2 MiB.
const MEMORY_BYTES_MAX: u64 = 1024 * 1024;
/// What a boundary may have, in characters. Source: RFC 2046 §5.1.1.
const BOUNDARY_MAX: usize = 70;

/// The fields as `application/x-www-form-urlencoded`; a list gives its field several times.
///
/// # Errors
/// `invalid` at what a form cannot hold.
pub(crate) fn urlencoded(fields: &Json) -> Result<String, Failure> {
    let mut pairs = Vec::new();
    for (name, value) in &json::object("fields", fields)? {
        let path = format!("fields.{name}");
        let values = match value {
            Value::Array(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        };
        for value in values {
            pairs.push(format!("{}={}", escaped(name), escaped(&text_of(value, &path)?)));
        }
    }
    Ok(pairs.join("&"))
}

/// A text, number or switch as the text of a field; null is an empty one.
fn text_of(value: &Value, path: &str) -> Result<String, Failure> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        Value::Array(_) | Value::Object(_) => Err(Failure::invalid(
            path,
            "must be a text, a number, true, false, null or a list of these",
        )),
    }
}

/// Source: the URL standard of WHATWG, "application/x-www-form-urlencoded serializing".
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

/// The body of a form with parts.
pub(crate) enum Form {
    Bytes(Vec<u8>),
    File(Artefact),
}

/// The parts as `multipart/form-data`, with the media type that names the boundary.
///
/// # Errors
/// `invalid` at a part that has not one of text and file; the failures of the artefact store.
pub(crate) fn multipart(parts: &[Part]) -> Result<(String, Form), Failure> {
    if parts.is_empty() {
        return Err(Failure::invalid("parts", "must have at least one part"));
    }
    // The same in every attempt of the step, so that a service that compares bodies sees one request.
    let boundary = boundary_of(&context::step().idempotency_key);
    let media_type = format!("multipart/form-data; boundary={boundary}");
    let files: u64 = parts
        .iter()
        .filter_map(|part| part.file.as_ref())
        .map(|file| file.size)
        .sum();
    let texts: usize = parts
        .iter()
        .filter_map(|part| part.text.as_ref())
        .map(String::len)
        .sum();
    let size = files.saturating_add(u64::try_from(texts).unwrap_or(u64::MAX));
    if size <= MEMORY_BYTES_MAX {
        let mut bytes = Vec::new();
        write(parts, &boundary, &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        return Ok((media_type, Form::Bytes(bytes)));
    }
    let mut file: Writer = Artefact::create("form", "multipart/form-data")?;
    write(parts, &boundary, &mut |piece| file.append(piece))?;
    Ok((media_type, Form::File(file.finish()?)))
}

fn boundary_of(key: &str) -> String {
    let key: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("flowforge-{key}").chars().take(BOUNDARY_MAX).collect()
}

fn write(
    parts: &[Part],
    boundary: &str,
    out: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for (index, part) in parts.iter().enumerate() {
        out(head_of(index, part, boundary)?.as_bytes())?;
        if let Some(text) = &part.text {
            out(text.as_bytes())?;
        }
        if let Some(file) = &part.file {
            let mut reader = file.open()?;
            loop {
                let bytes = reader.next_bytes()?;
                if bytes.is_empty() {
                    break;
                }
                out(&bytes)?;
            }
        }
        out(b"\r\n")?;
    }
    out(format!("--{boundary}--\r\n").as_bytes())
}

/// What stands before a part. Source: RFC 7578, and the HTML standard for what a name cannot hold.
fn head_of(index: usize, part: &Part, boundary: &str) -> Result<String, Failure> {
    let quoted = |text: &str| text.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
    let name = quoted(&part.name);
    let begin = format!("--{boundary}\r\ncontent-disposition: form-data; name=\"{name}\"");
    match (&part.text, &part.file) {
        (Some(_), None) => Ok(format!("{begin}\r\n\r\n")),
        (None, Some(file)) => {
            let file_name = quoted(&file.name);
            let media_type = &file.media_type;
            Ok(format!(
                "{begin}; filename=\"{file_name}\"\r\ncontent-type: {media_type}\r\n\r\n"
            ))
        }
        _ => Err(Failure::invalid(
            format!("parts[{index}]"),
            "must have a `text` or a `file`, and not both",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, text: Option<&str>) -> Part {
        Part {
            name: name.to_owned(),
            text: text.map(str::to_owned),
            file: None,
        }
    }

    #[test]
    fn fields_are_one_line() {
        let fields = r#"{"grant_type":"client_credentials","q":"a b&c=ü","n":2.5,"on":true,"none":null,"tag":["x","y"],"two words":""}"#;
        assert_eq!(
            urlencoded(&fields.to_owned()).unwrap(),
            "grant_type=client_credentials&q=a+b%26c%3D%C3%BC&n=2.5&on=true&none=&tag=x&tag=y&two+words="
        );
        let failure = urlencoded(&r#"{"a":{"b":1}}"#.to_owned()).unwrap_err();
        assert!(format!("{failure:?}").contains("fields.a"), "{failure:?}");
    }

    #[test]
    fn a_name_cannot_end_its_header() {
        let head = head_of(0, &part("a\"\r\nx: y", Some("t")), "b").unwrap();
        assert_eq!(
            head,
            "--b\r\ncontent-disposition: form-data; name=\"a%22%0D%0Ax: y\"\r\n\r\n"
        );
        let failure = head_of(3, &part("a", None), "b").unwrap_err();
        assert!(format!("{failure:?}").contains("parts[3]"), "{failure:?}");
    }

    #[test]
    fn a_boundary_has_at_most_70_characters() {
        assert_eq!(boundary_of("a/b:c-1"), "flowforge-abc1");
        assert_eq!(boundary_of(&"k".repeat(100)).len(), BOUNDARY_MAX);
    }
}
