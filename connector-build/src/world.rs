//! The folder `wit/` of a connector: its packages, its world, and what that world exports.
//!
//! `flowforge:connector` need not lie in `wit/deps`: it is built in.

use std::fs;
use std::path::Path;

use flowforge_ports::{Docs, Interface, hollow_component, inspect, wit_docs};
use wit_parser::{Resolve, SourceMap, UnresolvedPackageGroup, WorldId};

use crate::cache::{fresh_dir, write_whole};
use crate::derived::is_marked;
use crate::{BuildError, Diagnostic, Manifest, assets};

/// Name of the package that every host offers.
const BUILT_IN: &str = "flowforge:connector";

/// One WIT package: the files it consists of, as `(path inside the connector's folder, text)`.
#[derive(Clone)]
pub(crate) struct Package {
    /// The folder or file under `wit/deps` it came from; empty for the connector's own.
    pub(crate) origin: String,
    pub(crate) files: Vec<(String, String)>,
}

/// The world of a connector.
pub(crate) struct World {
    /// Name inside its package.
    pub(crate) name: String,
    /// `publisher:name` of the package it is in.
    pub(crate) package: String,
    /// Version of that package.
    pub(crate) version: Option<String>,
    /// The connector's own package, then the packages it uses.
    pub(crate) packages: Vec<Package>,
    /// What the world offers, as if it were built already.
    pub(crate) interface: Interface,
    /// Its doc comments.
    pub(crate) docs: Docs,
}

impl World {
    /// Read `wit/` of a connector.
    ///
    /// # Errors
    /// [`BuildError::Folder`] if there is no WIT, [`BuildError::Wit`] with the parser's message, file and line.
    pub(crate) fn read(folder: &Path) -> Result<Self, BuildError> {
        let wit = folder.join("wit");
        let own = files_in(&wit, "wit/")?;
        if own.is_empty() {
            return Err(BuildError::Folder {
                folder: folder.to_owned(),
                reason: "wit/world.wit is missing; it describes the connector's operations".to_owned(),
            });
        }
        let mut packages = vec![Package {
            origin: String::new(),
            files: own,
        }];
        packages.extend(dependencies(&wit.join("deps"))?);
        let others = packages
            .iter()
            .skip(1)
            .map(parse)
            .collect::<Result<Vec<_>, _>>()?;
        if !others.iter().any(is_built_in) {
            packages.push(built_in());
        }
        Self::resolve(packages, None)
    }

    /// The world in a text that is `wit/world.wit`, without other packages than the built-in one.
    ///
    /// # Errors
    /// [`BuildError::Wit`] with the parser's message.
    pub(crate) fn of_text(text: &str) -> Result<Self, BuildError> {
        let own = Package {
            origin: String::new(),
            files: vec![("wit/world.wit".to_owned(), text.to_owned())],
        };
        Self::resolve(vec![own, built_in()], None)
    }

    /// The component that this world describes, before anything is compiled: its functions trap. Imports `more` besides
    /// what the world imports itself.
    ///
    /// # Errors
    /// [`BuildError::Wit`] if there is no such interface.
    pub(crate) fn hollow(&self, more: &[&str]) -> Result<Vec<u8>, BuildError> {
        const DECLARED: &str = "flowforge-declared";
        let imports: String = more.iter().map(|name| format!("  import {name};\n")).collect();
        let text = format!("world {DECLARED} {{\n  include {};\n{imports}}}\n", self.name);
        let mut packages = self.packages.clone();
        if let Some(own) = packages.first_mut() {
            own.files.push((format!("wit/{DECLARED}.wit"), text));
        }
        let (resolve, world) = resolved(&packages, Some(DECLARED))?;
        hollow_component(&resolve, world).map_err(BuildError::Wit)
    }

