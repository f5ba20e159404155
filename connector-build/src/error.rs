//! What can go wrong in a build, in words for the author.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flowforge_ports::{EmbedError, InspectError};

/// Why a connector was not built. Every message names the place; where there is a mend, it names that too.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The folder is no connector.
    #[error("{}: {reason}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// `connector.toml` is wrong.
    #[error("{}", list(.0))]
    Manifest(Vec<Diagnostic>),
    /// Tools are missing on this machine. Nothing was changed.
    #[error("{}", missing(.0))]
    ToolsMissing(Vec<MissingTool>),
    /// The author's source is wrong.
    #[error("{}", list(.0))]
    Source(Vec<Diagnostic>),
    /// The folder `wit/` cannot be used, for a reason that has no place in it.
    #[error("wit: {0}")]
    Wit(String),
    /// What the connector declares and what it imports differ.
    #[error("{}", list(.0))]
    Needs(Vec<Diagnostic>),
    /// A tool failed in a way that has no better name.
    #[error("{tool} failed ({status})\n{output}")]
    Tool {
        /// Its name.
        tool: String,
        /// Its exit status.
        status: String,
        /// The end of what it wrote.
        output: String,
    },
    /// A tool was stopped because it took too long; building again continues where it was.
    #[error("{tool} did not end within {} s and was stopped", limit.as_secs())]
    TimedOut {
        /// Its name.
        tool: String,
        /// The limit.
        limit: Duration,
    },
    /// What the tools made is no usable component.
    #[error("the component built is not usable")]
    Component(#[from] InspectError),
    /// The description does not fit into the component.
    #[error("the description cannot be written into the component")]
    Embed(#[from] EmbedError),
    /// A file could not be read or written.
    #[error("{what} {}", path.display())]
    Io {
        /// What was tried: `cannot read`, `cannot write`.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl BuildError {
    /// An error of the file system at `path`.
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}

/// One mistake at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Path inside the connector's folder, with `/`.
    pub file: String,
    /// From 1; 0 if the whole file is meant.
    pub line: usize,
    /// From 1; 0 if the whole line is meant.
    pub column: usize,
    /// Stable code: `TS2322`, `FF-SDK-…`; absent where the sentence is enough.
    pub code: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What mends it.
    pub mend: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.written(f, "error")
    }
}

impl Diagnostic {
    /// As a remark that hinders nothing.
    #[must_use]
    pub fn as_note(&self) -> String {
        struct Note<'a>(&'a Diagnostic);
        impl fmt::Display for Note<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.written(f, "note")
            }
        }
        Note(self).to_string()
    }

    fn written(&self, f: &mut fmt::Formatter<'_>, weight: &str) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
            if self.column > 0 {
                write!(f, ":{}", self.column)?;
            }
        }
        match &self.code {
            Some(code) => write!(f, " {weight} {code}: {}", self.message)?,
            None => write!(f, ": {}", self.message)?,
        }
        match &self.mend {
            Some(mend) => write!(f, "\n  mend: {mend}"),
            None => Ok(()),
        }
    }
}

/// A tool that is not there, or too old.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingTool {
    /// What is wrong: `node is not installed`, `node 18.2 is too old, 20 or newer is needed`.
    pub problem: String,
    /// What mends it.
    pub mend: String,
}

impl fmt::Display for MissingTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.problem, self.mend)
    }
}

fn list(diagnostics: &[Diagnostic]) -> String {
    diagnostics
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

fn missing(tools: &[MissingTool]) -> String {
    tools
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}
