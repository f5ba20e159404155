//! The spellings in which a value comes back: encodings that services and languages apply to what they were sent.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::Value;
use zeroize::Zeroizing;

type Spelling = Zeroizing<Vec<u8>>;

/// The value as it is; in base64 of both alphabets, alone and inside longer base64; in hexadecimal; percent-encoded;
/// escaped as in JSON, in JSON of ASCII, in JSON inside JSON and in HTML. Each once.
pub(super) fn spellings(value: &[u8]) -> Vec<Spelling> {
    let mut found: Vec<Spelling> = Vec::with_capacity(24);
    let mut add = |bytes: Spelling| {
        if !found.contains(&bytes) {
            found.push(bytes);
        }
    };
    let text = |text: String| Zeroizing::new(text.into_bytes());
    add(Zeroizing::new(value.to_vec()));
    for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
        add(text(engine.encode(value)));
        for offset in 0..3 {
            add(inside_base64(engine, value, offset));
        }
    }
    add(text(hex(value, LOWER)));
    add(text(hex(value, UPPER)));
    for digits in [UPPER, LOWER] {
        add(text(percent(value, digits, "%20", false)));
        add(text(percent(value, digits, "+", false)));
        add(text(percent(value, digits, "%20", true)));
    }
    if let Ok(plain) = std::str::from_utf8(value) {
        let once = Zeroizing::new(json_inner(plain));
        add(text(json_inner(&once)));
        add(text(once.replace('/', "\\/")));
        add(text(ascii_json(&once, LOWER)));
        add(text(ascii_json(&once, UPPER)));
        add(text(once.to_string()));
        add(text(html(plain, "&#39;")));
        add(text(html(plain, "&#x27;")));
    }
    found
}

/// The characters that the value alone decides when it stands `offset` bytes after a multiple of three.
fn inside_base64(engine: &impl base64::Engine, value: &[u8], offset: usize) -> Spelling {
    let mut shifted = Zeroizing::new(vec![0; offset]);
    shifted.extend_from_slice(value);
    let encoded = Zeroizing::new(engine.encode(shifted.as_slice()));
    let start = offset.saturating_mul(8).div_ceil(6);
    let end = shifted.len().saturating_mul(8) / 6;
    Zeroizing::new(encoded.as_bytes().get(start..end).unwrap_or_default().to_vec())
}

const LOWER: &[u8; 16] = b"0123456789abcdef";
const UPPER: &[u8; 16] = b"0123456789ABCDEF";

fn digit(nibble: u8, digits: &[u8; 16]) -> char {
    digits
        .get(usize::from(nibble & 15))
        .copied()
        .map_or('0', char::from)
}

fn hex(value: &[u8], digits: &[u8; 16]) -> String {
    let pair = |byte: &u8| [digit(byte >> 4, digits), digit(*byte, digits)];
    value.iter().flat_map(pair).collect()
}

/// Percent-encoded; `all` encodes letters and digits too.
fn percent(value: &[u8], digits: &[u8; 16], space: &str, all: bool) -> String {
    let mut out = String::with_capacity(value.len().saturating_mul(3));
    for &byte in value {
        if !all
            && (byte.is_ascii_alphanumeric() || b"-._~*".contains(&byte) && (byte != b'*' || space == "+"))
        {
            // A form leaves `*` and encodes `~`; everything else leaves `~` and encodes `*`.
            if byte == b'~' && space == "+" {
                out.extend(['%', digit(byte >> 4, digits), digit(byte, digits)]);
            } else {
                out.push(char::from(byte));
            }
        } else if byte == b' ' && !all {
            out.push_str(space);
        } else {
            out.extend(['%', digit(byte >> 4, digits), digit(byte, digits)]);
        }
    }
    out
}

/// A JSON text without its quotes.
fn json_inner(text: &str) -> String {
    let quoted = Value::String(text.to_owned()).to_string();
    quoted
        .get(1..quoted.len().saturating_sub(1))
        .unwrap_or_default()
        .to_owned()
}

/// The same in ASCII: everything else as `\uXXXX`, in UTF-16.
fn ascii_json(escaped: &str, digits: &[u8; 16]) -> String {
    let mut out = String::with_capacity(escaped.len());
    for char in escaped.chars() {
        if char.is_ascii() {
            out.push(char);
            continue;
        }
        let mut units = [0; 2];
        for unit in char.encode_utf16(&mut units) {
            let [high, low] = unit.to_be_bytes();
            out.push_str("\\u");
            out.extend([
                digit(high >> 4, digits),
                digit(high, digits),
                digit(low >> 4, digits),
                digit(low, digits),
            ]);
        }
    }
    out
}

fn html(text: &str, quote: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str(quote),
            other => out.push(other),
        }
    }
    out
}
