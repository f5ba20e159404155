//! Log lines: records like all others, picked out when somebody asks.

use flowforge_core::Scope;
use flowforge_protocol::RunId;
use flowforge_protocol::chain::no_fetch;
use flowforge_protocol::record::{Event, Record};
use flowforge_store::{Store, StoreError};
use serde_json::Value;

/// Lines of records read for one page, at most.
const READ_BYTES: u64 = 8 * 1024 * 1024;

/// One line that a connector logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogLine {
    pub(crate) seq: u64,
    pub(crate) at_ms: u64,
    pub(crate) step: String,
    pub(crate) attempt: u32,
    pub(crate) level: String,
    pub(crate) message: String,
}

/// Up to `limit` lines of a run, from record `from` on, and whether there are more.
pub(crate) async fn lines(
    store: &Store,
    scope: &Scope,
    run: &RunId,
    from: u64,
    limit: u32,
) -> Result<(Vec<LogLine>, bool), StoreError> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    let mut next = from;
    loop {
        let batches = store.batches(scope, run, next, READ_BYTES).await?;
        let Some(last) = batches.last() else {
            return Ok((found, false));
        };
        let behind = last.first_seq + u64::from(last.count);
        for record in batches
            .iter()
            .flat_map(|batch| batch.records(&no_fetch))
            .flatten()
        {
            found.extend(log_line(record).filter(|line| line.seq >= next));
            if found.len() > limit {
                found.truncate(limit);
                return Ok((found, true));
            }
        }
        next = behind;
    }
}

fn log_line(record: Record) -> Option<LogLine> {
    let Event::Log {
        step,
        attempt,
        level,
        message,
    } = record.event
    else {
        return None;
    };
    let level = match serde_json::to_value(level) {
        Ok(Value::String(level)) => level,
        _ => String::new(),
    };
    Some(LogLine {
        seq: record.seq,
        at_ms: record.at_ms,
        step: step.to_string(),
        attempt,
        level,
        message: message.shown().as_str().unwrap_or_default().to_owned(),
    })
}
