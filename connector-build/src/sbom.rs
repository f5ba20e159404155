//! What a connector is made of, as its lock files name it: a bill of materials in the form of CycloneDX 1.6.
//!
//! Files are read and nothing runs. What a lock file names and the compiler then leaves out stays in the list. The same
//! folder gives the same bytes: there is no date and no number of its own in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::place::position;
use crate::{BuildError, Diagnostic, Language, Manifest, assets};

/// Code of a lock file that is missing or cannot be read.
const LOCK: &str = "FF-BLD-013";

/// One thing that a connector is made of.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    /// Package URL: it names the thing in all lists.
    purl: String,
    name: String,
    version: String,
    license: Option<String>,
    /// SHA-256 of what was downloaded, hexadecimal.
    sha256: Option<String>,
    /// Package URLs of what it needs itself.
    needs: BTreeSet<String>,
}

/// The bill of materials of the connector in `folder`.
///
/// # Errors
/// [`BuildError`] for a folder that is no connector, and for packages that no lock file names.
pub fn sbom(folder: &Path) -> Result<Value, BuildError> {
    let manifest = Manifest::read(folder)?;
    let language = Language::detect(folder)?;
    let mut parts = match language {
        Language::Rust => crates(folder)?,
        Language::TypeScript => npm(folder)?,
        Language::Python => vec![componentize_py()],
    };
    parts.sort();
    let own = format!("flowforge:{}@{}", manifest.name, manifest.version);
    let needs: Vec<&str> = parts.iter().map(|part| part.purl.as_str()).collect();
    let mut dependencies = vec![json!({ "ref": own, "dependsOn": needs })];
    dependencies.extend(
        parts
            .iter()
            .map(|part| json!({ "ref": part.purl, "dependsOn": part.needs })),
    );
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": {
            "type": "library",
            "bom-ref": own,
            "name": manifest.name,
            "version": manifest.version,
            "description": manifest.summary,
            "licenses": licenses(&manifest.license),
        } },
        "components": parts.iter().map(Part::value).collect::<Vec<_>>(),
        "dependencies": dependencies,
    }))
}

/// An SPDX expression; the specification writes each list of licenses this way.
fn licenses(expression: &str) -> Value {
    json!([{ "expression": expression }])
}

impl Part {
    fn of(kind: &str, name: &str, version: &str) -> Self {
        Self {
            // The only letter of a package's name that a package URL writes otherwise.
            purl: format!("pkg:{kind}/{}@{version}", name.replace('@', "%40")),
            name: name.to_owned(),
            version: version.to_owned(),
            license: None,
            sha256: None,
            needs: BTreeSet::new(),
        }
    }

    fn value(&self) -> Value {
        let mut value = json!({
            "type": "library",
            "bom-ref": self.purl,
            "name": self.name,
            "version": self.version,
            "purl": self.purl,
        });
        if let Some(fields) = value.as_object_mut() {
            if let Some(license) = &self.license {
                fields.insert("licenses".to_owned(), licenses(license));
            }
            if let Some(sha256) = &self.sha256 {
                fields.insert(
                    "hashes".to_owned(),
                    json!([{ "alg": "SHA-256", "content": sha256 }]),
                );
            }
        }
        value
    }
}

/// A mistake in a lock file.
fn wrong(file: &str, line: usize, message: String, mend: &str) -> BuildError {
    BuildError::Source(vec![Diagnostic {
        file: file.to_owned(),
        line,
        column: 0,
        code: Some(LOCK.to_owned()),
        message,
        mend: Some(mend.to_owned()),
    }])
}

