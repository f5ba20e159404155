//! A world that the tool writes from the author's functions and types, for TypeScript, JavaScript and Python.
//!
//! The author's source is read by a program of the SDK, which runs nothing of it; the text of `wit/world.wit` is made
//! here, the same for the same source. It is kept in the folder, because it is what the registry compares between
//! versions and what a folder is inspected by. A `wit/` without the mark in its first line belongs to the author.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::cache::{Recipe, write_whole};
use crate::driver::{DriverDiagnostic, refuse};
use crate::{BuildError, BuildOptions, Language, Manifest, Progress, Stage, assets, python, typescript};

/// Where the text lies in a connector's folder.
pub(crate) const FILE: &str = "wit/world.wit";

/// Part of the name of every cached world: a change here makes all of them new.
const FORMAT: &str = "1";

/// How the first line begins.
const MARK: &str = "// Generated from ";

/// What a driver reads in a source.
#[derive(Deserialize)]
pub(crate) struct Model {
    diagnostics: Vec<DriverDiagnostic>,
    #[serde(default)]
    docs: String,
    types: Vec<Type>,
    functions: Vec<Function>,
}

/// A named type. Names are kebab-case throughout.
#[derive(Deserialize)]
struct Type {
    name: String,
    docs: String,
    kind: Kind,
    members: Vec<Member>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Record,
    Enum,
    Variant,
}

/// A field, a case or a parameter.
#[derive(Deserialize)]
struct Member {
    name: String,
    docs: String,
    place: Place,
    #[serde(default, rename = "type")]
    ty: Option<Port>,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    docs: String,
    place: Place,
    params: Vec<Member>,
    result: Option<Port>,
}

/// The type of a port.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Port {
    Bool,
    String,
    F64,
    S32,
    S64,
    Bytes,
    Json,
    Artefact,
    List { of: Box<Self> },
    Option { of: Box<Self> },
    Tuple { of: Vec<Self> },
    Named { name: String },
}

/// Whether the world of this folder is written by the tool: there is none yet, or the one there has the mark.
///
/// # Errors
/// [`BuildError::Io`] if a file that is there cannot be read.
pub(crate) fn is_derived(folder: &Path, manifest: &Manifest, language: Language) -> Result<bool, BuildError> {
    if manifest.wit_by_hand || language == Language::Rust {
        return Ok(false);
    }
    let path = folder.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.starts_with(MARK)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(!has_wit(&folder.join("wit"))),
        Err(error) => Err(BuildError::io("cannot read", &path)(error)),
    }
}

/// Whether a text is one that the tool wrote.
pub(crate) fn is_marked(text: &str) -> bool {
    text.starts_with(MARK)
}

fn has_wit(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .into_iter()
        .any(|entry| entry.path().extension().is_some_and(|end| end == "wit"))
}

/// Where operations and their parameters are written in the author's source: `to_csv`, `to_csv.rows`.
pub(crate) type Places = BTreeMap<String, Place>;

/// A place in the author's source.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// What is kept of a source that was read before.
#[derive(Serialize, Deserialize)]
struct Kept {
    text: String,
    places: Places,
}

/// Write the world of a folder, if it is the tool's to write. Gives where the operations stand; nothing for a world that is
/// written by hand.
///
/// # Errors
/// [`BuildError::Source`] with the mistakes of the author, [`BuildError::Io`].
pub(crate) fn write_world(
    folder: &Path,
    manifest: &Manifest,
    language: Language,
    options: &BuildOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Option<Places>, BuildError> {
    if !is_derived(folder, manifest, language)? {
        return Ok(None);
    }
    let name = recipe_of(folder, manifest, language)?;
    let cached = options.cache_dir.join("derived").join(format!("{name}.json"));
    let known = fs::read(&cached)
        .ok()
        .filter(|_| !options.anew)
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let kept = if let Some(kept) = known {
        kept
    } else {
        progress(Progress {
            stage: Stage::Check,
            detail: "reading the types of the source".to_owned(),
        });
        let (entry, model) = match language {
            Language::Python => (python::SOURCE, python::read_model(folder, options)?),
            _ => (
                typescript::entry_of(folder),
                typescript::read_model(folder, options, progress)?,
            ),
        };
        let kept = kept_of(entry, manifest, model)?;
        let bytes = serde_json::to_vec(&kept).map_err(|error| BuildError::Wit(error.to_string()))?;
        write_whole(&cached, &bytes)?;
        kept
    };
    let path = folder.join(FILE);
    if !fs::read_to_string(&path).is_ok_and(|there| there == kept.text) {
        write_whole(&path, kept.text.as_bytes())?;
    }
    Ok(Some(kept.places))
}

/// A name for everything that a derived world depends on.
fn recipe_of(folder: &Path, manifest: &Manifest, language: Language) -> Result<String, BuildError> {
    let mut recipe = Recipe::default();
    recipe
        .add("format", FORMAT)
        .add("language", language.to_string())
        .add("package", format!("{}@{}", manifest.name, manifest.version));
    for (path, content) in assets::SDK_JS.iter().chain(assets::SDK_PY) {
        recipe.add_bytes(format!("sdk {path}"), content.as_bytes());
    }
    recipe.add_folder(folder, FILE)?;
    Ok(recipe.name())
}

fn kept_of(entry: &str, manifest: &Manifest, model: Model) -> Result<Kept, BuildError> {
    let mut wrong = model.diagnostics;
    wrong.sort_by(|a, b| a.place().cmp(&b.place()));
    refuse(wrong)?;
    let mut places = Places::new();
    for function in &model.functions {
        let operation = function.name.replace('-', "_");
        for param in &function.params {
            places.insert(
                format!("{operation}.{}", param.name.replace('-', "_")),
                param.place.clone(),
            );
        }
        places.insert(operation, function.place.clone());
    }
    let text = text_of(entry, manifest, &model.docs, &model.types, &model.functions);
    Ok(Kept { text, places })
}

/// The text of `wit/world.wit`.
fn text_of(entry: &str, manifest: &Manifest, about: &str, types: &[Type], functions: &[Function]) -> String {
    let operations: BTreeSet<&str> = functions.iter().map(|function| function.name.as_str()).collect();
    let names = Names { operations };
    let mut used = BTreeSet::from(["failure"]);
    let mut body = String::new();
    for ty in types {
        body.push_str(&names.ty(ty, &mut used));
    }
    for function in functions {
        body.push_str(&names.function(function, &mut used));
    }
    let used: Vec<&str> = used.into_iter().collect();
    format!(
        "{MARK}{entry} by flowforge, at every build. To write it by hand, remove this line.\n\
         package {}@{};\n\n{}world connector {{\n  use flowforge:connector/types@0.1.0.{{{}}};\n{body}}}\n",
        manifest.name,
        manifest.version,
        docs(about, ""),
        used.join(", "),
    )
}

/// How names are written in this world.
struct Names<'a> {
    /// Types and operations share one space of names; an operation keeps its own.
    operations: BTreeSet<&'a str>,
}

