//! What was seen of a connector.

use flowforge_protocol::Used;

/// What was seen of a connector beside its bytes.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Calls that were made in the sandbox, in the order in which they were made.
    pub calls: Vec<SeenCall>,
    /// The text of its README, if there is one.
    pub readme: Option<String>,
}

/// One call, all its attempts together.
#[derive(Debug, Clone)]
pub struct SeenCall {
    /// Which operation.
    pub operation: String,
    /// What says so: `tests/label.yaml:3`.
    pub place: String,
    /// Whether it gave what was expected of it.
    pub passed: bool,
    /// What it used outside.
    pub used: Vec<Used>,
}
