//! The small languages inside `connector.toml`: names, versions, destinations, durations.

/// Why a text is no destination.
pub(crate) fn destination(text: &str) -> Result<(), &'static str> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .ok_or("is no destination; write `https://name`, with `:port` if it is not the usual one, or `*`")?;
    if rest.contains(['/', '?', '#', '@']) {
        return Err("names more than a destination; leave out path and user");
    }
    let (name, port) = match rest.rsplit_once(':') {
        Some((name, port)) if !rest.ends_with(']') => (name, Some(port)),
        _ => (rest, None),
    };
    if port
        .is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port == 0) || port.parse::<u16>().is_err())
    {
        return Err("has no valid port");
    }
    let name = name.strip_prefix("*.").unwrap_or(name);
    let is_literal = name.starts_with('[') && name.ends_with(']');
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    if name.is_empty() || !(is_literal || name.chars().all(plain)) {
        return Err(
            "has no valid name; write it in lower case, punycode for other letters, `*.` at most in front",
        );
    }
    Ok(())
}

/// Whether a text is `publisher:name`.
pub(crate) fn is_connector_name(text: &str) -> bool {
    text.split_once(':')
        .is_some_and(|(publisher, name)| is_kebab(publisher) && is_kebab(name))
}

fn is_kebab(text: &str) -> bool {
    text.len() <= 64 && text.split('-').all(is_word) && text.starts_with(|c: char| c.is_ascii_lowercase())
}

/// Whether a text is `snake_case`, at most 64 characters.
pub(crate) fn is_snake(text: &str) -> bool {
    text.len() <= 64 && text.split('_').all(is_word) && text.starts_with(|c: char| c.is_ascii_lowercase())
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
}

/// Source: Semantic Versioning 2.0.0, with every number in the range of `u64`.
pub(crate) fn is_version(text: &str) -> bool {
    let (core, build) = text
        .split_once('+')
        .map_or((text, None), |(core, build)| (core, Some(build)));
    let (numbers, pre) = core
        .split_once('-')
        .map_or((core, None), |(numbers, pre)| (numbers, Some(pre)));
    let number = |part: &str| part.parse::<u64>().is_ok_and(|value| value.to_string() == part);
    let label = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let labels = |text: Option<&str>| text.is_none_or(|text| text.split('.').all(label));
    numbers.split('.').count() == 3 && numbers.split('.').all(number) && labels(pre) && labels(build)
}

/// `24h` → milliseconds.
pub(crate) fn duration_ms(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text.get(digits.len()..)? {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    digits
        .parse::<u64>()
        .ok()
        .filter(|count| *count > 0)?
        .checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_durations_are_exact() {
        for good in ["0.1.0", "1.2.3-rc.1+build.5"] {
            assert!(is_version(good), "{good}");
        }
        for bad in ["1", "1.0", "01.0.0", "1.0.0-", "v1.0.0", "1.0.0.0"] {
            assert!(!is_version(bad), "{bad}");
        }
        assert_eq!(duration_ms("5ms"), Some(5));
        assert_eq!(duration_ms("2d"), Some(172_800_000));
        for bad in ["", "5", "h", "1.5h", "0s", "5 h", "99999999999999999d"] {
            assert_eq!(duration_ms(bad), None, "{bad}");
        }
    }

    #[test]
    fn destinations_are_names_and_ports_only() {
        for good in [
            "https://a.example",
            "http://127.0.0.1:8080",
            "https://*.a.example:8443",
            "http://[::1]:80",
        ] {
            assert_eq!(destination(good), Ok(()), "{good}");
        }
        for bad in [
            "a.example",
            "ftp://a.example",
            "https://",
            "https://A.example",
            "https://a.example:0",
            "https://u@a.example",
        ] {
            assert!(destination(bad).is_err(), "{bad}");
        }
    }
}
