//! A new connector's folder: it builds, and its tests pass, as it is written.
//!
//! Owns the templates and what is put into them. The SDK is copied into the folder as well, under `.flowforge/`: plain
//! cargo builds against it, and editors read it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::assets::{self, Files};
use crate::cache::{create_dir, write_whole};
use crate::words::is_connector_name;
use crate::world::World;
use crate::{BuildError, Language, derived};

/// Where the copy of the SDK lies in a connector's folder.
const SDK_FOLDER: &str = ".flowforge";

/// What a new connector is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// A crate.
    Rust,
    /// One module of TypeScript.
    TypeScript,
    /// One module of JavaScript, checked by its comments.
    JavaScript,
    /// One module of Python.
    Python,
}

impl Template {
    /// The language that the folder is built as.
    #[must_use]
    pub fn language(self) -> Language {
        match self {
            Self::Rust => Language::Rust,
            Self::TypeScript | Self::JavaScript => Language::TypeScript,
            Self::Python => Language::Python,
        }
    }

    /// Its name for people.
    fn title(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::TypeScript => "TypeScript",
            Self::JavaScript => "JavaScript",
            Self::Python => "Python",
        }
    }

    /// The file that an author opens first.
    #[must_use]
    pub fn source(self) -> &'static str {
        match self {
            Self::Rust => "src/lib.rs",
            Self::TypeScript => "src/connector.ts",
            Self::JavaScript => "src/connector.js",
            Self::Python => "src/connector.py",
        }
    }

    fn own_files(self) -> Files {
        match self {
            Self::Rust => assets::TEMPLATE_RUST,
            Self::TypeScript => assets::TEMPLATE_TYPESCRIPT,
            Self::JavaScript => assets::TEMPLATE_JAVASCRIPT,
            Self::Python => assets::TEMPLATE_PYTHON,
        }
    }
}

/// What a new connector is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Its operation is a step of a workflow.
    Action,
    /// Its operation finds events that begin runs, when it is asked.
    PollTrigger,
    /// Its operation reads requests that begin runs.
    WebhookTrigger,
}

/// The files of a new connector, each with its text.
type Texts = Vec<(&'static str, &'static str)>;

/// The files of this kind in this language. The world of a trigger is written by its first build where the tool writes it.
fn files_of(template: Template, kind: Kind) -> Result<Texts, NewError> {
    let (common, sources) = match kind {
        Kind::Action => {
            let common = assets::TEMPLATE_COMMON.iter();
            return Ok(common.chain(template.own_files()).copied().collect());
        }
        Kind::PollTrigger => (assets::TEMPLATE_POLL, assets::POLL_SOURCES),
        Kind::WebhookTrigger => (assets::TEMPLATE_WEBHOOK, assets::WEBHOOK_SOURCES),
    };
    let (source, world) = match template {
        Template::TypeScript => (sources.typescript, None),
        Template::Python => (sources.python, None),
        Template::Rust => (sources.rust, Some(sources.world)),
        Template::JavaScript => {
            return Err(NewError::NoTemplate {
                language: template.title(),
            });
        }
    };
    let own = template.own_files().iter().copied();
    let own = own.filter_map(|(path, text)| match path {
        derived::FILE => Some((path, world?)),
        _ if path == template.source() => Some((path, source)),
        _ => Some((path, text)),
    });
    Ok(common.iter().copied().chain(own).collect())
}

/// Why there is no new folder. Nothing was written, except with [`NewError::Write`].
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    /// The name is none that a connector can have.
    #[error("`{name}` {reason}")]
    Name {
        /// As it was given.
        name: String,
        /// What is wrong with it, and what a name looks like.
        reason: String,
    },
    /// There is something already.
    #[error("{} holds something already; give another folder with --folder", folder.display())]
    Occupied {
        /// The folder.
        folder: PathBuf,
    },
    /// There is no first folder of this kind in this language.
    #[error(
        "a trigger begins in Rust, TypeScript (ts) or Python here; in {language}, begin with an action and give its \
         operation `trigger` in connector.toml, as docs/authors.md shows"
    )]
    NoTemplate {
        /// The language, for people.
        language: &'static str,
    },
    /// A file cannot be written; the folder may hold some of the others.
    #[error(transparent)]
    Write(#[from] BuildError),
}

