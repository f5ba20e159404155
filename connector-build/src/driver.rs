//! What the SDKs' own build programs are told and what they answer.

use std::path::Path;

use flowforge_ports::Operation;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::command::Finished;
use crate::{BuildError, Diagnostic};

/// A job for the driver of an SDK. Paths are absolute; those that a language has no use for are empty.
#[derive(Serialize)]
pub(crate) struct DriverJob<'a> {
    /// The connector's folder.
    pub(crate) folder: &'a Path,
    /// TypeScript: the author's module, from the folder. Python: where the entry module is written.
    pub(crate) entry: &'a Path,
    /// Where the language's tools are installed.
    pub(crate) tools: &'a Path,
    /// Where the SDK lies.
    pub(crate) sdk: &'a Path,
    /// A folder for everything in between.
    pub(crate) work: &'a Path,
    /// The WIT packages, ready for the tools.
    pub(crate) wit: &'a Path,
    /// Name of the author's world.
    pub(crate) world: &'a str,
    /// What that world exports.
    pub(crate) operations: &'a [Operation],
    /// Where the component is written.
    pub(crate) component: &'a Path,
}

impl DriverJob<'_> {
    /// The job as the driver's standard input.
    pub(crate) fn text(&self) -> Result<String, BuildError> {
        serde_json::to_string(self).map_err(|error| BuildError::Wit(error.to_string()))
    }
}

/// A job for the part of an SDK that reads the operations and types in a source.
#[derive(Serialize)]
pub(crate) struct DeriveJob<'a> {
    /// Always `derive`.
    pub(crate) task: &'static str,
    /// The connector's folder.
    pub(crate) folder: &'a Path,
    /// The author's module, from the folder.
    pub(crate) entry: &'a str,
    /// Where the language's tools are installed; empty if none is needed.
    pub(crate) tools: &'a Path,
    /// Where the SDK lies.
    pub(crate) sdk: &'a Path,
}

impl DeriveJob<'_> {
    /// The job as the driver's standard input.
    pub(crate) fn text(&self) -> Result<String, BuildError> {
        serde_json::to_string(self).map_err(|error| BuildError::Wit(error.to_string()))
    }
}

/// One mistake of the author, as a driver writes it.
#[derive(Deserialize)]
pub(crate) struct DriverDiagnostic {
    file: String,
    line: usize,
    column: usize,
    code: String,
    message: String,
    #[serde(default)]
    mend: Option<String>,
}

impl DriverDiagnostic {
    /// File, line and column, to read mistakes in the order of the source.
    pub(crate) fn place(&self) -> (&str, usize, usize) {
        (&self.file, self.line, self.column)
    }
}

impl From<DriverDiagnostic> for Diagnostic {
    fn from(one: DriverDiagnostic) -> Self {
        Self {
            file: one.file,
            line: one.line,
            column: one.column,
            code: Some(one.code),
            message: one.message,
            mend: one.mend,
        }
    }
}

/// The answer of a driver that ended well.
///
/// # Errors
/// [`BuildError::Tool`] if it failed or wrote something else.
pub(crate) fn answer<T: DeserializeOwned>(name: &str, finished: &Finished) -> Result<T, BuildError> {
    let parsed = finished
        .status
        .success()
        .then(|| serde_json::from_str(&finished.stdout).ok())
        .flatten();
    parsed.ok_or_else(|| finished.failure(name))
}

/// The author's mistakes as an error; nothing if there are none.
pub(crate) fn refuse(diagnostics: Vec<DriverDiagnostic>) -> Result<(), BuildError> {
    if diagnostics.is_empty() {
        return Ok(());
    }
    Err(BuildError::Source(
        diagnostics.into_iter().map(Diagnostic::from).collect(),
    ))
}
