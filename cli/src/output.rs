//! What every command does with its result: print it, say what comes next, end with the right code.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write as _, stdout};
use std::process::ExitCode;
use std::sync::OnceLock;

use flowforge_client::ApiError;
use serde_json::Value;

use crate::args::Global;

/// Prints a line of a result. Unlike `println!` it does not end the program when nobody reads any more, as `head` does.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => { $crate::output::line(format_args!($($text)*)) };
}

/// Why the result could not be written, once it could not.
static UNWRITTEN: OnceLock<ErrorKind> = OnceLock::new();

/// Writes one line of the result; what goes wrong is told at the end, by [`unwritten`].
pub(crate) fn line(text: Arguments<'_>) {
    if let Err(error) = writeln!(stdout().lock(), "{text}") {
        let _ = UNWRITTEN.set(error.kind());
    }
}

/// Why a part of the result is missing where it should have gone. A reader that had enough is no such reason.
pub(crate) fn unwritten() -> Option<ErrorKind> {
    stdout()
        .flush()
        .err()
        .map(|error| error.kind())
        .or(UNWRITTEN.get().copied())
        .filter(|kind| *kind != ErrorKind::BrokenPipe)
}

/// Whether nobody reads the result any more.
pub(crate) fn reader_is_gone() -> bool {
    UNWRITTEN.get().is_some()
}

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
    // Of a connection that cannot be made only the last cause says anything; the others say that it is one.
    let skipped = match error.downcast_ref::<ApiError>() {
        Some(ApiError::Unreachable { .. }) => error.chain().count().saturating_sub(1),
        _ => 1,
    };
    for cause in error.chain().skip(skipped) {
        let text = cause.to_string();
        // Some libraries repeat their cause in their own message.
        if !last.contains(&text) {
            eprintln!("  because: {text}");
            last = text;
        }
    }
    if let Some(command) = error.downcast_ref::<ApiError>().and_then(where_to_look) {
        eprintln!("  see: {command}");
    }
    if error.downcast_ref::<Usage>().is_some() {
        ExitCode::from(2)
    } else {
        ExitCode::FAILURE
    }
}

/// The command that shows what there is, when what was named is not there.
fn where_to_look(error: &ApiError) -> Option<&'static str> {
    let ApiError::Problem(problem) = error else {
        return None;
    };
    match problem.kind.as_str() {
        "RunNotFoundProblem" => Some("flowforge run list"),
        "ApprovalNotFoundProblem" | "ApprovalStateProblem" => Some("flowforge approval list"),
        "SecretNotFoundProblem" => Some("flowforge secret list"),
        "HostNotFoundProblem" => Some("flowforge host list"),
        "WorkflowNotFoundProblem" => Some("flowforge workflow list"),
        _ => None,
    }
}

/// Prints a result: as JSON if a program reads it, else by `text`.
pub(crate) fn result(global: &Global, value: &Value, text: impl FnOnce(&Value)) {
    if global.json() {
        say!("{value:#}");
    } else {
        text(value);
    }
}

/// Prints the next likely command, for people only: it is no part of the result.
pub(crate) fn next(global: &Global, command: &str) {
    if !global.json() {
        eprintln!("next: {command}");
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
