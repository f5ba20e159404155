//! A component that a language's tools make: named by everything it is made from, made once, then taken from the cache.

use std::fs;
use std::path::Path;

use crate::build::{Compiled, Job, recipe};
use crate::cache::{fresh_dir, lock, write_whole};
use crate::{BuildError, Language, Stage, assets};

/// What a component is made with, besides the author's folder.
pub(crate) struct MadeWith<'a> {
    /// The language, whose recipe the name begins with.
    pub(crate) language: Language,
    /// First letters of the name in the cache.
    pub(crate) prefix: &'static str,
    /// Folder of the pinned tools.
    pub(crate) tools: &'a Path,
    /// Folder of the unpacked SDK.
    pub(crate) sdk: &'a Path,
    /// What is about to happen, for people.
    pub(crate) detail: &'static str,
}

/// The component from the cache; otherwise what `make` makes in an empty folder, which is kept only if it succeeds.
pub(crate) fn compiled_once(
    job: &mut Job<'_>,
    with: &MadeWith<'_>,
    make: impl FnOnce(&Job<'_>, &Path) -> Result<Vec<u8>, BuildError>,
) -> Result<Compiled, BuildError> {
    let cache = &job.options.cache_dir;
    let mut name = recipe(with.language);
    name.add("tools", with.tools.display().to_string())
        .add("sdk", with.sdk.display().to_string());
    for (file, text) in assets::CONNECTOR_WIT {
        name.add_bytes(format!("wit/{file}"), text.as_bytes());
    }
    name.add_folder(job.folder, "")?;
    let anew = if job.options.anew { "anew-" } else { "" };
    let name = format!("{anew}{}-{}", with.prefix, name.name());
    let component = cache.join("compiled").join(format!("{name}.wasm"));
    let _lock = lock(cache, &name)?;
    if !job.options.anew
        && let Ok(bytes) = fs::read(&component)
    {
        return Ok(Compiled {
            component: bytes,
            cached: true,
        });
    }
    job.tell(Stage::Compile, with.detail);
    let work = cache.join("work").join(&name);
    fresh_dir(&work)?;
    let bytes = make(job, &work)?;
    if !job.options.anew {
        write_whole(&component, &bytes)?;
    }
    fs::remove_dir_all(&work).map_err(BuildError::io("cannot remove", &work))?;
    Ok(Compiled {
        component: bytes,
        cached: false,
    })
}
