//! What is decided about a version after it was published: withdrawn; and about a connector: replaced by another.
//!
//! The bytes and the signature never change, so these stand beside them, one small file each.

use serde::{Deserialize, Serialize};

use crate::refusal::{Code, Refusal};

/// Longest reason, in characters.
const REASON_CHARS_MAX: usize = 500;

/// Why something was decided, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// For people.
    pub reason: String,
    /// Milliseconds since 1970 UTC.
    pub at_ms: u64,
}

impl Note {
    pub(crate) fn new(reason: &str, at_ms: u64) -> Result<Self, Refusal> {
        Ok(Self {
            reason: checked_reason(reason)?,
            at_ms,
        })
    }
}

/// That a connector is replaced by another, or by nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deprecation {
    /// For people.
    pub reason: String,
    /// What to use instead, such as `acme:quake-text@0.3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_instead: Option<String>,
    /// Milliseconds since 1970 UTC.
    pub at_ms: u64,
}

impl Deprecation {
    pub(crate) fn new(reason: &str, use_instead: Option<&str>, at_ms: u64) -> Result<Self, Refusal> {
        Ok(Self {
            reason: checked_reason(reason)?,
            use_instead: use_instead.map(checked_reason).transpose()?,
            at_ms,
        })
    }
}

/// What stands beside a version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// Withdrawn: shown nowhere, and still served to whoever names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yanked: Option<Note>,
}

/// A reason, if it is one.
pub(crate) fn checked_reason(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > REASON_CHARS_MAX || text.contains(char::is_control) {
        let message = format!("a reason is one line of 1 to {REASON_CHARS_MAX} characters");
        return Err(Refusal::new(Code::ManifestInvalid, message));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line() {
        assert_eq!(Note::new("  leaks \u{e4}  ", 1).unwrap().reason, "leaks \u{e4}");
        for wrong in ["", "  ", "two\nlines", &"x".repeat(501)] {
            assert_eq!(Note::new(wrong, 1).unwrap_err().code, Code::ManifestInvalid);
        }
    }
}