    fn resolve(packages: Vec<Package>, world: Option<&str>) -> Result<Self, BuildError> {
        let (resolve, id) = resolved(&packages, world)?;
        let world = resolve.worlds.get(id);
        let package = world
            .and_then(|world| world.package)
            .and_then(|package| resolve.packages.get(package));
        let (Some(package), Some(world)) = (package, world) else {
            return Err(BuildError::Wit("its package holds no world".to_owned()));
        };
        let component = hollow_component(&resolve, id).map_err(BuildError::Wit)?;
        let borrowed: Vec<Vec<(&str, &str)>> = packages
            .iter()
            .map(|package| {
                package
                    .files
                    .iter()
                    .map(|(path, text)| (path.as_str(), text.as_str()))
                    .collect()
            })
            .collect();
        let slices: Vec<&[(&str, &str)]> = borrowed.iter().map(Vec::as_slice).collect();
        let (main, others) = slices
            .split_first()
            .ok_or_else(|| BuildError::Wit("no package".to_owned()))?;
        Ok(Self {
            name: world.name.clone(),
            package: format!("{}:{}", package.name.namespace, package.name.name),
            version: package.name.version.as_ref().map(ToString::to_string),
            interface: inspect(&component)?,
            docs: wit_docs(main, others, None).map_err(BuildError::Wit)?,
            packages,
        })
    }

    /// Whether `connector.toml` and the WIT package speak of the same connector.
    ///
    /// # Errors
    /// [`BuildError::Source`] naming both.
    pub(crate) fn check_name(&self, manifest: &Manifest) -> Result<(), BuildError> {
        let version = self.version.as_deref().unwrap_or("none");
        if self.package == manifest.name && version == manifest.version {
            return Ok(());
        }
        let (file, line) = self.package_line();
        let own = self.packages.first().and_then(|package| package.files.first());
        let own = own.map(|(_, text)| text.as_str());
        Err(BuildError::Source(vec![Diagnostic {
            file,
            line,
            column: 0,
            code: Some("FF-BLD-006".to_owned()),
            message: format!(
                "the package is {}@{version}, but connector.toml says {}@{}",
                self.package, manifest.name, manifest.version
            ),
            mend: Some(if own.is_some_and(is_marked) {
                "run `flowforge connector build`, which writes this file anew".to_owned()
            } else {
                format!("write: package {}@{};", manifest.name, manifest.version)
            }),
        }]))
    }

    /// File and line of the statement that names the connector's package.
    fn package_line(&self) -> (String, usize) {
        let own = self.packages.first().map(|package| package.files.as_slice());
        let found = own.into_iter().flatten().find_map(|(file, text)| {
            let at = text
                .lines()
                .position(|line| line.trim_start().starts_with("package "))?;
            Some((file.clone(), at.saturating_add(1)))
        });
        found.unwrap_or_else(|| ("wit/world.wit".to_owned(), 0))
    }

    /// File and line where a function, or one of its parameters, is written in the connector's own package.
    pub(crate) fn line_of(&self, function: &str, param: Option<&str>) -> Option<(String, usize)> {
        let is_named = |line: &str, name: &str| {
            let parts = line
                .split([' ', '(', ','])
                .map(|word| word.trim_start_matches('%'));
            parts.into_iter().any(|word| word.strip_suffix(':') == Some(name))
        };
        let own = self.packages.first()?;
        own.files.iter().find_map(|(file, text)| {
            let lines = text.lines().enumerate();
            let mut from = lines.skip_while(|(_, line)| !(is_named(line, function) && line.contains("func")));
            let found = match param {
                None => from.next(),
                Some(param) => from.find(|(_, line)| is_named(line, param)),
            };
            found.map(|(at, _)| (file.clone(), at.saturating_add(1)))
        })
    }

    /// Write all packages as a folder that other tools read.
    pub(crate) fn write_to(&self, folder: &Path) -> Result<(), BuildError> {
        fresh_dir(folder)?;
        for (index, package) in self.packages.iter().enumerate() {
            let into = if package.origin.is_empty() {
                folder.to_owned()
            } else {
                folder.join(format!("deps/{index}"))
            };
            for (path, text) in &package.files {
                let name = path.rsplit('/').next().unwrap_or(path);
                write_whole(&into.join(name), text.as_bytes())?;
            }
        }
        Ok(())
    }
}

