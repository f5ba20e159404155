//! Scalars of YAML's core schema. Source: YAML 1.2.2 §10.3.2.

use super::{Style, Text, Value};

/// The value of a plain scalar, or why it is none.
pub(super) fn plain(text: &str) -> Result<Value, &'static str> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        ".inf" | "+.inf" | "-.inf" | ".Inf" | "-.Inf" | ".nan" | ".NaN" => {
            return Err("infinity and not-a-number have no place in JSON");
        }
        _ => {}
    }
    if let Some(value) = whole(text) {
        return Ok(value);
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

fn whole(text: &str) -> Option<Value> {
    let based = |digits: &str, radix| {
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_alphanumeric());
        plain
            .then(|| i64::from_str_radix(digits, radix).ok())
            .flatten()
            .map(Value::Int)
    };
    if let Some(digits) = text.strip_prefix("0x") {
        return based(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return based(digits, 8);
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    match text.parse::<i64>() {
        Ok(value) => Some(Value::Int(value)),
        // Larger than 64 bits: a number all the same, with the precision it then has.
        Err(_) => text.parse::<f64>().ok().map(Value::Float),
    }
}

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
        assert_eq!(kind(".inf"), "infinity and not-a-number have no place in JSON");
        assert_eq!(kind("1e999"), "the number is too large");
    }
}