/// Write a new connector into `folder`, which must be absent or empty. Gives the paths of its files from there, without
/// the copy of the SDK.
///
/// # Errors
/// One variant of [`NewError`] for each reason.
pub fn scaffold(name: &str, template: Template, kind: Kind, folder: &Path) -> Result<Vec<String>, NewError> {
    let values = Values::of(name, template)?;
    let files = files_of(template, kind)?;
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) || folder.is_file() {
        return Err(NewError::Occupied {
            folder: folder.to_owned(),
        });
    }
    create_dir(folder)?;
    let mut written = Vec::new();
    for (path, content) in files {
        let mut text = values.fill(content);
        if path == "Cargo.lock" {
            text = values.with_own_package(&text);
        }
        write_whole(&folder.join(path), text.as_bytes())?;
        written.push(path.to_owned());
    }
    written.sort();
    copy_sdk(template.language(), &folder.join(SDK_FOLDER))?;
    Ok(written)
}

/// What stands in the templates between `{{` and `}}`.
struct Values(Vec<(&'static str, String)>);

impl Values {
    fn of(name: &str, template: Template) -> Result<Self, NewError> {
        let wrong = |reason: String| NewError::Name {
            name: name.to_owned(),
            reason,
        };
        let (publisher, short) = name.split_once(':').filter(|_| is_connector_name(name)).ok_or_else(|| {
            wrong(
                "is no connector name; write `publisher:name`, such as acme:geo, both in lower-case letters, digits \
                 and single `-`"
                    .to_owned(),
            )
        })?;
        let values = Self(vec![
            ("name", name.to_owned()),
            ("crate", format!("{publisher}-{short}")),
            ("title", title(short)),
            ("language", template.title().to_owned()),
            ("source", template.source().to_owned()),
            (
                "int",
                if template == Template::Python {
                    "s64"
                } else {
                    "s32"
                }
                .to_owned(),
            ),
            (
                "world",
                if template == Template::Rust {
                    "what runs, `wit/world.wit` says what it offers"
                } else {
                    "what runs; `wit/world.wit` is written from it at every build and says what it offers"
                }
                .to_owned(),
            ),
            (
                "and_cargo",
                if template == Template::Rust {
                    " and for plain cargo"
                } else {
                    ""
                }
                .to_owned(),
            ),
        ]);
        // Some words mean something in WIT and name no package there.
        World::of_text(&values.fill(assets::TEMPLATE_WIT))
            .map_err(|error| wrong(format!("cannot be the name of a WIT package: {error}")))?;
        Ok(values)
    }

    fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (key, value)| {
            text.replace(&format!("{{{{{key}}}}}"), value)
        })
    }

    /// The lock file of the template with the new crate in its place: cargo keeps packages in the order of their names.
    fn with_own_package(&self, lock: &str) -> String {
        const MARK: &str = "[[package]]\n";
        let own = self
            .fill("name = \"{{crate}}\"\nversion = \"0.1.0\"\ndependencies = [\n \"flowforge-sdk\",\n]\n\n");
        let mut parts = lock.split(MARK);
        let head = parts.next().unwrap_or_default().to_owned();
        let mut packages: Vec<String> = parts
            .map(|part| format!("{}\n\n", part.trim_end()))
            .chain(std::iter::once(own))
            .collect();
        packages.sort_by(|a, b| a.lines().next().cmp(&b.lines().next()));
        let text = packages.iter().fold(head, |text, package| text + MARK + package);
        format!("{}\n", text.trim_end())
    }
}