/// The packages together, the first one's world of this name or its only one.
fn resolved(packages: &[Package], world: Option<&str>) -> Result<(Resolve, WorldId), BuildError> {
    let mut groups = packages
        .iter()
        .map(parse)
        .collect::<Result<Vec<_>, _>>()?
        .into_iter();
    let main = groups
        .next()
        .ok_or_else(|| BuildError::Wit("no package".to_owned()))?;
    let mut resolve = Resolve::default();
    let package = match resolve.push_groups(main, groups.collect()) {
        Ok(package) => package,
        Err(error) => return Err(wit_mistake(&error.render(&resolve.source_map))),
    };
    let id = resolve
        .select_world(&[package], world)
        .map_err(|error| BuildError::Wit(format!("{error:#}")))?;
    Ok((resolve, id))
}

fn built_in() -> Package {
    Package {
        origin: BUILT_IN.to_owned(),
        files: assets::CONNECTOR_WIT
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect(),
    }
}

fn is_built_in(group: &UnresolvedPackageGroup) -> bool {
    let name = &group.main.name;
    format!("{}:{}", name.namespace, name.name) == BUILT_IN
}

fn parse(package: &Package) -> Result<UnresolvedPackageGroup, BuildError> {
    let mut sources = SourceMap::default();
    for (path, text) in &package.files {
        sources.push_str(path, text.as_str());
    }
    sources
        .parse()
        .map_err(|(sources, error)| wit_mistake(&error.render(&sources)))
}

/// A mistake as the parser draws it: a sentence, then `--> FILE:LINE:COLUMN` and a picture of the line.
fn wit_mistake(drawn: &str) -> BuildError {
    let place = drawn.split("--> ").nth(1).and_then(|rest| {
        let mut parts = rest.lines().next()?.rsplitn(3, ':');
        let (column, line) = (parts.next()?.trim().parse().ok()?, parts.next()?.parse().ok()?);
        Some((parts.next()?.to_owned(), line, column))
    });
    let Some((file, line, column)) = place else {
        return BuildError::Wit(drawn.to_owned());
    };
    let message = drawn.lines().next().unwrap_or_default().to_owned();
    let mend = if message.contains("conflicts with prior") {
        "give each operation and each type a name of its own"
    } else if message.contains("does not exist") || message.contains("not found") {
        "declare it in wit/, or take it from flowforge:connector/types with `use`"
    } else {
        "docs/authors.md shows a complete world"
    };
    BuildError::Source(vec![Diagnostic {
        file,
        line,
        column,
        code: Some("FF-BLD-009".to_owned()),
        message,
        mend: Some(mend.to_owned()),
    }])
}

/// The `.wit` files that lie directly in a folder, sorted; none if there is no such folder.
fn files_in(folder: &Path, prefix: &str) -> Result<Vec<(String, String)>, BuildError> {
    let mut files = Vec::new();
    for (name, is_dir) in entries(folder)? {
        if !is_dir && name.ends_with(".wit") {
            let path = folder.join(&name);
            let text = fs::read_to_string(&path).map_err(BuildError::io("cannot read", &path))?;
            files.push((format!("{prefix}{name}"), text));
        }
    }
    Ok(files)
}

/// The packages in `wit/deps`: each a file, or a folder of files.
fn dependencies(deps: &Path) -> Result<Vec<Package>, BuildError> {
    let mut packages = Vec::new();
    for (name, is_dir) in entries(deps)? {
        let path = deps.join(&name);
        let files = if is_dir {
            files_in(&path, &format!("wit/deps/{name}/"))?
        } else if name.ends_with(".wit") {
            let text = fs::read_to_string(&path).map_err(BuildError::io("cannot read", &path))?;
            vec![(format!("wit/deps/{name}"), text)]
        } else {
            Vec::new()
        };
        if !files.is_empty() {
            packages.push(Package { origin: name, files });
        }
    }
    Ok(packages)
}

/// Names in a folder and whether each is a folder, sorted; none if the folder is not there.
fn entries(folder: &Path) -> Result<Vec<(String, bool)>, BuildError> {
    let listing = match fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(BuildError::io("cannot read", folder)(error)),
    };
    let mut found = Vec::new();
    for entry in listing {
        let entry = entry.map_err(BuildError::io("cannot read", folder))?;
        found.push((
            entry.file_name().to_string_lossy().into_owned(),
            entry.path().is_dir(),
        ));
    }
    found.sort();
    Ok(found)
}
