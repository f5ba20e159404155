//! The log lines of one attempt: bounded, and what is left out is said.

use flowforge_protocol::StepKey;
use flowforge_protocol::record::{Event, LogLevel};
use flowforge_runtime::Redactor;
use flowforge_runtime::limits::{LOG_BYTES, LOG_LINE_BYTES, LOG_LINES};
use serde_json::Value;

/// Collects what a connector logs until the run takes it over as records.
#[derive(Debug, Default)]
pub(super) struct LogBuffer {
    lines: Vec<(LogLevel, String)>,
    count: u32,
    bytes: usize,
    left_out: u64,
}

impl LogBuffer {
    /// Adds a line, or counts it if the attempt has said too much.
    pub(super) fn push(&mut self, level: LogLevel, message: &str, redactor: &Redactor) {
        // Cut after redacting, so that no half of a secret stays.
        let clean = redactor.text(message);
        let line = cut(&clean);
        if self.count >= LOG_LINES || self.bytes + line.len() > LOG_BYTES {
            self.left_out += 1;
            return;
        }
        self.count += 1;
        self.bytes += line.len();
        self.lines.push((level, line));
    }

    /// The lines since the last call, as events.
    pub(super) fn drain(&mut self, step: &StepKey, attempt: u32) -> Vec<Event> {
        let mut lines = std::mem::take(&mut self.lines);
        if self.left_out > 0 {
            let message = format!(
                "{} more log lines were left out: at most {LOG_LINES} lines and {LOG_BYTES} bytes are kept of one attempt",
                self.left_out
            );
            lines.push((LogLevel::Warn, message));
            self.left_out = 0;
        }
        lines
            .into_iter()
            .map(|(level, message)| Event::Log {
                step: step.clone(),
                attempt,
                level,
                message: Value::from(message).into(),
            })
            .collect()
    }
}

fn cut(line: &str) -> String {
    if line.len() <= LOG_LINE_BYTES {
        return line.to_owned();
    }
    let end = line.floor_char_boundary(LOG_LINE_BYTES - '…'.len_utf8());
    format!("{}…", line.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(buffer: &mut LogBuffer) -> Vec<String> {
        let step = StepKey::top("fetch".parse().expect("id"));
        buffer
            .drain(&step, 2)
            .into_iter()
            .map(|event| match event {
                Event::Log {
                    message, attempt: 2, ..
                } => message.shown().as_str().unwrap_or_default().to_owned(),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn a_flood_is_cut_and_counted() {
        let redactor = Redactor::default();
        let mut buffer = LogBuffer::default();
        for number in 0..LOG_LINES + 5 {
            buffer.push(LogLevel::Info, &number.to_string(), &redactor);
        }
        let kept = messages(&mut buffer);
        assert_eq!(kept.len(), 1_001);
        assert!(
            kept[1_000].starts_with("5 more log lines were left out"),
            "{}",
            kept[1_000]
        );
        assert!(messages(&mut buffer).is_empty());
    }

    #[test]
    fn a_long_line_is_cut_at_a_character_after_secrets_went() {
        let redactor = Redactor::default();
        redactor.learn("t", b"0123456789");
        let mut buffer = LogBuffer::default();
        buffer.push(
            LogLevel::Info,
            &format!("{}0123456789{}", "é".repeat(2_040), "é".repeat(3_000)),
            &redactor,
        );
        let kept = messages(&mut buffer);
        assert!(kept[0].len() <= LOG_LINE_BYTES && kept[0].contains("[secret t]") && kept[0].ends_with('…'));
    }
}
