//! Secret values kept out of records, logs and failures: by comparing with the values themselves.
//!
//! A connector never gets a secret through its slot, but a service may echo one back. Best effort, and said so: a value
//! that a connector has transformed otherwise than in the spellings below is not recognised.

use std::borrow::Cow;
use std::sync::{PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::Value;
use zeroize::Zeroizing;

/// Values shorter than this are not looked for: they would be found everywhere.
const LEAST_BYTES: usize = 6;

/// The opened secrets of one run, in every spelling that is looked for.
#[derive(Default)]
pub(crate) struct Redactor {
    needles: RwLock<Vec<Needle>>,
}

struct Needle {
    text: Zeroizing<String>,
    replacement: String,
}

impl Redactor {
    /// From now on, this value is replaced by `[secret NAME]`.
    pub(crate) fn learn(&self, name: &str, value: &[u8]) {
        if value.len() < LEAST_BYTES {
            return;
        }
        let mut needles = self.needles.write().unwrap_or_else(PoisonError::into_inner);
        for text in spellings(value) {
            if !needles.iter().any(|needle| *needle.text == *text) {
                needles.push(Needle {
                    text,
                    replacement: format!("[secret {name}]"),
                });
            }
        }
        // Longest first, so that no spelling hides a part of another.
        needles.sort_by_key(|needle| std::cmp::Reverse(needle.text.len()));
    }

    /// The text without secret values.
    pub(crate) fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let needles = self.needles.read().unwrap_or_else(PoisonError::into_inner);
        let mut clean = Cow::Borrowed(text);
        for needle in needles.iter() {
            if clean.contains(needle.text.as_str()) {
                clean = Cow::Owned(clean.replace(needle.text.as_str(), &needle.replacement));
            }
        }
        clean
    }

    /// Removes secret values from every string and key.
    pub(crate) fn value(&self, value: &mut Value) {
        if self
            .needles
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
        {
            return;
        }
        self.walk(value);
    }

    fn walk(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(clean) = self.text(text) {
                    *text = clean;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.walk(item)),
            Value::Object(fields) => {
                if fields.keys().any(|key| matches!(self.text(key), Cow::Owned(_))) {
                    *fields = std::mem::take(fields)
                        .into_iter()
                        .map(|(key, item)| (self.text(&key).into_owned(), item))
                        .collect();
                }
                fields.values_mut().for_each(|item| self.walk(item));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// The value as it is, in base64 (both alphabets, whatever the padding), percent-encoded, and escaped as in JSON.
fn spellings(value: &[u8]) -> Vec<Zeroizing<String>> {
    let mut found: Vec<Zeroizing<String>> = Vec::with_capacity(6);
    let mut add = |text: String| {
        let text = Zeroizing::new(text);
        if !found.contains(&text) {
            found.push(text);
        }
    };
    add(STANDARD_NO_PAD.encode(value));
    add(URL_SAFE_NO_PAD.encode(value));
    if let Ok(text) = std::str::from_utf8(value) {
        add(text.to_owned());
        let quoted = Zeroizing::new(Value::String(text.to_owned()).to_string());
        add(quoted.trim_matches('"').to_owned());
    }
    add(percent(value, "0123456789ABCDEF"));
    add(percent(value, "0123456789abcdef"));
    found
}

fn percent(value: &[u8], digits: &str) -> String {
    let digit = |nibble: u8| {
        digits
            .as_bytes()
            .get(usize::from(nibble))
            .copied()
            .map_or('0', char::from)
    };
    let mut out = String::with_capacity(value.len());
    for &byte in value {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn redactor(value: &str) -> Redactor {
        let redactor = Redactor::default();
        redactor.learn("chat_token", value.as_bytes());
        redactor
    }

    #[test]
    fn every_spelling_is_found_and_the_rest_stays() {
        let redactor = redactor("s3cr3t/+\"ü value");
        let mut value = json!({
            "raw": "Bearer s3cr3t/+\"ü value.",
            "json": json!("s3cr3t/+\"ü value").to_string(),
            "percent": "?t=s3cr3t%2F%2B%22%C3%BC%20value&x",
            "base64": [STANDARD_NO_PAD.encode("s3cr3t/+\"ü value") + "=="],
            "s3cr3t/+\"ü value": 1,
            "other": "s3cr3t",
        });
        redactor.value(&mut value);
        assert_eq!(
            value,
            json!({
                "raw": "Bearer [secret chat_token].",
                "json": "\"[secret chat_token]\"",
                "percent": "?t=[secret chat_token]&x",
                "base64": ["[secret chat_token]=="],
                "[secret chat_token]": 1,
                "other": "s3cr3t",
            })
        );
    }

    #[test]
    fn a_value_too_short_to_mean_anything_is_left() {
        assert_eq!(redactor("12345").text("12345 apples"), "12345 apples");
    }

    proptest! {
        #[test]
        fn no_value_survives_in_any_text(value in "[ -~]{6,40}", before in "[ -~]{0,20}", after in "[ -~]{0,20}") {
            let redactor = redactor(&value);
            for spelling in spellings(value.as_bytes()) {
                let text = format!("{before}{}{after}", spelling.as_str());
                let clean = redactor.text(&text);
                prop_assert!(!clean.replace("[secret chat_token]", "\n").contains(spelling.as_str()), "{clean}");
            }
        }
    }
}
