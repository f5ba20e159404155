//! Lengths of time as they are written: `200ms`, `5s`, `90m`, `72h`, `7d`, `1h30m`.

/// Milliseconds of a written length of time.
///
/// # Errors
///
/// A fragment that says what a length of time looks like, or that it is too long.
pub fn parse_duration_ms(text: &str) -> Result<u64, String> {
    let wrong = || {
        format!(
            "`{}` is no length of time: write 200ms, 5s, 90m, 72h or 7d",
            short(text)
        )
    };
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut total: u64 = 0;
    let mut last_unit = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at_checked(digits).ok_or_else(wrong)?;
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at_checked(letters).ok_or_else(wrong)?;
        let factor: u64 = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60 * 1000,
            "h" => 60 * 60 * 1000,
            "d" => 24 * 60 * 60 * 1000,
            _ => return Err(wrong()),
        };
        if factor >= last_unit {
            return Err(wrong());
        }
        last_unit = factor;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        total = number
            .checked_mul(factor)
            .and_then(|ms| total.checked_add(ms))
            .ok_or_else(|| format!("`{}` is too long", short(text)))?;
        rest = tail;
    }
    Ok(total)
}

/// A length of time in its shortest exact form: `72h` stays `72h`, 90 000 ms is `90s`.
#[must_use]
pub fn format_duration_ms(ms: u64) -> String {
    for (factor, unit) in [(60 * 60 * 1000, "h"), (60 * 1000, "m"), (1000, "s")] {
        if ms >= factor && ms.is_multiple_of(factor) {
            return format!("{}{unit}", ms / factor);
        }
    }
    format!("{ms}ms")
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_and_written() {
        assert_eq!(parse_duration_ms("200ms"), Ok(200));
        assert_eq!(parse_duration_ms("72h"), Ok(259_200_000));
        assert_eq!(parse_duration_ms("1h30m"), Ok(5_400_000));
        assert!(parse_duration_ms("30m1h").is_err(), "the larger unit comes first");
        assert!(parse_duration_ms("5").is_err());
        assert!(parse_duration_ms("5 minutes").is_err());
        assert!(parse_duration_ms("99999999999999999999d").is_err());
        assert_eq!(format_duration_ms(259_200_000), "72h");
        assert_eq!(format_duration_ms(90_000), "90s");
        assert_eq!(format_duration_ms(250), "250ms");
    }
}
