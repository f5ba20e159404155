//! Publishing a component: sign which bytes it is, push both.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use flowforge_client::Api;
use flowforge_protocol::envelope::sign_document;
use flowforge_protocol::{ConnectorName, Digest, Publication, SigningKey};
use flowforge_registry::client::Client;
use serde_json::{Value, json};

use crate::commands::connector::read_component;

/// Publisher of the connectors that only measurements use; a development server does not show them.
const MEASURING: &str = "bench";

const FIND: &str =
    "query Find($name: String!, $version: String) { connector(name: $name, version: $version) { digest } }";

/// A published version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Published {
    /// `publisher:name`.
    pub(crate) name: String,
    /// Semantic version.
    pub(crate) version: String,
    /// Digest of the component.
    pub(crate) digest: String,
    /// Whether the same bytes had been published before.
    pub(crate) already_there: bool,
}

/// A client of the registry of a control plane, which shows there what is shown here.
pub(crate) fn registry_of(api: &Api) -> Result<Client> {
    let client = Client::new(&api.context().server)?;
    Ok(match &api.context().token {
        Some(token) => client.with_account("token", token)?,
        None => client,
    })
}

/// Signs and pushes a component; the same bytes twice are the same publication.
pub(crate) async fn publish(api: &Api, component: Vec<u8>, key: &SigningKey) -> Result<Published> {
    let statement = statement_of(&component)?;
    let (name, version) = (statement.name.to_string(), statement.version.clone());
    let digest = statement.layer_digest.to_string();
    let already_there = published_digest(api, &name, &version)
        .await?
        .is_some_and(|found| found == digest);
    if !already_there {
        let envelope = sign_document(&statement, key)?;
        registry_of(api)?
            .push(Bytes::from(component), &envelope)
            .await
            .with_context(|| format!("{name} {version} was not published"))?;
    }
    Ok(Published {
        name,
        version,
        digest,
        already_there,
    })
}

/// Signs and pushes a component into a registry that is asked for nothing else.
pub(crate) async fn push(
    client: &Client,
    component: Vec<u8>,
    statement: &Publication,
    key: &SigningKey,
) -> Result<Published> {
    let (name, version) = (statement.name.to_string(), statement.version.clone());
    let known = client.pull(&statement.name, &version).await;
    let already_there = known.is_ok_and(|pulled| pulled.layer_digest == statement.layer_digest);
    if !already_there {
        client
            .push(Bytes::from(component), &sign_document(statement, key)?)
            .await
            .with_context(|| format!("{name} {version} was not published"))?;
    }
    Ok(Published {
        name,
        version,
        digest: statement.layer_digest.to_string(),
        already_there,
    })
}

/// What publishing these first-party connectors came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Preloaded {
    /// Connectors that can be used now.
    pub(crate) available: usize,
    /// Name and version of those that were published before with other content, which stays.
    pub(crate) kept: Vec<String>,
}

/// Publishes every component of a folder whose version is not there yet.
pub(crate) async fn preload(api: &Api, folder: &Path, key: &SigningKey) -> Result<Preloaded> {
    let mut done = Preloaded::default();
    for file in components_in(folder)? {
        let component = read_component(&file)?;
        let statement =
            statement_of(&component).with_context(|| format!("{} cannot be published", file.display()))?;
        if statement.name.publisher() == MEASURING {
            continue;
        }
        done.available += 1;
        match published_digest(api, statement.name.as_str(), &statement.version).await? {
            Some(digest) if digest == statement.layer_digest.to_string() => {}
            Some(_) => done
                .kept
                .push(format!("{} {}", statement.name, statement.version)),
            None => drop(publish(api, component, key).await?),
        }
    }
    Ok(done)
}

/// The folder of built first-party connectors: as given, beside this program, or where `cargo xtask install` puts them.
pub(crate) fn first_party_folder(given: Option<&Path>) -> Option<PathBuf> {
    if let Some(folder) = given {
        return Some(folder.to_owned());
    }
    let own = std::env::current_exe().ok()?;
    let programs = own.parent()?;
    let beside = programs.join("components");
    let installed = programs
        .parent()
        .map(|root| root.join("share/flowforge/components"));
    std::iter::once(beside)
        .chain(installed)
        .find(|folder| folder.is_dir())
}

fn components_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    files.sort();
    Ok(files)
}

/// What is signed about a component.
pub(crate) fn statement_of(component: &[u8]) -> Result<Publication> {
    let interface = flowforge_ports::inspect(component).context("this is no connector")?;
    let meta = interface.meta.context(
        "the component has no name and version: give --name PUBLISHER:NAME and --version VERSION, or build it with \
         `flowforge connector build`, which reads connector.toml",
    )?;
    let name: ConnectorName = meta.name.parse()?;
    Ok(Publication {
        name,
        version: meta.version,
        layer_digest: Digest::of(component),
    })
}

/// Digest of a published version; nothing if there is none.
pub(crate) async fn published_digest(api: &Api, name: &str, version: &str) -> Result<Option<String>> {
    let data = api.ask(FIND, json!({ "name": name, "version": version })).await?;
    Ok(data
        .pointer("/connector/digest")
        .and_then(Value::as_str)
        .map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_without_a_description_is_told_how_to_get_one() {
        let error = statement_of(b"\0asm\x0d\0\x01\0").unwrap_err().to_string();
        assert!(error.contains("flowforge connector build"), "{error}");
        assert!(statement_of(b"no wasm").is_err());
    }

    #[test]
    fn only_components_are_taken_in_the_order_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.wasm", "a.wasm", "notes.txt"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let names: Vec<_> = components_in(folder.path())
            .unwrap()
            .iter()
            .map(|path| path.file_name().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["a.wasm", "b.wasm"]);
    }
}
