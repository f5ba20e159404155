//! The body of a request to a webhook: from the bytes that came to what a run is given.
//!
//! What it is, its sender says with its type, and nothing is guessed from the bytes: JSON is read, the fields of a form are
//! texts, text is text, and everything else is given as its bytes.

use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use flowforge_protocol::record::{BodyForm, Content};
use flowforge_workflow::{JsonError, read_json};
use serde_json::{Map, Value};

/// A body as a run is given it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Body {
    /// What it says: of JSON and of forms usually an object, otherwise text.
    pub(crate) value: Value,
    /// What it was, if it was not JSON.
    pub(crate) content: Option<Content>,
}

/// Why a body cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error("content-encoding `{0}` is not known here; send gzip, deflate, or the body as it is")]
    Encoding(String),
    #[error("the body is larger than {0} bytes when it is decoded")]
    TooLarge(usize),
    #[error("the body is not what its content-encoding `{encoding}` says: {why}")]
    Broken { encoding: String, why: String },
}

/// The body without its encoding, at most `limit` bytes of it.
pub(crate) fn decoded(encoding: Option<&str>, body: Bytes, limit: usize) -> Result<Bytes, DecodeError> {
    let Some(encoding) = encoding.map(|word| word.trim().to_ascii_lowercase()) else {
        return Ok(body);
    };
    match encoding.as_str() {
        "" | "identity" => Ok(body),
        "gzip" | "x-gzip" => inflated(MultiGzDecoder::new(&*body), &encoding, limit),
        "deflate" => inflated(ZlibDecoder::new(&*body), &encoding, limit),
        _ => Err(DecodeError::Encoding(encoding.chars().take(60).collect())),
    }
}

fn inflated(reader: impl Read, encoding: &str, limit: usize) -> Result<Bytes, DecodeError> {
    let mut bytes = Vec::new();
    // One byte more tells a body that just fits from one that does not.
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read = reader.take(most).read_to_end(&mut bytes);
    read.map_err(|error| DecodeError::Broken {
        encoding: encoding.to_owned(),
        why: error.to_string(),
    })?;
    if bytes.len() > limit {
        return Err(DecodeError::TooLarge(limit));
    }
    Ok(bytes.into())
}

/// The type in a `content-type`, without its parameters, in small letters.
pub(crate) fn media_type(header: &str) -> String {
    let kind = header.split(';').next().unwrap_or_default().trim();
    kind.to_ascii_lowercase().chars().take(100).collect()
}

/// Reads a body of this type; a body without one is JSON.
pub(crate) fn read(media_type: Option<&str>, body: &[u8]) -> Result<Body, JsonError> {
    let Some(kind) = media_type.filter(|kind| !kind.is_empty() && !is_json(kind)) else {
        let value = json(body)?;
        return Ok(Body { value, content: None });
    };
    let (form, value) = if kind == "application/x-www-form-urlencoded" {
        (BodyForm::Fields, fields(body))
    } else if let Some(text) = is_text(kind).then(|| std::str::from_utf8(body).ok()).flatten() {
        (BodyForm::Text, Value::String(text.to_owned()))
    } else {
        (BodyForm::Base64, Value::String(STANDARD.encode(body)))
    };
    let content = Content {
        media_type: kind.to_owned(),
        form,
    };
    Ok(Body {
        value,
        content: Some(content),
    })
}

fn is_json(kind: &str) -> bool {
    matches!(kind, "application/json" | "text/json") || kind.ends_with("+json")
}

fn is_text(kind: &str) -> bool {
    let known = ["application/xml", "application/yaml", "application/x-ndjson"];
    kind.starts_with("text/") || kind.ends_with("+xml") || kind.ends_with("+yaml") || known.contains(&kind)
}

/// An empty body is an empty input.
fn json(body: &[u8]) -> Result<Value, JsonError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Object(Map::new()));
    }
    let text = std::str::from_utf8(body).map_err(|error| JsonError {
        path: String::new(),
        message: format!("not UTF-8: wrong byte at {}", error.valid_up_to()),
    })?;
    read_json(text)
}

