//! What every command does with its result: print it, say what comes next, end with the right code.

use std::process::ExitCode;

use serde_json::Value;

use crate::args::Global;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// What was asked for is done.
    Done,
    /// It was tried and did not succeed; the reason is printed already.
    Failed,
}

impl Exit {
    /// The exit code.
    pub(crate) fn code(self) -> ExitCode {
        match self {
            Self::Done => ExitCode::SUCCESS,
            Self::Failed => ExitCode::FAILURE,
        }
    }
}

/// The command was used wrongly: exit 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// Prints why a command failed, with the causes below each other.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error}");
    let mut last = error.to_string();
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        // Some libraries repeat their cause in their own message.
        if !last.contains(&text) {
            eprintln!("  because: {text}");
            last = text;
        }
    }
    if error.downcast_ref::<Usage>().is_some() {
        ExitCode::from(2)
    } else {
        ExitCode::FAILURE
    }
}

/// Prints a result: as JSON if a program reads it, else by `text`.
pub(crate) fn result(global: &Global, value: &Value, text: impl FnOnce(&Value)) {
    if global.json() {
        println!("{value:#}");
    } else {
        text(value);
    }
}

/// Prints the next likely command, for people only.
pub(crate) fn next(global: &Global, command: &str) {
    if !global.json() {
        println!("next: {command}");
    }
}

/// A text in a JSON value, or nothing.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A whole number in a JSON value, or 0.
pub(crate) fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
}

/// The elements of a list in a JSON value, or none.
pub(crate) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The short form of an id, long enough to be unique among people's runs.
pub(crate) fn short(id: &str) -> &str {
    id.get(..6).unwrap_or(id)
}

/// The start of a digest, as people compare them: `91d2c01d…`.
pub(crate) fn short_digest(digest: &str) -> String {
    let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
    format!("{}…", hex.get(..8).unwrap_or(hex))
}

/// A count with its word: `1 secret`, `2 secrets`.
pub(crate) fn counted(count: usize, word: &str) -> String {
    if count == 1 {
        format!("1 {word}")
    } else {
        format!("{count} {word}s")
    }
}
