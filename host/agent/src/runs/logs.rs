//! The log lines of one attempt: bounded, and what is left out is said.

use flowforge_protocol::StepKey;
use flowforge_protocol::record::{Event, LogLevel};
use flowforge_runtime::Redactor;
use serde_json::Value;

/// Most lines kept of one attempt.
const LINES_MAX: usize = 1_000;
/// Most bytes kept of one attempt.
const BYTES_MAX: usize = 64 * 1024;
/// Longest line; a longer one is cut.
const LINE_BYTES_MAX: usize = 4 * 1024;

/// Collects what a connector logs until the run takes it over as records.
#[derive(Debug, Default)]
pub(super) struct LogBuffer {
    lines: Vec<(LogLevel, String)>,
    count: usize,
    bytes: usize,
    left_out: u64,
}

impl LogBuffer {
    /// Adds a line, or counts it if the attempt has said too much.
    pub(super) fn push(&mut self, level: LogLevel, message: &str, redactor: &Redactor) {
        // Cut after redacting, so that no half of a secret stays.
        let clean = redactor.text(message);
        let line = cut(&clean);
        if self.count >= LINES_MAX || self.bytes + line.len() > BYTES_MAX {
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
                "{} more log lines were left out: at most {LINES_MAX} lines and {BYTES_MAX} bytes are kept of one attempt",
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
    if line.len() <= LINE_BYTES_MAX {
        return line.to_owned();
    }
    let end = line.floor_char_boundary(LINE_BYTES_MAX - '…'.len_utf8());
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
        for number in 0..LINES_MAX + 5 {
            buffer.push(LogLevel::Info, &number.to_string(), &redactor);
        }
        let kept = messages(&mut buffer);
        assert_eq!(kept.len(), LINES_MAX + 1);
        assert!(
            kept[LINES_MAX].starts_with("5 more log lines were left out"),
            "{}",
            kept[LINES_MAX]
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
        assert!(kept[0].len() <= LINE_BYTES_MAX && kept[0].contains("[secret t]") && kept[0].ends_with('…'));
    }
}
