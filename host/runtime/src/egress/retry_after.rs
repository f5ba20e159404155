//! `Retry-After`, in both of its forms. Source: RFC 9110 §10.2.3.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// What the service asks for, in milliseconds from now. A date is measured by the service's own clock where it tells the
/// time, because clocks differ by more than such waits; else by the host's. A wait above what fits is the longest that
/// does: 49 days.
pub(crate) fn retry_after_ms(headers: &HeaderMap, now_ms: u64) -> Option<u32> {
    let text = |name: HeaderName| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::trim)
    };
    let asked = text(RETRY_AFTER)?;
    let is_seconds = !asked.is_empty() && asked.bytes().all(|byte| byte.is_ascii_digit());
    let wait = if is_seconds {
        // More digits than fit are more than the longest wait.
        Duration::from_secs(asked.parse().unwrap_or(u64::MAX))
    } else {
        let until = httpdate::parse_http_date(asked).ok()?;
        let now = text(DATE)
            .and_then(|date| httpdate::parse_http_date(date).ok())
            .or_else(|| UNIX_EPOCH.checked_add(Duration::from_millis(now_ms)))?;
        // A date that has passed asks for no wait.
        SystemTime::duration_since(&until, now).unwrap_or_default()
    };
    Some(u32::try_from(wait.as_millis()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn wait(retry_after: &str, date: Option<&str>, now_ms: u64) -> Option<u32> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(retry_after).unwrap());
        if let Some(date) = date {
            headers.insert(DATE, HeaderValue::from_str(date).unwrap());
        }
        retry_after_ms(&headers, now_ms)
    }

    /// Six requests went to a service that had named the second before which it wanted none: a date was not read.
    #[test]
    fn both_forms_are_a_wait() {
        let until = "Wed, 21 Oct 2026 07:28:10 GMT";
        assert_eq!(wait("120", None, 0), Some(120_000));
        assert_eq!(
            wait(until, Some("Wed, 21 Oct 2026 07:28:00 GMT"), 0),
            Some(10_000)
        );
        assert_eq!(wait(until, Some("Wed, 21 Oct 2026 07:29:00 GMT"), 0), Some(0));
        assert_eq!(wait(until, None, 1_792_567_687_000), Some(3_000));
        assert_eq!(wait(until, Some("yesterday"), 1_792_567_687_000), Some(3_000));
        assert_eq!(wait("99999999999999999999999", None, 0), Some(u32::MAX));
        assert_eq!(wait("soon", None, 0), None);
        assert_eq!(wait("-5", None, 0), None);
        assert_eq!(retry_after_ms(&HeaderMap::new(), 0), None);
    }
}
