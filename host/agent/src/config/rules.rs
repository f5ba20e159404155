//! Which values a setting may have.

use std::time::Duration;

use flowforge_telemetry::{Given, Settings as TelemetrySettings};

use super::{ConfigError, Settings};

impl Settings {
    /// Where telemetry goes: what was said here over the variables of OpenTelemetry.
    pub(super) fn telemetry(&self) -> Result<Option<TelemetrySettings>, ConfigError> {
        let given = Given {
            endpoint: self.otlp_endpoint.clone(),
            bytes_per_second: self.otlp_bytes_per_second,
        };
        Ok(TelemetrySettings::read(&given, |name| std::env::var(name).ok())?)
    }
}

pub(super) fn in_range<T: Copy + PartialOrd + ToString>(
    key: &'static str,
    given: Option<T>,
    default: T,
    least: T,
    most: T,
    rule: &'static str,
) -> Result<T, ConfigError> {
    let value = given.unwrap_or(default);
    if value >= least && value <= most {
        Ok(value)
    } else {
        Err(ConfigError::Value {
            key,
            value: value.to_string(),
            rule,
        })
    }
}

pub(super) fn in_time(
    key: &'static str,
    given: Option<String>,
    default: Duration,
    most: Duration,
    rule: &'static str,
) -> Result<Duration, ConfigError> {
    let Some(text) = given else {
        return Ok(default);
    };
    duration(&text)
        .filter(|duration| *duration <= most)
        .ok_or(ConfigError::Value {
            key,
            value: text,
            rule,
        })
}

pub(super) fn host_name(name: String) -> Result<String, ConfigError> {
    let shape = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if (1..=64).contains(&name.len()) && name.bytes().all(shape) {
        Ok(name)
    } else {
        Err(ConfigError::Value {
            key: "name",
            value: name,
            rule: "expected 1 to 64 characters of a-z, 0-9 and -",
        })
    }
}

/// A duration, written `500ms`, `10s`, `2m` or `24h`.
fn duration(text: &str) -> Option<Duration> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => number,
        "s" => number.checked_mul(1_000)?,
        "m" => number.checked_mul(60_000)?,
        "h" => number.checked_mul(3_600_000)?,
        _ => return None,
    };
    Some(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Some(Duration::from_secs(120)));
        assert_eq!(duration("24h"), Some(Duration::from_hours(24)));
        for text in ["", "5", "s", "-5s", "5 s", "61d", "99999999999999999999s"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