/// The crates that `Cargo.lock` of the folder, or of the workspace that it is in, names for this crate.
fn crates(folder: &Path) -> Result<Vec<Part>, BuildError> {
    #[derive(Deserialize)]
    struct Cargo {
        package: Named,
    }
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    #[derive(Deserialize)]
    struct Lock {
        #[serde(default)]
        package: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        version: String,
        checksum: Option<String>,
        #[serde(default)]
        dependencies: Vec<String>,
    }
    let toml_error = |file: &str, text: &str, error: &toml::de::Error| {
        let line = error.span().map_or(0, |span| position(text, span.start).0);
        wrong(
            file,
            line,
            error.message().to_owned(),
            "cargo writes it: run `cargo generate-lockfile`",
        )
    };
    let (_, text) = read(&folder.join("Cargo.toml"))?;
    let own: Cargo = toml::from_str(&text).map_err(|error| toml_error("Cargo.toml", &text, &error))?;
    let absolute = fs::canonicalize(folder).map_err(BuildError::io("cannot read", folder))?;
    let lock = absolute
        .ancestors()
        .map(|folder| folder.join("Cargo.lock"))
        .find(|file| file.is_file());
    let Some(lock) = lock else {
        let message = "there is no Cargo.lock, so nothing says which versions are built in".to_owned();
        return Err(wrong(
            "Cargo.lock",
            0,
            message,
            "run `cargo generate-lockfile` in the folder, and keep the file",
        ));
    };
    let (_, text) = read(&lock)?;
    let lock: Lock = toml::from_str(&text).map_err(|error| toml_error("Cargo.lock", &text, &error))?;
    // A dependency is a name, with its version only where there are several.
    let found = |wanted: &str| {
        let mut words = wanted.split(' ');
        let (name, version) = (words.next().unwrap_or_default(), words.next());
        lock.package
            .iter()
            .find(|package| package.name == name && version.is_none_or(|version| package.version == version))
    };
    let part = |package: &Package| Part::of("cargo", &package.name, &package.version);
    let mut parts: BTreeMap<String, Part> = BTreeMap::new();
    let mut open: Vec<&Package> = Vec::new();
    let own = found(&own.package.name).ok_or_else(|| {
        let message = format!("it does not name crate {}", own.package.name);
        wrong(
            "Cargo.lock",
            0,
            message,
            "run `cargo generate-lockfile` in the folder",
        )
    })?;
    open.extend(own.dependencies.iter().filter_map(|name| found(name)));
    while let Some(package) = open.pop() {
        let mut made = part(package);
        if parts.contains_key(&made.purl) {
            continue;
        }
        made.sha256.clone_from(&package.checksum);
        let needs: Vec<&Package> = package
            .dependencies
            .iter()
            .filter_map(|name| found(name))
            .collect();
        made.needs = needs.iter().map(|needed| part(needed).purl).collect();
        open.extend(needs);
        parts.insert(made.purl.clone(), made);
    }
    Ok(parts.into_values().collect())
}

/// The packages that `package-lock.json` names, less those for development, and what the build adds.
fn npm(folder: &Path) -> Result<Vec<Part>, BuildError> {
    #[derive(Deserialize)]
    struct Package {
        #[serde(default)]
        dependencies: BTreeMap<String, Value>,
    }
    #[derive(Deserialize)]
    struct Lock {
        #[serde(default)]
        packages: BTreeMap<String, Locked>,
    }
    #[derive(Deserialize)]
    struct Locked {
        version: Option<String>,
        license: Option<String>,
        #[serde(default)]
        dev: bool,
        #[serde(default)]
        dependencies: BTreeMap<String, Value>,
    }
    let mut parts = runtime_of_javascript();
    let (own_file, text) = read(&folder.join("package.json")).unwrap_or_default();
    if text.is_empty() {
        return Ok(parts);
    }
    let json_error = |file: &str, error: &serde_json::Error| {
        wrong(
            file,
            error.line(),
            error.to_string(),
            "npm writes it: run `npm install` in the folder",
        )
    };
    let own: Package = serde_json::from_str(&text).map_err(|error| json_error("package.json", &error))?;
    if own.dependencies.keys().all(|name| name == "@flowforge/sdk") {
        return Ok(parts);
    }
    let lock = own_file.with_file_name("package-lock.json");
    let Ok((_, text)) = read(&lock) else {
        let message = "there is no package-lock.json, so nothing says which versions are built in".to_owned();
        let mend = "run `npm install` in the folder, and keep the file";
        return Err(wrong("package-lock.json", 0, message, mend));
    };
    let lock: Lock = serde_json::from_str(&text).map_err(|error| json_error("package-lock.json", &error))?;
    let named = |path: &str| path.rsplit_once("node_modules/").map(|(_, name)| name.to_owned());
    let version_of = |name: &str| {
        let found = lock
            .packages
            .iter()
            .find(|(path, _)| named(path).as_deref() == Some(name));
        found.and_then(|(_, locked)| locked.version.clone())
    };
    for (path, locked) in &lock.packages {
        let (Some(name), Some(version), false) = (named(path), &locked.version, locked.dev) else {
            continue;
        };
        let mut part = Part::of("npm", &name, version);
        part.license.clone_from(&locked.license);
        part.needs = locked
            .dependencies
            .keys()
            .filter_map(|name| Some(Part::of("npm", name, &version_of(name)?).purl))
            .collect();
        parts.push(part);
    }
    Ok(parts)
}

/// The SDK and the engine that every connector in JavaScript holds.
fn runtime_of_javascript() -> Vec<Part> {
    #[derive(Deserialize)]
    struct Tools {
        version: String,
        #[serde(default)]
        dependencies: BTreeMap<String, String>,
    }
    let text_of = |files: assets::Files| {
        let found = files.iter().find(|(path, _)| *path == "package.json");
        found.and_then(|(_, text)| serde_json::from_str::<Tools>(text).ok())
    };
    let sdk = text_of(assets::SDK_JS).map(|sdk| Part::of("npm", "@flowforge/sdk", &sdk.version));
    let engine = text_of(assets::JS_TOOLS).and_then(|tools| {
        let version = tools.dependencies.get("componentize-qjs")?;
        Some(Part::of("npm", "componentize-qjs", version))
    });
    sdk.into_iter().chain(engine).collect()
}

