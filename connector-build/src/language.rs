//! Which language a folder is written in.

use std::fmt;
use std::path::Path;

use crate::BuildError;

/// The languages that a connector can be built from here. A component from any other toolchain is published as a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// A crate: `Cargo.toml`.
    Rust,
    /// `src/connector.ts` or `src/connector.js`.
    TypeScript,
    /// `src/connector.py`.
    Python,
}

impl Language {
    /// The language of a folder, by the files in it.
    ///
    /// # Errors
    /// [`BuildError::Folder`] if no language or more than one is found.
    pub fn detect(folder: &Path) -> Result<Self, BuildError> {
        let has = |file: &str| folder.join(file).is_file();
        let mut found = Vec::new();
        if has("Cargo.toml") {
            found.push((Self::Rust, "Cargo.toml"));
        }
        if has("src/connector.ts") {
            found.push((Self::TypeScript, "src/connector.ts"));
        } else if has("src/connector.js") {
            found.push((Self::TypeScript, "src/connector.js"));
        }
        if has("src/connector.py") {
            found.push((Self::Python, "src/connector.py"));
        }
        let reason = match found.as_slice() {
            [(language, _)] => return Ok(*language),
            [] => "no connector source found: expected Cargo.toml (Rust), src/connector.ts or src/connector.js, \
                   or src/connector.py"
                .to_owned(),
            several => {
                let files: Vec<&str> = several.iter().map(|(_, file)| *file).collect();
                format!("a connector has one language, but here are {}", files.join(" and "))
            }
        };
        Err(BuildError::Folder {
            folder: folder.to_owned(),
            reason,
        })
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "Rust",
            Self::TypeScript => "TypeScript",
            Self::Python => "Python",
        })
    }
}
