//! Times and sizes for people.

use std::time::{SystemTime, UNIX_EPOCH};

use chrono::DateTime;

/// Milliseconds since 1970 UTC, now.
pub(crate) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// `2026-11-26 09:14 UTC`.
pub(crate) fn date(ms: u64) -> String {
    let date = i64::try_from(ms).ok().and_then(DateTime::from_timestamp_millis);
    date.map_or_else(
        || "an unknown time".to_owned(),
        |date| date.format("%Y-%m-%d %H:%M UTC").to_string(),
    )
}

/// Time of work: `48 ms`, `6.8 s`, `0:01:40`.
pub(crate) fn elapsed(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => clock(ms),
    }
}

/// Time of waiting: `0:00:12`.
pub(crate) fn clock(ms: u64) -> String {
    let seconds = ms / 1_000;
    format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// Seconds with one digit: `41.2 s`.
pub(crate) fn seconds(ms: u64) -> String {
    let tenths = ms.saturating_add(50) / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

/// `820 B`, `8.9 KB`, `18.4 MB`.
pub(crate) fn size(bytes: u64) -> String {
    let scaled = |unit: u64, name: &str| {
        let tenths = bytes.saturating_mul(10).saturating_add(unit / 2) / unit;
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    };
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => scaled(1_000, "KB"),
        _ => scaled(1_000_000, "MB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_read_well() {
        assert_eq!(date(1_795_684_440_000), "2026-11-26 09:14 UTC");
        assert_eq!(elapsed(48), "48 ms");
        assert_eq!(elapsed(6_830), "6.8 s");
        assert_eq!(elapsed(100_000), "0:01:40");
        assert_eq!(seconds(41_180), "41.2 s");
        assert_eq!(size(8_910), "8.9 KB");
        assert_eq!(size(18_400_000), "18.4 MB");
    }
}
