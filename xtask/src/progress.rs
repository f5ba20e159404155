//! Lines that change in place on a terminal and are printed once elsewhere.

use std::io::{IsTerminal, Write, stdout};
use std::time::Duration;

/// One line of output that may be rewritten until it is finished.
pub(crate) struct Line {
    terminal: bool,
}

impl Line {
    /// A line at the place where the output stands now.
    pub(crate) fn begin() -> Self {
        Self {
            terminal: stdout().is_terminal(),
        }
    }

    /// Shows a text that is not final. Elsewhere than on a terminal it is not shown at all.
    pub(crate) fn update(&self, text: &str) {
        if self.terminal {
            print!("\r\x1b[2K{text}");
            // A terminal that cannot be written to is noticed by the next `println!`.
            let _ = stdout().flush();
        }
    }

    /// Shows the final text and ends the line.
    pub(crate) fn finish(self, text: &str) {
        if self.terminal {
            print!("\r\x1b[2K");
        }
        println!("{text}");
    }
}

/// A duration for people: `48 ms`, `6.8 s`, `9 min 12 s`.
pub(crate) fn spoken(elapsed: Duration) -> String {
    let millis = elapsed.as_millis();
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        _ => format!("{} min {} s", millis / 60_000, millis % 60_000 / 1_000),
    }
}

/// A size for people: `0.3 MB`.
pub(crate) fn megabytes(bytes: u64) -> String {
    let tenths = bytes.div_ceil(100_000);
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_read_well() {
        assert_eq!(spoken(Duration::from_millis(48)), "48 ms");
        assert_eq!(spoken(Duration::from_millis(6_830)), "6.8 s");
        assert_eq!(spoken(Duration::from_secs(552)), "9 min 12 s");
        assert_eq!(megabytes(1_610_000), "1.7 MB");
        assert_eq!(megabytes(1), "0.1 MB");
    }
}
