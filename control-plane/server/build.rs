//! Embeds the built interface, if it was built.
//!
//! `control-plane/ui/tools/build.mjs` puts its files into `ui/` here, compressed. The folder itself is part of the
//! tree, so that cargo can watch it; while it holds nothing else, the program is complete but for its interface and
//! says so.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=ui");
    let variable = |name| env::var_os(name).map(PathBuf::from).unwrap_or_default();
    let folder = variable("CARGO_MANIFEST_DIR").join("ui");
    let mut files = Vec::new();
    collect(&folder, &mut files)?;
    files.sort();
    let mut code = String::from("&[\n");
    for file in &files {
        let Ok(name) = file.strip_prefix(&folder) else {
            continue;
        };
        let name = name.to_string_lossy().replace('\\', "/");
        let _ = writeln!(
            code,
            "    File {{ name: {name:?}, bytes: include_bytes!({file:?}) }},"
        );
    }
    code.push_str("]\n");
    fs::write(variable("OUT_DIR").join("ui.rs"), code)
}

/// Every file below a folder but those whose names begin with a dot.
fn collect(folder: &Path, into: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), into)?;
        } else {
            into.push(entry.path());
        }
    }
    Ok(())
}
