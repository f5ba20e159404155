//! Strict JSON for documents that are signed or come from another machine.
//!
//! JSON parsers disagree about duplicate keys, deep nesting and large integers; a document that two readers understand
//! differently is an attack. So those are refused before anything is built, by one linear scan that leaves the grammar
//! itself to the parser that follows.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

/// Largest document unless its type says otherwise, in bytes: 256 KiB.
pub const MAX_BYTES: usize = 256 * 1024;
/// Deepest nesting of arrays and objects.
pub const MAX_DEPTH: usize = 64;

/// Why a document was refused before or while it was read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StrictError {
    /// Larger than its kind may be; nothing was read.
    #[error("the document is {actual_bytes} bytes, above the limit of {limit_bytes}")]
    TooLarge {
        /// Its size.
        actual_bytes: usize,
        /// The largest size.
        limit_bytes: usize,
    },
    /// Not UTF-8.
    #[error("the document is not UTF-8: wrong byte at {at}")]
    NotUtf8 {
        /// Offset in bytes.
        at: usize,
    },
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("the document is nested deeper than {MAX_DEPTH} levels at byte {at}")]
    TooDeep {
        /// Offset in bytes.
        at: usize,
    },
    /// The same key twice in one object.
    #[error("the key `{key}` occurs twice in the object that ends at byte {at}")]
    DuplicateKey {
        /// The key, shortened.
        key: String,
        /// Offset in bytes.
        at: usize,
    },
    /// An integer below −2⁶³ or above 2⁶⁴−1, which no 64-bit port can hold and every reader would round.
    #[error("the integer at byte {at} does not fit 64 bits; send it as a string")]
    IntegerTooLarge {
        /// Offset in bytes.
        at: usize,
    },
    /// Not JSON, or not of the wanted shape: an unknown, missing or wrong field.
    #[error("{0}")]
    Shape(String),
}

/// Reads a document of at most `max_bytes` bytes, refusing what two readers could understand differently.
///
/// Unknown fields are refused if `T` says `#[serde(deny_unknown_fields)]`, as all our documents do.
///
/// # Errors
/// [`StrictError`]; the document must not be used in any part.
pub fn parse_strict<T: DeserializeOwned>(bytes: &[u8], max_bytes: usize) -> Result<T, StrictError> {
    if bytes.len() > max_bytes {
        return Err(StrictError::TooLarge {
            actual_bytes: bytes.len(),
            limit_bytes: max_bytes,
        });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| StrictError::NotUtf8 {
        at: error.valid_up_to(),
    })?;
    scan(text)?;
    serde_json::from_str(text).map_err(|error| StrictError::Shape(brief(&error)))
}

/// What a parser says, cut to a length for a log: it may repeat what it was given.
pub(crate) fn brief(error: &serde_json::Error) -> String {
    error.to_string().chars().take(300).collect()
}

/// Checks depth, duplicate keys and integers of a JSON text. Says nothing about its grammar.
///
/// # Errors
/// [`StrictError`], never `Shape` or `TooLarge`.
pub fn scan(text: &str) -> Result<(), StrictError> {
    Scanner {
        text,
        at: 0,
        frames: Vec::with_capacity(8),
        keys: Vec::with_capacity(16),
    }
    .run()
}

/// One open array or object.
enum Frame {
    Array,
    Object {
        /// Where its keys begin among the keys of all open objects.
        first_key: usize,
        /// Whether the next string is a key.
        expects_key: bool,
    },
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    frames: Vec<Frame>,
    /// Keys of all open objects, innermost last; still escaped as written unless they needed it.
    keys: Vec<Cow<'a, str>>,
}

