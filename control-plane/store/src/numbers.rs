//! Numbers of jobs: none is given twice, not even after what is stored was restored from a backup.

use std::ops::Range;

use crate::postgres::SEQUENCES_PER_SECOND;
use crate::{Store, StoreError, sql};

impl Store {
    /// Job sequences for this process alone: to be used within about a second, because a host remembers only the newest.
    ///
    /// They are above every sequence that this file has seen, and, where it may have been restored from a backup, above
    /// every one that can have been used before `now_ms`: it does not know all of them then. Processes that used more than
    /// 2^20 sequences a second from their start on would break this; nothing here signs a tenth of that. A file has one
    /// process: it gets all that are left.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn sequences(&self, now_ms: u64) -> Result<Range<u64>, StoreError> {
        self.read_all(move |connection| {
            if let Some(session) = connection.database() {
                return session.job_numbers();
            }
            let used = sql::first(
                connection,
                "select value from meta where key = 'job_sequence'",
                (),
                |row| sql::parsed::<u64>(row, 0, "job sequence"),
            )?;
            let next = used.unwrap_or(0).saturating_add(1);
            Ok(next.max(now_ms.saturating_mul(SEQUENCES_PER_SECOND) / 1_000)..u64::MAX)
        })
        .await
    }
}
