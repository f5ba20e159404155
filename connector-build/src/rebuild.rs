//! A second build, to compare with the first: from a copy of the source in another folder, with nothing left over.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use flowforge_protocol::Digest;

use crate::build::build;
use crate::cache::{create_dir, fresh_dir, lock, source_files};
use crate::{BuildError, BuildOptions, Language, Progress};

/// What lies in a connector's folder, is no source of its own and is needed to build it.
const BORROWED: [&str; 2] = [".flowforge", "node_modules"];

/// Builds the connector in `folder` once more, from a copy in another folder; a crate that needs what lies outside its
/// folder is built where it is. Nothing that an earlier build made of it is used.
///
/// # Errors
/// [`BuildError`] as for [`build`].
pub fn rebuild(
    folder: &Path,
    options: &BuildOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Digest, BuildError> {
    let options = BuildOptions {
        anew: true,
        ..options.clone()
    };
    let folder = fs::canonicalize(folder).map_err(BuildError::io("cannot read", folder))?;
    if Language::detect(&folder)? == Language::Rust && !stands_alone(&folder) {
        return build(&folder, &options, progress).map(|built| built.digest);
    }
    let name = Digest::of(folder.as_os_str().as_encoded_bytes()).hex();
    let name = format!("elsewhere-{}", name.get(..16).unwrap_or(&name));
    let _lock = lock(&options.cache_dir, &name)?;
    let copy = options.cache_dir.join("work").join(&name);
    copy_source(&folder, &copy)?;
    let built = build(&copy, &options, progress);
    fs::remove_dir_all(&copy).map_err(BuildError::io("cannot remove", &copy))?;
    built.map(|built| built.digest)
}

/// Whether a crate's folder holds all that its manifest names: it is a workspace of its own, and no path leads out of it.
fn stands_alone(folder: &Path) -> bool {
    let text = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    let own = text.lines().any(|line| line.trim() == "[workspace]");
    own && !text.contains("\"../")
}

fn copy_source(from: &Path, to: &Path) -> Result<(), BuildError> {
    fresh_dir(to)?;
    for file in source_files(from)? {
        let (source, target): (PathBuf, PathBuf) = (from.join(&file), to.join(&file));
        if let Some(parent) = target.parent() {
            create_dir(parent)?;
        }
        fs::copy(&source, &target).map_err(BuildError::io("cannot copy", &source))?;
    }
    for name in BORROWED {
        let source = from.join(name);
        if source.is_dir() {
            symlink(&source, to.join(name)).map_err(BuildError::io("cannot link", &source))?;
        }
    }
    Ok(())
}
