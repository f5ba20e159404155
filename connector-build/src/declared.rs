//! What a folder says of its connector, read without running anything that is in it.

use std::path::Path;

use flowforge_ports::{Interface, embed_meta, inspect};

use crate::derived::{FILE, is_derived};
use crate::world::World;
use crate::{BuildError, Language, Manifest, describe};

/// The interface that a connector that makes requests imports, whatever its language.
const HTTP: &str = "flowforge:connector/http@0.1.0";

/// A connector as its `connector.toml` and its `wit/` describe it.
#[derive(Debug, Clone)]
pub struct Declared {
    /// What it offers and asks for. What its language imports besides is known only once it is built.
    pub interface: Interface,
    /// The language it is written in.
    pub language: Language,
}

/// Read what a folder declares. No program of the folder runs, and none of its language: neither a build script nor a
/// package manager nor the compiler.
///
/// # Errors
/// [`BuildError`] for a folder that is no connector, a `connector.toml` or a `wit/` that is wrong.
pub fn declared(folder: &Path) -> Result<Declared, BuildError> {
    let manifest = Manifest::read(folder)?;
    let language = Language::detect(folder)?;
    if is_derived(folder, &manifest, language)? && !folder.join(FILE).exists() {
        return Err(BuildError::Folder {
            folder: folder.to_owned(),
            reason: format!("{FILE} is not there yet; `flowforge connector build` writes it from the source"),
        });
    }
    let world = World::read(folder)?;
    world.check_name(&manifest)?;
    let more: &[&str] = if manifest.http.is_some() { &[HTTP] } else { &[] };
    let component = embed_meta(&world.hollow(more)?, &describe::meta(&manifest, &world))?;
    Ok(Declared {
        interface: inspect(&component)?,
        language,
    })
}
