//! What a build tells while it works.

use std::fmt;

/// One step forward. Meant for a line on the screen; a build may tell it at any moment, on the caller's thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Where the build is.
    pub stage: Stage,
    /// For people: one fragment.
    pub detail: String,
}

/// Where a build is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Reading the folder and looking for tools.
    Check,
    /// Downloading and installing tools; once per machine and version.
    Install,
    /// Compiling the connector.
    Compile,
    /// Checking the component and writing its description.
    Describe,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Check => "check",
            Self::Install => "install",
            Self::Compile => "compile",
            Self::Describe => "describe",
        })
    }
}
