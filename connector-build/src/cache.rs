//! The cache folder: names made of digests, one lock per name, finished files only.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use flowforge_protocol::Digest;

use crate::BuildError;

/// Folders that never belong to a connector's source.
const SKIPPED_FOLDERS: [&str; 7] = [
    "target",
    "node_modules",
    "__pycache__",
    ".venv",
    ".git",
    ".flowforge",
    "dist",
];

/// Most files that a connector's folder may hold: a build that was pointed at a home folder says so instead of reading it.
const FILES_MAX: usize = 10_000;

/// Largest source file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Collects what a result was made from.
#[derive(Default)]
pub(crate) struct Recipe(BTreeMap<String, String>);

impl Recipe {
    /// Add a fact under a name of its own.
    pub(crate) fn add(&mut self, name: impl Into<String>, value: impl Into<String>) -> &mut Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// Add bytes by their digest.
    pub(crate) fn add_bytes(&mut self, name: impl Into<String>, bytes: &[u8]) -> &mut Self {
        self.add(name, Digest::of(bytes).to_string())
    }

    /// Add every source file of a folder but `left_out`, by path and content. Test files are no source: no language builds
    /// them in.
    pub(crate) fn add_folder(&mut self, folder: &Path, left_out: &str) -> Result<&mut Self, BuildError> {
        let endings = [".yaml", ".yml", ".rs", ".py"];
        let is_test =
            |file: &String| file.starts_with("tests/") && endings.iter().any(|end| file.ends_with(end));
        let files = source_files(folder)?.into_iter();
        for file in files.filter(|file| !is_test(file) && file != left_out) {
            let path = folder.join(&file);
            let bytes = fs::read(&path).map_err(BuildError::io("cannot read", &path))?;
            self.add_bytes(format!("file {file}"), &bytes);
        }
        Ok(self)
    }

    /// A name that differs whenever a fact differs: 32 hexadecimal digits.
    pub(crate) fn name(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.0 {
            // Lengths keep two facts from running into one another.
            text.push_str(&format!("{} {name} {} {value}\n", name.len(), value.len()));
        }
        Digest::of(text.as_bytes()).hex().chars().take(32).collect()
    }
}

/// The source files of a folder, as paths inside it with `/`, sorted.
pub(crate) fn source_files(folder: &Path) -> Result<Vec<String>, BuildError> {
    let mut files = Vec::new();
    let mut folders = vec![(folder.to_owned(), String::new())];
    while let Some((path, prefix)) = folders.pop() {
        let entries = fs::read_dir(&path).map_err(BuildError::io("cannot read", &path))?;
        for entry in entries {
            let entry = entry.map_err(BuildError::io("cannot read", &path))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let inside = format!("{prefix}{name}");
            let meta = fs::metadata(entry.path()).map_err(BuildError::io("cannot read", &entry.path()))?;
            if meta.is_dir() {
                if !SKIPPED_FOLDERS.contains(&name.as_str()) {
                    folders.push((entry.path(), format!("{inside}/")));
                }
            } else if meta.len() > FILE_BYTES_MAX {
                return Err(too_much(
                    folder,
                    &format!("{inside} is larger than {FILE_BYTES_MAX} bytes"),
                ));
            } else {
                files.push(inside);
            }
            if files.len() > FILES_MAX {
                return Err(too_much(folder, &format!("it holds more than {FILES_MAX} files")));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// What the source files of a folder are like now: another text after any of them was saved, added or removed. Reads no
/// content; what is built or fetched is no source.
///
/// # Errors
/// [`BuildError::Io`] if the folder cannot be read, [`BuildError::Folder`] if it is too large to be a connector's.
pub fn source_state(folder: &Path) -> Result<String, BuildError> {
    let mut recipe = Recipe::default();
    for file in source_files(folder)? {
        let path = folder.join(&file);
        let meta = fs::metadata(&path).map_err(BuildError::io("cannot read", &path))?;
        let saved = meta.modified().map_err(BuildError::io("cannot read", &path))?;
        recipe.add(file, format!("{} {saved:?}", meta.len()));
    }
    Ok(recipe.name())
}

fn too_much(folder: &Path, what: &str) -> BuildError {
    BuildError::Folder {
        folder: folder.to_owned(),
        reason: format!("{what}; is this a connector's folder?"),
    }
}

/// Held while one process makes what others wait for. Released when dropped, also by a process that dies.
pub(crate) struct Lock {
    /// Open, and locked as long as it is.
    _file: File,
}

/// Wait for the lock of `name` in the cache.
pub(crate) fn lock(cache_dir: &Path, name: &str) -> Result<Lock, BuildError> {
    let folder = cache_dir.join("locks");
    create_dir(&folder)?;
    let path = folder.join(name);
    let file = File::create(&path).map_err(BuildError::io("cannot write", &path))?;
    file.lock().map_err(BuildError::io("cannot lock", &path))?;
    Ok(Lock { _file: file })
}

/// Make a folder and those above it.
pub(crate) fn create_dir(path: &Path) -> Result<(), BuildError> {
    fs::create_dir_all(path).map_err(BuildError::io("cannot make the folder", path))
}

/// Make `path` with exactly these bytes, at once or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), BuildError> {
    if let Some(folder) = path.parent() {
        create_dir(folder)?;
    }
    let part = part_of(path);
    let written =
        File::create(&part).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(BuildError::io("cannot write", &part))?;
    fs::rename(&part, path).map_err(BuildError::io("cannot write", path))
}

/// A name beside `path` that nobody else uses.
fn part_of(path: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut name = path.as_os_str().to_owned();
    name.push(format!(
        ".part-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    ));
    PathBuf::from(name)
}

/// Empty a folder, or make it.
pub(crate) fn fresh_dir(path: &Path) -> Result<(), BuildError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(BuildError::io("cannot empty", path)(error));
        }
        _ => {}
    }
    create_dir(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_changes_with_every_fact_and_only_then() {
        let name = |facts: &[(&str, &str)]| {
            let mut recipe = Recipe::default();
            for (name, value) in facts {
                recipe.add(*name, *value);
            }
            recipe.name()
        };
        assert_eq!(name(&[("a", "1"), ("b", "2")]), name(&[("b", "2"), ("a", "1")]));
        assert_ne!(name(&[("a", "1")]), name(&[("a", "2")]));
        assert_ne!(name(&[("a", "1 1 b 1 2")]), name(&[("a", "1"), ("b", "2")]));
    }

    #[test]
    fn built_folders_are_no_source() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["src/a.ts", "node_modules/x/i.js", "target/y", "wit/w.wit"] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        assert_eq!(source_files(dir.path()).unwrap(), ["src/a.ts", "wit/w.wit"]);
    }

    #[test]
    fn the_state_of_a_folder_changes_with_its_sources_only() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "1").unwrap();
        let first = source_state(dir.path()).unwrap();
        fs::create_dir(dir.path().join("target")).unwrap();
        fs::write(dir.path().join("target/b"), "x").unwrap();
        assert_eq!(source_state(dir.path()).unwrap(), first);
        fs::write(dir.path().join("a"), "12").unwrap();
        assert_ne!(source_state(dir.path()).unwrap(), first);
    }

    #[test]
    fn a_second_holder_waits_for_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let held = lock(dir.path(), "x").unwrap();
        let file = File::open(dir.path().join("locks/x")).unwrap();
        assert!(file.try_lock().is_err(), "held");
        drop(held);
        file.try_lock().unwrap();
    }
}
