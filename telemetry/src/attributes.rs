//! Values of attributes, within bounds.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

/// Longest text of one attribute, in bytes; the rest is cut.
const TEXT_BYTES_MAX: usize = 1024;

/// The value of an attribute or a label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    /// Text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
}

impl From<&str> for Label {
    fn from(text: &str) -> Self {
        Self::Text(cut(text, TEXT_BYTES_MAX).to_owned())
    }
}

impl From<String> for Label {
    fn from(mut text: String) -> Self {
        let end = cut(&text, TEXT_BYTES_MAX).len();
        text.truncate(end);
        Self::Text(text)
    }
}

impl From<u16> for Label {
    fn from(number: u16) -> Self {
        Self::Number(i64::from(number))
    }
}

impl From<u32> for Label {
    fn from(number: u32) -> Self {
        Self::Number(i64::from(number))
    }
}

impl From<bool> for Label {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

/// The beginning of a text that fits, whole characters only.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// As it goes over the wire.
pub(crate) fn key_value(key: &str, label: Label) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(any(label)),
        ..KeyValue::default()
    }
}

pub(crate) fn any(label: Label) -> AnyValue {
    AnyValue {
        value: Some(match label {
            Label::Text(text) => Value::StringValue(text),
            Label::Number(number) => Value::IntValue(number),
            Label::Flag(flag) => Value::BoolValue(flag),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_between_characters() {
        let text = "é".repeat(TEXT_BYTES_MAX);
        let Label::Text(short) = Label::from(text.as_str()) else {
            unreachable!("a text is a text");
        };
        assert_eq!(short.len(), TEXT_BYTES_MAX);
        assert_eq!(Label::from(text), Label::Text(short));
        assert_eq!(cut("aé", 2), "a");
    }
}
