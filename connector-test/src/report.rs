//! What tests came to.

use flowforge_protocol::Used;
use serde::Serialize;

/// All tests of one connector.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// `publisher:name` of the connector, if it has one.
    pub connector: Option<String>,
    /// How many passed.
    pub passed: usize,
    /// How many did not.
    pub failed: usize,
    /// Each, in the order of their files.
    pub cases: Vec<CaseReport>,
}

/// One test.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CaseReport {
    /// Where it is written, from the connector's folder.
    pub file: String,
    /// Line from 1.
    pub line: u32,
    /// Its name.
    pub name: String,
    /// What it called.
    pub operation: String,
    /// Whether everything was as expected.
    pub passed: bool,
    /// What was not, each with both values.
    pub problems: Vec<String>,
    /// How many attempts were made.
    pub attempts: u32,
    /// By how much the test's clock moved, in milliseconds.
    pub clock_ms: u64,
    /// How long it took outside, in microseconds.
    pub elapsed_us: u64,
    /// What was used, or was about to be, all attempts together.
    pub used: Vec<Used>,
    /// Lines that the connector logged.
    pub log: Vec<String>,
    /// A golden file that was written anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written: Option<String>,
}

impl Report {
    /// The same with more tests at its end.
    #[must_use]
    pub fn and(mut self, more: Vec<CaseReport>) -> Self {
        self.cases.extend(more);
        Self::of(self.connector, self.cases)
    }

    pub(crate) fn of(connector: Option<String>, cases: Vec<CaseReport>) -> Self {
        let passed = cases.iter().filter(|case| case.passed).count();
        Self {
            connector,
            passed,
            failed: cases.len().saturating_sub(passed),
            cases,
        }
    }
}
