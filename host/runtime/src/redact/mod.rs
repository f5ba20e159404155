//! Secret values kept out of everything that a run leaves behind.
//!
//! Owns: the memory of what was written on a wire, and the search for it in texts, values and artefacts. The code that
//! writes a secret into a request tells the [`Redactor`] exactly what it wrote, and the redactor adds the spellings in
//! which services give things back. Leaves to others: whose runs share a redactor. Invariant: nothing here is printed,
//! and every copy of a value is wiped when the redactor is dropped.
//!
//! What a service or a connector transforms in another way (compressed, encrypted, cut into pieces) is not recognised;
//! the documentation says so.

mod spell;

use std::borrow::Cow;
use std::sync::{Arc, PoisonError, RwLock};

use memchr::memmem;
use serde_json::Value;
use zeroize::Zeroizing;

/// Values shorter than this are not looked for: they would be found everywhere.
const LEAST_BYTES: usize = 6;

/// What was written on wires, in every spelling that is looked for. One for each run; attempts of a run share it, because
/// what one step sent may come back to another.
#[derive(Default)]
pub struct Redactor {
    needles: RwLock<Vec<Needle>>,
}

struct Needle {
    bytes: Zeroizing<Vec<u8>>,
    secret: Arc<str>,
}

impl Redactor {
    /// From now on these bytes are found, as they are and in every spelling. Called with the value of a secret, and with
    /// what was made of it for the wire.
    pub fn learn(&self, secret: &str, value: &[u8]) {
        if value.len() < LEAST_BYTES {
            return;
        }
        let secret: Arc<str> = secret.into();
        let mut needles = self.needles.write().unwrap_or_else(PoisonError::into_inner);
        for bytes in spell::spellings(value) {
            if bytes.len() >= LEAST_BYTES && !needles.iter().any(|needle| needle.bytes == bytes) {
                needles.push(Needle {
                    bytes,
                    secret: secret.clone(),
                });
            }
        }
        // Longest first, so that no spelling hides a part of another.
        needles.sort_by_key(|needle| std::cmp::Reverse(needle.bytes.len()));
    }

    /// Whether nothing was learned yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let needles = self.needles.read().unwrap_or_else(PoisonError::into_inner);
        needles.is_empty()
    }

    /// The text with each secret value replaced by `[secret NAME]`.
    #[must_use]
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let needles = self.needles.read().unwrap_or_else(PoisonError::into_inner);
        let mut rest = text;
        let mut clean = String::new();
        while let Some((at, needle)) = first_match(&needles, rest.as_bytes()) {
            let end = at.saturating_add(needle.bytes.len());
            // A needle that is no text cannot be found in one, so both ends are boundaries of characters.
            let (Some(before), Some(after)) = (rest.get(..at), rest.get(end..)) else {
                break;
            };
            clean.push_str(before);
            clean.push_str("[secret ");
            clean.push_str(&needle.secret);
            clean.push(']');
            rest = after;
        }
        if rest.len() == text.len() {
            return Cow::Borrowed(text);
        }
        clean.push_str(rest);
        Cow::Owned(clean)
    }

    /// Removes secret values from every text and key of a value.
    pub fn value(&self, value: &mut Value) {
        if !self.is_empty() {
            self.walk(value);
        }
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

    /// The name of a secret whose value stands in these bytes.
    fn find(&self, bytes: &[u8]) -> Option<Arc<str>> {
        let needles = self.needles.read().unwrap_or_else(PoisonError::into_inner);
        let found = needles
            .iter()
            .find(|needle| memmem::find(bytes, &needle.bytes).is_some());
        found.map(|needle| needle.secret.clone())
    }

    fn longest(&self) -> usize {
        let needles = self.needles.read().unwrap_or_else(PoisonError::into_inner);
        needles.first().map_or(0, |needle| needle.bytes.len())
    }
}

/// The earliest needle in these bytes, the longest of those that begin at the same place.
fn first_match<'n>(needles: &'n [Needle], bytes: &[u8]) -> Option<(usize, &'n Needle)> {
    let mut first: Option<(usize, &Needle)> = None;
    for needle in needles {
        // Only what begins before the best so far can win; ties go to the longer one, which came first.
        let until = first.map_or(bytes.len(), |(at, _)| {
            at.saturating_add(needle.bytes.len())
                .saturating_sub(1)
                .min(bytes.len())
        });
        let window = bytes.get(..until).unwrap_or_default();
        if let Some(at) = memmem::find(window, &needle.bytes) {
            first = Some((at, needle));
        }
    }
    first
}

