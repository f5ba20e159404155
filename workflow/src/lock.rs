//! `workflow.lock`: which version of each connector a workflow uses, kept beside it (R7).
//!
//! One line for each connector, sorted, so that a change is one line in a review:
//!
//! ```text
//! flowforge:http 0.1.0 sha256:…
//! ```

use std::collections::BTreeMap;

use flowforge_protocol::Digest;
use flowforge_protocol::release::PinnedConnector;

/// Connector name → pinned version.
pub type Lock = BTreeMap<String, PinnedConnector>;

/// The first line of every lock file.
const HEADER: &str =
    "# Versions of the connectors beside. Written by flowforge; take a line out to get the newest version.\n";

/// Most lines a lock file may have.
const MAX_LINES: usize = 2_000;

/// Why a lock file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("workflow.lock:{line}: {reason}")]
pub struct LockError {
    /// Line from 1.
    pub line: usize,
    /// What is wrong, for people.
    pub reason: String,
}

/// Reads a lock file. Empty lines and lines that begin with `#` say nothing.
///
/// # Errors
///
/// The first line that is not `publisher:name version digest`, or that names a connector twice.
pub fn lock_parse(text: &str) -> Result<Lock, LockError> {
    let mut lock = Lock::new();
    for (index, line) in text.lines().enumerate() {
        let error = |reason: String| LockError {
            line: index + 1,
            reason,
        };
        if index >= MAX_LINES {
            return Err(error(format!("more than {MAX_LINES} lines")));
        }
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [name, version, digest] = fields.as_slice() else {
            return Err(error("expected `publisher:name version digest`".to_owned()));
        };
        let digest: Digest = digest.parse().map_err(|problem| error(format!("{problem}")))?;
        let pinned = PinnedConnector {
            version: (*version).to_owned(),
            digest,
        };
        if lock.insert((*name).to_owned(), pinned).is_some() {
            return Err(error(format!(
                "`{name}` stands here a second time; if two branches were merged, keep one line"
            )));
        }
    }
    Ok(lock)
}

/// Writes a lock file.
#[must_use]
pub fn lock_format(lock: &Lock) -> String {
    let lines = lock
        .iter()
        .map(|(name, pinned)| format!("{name} {} {}\n", pinned.version, pinned.digest));
    std::iter::once(HEADER.to_owned()).chain(lines).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let digest = Digest::of(b"x");
        let pinned = PinnedConnector {
            version: "0.1.0".to_owned(),
            digest,
        };
        let lock = Lock::from([
            ("flowforge:http".to_owned(), pinned.clone()),
            ("demo:a".to_owned(), pinned),
        ]);
        assert_eq!(lock_parse(&lock_format(&lock)), Ok(lock));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let digest = Digest::of(b"x");
        let line = format!("a:b 1 {digest}\n");
        let error = lock_parse(&format!("# x\n{line}{line}")).expect_err("twice");
        assert_eq!(error.line, 3);
        assert!(lock_parse("a:b 1").is_err());
        assert!(lock_parse("a:b 1 sha256:zz").is_err());
    }
}
