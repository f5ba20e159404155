//! Scalars of YAML's core schema. Source: YAML 1.2.2 §10.3.2.

use super::{Style, Text, Value};

/// The value of a plain scalar, or why it is none.
pub(super) fn plain(text: &str) -> Result<Value, &'static str> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        ".nan" | ".NaN" | ".NAN" => return Err(NO_JSON),
        _ if matches!(
            text.strip_prefix(['-', '+']).unwrap_or(text),
            ".inf" | ".Inf" | ".INF"
        ) =>
        {
            return Err(NO_JSON);
        }
        _ => {}
    }
    if let Some(value) = whole(text) {
        return value;
    }
    if looks_like_float(text)
        && let Ok(value) = text.parse::<f64>()
    {
        return if value.is_finite() {
            Ok(Value::Float(value))
        } else {
            Err("the number is too large")
        };
    }
    Ok(Value::Text(Text {
        text: text.to_owned(),
        style: Style::Plain,
    }))
}

/// A whole number, if the text is one. Every digit of it counts: one that does not fit 64 bits is refused, because it would
/// become another number.
fn whole(text: &str) -> Option<Result<Value, &'static str>> {
    let digits =
        |text: &str, is_digit: fn(&u8) -> bool| !text.is_empty() && text.bytes().all(|b| is_digit(&b));
    let (digits, radix, negative) = if let Some(rest) = text.strip_prefix("0x") {
        (digits(rest, u8::is_ascii_hexdigit).then_some(rest)?, 16, false)
    } else if let Some(rest) = text.strip_prefix("0o") {
        (
            digits(rest, |b| matches!(b, b'0'..=b'7')).then_some(rest)?,
            8,
            false,
        )
    } else {
        let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
        (
            digits(rest, u8::is_ascii_digit).then_some(rest)?,
            10,
            text.starts_with('-'),
        )
    };
    if radix == 10 && digits.len() > 1 && digits.starts_with('0') {
        return Some(Err(LEADING_ZERO));
    }
    let (least, most) = (i128::from(i64::MIN), i128::from(u64::MAX));
    let number = i128::from_str_radix(digits, radix).ok();
    let number = number.map(|number| if negative { -number } else { number });
    Some(match number.filter(|number| (least..=most).contains(number)) {
        Some(number) => Ok(Value::Int(number)),
        None => Err(TOO_LARGE),
    })
}

/// What a whole number is told whose zero would be lost, or which other readers of YAML take for an octal one.
const LEADING_ZERO: &str = "a number has no zero before it: write it as text, in quotes, if the zero counts, and an octal one as 0o644";

const NO_JSON: &str = "infinity and not-a-number have no place in JSON";

/// What a whole number is told that would lose digits.
const TOO_LARGE: &str =
    "this whole number does not fit 64 bits, so its digits would be lost; write it as text, in quotes";

fn looks_like_float(text: &str) -> bool {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let mut digits = 0;
    let mut rest = body.bytes().peekable();
    let mut dot = false;
    while let Some(byte) = rest.peek().copied() {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'.' if !dot => dot = true,
            _ => break,
        }
        rest.next();
    }
    if digits == 0 {
        return false;
    }
    match rest.next() {
        None => dot,
        Some(b'e' | b'E') => {
            let tail: Vec<u8> = rest.collect();
            let tail = tail
                .strip_prefix(b"-")
                .or_else(|| tail.strip_prefix(b"+"))
                .unwrap_or(&tail);
            !tail.is_empty() && tail.iter().all(u8::is_ascii_digit)
        }
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_schema_is_followed() {
        let kind = |text: &str| match plain(text) {
            Ok(Value::Null) => "null".to_owned(),
            Ok(Value::Bool(value)) => value.to_string(),
            Ok(Value::Int(value)) => format!("int {value}"),
            Ok(Value::Float(value)) => format!("float {value}"),
            Ok(Value::Text(text)) => format!("text {}", text.text),
            Ok(_) => "?".to_owned(),
            Err(error) => error.to_owned(),
        };
        assert_eq!(kind("~"), "null");
        assert_eq!(kind("yes"), "text yes", "yes and no are words in YAML 1.2");
        assert_eq!(kind("-12"), "int -12");
        assert_eq!(kind("0x1F"), "int 31");
        assert_eq!(kind("4.0"), "float 4");
        assert_eq!(kind("1e3"), "float 1000");
        assert_eq!(kind("1.2.3"), "text 1.2.3");
        assert_eq!(kind("2026-11-26"), "text 2026-11-26");
        assert_eq!(kind("72h"), "text 72h");
        for none in [".inf", "+.Inf", "-.INF", ".NAN"] {
            assert_eq!(kind(none), NO_JSON);
        }
        assert_eq!(kind("1e999"), "the number is too large");
        assert_eq!(kind("0xFG"), "text 0xFG");
        assert_eq!(kind("0o8"), "text 0o8");
        assert_eq!(kind("0o644"), "int 420");
        for zero in ["01234", "0644", "-007"] {
            assert_eq!(kind(zero), LEADING_ZERO);
        }
        assert_eq!(kind("0"), "int 0");
    }

    /// A whole number beyond 64 bits became another one without a word.
    #[test]
    fn whole_numbers_keep_every_digit_or_are_refused() {
        let json = |text: &str| {
            let value = plain(text)?;
            let span = crate::diagnostic::Span::default();
            Ok::<_, &str>(super::super::Node { value, span }.to_json().to_string())
        };
        for exact in [
            "9007199254740993",
            "18446744073709551615",
            "-9223372036854775808",
            "0",
        ] {
            assert_eq!(json(exact), Ok(exact.to_owned()));
        }
        assert_eq!(json("0xFFFFFFFFFFFFFFFF"), Ok(u64::MAX.to_string()));
        for lost in [
            "18446744073709551616",
            "-9223372036854775809",
            "0x10000000000000000",
            "99999999999999999999999999999999999999999999",
        ] {
            assert_eq!(json(lost), Err(TOO_LARGE), "{lost}");
        }
    }
}