impl Names<'_> {
    fn ty(&self, ty: &Type, used: &mut BTreeSet<&'static str>) -> String {
        let word = match ty.kind {
            Kind::Record => "record",
            Kind::Enum => "enum",
            Kind::Variant => "variant",
        };
        let mut text = format!(
            "\n{}  {word} {} {{\n",
            docs(&ty.docs, "  "),
            self.type_name(&ty.name)
        );
        for member in &ty.members {
            let inner = member.ty.as_ref().map(|port| self.port(port, used));
            let rest = match (ty.kind, inner) {
                (Kind::Record, Some(inner)) => format!(": {inner}"),
                (_, Some(inner)) => format!("({inner})"),
                (_, None) => String::new(),
            };
            text.push_str(&format!(
                "{}    {}{rest},\n",
                docs(&member.docs, "    "),
                escaped(&member.name)
            ));
        }
        text.push_str("  }\n");
        text
    }

    fn function(&self, function: &Function, used: &mut BTreeSet<&'static str>) -> String {
        let mut params = String::new();
        for param in &function.params {
            let inner = param
                .ty
                .as_ref()
                .map_or_else(|| "string".to_owned(), |port| self.port(port, used));
            params.push_str(&format!(
                "{}    {}: {inner},\n",
                docs(&param.docs, "    "),
                escaped(&param.name)
            ));
        }
        if !params.is_empty() {
            params = format!("\n{params}  ");
        }
        let result = function
            .result
            .as_ref()
            .map_or_else(|| "_".to_owned(), |port| self.port(port, used));
        format!(
            "\n{}  export {}: func({params}) -> result<{result}, failure>;\n",
            docs(&function.docs, "  "),
            escaped(&function.name)
        )
    }

    fn port(&self, port: &Port, used: &mut BTreeSet<&'static str>) -> String {
        match port {
            Port::Bool => "bool".to_owned(),
            Port::String => "string".to_owned(),
            Port::F64 => "f64".to_owned(),
            Port::S32 => "s32".to_owned(),
            Port::S64 => "s64".to_owned(),
            Port::Bytes => "list<u8>".to_owned(),
            Port::Json => {
                used.insert("json");
                "json".to_owned()
            }
            Port::Artefact => {
                used.insert("artefact");
                "artefact".to_owned()
            }
            Port::List { of } => format!("list<{}>", self.port(of, used)),
            Port::Option { of } => format!("option<{}>", self.port(of, used)),
            Port::Tuple { of } => {
                let items: Vec<String> = of.iter().map(|item| self.port(item, used)).collect();
                format!("tuple<{}>", items.join(", "))
            }
            Port::Named { name } => self.type_name(name),
        }
    }

    /// A type that is called like an operation, or like a type of every connector, gets a longer name.
    fn type_name(&self, name: &str) -> String {
        if self.operations.contains(name) || ["failure", "json", "artefact"].contains(&name) {
            format!("{name}-type")
        } else {
            escaped(name)
        }
    }
}

/// Words that mean something in WIT are written with a mark in front.
fn escaped(name: &str) -> String {
    const WORDS: &[&str] = &[
        "as",
        "async",
        "bool",
        "borrow",
        "char",
        "constructor",
        "enum",
        "export",
        "f32",
        "f64",
        "flags",
        "from",
        "func",
        "future",
        "import",
        "include",
        "interface",
        "list",
        "map",
        "option",
        "own",
        "package",
        "record",
        "resource",
        "result",
        "s16",
        "s32",
        "s64",
        "s8",
        "static",
        "stream",
        "string",
        "tuple",
        "type",
        "u16",
        "u32",
        "u64",
        "u8",
        "use",
        "variant",
        "with",
        "world",
    ];
    if WORDS.contains(&name) {
        format!("%{name}")
    } else {
        name.to_owned()
    }
}

/// A doc comment, or nothing.
fn docs(text: &str, indent: &str) -> String {
    let lines = text.trim().lines();
    lines
        .map(|line| format!("{}\n", format!("{indent}/// {}", line.trim_end()).trim_end()))
        .collect()
}