/// The fields of a form: text, or the list of its texts where a name stands more than once.
fn fields(body: &[u8]) -> Value {
    let mut fields = Map::new();
    for (name, text) in url::form_urlencoded::parse(body) {
        let text = Value::String(text.into_owned());
        match fields.get_mut(name.as_ref()) {
            None => {
                fields.insert(name.into_owned(), text);
            }
            Some(Value::Array(texts)) => texts.push(text),
            Some(first) => {
                let first_text = first.take();
                *first = Value::Array(vec![first_text, text]);
            }
        }
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use serde_json::json;

    use super::*;

    fn zipped(bytes: &[u8]) -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap().into()
    }

    #[test]
    fn a_compressed_body_is_decoded_within_its_bound() {
        let plain = Bytes::from_static(b"{\"a\": 5}");
        let zipped_body = zipped(&plain);
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&plain).unwrap();
        let deflated = Bytes::from(encoder.finish().unwrap());
        for (encoding, body) in [
            (None, plain.clone()),
            (Some("identity"), plain.clone()),
            (Some("gzip"), zipped_body.clone()),
            (Some(" X-GZip "), zipped_body.clone()),
            (Some("deflate"), deflated),
        ] {
            assert_eq!(decoded(encoding, body, 100).unwrap(), plain, "{encoding:?}");
        }
        for wrong in ["br", "gzip, gzip", "zstd"] {
            let found = decoded(Some(wrong), zipped_body.clone(), 100);
            assert_eq!(found, Err(DecodeError::Encoding(wrong.to_owned())));
        }
        let cut = zipped_body.slice(..zipped_body.len() - 9);
        for broken in [plain, cut] {
            let found = decoded(Some("gzip"), broken, 100);
            assert!(matches!(found, Err(DecodeError::Broken { .. })), "{found:?}");
        }
    }

    /// A megabyte of zeros is a kilobyte on the way.
    #[test]
    fn a_body_that_grows_is_not_unpacked_beyond_its_bound() {
        let bomb = zipped(&vec![0; 1 << 20]);
        assert!(bomb.len() < 4_096);
        assert_eq!(
            decoded(Some("gzip"), bomb, 1_000),
            Err(DecodeError::TooLarge(1_000))
        );
        let fits = zipped(&[b'x'; 1_000]);
        assert_eq!(decoded(Some("gzip"), fits, 1_000).unwrap().len(), 1_000);
    }

    fn of(kind: &str, body: &[u8]) -> (Value, Option<BodyForm>) {
        let read = read(Some(kind), body).unwrap();
        if let Some(content) = &read.content {
            assert_eq!(content.media_type, kind);
        }
        (read.value, read.content.map(|content| content.form))
    }

    #[test]
    fn what_a_body_is_says_its_type_and_nothing_else() {
        let body = br#"{"a": 5}"#;
        assert_eq!(read(None, body).unwrap().value, json!({"a": 5}));
        for kind in ["", "application/json", "application/cloudevents+json"] {
            assert_eq!(of(kind, body), (json!({"a": 5}), None), "{kind}");
        }
        let text = json!(r#"{"a": 5}"#);
        for kind in ["text/plain", "application/xml", "image/svg+xml"] {
            assert_eq!(of(kind, body), (text.clone(), Some(BodyForm::Text)), "{kind}");
        }
        let bytes = json!(STANDARD.encode(body));
        for kind in ["application/octet-stream", "multipart/form-data", "image/png"] {
            assert_eq!(of(kind, body), (bytes.clone(), Some(BodyForm::Base64)), "{kind}");
        }
        assert_eq!(of("text/plain", &[0xff]), (json!("/w=="), Some(BodyForm::Base64)));
        assert_eq!(
            of("application/x-www-form-urlencoded", b"a=1&b=x+y&a=%C3%A4&c"),
            (
                json!({"a": ["1", "ä"], "b": "x y", "c": ""}),
                Some(BodyForm::Fields)
            )
        );
        assert!(read(Some("application/json"), b"a=1").is_err());
        assert_eq!(media_type("Text/CSV; charset=utf-8"), "text/csv");
    }
}
