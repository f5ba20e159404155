//! Tools and built-in files that are put into the cache once and used by every later build.

use std::fs;
use std::path::{Path, PathBuf};

use crate::BuildError;
use crate::assets::Files;
use crate::cache::{Recipe, create_dir, fresh_dir, lock, write_whole};

/// Written into a folder once everything else is in it.
const COMPLETE: &str = ".complete";

/// The folder `kind-‹digest of the recipe›` of the cache; `make` fills it if it is not complete.
///
/// Some tools cannot be moved after their installation, so the folder is made in its place: under a lock, emptied first if
/// an earlier try was interrupted.
pub(crate) fn installed(
    cache_dir: &Path,
    kind: &str,
    recipe: &Recipe,
    make: impl FnOnce(&Path) -> Result<(), BuildError>,
) -> Result<PathBuf, BuildError> {
    let name = format!("{kind}-{}", recipe.name());
    let folder = cache_dir.join(&name);
    if folder.join(COMPLETE).is_file() {
        return Ok(folder);
    }
    let _lock = lock(cache_dir, &name)?;
    if folder.join(COMPLETE).is_file() {
        return Ok(folder);
    }
    fresh_dir(&folder)?;
    make(&folder)?;
    write_whole(&folder.join(COMPLETE), b"")?;
    Ok(folder)
}

/// Built-in files, written out.
pub(crate) fn unpacked(cache_dir: &Path, kind: &str, files: Files) -> Result<PathBuf, BuildError> {
    let mut recipe = Recipe::default();
    for (path, content) in files {
        recipe.add_bytes(*path, content.as_bytes());
    }
    installed(cache_dir, kind, &recipe, |folder| write_files(folder, files))
}

/// Write files below a folder.
pub(crate) fn write_files(folder: &Path, files: Files) -> Result<(), BuildError> {
    for (path, content) in files {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            create_dir(parent)?;
        }
        fs::write(&path, content).map_err(BuildError::io("cannot write", &path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: Files = &[("a/b.txt", "b"), ("c.txt", "c")];

    #[test]
    fn an_interrupted_installation_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let folder = unpacked(dir.path(), "kit", FILES).unwrap();
        fs::remove_file(folder.join(COMPLETE)).unwrap();
        fs::write(folder.join("stray"), "x").unwrap();
        assert_eq!(unpacked(dir.path(), "kit", FILES).unwrap(), folder);
        assert_eq!(fs::read_to_string(folder.join("a/b.txt")).unwrap(), "b");
        assert!(!folder.join("stray").exists());
    }

    #[test]
    fn a_complete_installation_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = unpacked(dir.path(), "kit", FILES).unwrap();
        fs::write(folder.join("kept"), "x").unwrap();
        unpacked(dir.path(), "kit", FILES).unwrap();
        assert!(folder.join("kept").exists());
    }
}
