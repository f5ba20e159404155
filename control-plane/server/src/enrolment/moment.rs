//! Moments in messages.

use std::time::{Duration, UNIX_EPOCH};

/// A moment by the server's clock, for people.
pub(super) fn moment(ms: u64) -> String {
    // Years that no calendar has would end the program in there.
    const LAST_MS: u64 = 253_402_300_799_000;
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(ms.min(LAST_MS)))
}
