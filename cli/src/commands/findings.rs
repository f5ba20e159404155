//! What the lint found, for people.

use serde_json::Value;

use crate::output::{list, number, text};
use crate::say;
use crate::table::one_line;

/// Says a finding of the lint, with what to do; of one that was mended, what was done.
pub(super) fn print_diagnostic(found: &Value, file: &str, fixed: bool) {
    say!(
        "{} {}: {}",
        text(found, "/severity").to_lowercase(),
        text(found, "/code"),
        one_line(text(found, "/message"))
    );
    let place = format!("  {file}:{}:{}", number(found, "/line"), number(found, "/column"));
    match one_line(text(found, "/excerpt")).trim() {
        "" => say!("{place}"),
        excerpt => say!("{place}      {excerpt}"),
    }
    let (word, pointer) = if fixed {
        ("fixed", "/fixed")
    } else {
        ("mend", "/fix")
    };
    match one_line(text(found, pointer)).as_str() {
        "" => {}
        what => say!("  {word}: {what}"),
    }
}

/// Says which fields of an input do not fit, and why.
pub(super) fn print_fields(problem: &Value) {
    for field in list(problem, "/fields") {
        eprintln!(
            "  {}: {}",
            text(field, "/path"),
            one_line(text(field, "/message"))
        );
    }
}

/// Whether two checks speak of the same finding; its line may have moved.
pub(super) fn is_same(one: &Value, other: &Value) -> bool {
    ["/code", "/message"]
        .iter()
        .all(|key| text(one, key) == text(other, key))
}
