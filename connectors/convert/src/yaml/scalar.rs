//! What a scalar means, by the core schema of YAML 1.2.2 (10.3).

use serde_json::{Number, Value};

/// What a scalar without quotes means.
///
/// # Errors
/// A number that JSON has not: an integer of more than 64 bits, an infinity, no number.
pub(super) fn plain(text: &str) -> Result<Value, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        _ => {}
    }
    if let Some(number) = integer(text) {
        return number;
    }
    if is_decimal(text) {
        let float: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
        return match Number::from_f64(float) {
            Some(number) => Ok(Value::Number(number)),
            None => Err(format!(
                "`{text}` is larger than a number of JSON; write it as a text, in quotes"
            )),
        };
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if [".inf", ".Inf", ".INF"].contains(&unsigned) || [".nan", ".NaN", ".NAN"].contains(&text) {
        return Err(format!(
            "`{text}` is no number of JSON; write it as a text, in quotes"
        ));
    }
    Ok(Value::String(text.to_owned()))
}

/// Whether this text means something else than itself when it stands without quotes.
pub(super) fn is_ambiguous(text: &str) -> bool {
    // What other readers take for something else, those of YAML 1.1 among them, is told from it, too.
    const OLD: [&str; 8] = ["y", "n", "yes", "no", "on", "off", "<<", "="];
    !matches!(plain(text), Ok(Value::String(_)))
        || OLD.iter().any(|old| text.eq_ignore_ascii_case(old))
        || text.starts_with(|c: char| c.is_ascii_digit() || c == '.' || c == '+')
}

/// An integer, if the text is one. One that begins with a zero is a text: it is a code, and no amount.
fn integer(text: &str) -> Option<Result<Value, String>> {
    let (digits, radix) = match (text.strip_prefix("0o"), text.strip_prefix("0x")) {
        (Some(octal), _) => (octal, 8),
        (_, Some(hexadecimal)) => (hexadecimal, 16),
        _ => (text.strip_prefix(['-', '+']).unwrap_or(text), 10),
    };
    let is_code = radix == 10 && digits.len() > 1 && digits.starts_with('0');
    if is_code || digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let number = match u64::from_str_radix(digits, radix) {
        Ok(number) if !text.starts_with('-') => Some(Number::from(number)),
        Ok(number) => 0_i64.checked_sub_unsigned(number).map(Number::from),
        Err(_) => None,
    };
    Some(
        number.map(Value::Number).ok_or_else(|| {
            format!("the integer `{text}` has more than 64 bits; write it as a text, in quotes")
        }),
    )
}

/// Whether the text is a number with a point or an exponent.
fn is_decimal(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let digits = |part: &str| part.chars().all(|c| c.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_number = digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    let is_code = whole.len() > 1 && whole.starts_with('0');
    let exponent_is_one = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    is_number && !is_code && exponent_is_one && (exponent.is_some() || mantissa.contains('.'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scalars_mean_what_the_core_schema_says() {
        for (text, meaning) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("True", json!(true)),
            ("no", json!("no")),
            ("0", json!(0)),
            ("-7", json!(-7)),
            ("+7", json!(7)),
            ("-9223372036854775808", json!(i64::MIN)),
            ("18446744073709551615", json!(u64::MAX)),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("01234", json!("01234")),
            ("1_000", json!("1_000")),
            ("2.50", json!(2.5)),
            (".5", json!(0.5)),
            ("1e3", json!(1000.0)),
            ("007.5", json!("007.5")),
            ("1.2.3", json!("1.2.3")),
            (".", json!(".")),
            ("e3", json!("e3")),
            ("1e", json!("1e")),
            ("12:30", json!("12:30")),
            ("2026-11-29", json!("2026-11-29")),
            ("+49 30 1", json!("+49 30 1")),
        ] {
            assert_eq!(plain(text).unwrap(), meaning, "{text}");
        }
    }

    #[test]
    fn numbers_that_json_has_not_are_refused() {
        for text in [
            "18446744073709551616",
            "-9223372036854775809",
            "1e999",
            ".inf",
            "-.INF",
            ".nan",
        ] {
            assert!(plain(text).unwrap_err().contains(text), "{text}");
        }
    }
}
