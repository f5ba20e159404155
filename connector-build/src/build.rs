//! One build, from the folder to the finished component.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flowforge_ports::{ConnectorMeta, Interface, embed_meta, inspect};
use flowforge_protocol::Digest;

use crate::cache::{Recipe, write_whole};
use crate::undescribed::undescribed;
use crate::weight::weighed;
use crate::world::World;
use crate::{
    BuildError, BuildOptions, Diagnostic, Language, Manifest, Progress, Stage, check_tools, derived,
    describe, python, rust, typescript,
};

/// Part of the name of every cached result: a change here makes all of them new.
const BUILD_FORMAT: &str = "3";

/// A finished connector.
#[derive(Debug, Clone)]
pub struct Built {
    /// The component file, in the cache. Its content never changes; copy it rather than keep the path for long.
    pub component: PathBuf,
    /// Digest of the component's bytes.
    pub digest: Digest,
    /// Size of the component.
    pub bytes: u64,
    /// The description that is in the component.
    pub meta: ConnectorMeta,
    /// What it offers and asks for.
    pub interface: Interface,
    /// The language it is written in.
    pub language: Language,
    /// How long this build took.
    pub elapsed: Duration,
    /// Whether nothing had to be compiled.
    pub cached: bool,
    /// What hinders nobody and could be better: operations and ports without a description, large files.
    pub notes: Vec<Diagnostic>,
}

/// What a language's part of a build gives.
pub(crate) struct Compiled {
    /// The component without description.
    pub(crate) component: Vec<u8>,
    /// Whether it was there already.
    pub(crate) cached: bool,
}

/// What every language's part of a build is given.
pub(crate) struct Job<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) world: &'a World,
    pub(crate) options: &'a BuildOptions,
    pub(crate) progress: &'a mut dyn FnMut(Progress),
}

impl Job<'_> {
    pub(crate) fn tell(&mut self, stage: Stage, detail: impl Into<String>) {
        (self.progress)(Progress {
            stage,
            detail: detail.into(),
        });
    }
}

/// Build the connector in `folder`. Blocks; needs the tools that [`check_tools`] looks for.
///
/// The same source, SDK and tools give the file that an earlier build left in the cache. Builds of one cache folder may
/// run side by side, also in several processes.
///
/// # Errors
/// [`BuildError`], one variant for each kind of mistake; an author's mistakes name their file and line.
pub fn build(
    folder: &Path,
    options: &BuildOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Built, BuildError> {
    let started = Instant::now();
    progress(Progress {
        stage: Stage::Check,
        detail: format!("reading {}", folder.display()),
    });
    let manifest = Manifest::read(folder)?;
    let language = Language::detect(folder)?;
    let folder = fs::canonicalize(folder).map_err(BuildError::io("cannot read", folder))?;
    if derived::is_derived(&folder, &manifest, language)? {
        check_tools(&[language])?;
    }
    let places = derived::write_world(&folder, &manifest, language, options, progress)?;
    let world = World::read(&folder)?;
    world.check_name(&manifest)?;
    check_tools(&[language])?;
    let mut notes = undescribed(&world, places.as_ref());
    let mut job = Job {
        folder: &folder,
        world: &world,
        options,
        progress,
    };
    let compiled = match language {
        Language::Rust => rust::compile(&mut job)?,
        Language::TypeScript => typescript::compile(&mut job)?,
        Language::Python => python::compile(&mut job)?,
    };
    job.tell(Stage::Describe, "checking the component");
    let meta = describe::meta(&manifest, &world);
    let component = embed_meta(&compiled.component, &meta)?;
    let interface = inspect(&component)?;
    describe::check_needs(&manifest, &interface)?;
    let bytes = u64::try_from(component.len()).unwrap_or(u64::MAX);
    notes.extend(weighed(&folder, bytes)?);
    let path = keep(&options.cache_dir, &manifest, &component)?;
    Ok(Built {
        component: path,
        digest: Digest::of(&component),
        bytes,
        meta,
        interface,
        language,
        elapsed: started.elapsed(),
        cached: compiled.cached,
        notes,
    })
}

/// Put a finished component into the cache under the digest of its bytes.
fn keep(cache_dir: &Path, manifest: &Manifest, component: &[u8]) -> Result<PathBuf, BuildError> {
    let name = manifest.name.replace(':', "-");
    let short: String = Digest::of(component).hex().chars().take(16).collect();
    let path = cache_dir
        .join("components")
        .join(format!("{name}-{}-{short}.wasm", manifest.version));
    match fs::metadata(&path) {
        Ok(meta) if usize::try_from(meta.len()).is_ok_and(|len| len == component.len()) => {}
        _ => write_whole(&path, component)?,
    }
    Ok(path)
}

/// A recipe that already holds what matters to every language.
pub(crate) fn recipe(language: Language) -> Recipe {
    let mut recipe = Recipe::default();
    recipe
        .add("format", BUILD_FORMAT)
        .add("language", language.to_string());
    recipe
}
