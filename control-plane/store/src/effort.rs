//! How much the store has done: what a question costs can be told apart from how long it took.

use std::sync::atomic::{AtomicU64, Ordering};

/// What was done since the store was opened, by the writer and all readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Statements that were answered; those that begin and end transactions do not count.
    pub statements: u64,
    /// Steps of SQLite's machine in them: about one for each column that was looked at. 0 with PostgreSQL.
    pub steps: u64,
}

/// Where all connections of a store count.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    statements: AtomicU64,
    steps: AtomicU64,
}

impl Counter {
    /// Counts one statement.
    pub(crate) fn add(&self, steps: u64) {
        self.statements.fetch_add(1, Ordering::Relaxed);
        self.steps.fetch_add(steps, Ordering::Relaxed);
    }

    pub(crate) fn so_far(&self) -> Effort {
        Effort {
            statements: self.statements.load(Ordering::Relaxed),
            steps: self.steps.load(Ordering::Relaxed),
        }
    }
}
