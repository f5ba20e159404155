//! Whole numbers that are written into the text of a document.
//!
//! The engine reads one that does not fit 64 bits as a double of about its size, without a word, and a run would have
//! another number than its caller wrote. The text is scanned before that; what is no number is left to the engine.

/// Refuses a whole number that does not fit 64 bits, by the name before it.
pub(crate) fn check_literals(text: &str) -> Result<(), String> {
    let mut rest = text;
    let mut name = "";
    while let Some(first) = rest.bytes().next() {
        let length = match first {
            b'#' => rest.find(['\n', '\r']).unwrap_or(rest.len()),
            b'"' => string_length(rest),
            b'-' | b'0'..=b'9' => {
                let length = length_while(rest, |c| c.is_ascii_alphanumeric() || "+-._".contains(c));
                check_number(name, rest.get(..length).unwrap_or_default())?;
                length
            }
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                let length = length_while(rest, |c| c.is_ascii_alphanumeric() || c == '_');
                name = rest.get(..length).unwrap_or_default();
                length
            }
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(())
}

fn check_number(name: &str, number: &str) -> Result<(), String> {
    let digits = number.strip_prefix('-').unwrap_or(number);
    let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_whole || number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok() {
        return Ok(());
    }
    let shown: String = number.chars().take(40).collect();
    Err(format!(
        "`{name}`: the integer {shown} does not fit 64 bits; send it as a string"
    ))
}

fn length_while(text: &str, is_part: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is_part(c)).unwrap_or(text.len())
}

/// Bytes of the string that begins a text, with its quotes; a block string has three of them.
fn string_length(text: &str) -> usize {
    if let Some(block) = text.strip_prefix("\"\"\"") {
        let mut from = 0;
        while let Some(found) = block.get(from..).and_then(|rest| rest.find("\"\"\"")) {
            let at = from + found;
            from = at + 3;
            if !block.get(..at).unwrap_or_default().ends_with('\\') {
                return from + 3;
            }
        }
        return text.len();
    }
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' | b'\n' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{ n: 99999999999999999999 }` in a document became 1e20: only the variables were looked at.
    #[test]
    fn a_whole_number_in_a_document_fits_64_bits_or_is_refused_by_its_name() {
        for taken in [
            "{ a(n: 18446744073709551615, m: -9223372036854775808, x: 1e30, y: 99999999999999999999.5) }",
            "{ a(n: \"99999999999999999999\", q: \"\\\" 99999999999999999999\") }",
            "{ a(n: \"\"\"99999999999999999999 \\\"\"\" 99999999999999999999\"\"\") }",
            "{ a # 99999999999999999999\n }",
            "{ a99999999999999999999 }",
            "{ ü(n: \"",
        ] {
            assert_eq!(check_literals(taken), Ok(()), "{taken}");
        }
        for (refused, name) in [
            ("mutation { a(input: { n: 18446744073709551616 }) }", "`n`"),
            ("{ a(rows: [1, -9223372036854775809]) }", "`rows`"),
            ("{ a(s: \"\"\"x\"\"\", n: 99999999999999999999) }", "`n`"),
        ] {
            let message = check_literals(refused).unwrap_err();
            assert!(
                message.starts_with(name) && message.contains("64 bits"),
                "{message}"
            );
        }
    }
}