/// Looks for secret values in content that passes piece by piece.
pub(crate) struct Scanner {
    redactor: Arc<Redactor>,
    /// The end of what passed, as long as the longest needle could need.
    tail: Zeroizing<Vec<u8>>,
}

impl Scanner {
    pub(crate) fn new(redactor: Arc<Redactor>) -> Self {
        Self {
            redactor,
            tail: Zeroizing::default(),
        }
    }

    /// The name of a secret whose value stands in what passed so far, this piece included.
    pub(crate) fn pass(&mut self, piece: &[u8]) -> Option<Arc<str>> {
        let reach = self.redactor.longest().saturating_sub(1);
        if reach == 0 {
            return None;
        }
        if let Some(found) = self.redactor.find(piece) {
            return Some(found);
        }
        let seam = piece.get(..reach.min(piece.len())).unwrap_or_default();
        self.tail.extend_from_slice(seam);
        let found = self.redactor.find(&self.tail);
        if seam.len() < piece.len() {
            let start = piece.len().saturating_sub(reach);
            self.tail.clear();
            self.tail
                .extend_from_slice(piece.get(start..).unwrap_or_default());
        } else {
            let excess = self.tail.len().saturating_sub(reach);
            self.tail.drain(..excess);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
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
            "ascii json": "s3cr3t/+\\\"\\u00fc value",
            "percent": "?t=s3cr3t%2F%2B%22%C3%BC%20value&x",
            "form": "t=s3cr3t%2F%2B%22%C3%BC+value",
            "html": "<b>s3cr3t/+&quot;ü value</b>",
            "base64": [STANDARD_NO_PAD.encode("s3cr3t/+\"ü value") + "=="],
            "hex": "7333637233742f2b22c3bc2076616c7565",
            "s3cr3t/+\"ü value": 1,
            "other": "s3cr3t",
        });
        redactor.value(&mut value);
        assert_eq!(
            value,
            json!({
                "raw": "Bearer [secret chat_token].",
                "json": "\"[secret chat_token]\"",
                "ascii json": "[secret chat_token]",
                "percent": "?t=[secret chat_token]&x",
                "form": "t=[secret chat_token]",
                "html": "<b>[secret chat_token]</b>",
                "base64": ["[secret chat_token]=="],
                "hex": "[secret chat_token]",
                "[secret chat_token]": 1,
                "other": "s3cr3t",
            })
        );
    }

    /// A service that echoed `authorization: Basic …` gave the password back: searched was the base64 of the password
    /// alone, which stands in the base64 of `user:password` only where the user's name happens to have the right length.
    #[test]
    fn a_value_is_found_inside_longer_base64_wherever_it_begins() {
        let redactor = redactor("correct-horse-battery");
        for user in ["", "a", "ab", "svc", "root"] {
            let pair = STANDARD.encode(format!("{user}:correct-horse-battery"));
            let clean = redactor.text(&pair).into_owned();
            assert!(clean.contains("[secret chat_token]"), "{user}: {clean}");
            let mut left = clean.replace("[secret chat_token]", "");
            left.retain(|char| char != '=');
            assert!(left.len() < 10, "{user}: {left} of {pair} is left");
        }
    }

    #[test]
    fn a_value_too_short_to_mean_anything_is_left() {
        assert_eq!(redactor("12345").text("12345 apples"), "12345 apples");
    }

    #[test]
    fn a_scanner_finds_a_value_across_pieces() {
        let redactor = Arc::new(redactor("correct-horse"));
        for size in 1..20 {
            let mut scanner = Scanner::new(redactor.clone());
            let content = b"a line\nwith correct-horse in it\n";
            let found = content.chunks(size).find_map(|piece| scanner.pass(piece));
            assert_eq!(found.as_deref(), Some("chat_token"), "pieces of {size}");
            let mut scanner = Scanner::new(redactor.clone());
            let other = b"a line\nwith correct horses in it\n";
            assert!(other.chunks(size).all(|piece| scanner.pass(piece).is_none()));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_value_survives_in_any_text(value in "[ -~]{6,40}", before in "[ -~]{0,20}", after in "[ -~]{0,20}") {
            let redactor = redactor(&value);
            for spelling in spell::spellings(value.as_bytes()) {
                let spelling = String::from_utf8(spelling.to_vec()).unwrap();
                if spelling.len() < LEAST_BYTES {
                    continue;
                }
                let text = format!("{before}{spelling}{after}");
                let clean = redactor.text(&text);
                prop_assert!(!clean.replace("[secret chat_token]", "\n").contains(&spelling), "{clean}");
            }
        }
    }
}
