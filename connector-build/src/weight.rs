//! Connectors that are too heavy: every host downloads and compiles them.

use std::fs;
use std::path::Path;

use crate::cache::source_files;
use crate::{BuildError, Diagnostic};

/// Largest component, in bytes: what a registry takes unless it is told otherwise.
pub const COMPONENT_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// From this size on, in bytes, a file of the folder is remarked on: it is more than a whole connector needs.
const FILE_BYTES_NOTED: u64 = 4 * 1024 * 1024;

/// Code of what is too heavy.
const HEAVY: &str = "FF-BLD-012";

/// The large files of a folder, as remarks.
///
/// # Errors
/// [`BuildError::Source`] for a component that no registry takes, naming the largest file of the folder.
pub(crate) fn weighed(folder: &Path, component: u64) -> Result<Vec<Diagnostic>, BuildError> {
    let mut heavy = Vec::new();
    for file in source_files(folder)? {
        let path = folder.join(&file);
        let bytes = fs::metadata(&path)
            .map_err(BuildError::io("cannot read", &path))?
            .len();
        if bytes >= FILE_BYTES_NOTED {
            heavy.push((bytes, file));
        }
    }
    heavy.sort_by(|a, b| b.cmp(a));
    if component > COMPONENT_BYTES_MAX {
        let file = heavy.first().map_or("connector.toml", |(_, file)| file.as_str());
        let message = format!(
            "the component has {}, and a registry takes {}",
            size(component),
            size(COMPONENT_BYTES_MAX)
        );
        return Err(BuildError::Source(vec![diagnostic(file, message)]));
    }
    Ok(heavy
        .into_iter()
        .map(|(bytes, file)| {
            let message = format!(
                "{}: if it is built in, every host downloads and compiles it",
                size(bytes)
            );
            diagnostic(&file, message)
        })
        .collect())
}

fn diagnostic(file: &str, message: String) -> Diagnostic {
    Diagnostic {
        file: file.to_owned(),
        line: 0,
        column: 0,
        code: Some(HEAVY.to_owned()),
        message,
        mend: Some(
            "take large data through an Artefact port: it is kept by digest and read in parts".to_owned(),
        ),
    }
}

/// `30.0 MiB`
fn size(bytes: u64) -> String {
    let tenths = bytes / (1024 * 1024 / 10);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_asset_is_named_before_and_after_it_is_too_large() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("small"), "x").unwrap();
        let asset = fs::File::create(folder.path().join("asset.bin")).unwrap();
        asset.set_len(30 * 1024 * 1024).unwrap();
        let notes = weighed(folder.path(), 1_000).unwrap();
        let lines: Vec<String> = notes.iter().map(Diagnostic::as_note).collect();
        assert_eq!(
            lines,
            [
                "asset.bin note FF-BLD-012: 30.0 MiB: if it is built in, every host downloads and compiles it\n  mend: take \
                 large data through an Artefact port: it is kept by digest and read in parts"
            ]
        );
        let error = weighed(folder.path(), 33 * 1024 * 1024).unwrap_err().to_string();
        assert!(
            error.starts_with(
                "asset.bin error FF-BLD-012: the component has 33.0 MiB, and a registry takes 32.0 MiB"
            ),
            "{error}"
        );
    }
}