impl<'a> Scanner<'a> {
    fn run(mut self) -> Result<(), StrictError> {
        while let Some(&byte) = self.text.as_bytes().get(self.at) {
            match byte {
                b'"' => self.string(),
                b'{' => self.open(Frame::Object {
                    first_key: self.keys.len(),
                    expects_key: true,
                })?,
                b'[' => self.open(Frame::Array)?,
                b'}' | b']' => self.close()?,
                b',' => self.expect_key(true),
                b':' => self.expect_key(false),
                b'-' | b'0'..=b'9' => {
                    self.number()?;
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
        Ok(())
    }

    fn open(&mut self, frame: Frame) -> Result<(), StrictError> {
        if self.frames.len() >= MAX_DEPTH {
            return Err(StrictError::TooDeep { at: self.at });
        }
        self.frames.push(frame);
        Ok(())
    }

    fn close(&mut self) -> Result<(), StrictError> {
        let Some(Frame::Object { first_key, .. }) = self.frames.pop() else {
            return Ok(());
        };
        let duplicate = match self.keys.get_mut(first_key..) {
            Some(keys) => {
                keys.sort_unstable();
                let twice = keys.windows(2).find(|pair| pair.first() == pair.last());
                twice.and_then(|pair| pair.first()).map(|key| shortened(key))
            }
            None => None,
        };
        self.keys.truncate(first_key);
        match duplicate {
            Some(key) => Err(StrictError::DuplicateKey { key, at: self.at }),
            None => Ok(()),
        }
    }

    fn expect_key(&mut self, expected: bool) {
        if let Some(Frame::Object { expects_key, .. }) = self.frames.last_mut() {
            *expects_key = expected;
        }
    }

    /// Passes over a string and remembers it if it is a key. Ends on its closing quote.
    fn string(&mut self) {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut escaped = false;
        self.at += 1;
        while let Some(&byte) = bytes.get(self.at) {
            match byte {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.at += 1;
                }
                _ => {}
            }
            self.at += 1;
        }
        let Some(Frame::Object {
            expects_key: true, ..
        }) = self.frames.last()
        else {
            return;
        };
        let key = if escaped {
            // Only equal once unescaped: `"a"` and `"\u0061"`. What does not parse, the parser will refuse.
            self.text
                .get(start..=self.at)
                .and_then(|quoted| serde_json::from_str::<String>(quoted).ok())
                .map(Cow::Owned)
        } else {
            self.text.get(start + 1..self.at).map(Cow::Borrowed)
        };
        self.keys.extend(key);
    }

    /// Passes over a number. Ends behind it.
    fn number(&mut self) -> Result<(), StrictError> {
        let start = self.at;
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        let part = |b: &u8| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let length = rest.iter().take_while(|b| part(b)).count();
        self.at += length;
        let literal = self.text.get(start..self.at).unwrap_or_default();
        if literal.contains(['.', 'e', 'E']) {
            return Ok(());
        }
        // The scan says nothing about grammar: what is no number at all is the parser's to refuse.
        let fits = match literal.strip_prefix('-') {
            Some(digits) => digits.parse::<u64>().is_ok_and(|value| value <= 1 << 63),
            None => literal.parse::<u64>().is_ok(),
        };
        if fits {
            Ok(())
        } else {
            Err(StrictError::IntegerTooLarge { at: start })
        }
    }
}

fn shortened(key: &str) -> String {
    key.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::Value;

    use super::*;

    fn parse(text: &str) -> Result<Value, StrictError> {
        parse_strict(text.as_bytes(), MAX_BYTES)
    }

    #[test]
    fn duplicate_keys_are_refused_at_every_level() {
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"x":[{"a":1,"b":{},"a":1}]}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"a":{"b":1},"c":[1,{"d":1}],"a":null}"#,
        ] {
            let error = parse(text).unwrap_err();
            assert!(
                matches!(&error, StrictError::DuplicateKey { key, .. } if key == "a"),
                "{text}: {error}"
            );
        }
        for text in [
            r#"{"a":{"a":1},"b":[{"a":1},{"a":2}]}"#,
            r#"{"k":"a","a":"k"}"#,
            r#"["a","a"]"#,
        ] {
            assert!(parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn nesting_has_a_limit_on_both_sides() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(
            parse(&nested(MAX_DEPTH + 1)),
            Err(StrictError::TooDeep { at: MAX_DEPTH })
        );
        assert!(parse(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn integers_have_a_limit_on_both_sides() {
        for text in [
            "18446744073709551615",
            "-9223372036854775808",
            "0",
            "1e300",
            "0.5",
            "[1,-2]",
        ] {
            assert!(parse(text).is_ok(), "{text}");
        }
        for text in [
            "18446744073709551616",
            "-9223372036854775809",
            "99999999999999999999999",
        ] {
            assert_eq!(parse(text), Err(StrictError::IntegerTooLarge { at: 0 }), "{text}");
        }
        assert!(
            parse(r#""18446744073709551616""#).is_ok(),
            "a string is no integer"
        );
    }

    #[test]
    fn size_utf8_grammar_and_fields_are_checked() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct One {
            #[expect(dead_code, reason = "only its presence matters here")]
            a: u8,
        }
        assert!(parse_strict::<One>(br#"{"a":1}"#, 7).is_ok());
        assert_eq!(
            parse_strict::<One>(br#"{"a":1}"#, 6).unwrap_err(),
            StrictError::TooLarge {
                actual_bytes: 7,
                limit_bytes: 6
            }
        );
        assert_eq!(
            parse_strict::<Value>(b"\"\xff\"", 9).unwrap_err(),
            StrictError::NotUtf8 { at: 1 }
        );
        for wrong in [
            r#"{"a":1,"b":2}"#,
            r#"{"a":1}x"#,
            "{}",
            "",
            "{",
            r#"{"a":1,}"#,
            r#"{"a":"#,
            "\"\\",
        ] {
            assert!(
                parse_strict::<One>(wrong.as_bytes(), MAX_BYTES).is_err(),
                "{wrong}"
            );
        }
        let error = parse_strict::<One>(br#"{"a":1,"b":2}"#, 99)
            .unwrap_err()
            .to_string();
        assert!(error.contains("unknown field `b`"), "{error}");
    }

    #[test]
    fn an_error_does_not_repeat_the_whole_document() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Empty {}
        let text = format!(r#"{{"{}":1}}"#, "x".repeat(100_000));
        let error = parse_strict::<Empty>(text.as_bytes(), MAX_BYTES)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("unknown field") && error.len() <= 300,
            "{error}"
        );
    }

    #[test]
    fn many_keys_are_no_way_to_keep_the_reader_busy() {
        // Quadratic comparison of these would take minutes.
        let fields: Vec<_> = (0..60_000).map(|n| format!(r#""{n:x}":0"#)).collect();
        let text = format!("{{{}}}", fields.join(","));
        assert!(parse_strict::<Value>(text.as_bytes(), text.len()).is_ok());
    }

    proptest! {
        #[test]
        fn any_text_is_scanned_without_trouble(text in ".{0,200}") {
            let _ = scan(&text);
        }

        #[test]
        fn what_the_plain_parser_makes_the_strict_one_reads(map in prop::collection::btree_map(".{0,8}", ".{0,8}", 0..20)) {
            let text = serde_json::to_string(&map).unwrap();
            let again: std::collections::BTreeMap<String, String> = parse_strict(text.as_bytes(), MAX_BYTES).unwrap();
            prop_assert_eq!(map, again);
        }
    }
}