/// What holds the interpreter and the library that every connector in Python holds.
fn componentize_py() -> Part {
    let version = assets::PY_TOOLS
        .iter()
        .flat_map(|(_, text)| text.lines())
        .find_map(|line| line.trim().strip_prefix("componentize-py=="));
    Part::of("pypi", "componentize-py", version.unwrap_or("unknown"))
}

fn read(file: &Path) -> Result<(PathBuf, String), BuildError> {
    let text = fs::read_to_string(file).map_err(BuildError::io("cannot read", file))?;
    Ok((file.to_owned(), text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Template, scaffold};

    fn purls(bill: &Value) -> Vec<&str> {
        let components = bill["components"].as_array().unwrap();
        components
            .iter()
            .map(|part| part["purl"].as_str().unwrap())
            .collect()
    }

    fn write(folder: &Path, file: &str, text: &str) {
        fs::write(folder.join(file), text).unwrap();
    }

    #[test]
    fn a_new_connector_of_each_language_names_what_it_is_made_of() {
        for (template, needed) in [
            (Template::Rust, "pkg:cargo/flowforge-sdk@0.1.0"),
            (Template::TypeScript, "pkg:npm/componentize-qjs@0.4.3"),
            (Template::JavaScript, "pkg:npm/%40flowforge/sdk@0.1.0"),
            (Template::Python, "pkg:pypi/componentize-py@0.25.1"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            scaffold("acme:geo", template, crate::Kind::Action, folder.path()).unwrap();
            let bill = sbom(folder.path()).unwrap();
            assert!(purls(&bill).contains(&needed), "{bill:#}");
            assert_eq!(bill["metadata"]["component"]["name"], "acme:geo");
            assert_eq!(sbom(folder.path()).unwrap().to_string(), bill.to_string());
            let refs: BTreeSet<&str> = purls(&bill).into_iter().collect();
            assert_eq!(refs.len(), purls(&bill).len(), "each once");
            for edge in bill["dependencies"].as_array().unwrap() {
                for needed in edge["dependsOn"].as_array().unwrap() {
                    assert!(refs.contains(needed.as_str().unwrap()), "{needed} is described");
                }
            }
        }
    }

    #[test]
    fn crates_that_the_connector_does_not_need_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        scaffold("acme:geo", Template::Rust, crate::Kind::Action, folder.path()).unwrap();
        let lock = folder.path().join("Cargo.lock");
        let text =
            fs::read_to_string(&lock).unwrap() + "\n[[package]]\nname = \"stray\"\nversion = \"1.0.0\"\n";
        fs::write(&lock, text).unwrap();
        let bill = sbom(folder.path()).unwrap();
        assert!(!purls(&bill).contains(&"pkg:cargo/stray@1.0.0"));
        let with_hash = bill["components"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|part| part.get("hashes").is_some());
        assert!(with_hash.count() > 3, "those of an index have their digest");
    }

    #[test]
    fn packages_of_development_are_left_out_and_a_missing_lock_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        scaffold(
            "acme:geo",
            Template::TypeScript,
            crate::Kind::Action,
            folder.path(),
        )
        .unwrap();
        write(
            folder.path(),
            "package.json",
            r#"{"dependencies": {"a": "1"}, "devDependencies": {"b": "1"}}"#,
        );
        let error = sbom(folder.path()).unwrap_err().to_string();
        assert!(
            error.starts_with("package-lock.json error FF-BLD-013: there is no package-lock.json"),
            "{error}"
        );
        let lock = r#"{"lockfileVersion": 3, "packages": {"": {},
            "node_modules/a": {"version": "1.2.3", "license": "MIT", "dependencies": {"@x/c": "^2"}},
            "node_modules/b": {"version": "1.0.0", "dev": true},
            "node_modules/@x/c": {"version": "2.0.0"}}}"#;
        write(folder.path(), "package-lock.json", lock);
        let bill = sbom(folder.path()).unwrap();
        assert_eq!(
            purls(&bill),
            [
                "pkg:npm/%40flowforge/sdk@0.1.0",
                "pkg:npm/%40x/c@2.0.0",
                "pkg:npm/a@1.2.3",
                "pkg:npm/componentize-qjs@0.4.3"
            ]
        );
        assert_eq!(
            bill["components"][2]["licenses"],
            json!([{ "expression": "MIT" }])
        );
        let edges = bill["dependencies"].as_array().unwrap();
        let of_a = edges
            .iter()
            .find(|edge| edge["ref"] == "pkg:npm/a@1.2.3")
            .unwrap();
        assert_eq!(of_a["dependsOn"], json!(["pkg:npm/%40x/c@2.0.0"]));
    }
}
