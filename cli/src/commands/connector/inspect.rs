//! `flowforge connector inspect`: what a connector offers and asks for. Looking at a folder runs nothing that is in it.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use flowforge_connector_build::{declared, sbom};
use flowforge_ports::Interface;
use flowforge_protocol::Digest;
use serde_json::{Value, json};

use super::{build_folder, read_component};
use crate::args::Global;
use crate::output::{Exit, Usage, next, result, short_digest, text};
use crate::{describe, say, time};

const ONE: &str = "query One($name: String!, $version: String) { connector(name: $name, version: $version) { \
    name version digest sizeBytes interface } }";

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// A connector's folder, a component file, or the name of a published connector
    #[arg(value_name = "FOLDER|FILE|NAME", default_value = ".")]
    what: String,
    /// Build a folder first, which runs its build scripts and tools, and look at the component; without it, a folder's
    /// connector.toml and wit/ are read and nothing in it runs
    #[arg(long)]
    build: bool,
    /// Also show imports that grant nothing, and exports of the language's runtime
    #[arg(long)]
    all: bool,
    /// Also show the JSON Schema of each operation's input and output
    #[arg(long)]
    schema: bool,
    /// Show what a folder's lock files say the connector is made of, as a CycloneDX document, and nothing else
    #[arg(long, conflicts_with_all = ["build", "all", "schema", "version"])]
    sbom: bool,
    /// Version of a published connector; without it, the newest
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
}

/// What was looked at.
struct Seen {
    name: String,
    interface: Interface,
    /// Digest and size, where there is a component.
    component: Option<(String, u64)>,
    /// Where it was read from: `folder`, `component` or `registry`.
    from: &'static str,
}

/// Runs the command.
pub(crate) async fn run(args: &InspectArgs, global: &Global) -> Result<Exit> {
    let path = Path::new(&args.what);
    let is_here = path.exists();
    if args.sbom {
        if !path.is_dir() {
            return Err(Usage(format!(
                "{} is no folder: --sbom reads the lock files of one",
                args.what
            ))
            .into());
        }
        say!("{:#}", sbom(path)?);
        return Ok(Exit::Done);
    }
    let seen = if path.is_dir() && !args.build {
        of_folder(path)?
    } else if path.is_dir() {
        of_file(&args.what, &build_folder(path).await?.component)?
    } else if is_here {
        of_file(&args.what, path)?
    } else if args.what.contains(':') && !args.what.contains('/') {
        published(global, &args.what, args.version.as_deref()).await?
    } else {
        bail!(
            "{} is neither a file nor the name of a connector (`publisher:name`)",
            args.what
        );
    };
    result(global, &seen.answer()?, |_| seen.print(args));
    next(
        global,
        &match (is_here, seen.from) {
            (true, "folder") => format!("flowforge connector test {}", args.what),
            (true, _) => format!("flowforge connector publish {}", args.what),
            (false, _) => "flowforge workflow lint FOLDER".to_owned(),
        },
    );
    Ok(Exit::Done)
}

impl Seen {
    /// The interface, and beside it what is known of the file; each operation with its JSON Schemas.
    fn answer(&self) -> Result<Value> {
        let mut answer = serde_json::to_value(&self.interface)?;
        let described = answer.get_mut("operations").and_then(Value::as_array_mut);
        let operations = described.into_iter().flatten().zip(&self.interface.operations);
        for (value, operation) in operations {
            if let Some(fields) = value.as_object_mut() {
                fields.insert("input_schema".to_owned(), operation.input_schema());
                fields.insert("output_schema".to_owned(), operation.output_schema());
            }
        }
        if let Some(fields) = answer.as_object_mut() {
            fields.insert("from".to_owned(), json!(self.from));
            if let Some((digest, bytes)) = &self.component {
                fields.insert("digest".to_owned(), json!(digest));
                fields.insert("bytes".to_owned(), json!(bytes));
            }
        }
        Ok(answer)
    }

    fn print(&self, args: &InspectArgs) {
        for line in describe::interface(&self.name, &self.interface, args.all) {
            say!("{line}");
        }
        if args.schema {
            say!("");
            say!("json schema");
            for operation in &self.interface.operations {
                say!("  {} input", operation.name);
                indented(&operation.input_schema());
                say!("  {} output", operation.name);
                indented(&operation.output_schema());
            }
        }
        say!("");
        match &self.component {
            Some((digest, bytes)) => say!("component  {} · {}", time::size(*bytes), short_digest(digest)),
            None => say!(
                "read from connector.toml and wit/; nothing ran. What its language imports besides: --build, which runs \
                 the folder's build"
            ),
        }
    }
}

fn indented(value: &Value) {
    for line in format!("{value:#}").lines() {
        say!("    {line}");
    }
}

fn of_folder(folder: &Path) -> Result<Seen> {
    let interface = declared(folder)?.interface;
    Ok(Seen {
        name: name_of(&interface, &folder.display().to_string()),
        interface,
        component: None,
        from: "folder",
    })
}

fn of_file(what: &str, file: &Path) -> Result<Seen> {
    let bytes = read_component(file)?;
    let interface = flowforge_ports::inspect(&bytes).with_context(|| format!("{what} is no connector"))?;
    Ok(Seen {
        name: name_of(&interface, what),
        interface,
        component: Some((
            Digest::of(&bytes).to_string(),
            u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        )),
        from: "component",
    })
}

fn name_of(interface: &Interface, otherwise: &str) -> String {
    let own = interface.meta.as_ref().map(|meta| meta.name.clone());
    own.or_else(|| interface.package.clone())
        .unwrap_or_else(|| otherwise.to_owned())
}

async fn published(global: &Global, name: &str, version: Option<&str>) -> Result<Seen> {
    let data = global
        .api()?
        .ask(ONE, json!({ "name": name, "version": version }))
        .await?;
    let found = data
        .pointer("/connector/interface")
        .cloned()
        .with_context(|| match version {
            Some(version) => format!("{name} {version} is not published here; see: flowforge connector list"),
            None => format!("{name} is not published here; see: flowforge connector list"),
        })?;
    let interface = serde_json::from_value(found)
        .context("the control plane describes it in a way this version cannot read")?;
    Ok(Seen {
        name: name.to_owned(),
        interface,
        component: Some((
            text(&data, "/connector/digest").to_owned(),
            crate::output::number(&data, "/connector/sizeBytes"),
        )),
        from: "registry",
    })
}