/// `quake-text` → `Quake text`
fn title(short: &str) -> String {
    let text = short.replace('-', " ");
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

fn copy_sdk(language: Language, folder: &Path) -> Result<(), BuildError> {
    let write = |name: &str, files: Files| {
        for (path, content) in files {
            write_whole(&folder.join(name).join(path), content.as_bytes())?;
        }
        Ok(())
    };
    match language {
        Language::TypeScript => write("sdk-js", assets::SDK_JS),
        Language::Python => write("sdk-py", assets::SDK_PY),
        Language::Rust => {
            write("sdk-rs/macro/wit", assets::CONNECTOR_WIT)?;
            write_whole(&folder.join("sdk-rs/rustfmt.toml"), assets::RUSTFMT.as_bytes())?;
            for (path, content) in assets::SDK_RS {
                let text = if path.ends_with("Cargo.toml") {
                    outside_a_workspace(content)
                } else {
                    (*content).to_owned()
                };
                write_whole(&folder.join("sdk-rs").join(path), text.as_bytes())?;
            }
            Ok(())
        }
    }
}

/// A manifest without what it takes from the workspace that it is developed in.
fn outside_a_workspace(manifest: &str) -> String {
    let kept = manifest
        .lines()
        .filter(|line| !(line.starts_with("workspace = ") || *line == "[lints]"));
    kept.map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_connector_can_have_is_refused_with_an_example() {
        let folder = tempfile::tempdir().unwrap();
        for (name, part) in [
            ("geo", "write `publisher:name`, such as acme:geo"),
            ("Acme:Geo", "write `publisher:name`"),
            ("acme:record", "cannot be the name of a WIT package"),
        ] {
            let into = folder.path().join("new");
            let error = scaffold(name, Template::Python, Kind::Action, &into)
                .unwrap_err()
                .to_string();
            assert!(error.contains(part), "{name}: {error}");
            assert!(!into.exists(), "nothing was written");
        }
    }

    #[test]
    fn a_folder_with_something_in_it_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("notes"), "mine").unwrap();
        let error = scaffold("acme:geo", Template::Rust, Kind::Action, folder.path()).unwrap_err();
        assert!(matches!(error, NewError::Occupied { .. }), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn nothing_of_a_template_stays_unfilled() {
        for (template, kind) in [
            (Template::Rust, Kind::Action),
            (Template::TypeScript, Kind::Action),
            (Template::JavaScript, Kind::Action),
            (Template::Python, Kind::Action),
            (Template::Rust, Kind::PollTrigger),
            (Template::Rust, Kind::WebhookTrigger),
            (Template::TypeScript, Kind::PollTrigger),
            (Template::Python, Kind::PollTrigger),
            (Template::TypeScript, Kind::WebhookTrigger),
            (Template::Python, Kind::WebhookTrigger),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let files = scaffold("acme:geo", template, kind, folder.path()).unwrap();
            assert!(files.iter().any(|file| file == template.source()), "{files:?}");
            assert_eq!(Language::detect(folder.path()).unwrap(), template.language());
            for file in files {
                let text = fs::read_to_string(folder.path().join(&file)).unwrap();
                let left = text.split("{{").skip(1).filter_map(|rest| rest.split_once("}}"));
                for (word, _) in left {
                    assert!(word.contains(' '), "{file}: {word}");
                }
            }
        }
    }

    #[test]
    fn a_kind_that_a_language_has_no_folder_of_is_refused_with_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let into = folder.path().join("new");
        let error = scaffold("acme:geo", Template::JavaScript, Kind::PollTrigger, &into).unwrap_err();
        assert!(
            error.to_string().contains("in JavaScript, begin with an action"),
            "{error}"
        );
        assert!(!into.exists(), "nothing was written");
    }

    /// The crates of a new connector are those that this project's own connectors are built with, so that both are
    /// downloaded and compiled once.
    #[test]
    fn the_lock_file_of_a_new_crate_names_the_versions_of_our_own() {
        let ours = include_str!("../../connectors/Cargo.lock");
        for (path, lock) in assets::TEMPLATE_RUST {
            for package in lock
                .split("[[package]]\n")
                .skip(1)
                .filter(|_| *path == "Cargo.lock")
            {
                let from_elsewhere = package.contains("\nsource = ");
                let head: Vec<&str> = package.lines().take(2).collect();
                assert!(!from_elsewhere || ours.contains(&head.join("\n")), "{head:?}");
            }
        }
    }
}
