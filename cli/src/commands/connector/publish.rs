//! `flowforge connector publish`: any component under a name and a version, signed.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use flowforge_ports::{ConnectorMeta, embed_meta};
use flowforge_protocol::{ConnectorName, SigningKey};
use serde_json::json;

use super::elsewhere::{Elsewhere, Place};
use super::{component_of, publish_trial, read_component};
use crate::args::Global;
use crate::keys::{self, Role};
use crate::output::{Exit, Usage, next, result, short_digest};
use crate::{connectors, publisher_keys, say};

#[derive(Debug, Args)]
pub(crate) struct PublishArgs {
    /// The connector's folder, or any component file
    #[arg(value_name = "FOLDER|FILE", default_value = ".")]
    path: PathBuf,
    /// Publish a component under this name, `publisher:name`; it is written into the published file
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Publish a component as this version; needed beside --name where the file has none
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Say what would be published, and what the registry would refuse, without publishing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    elsewhere: Elsewhere,
}

/// Runs the command.
pub(crate) async fn run(args: PublishArgs, global: &Global) -> Result<Exit> {
    if args.path.is_dir() && (args.name.is_some() || args.version.is_some()) {
        return Err(Usage(
            "a folder has its name and version in connector.toml; --name and --version are for component files".to_owned(),
        )
        .into());
    }
    let file = read_component(&component_of(&args.path).await?)?;
    let bytes = under_a_name(file, args.name.as_deref(), args.version.as_deref())?;
    let statement = connectors::statement_of(&bytes)?;
    let place = args.elsewhere.place(global)?;
    let key = match args.elsewhere.key()? {
        Some(key) => key,
        None => own_key(&place.context(global)?, statement.name.publisher())?,
    };
    if args.dry_run {
        return publish_trial::run(global, &place.client()?, bytes, &statement, &key).await;
    }
    let published = match &place {
        Place::Plane(api) => connectors::publish(api, bytes, &key).await?,
        Place::Registry(client) => connectors::push(client, bytes, &statement, &key).await?,
    };
    let answer = json!({
        "name": published.name,
        "version": published.version,
        "digest": published.digest,
        "already_there": published.already_there,
    });
    result(global, &answer, |_| {
        say!(
            "{} {} · {}{} · signed by {}",
            published.name,
            published.version,
            short_digest(&published.digest),
            if published.already_there {
                " was published before"
            } else {
                " published"
            },
            key.verifying_key().id().short(),
        );
    });
    next(global, &format!("flowforge connector inspect {}", published.name));
    Ok(Exit::Done)
}

/// The key that a publisher has of its own here, or else the site's.
fn own_key(context: &flowforge_client::Context, publisher: &str) -> Result<SigningKey> {
    match publisher_keys::own(context, publisher)? {
        Some(key) => Ok(key),
        None => keys::load(context, Role::Publisher),
    }
}

/// The component with this name and version in its description; as it is if neither is given.
fn under_a_name(component: Vec<u8>, name: Option<&str>, version: Option<&str>) -> Result<Vec<u8>> {
    if name.is_none() && version.is_none() {
        return Ok(component);
    }
    let interface = flowforge_ports::inspect(&component).context("this is no connector")?;
    let known = interface.meta.unwrap_or_default();
    let wanted = |given: Option<&str>, known: &str, flag: &str| {
        let value = given.unwrap_or(known);
        if value.is_empty() {
            return Err(Usage(format!(
                "the component has no {flag} of its own: give --{flag} too"
            )));
        }
        Ok(value.to_owned())
    };
    let name = wanted(name, &known.name, "name")?;
    let version = wanted(version, &known.version, "version")?;
    let parsed: ConnectorName = name.parse().map_err(|error| {
        Usage(format!(
            "--name: {error}; write `publisher:name`, such as acme:geo"
        ))
    })?;
    let meta = ConnectorMeta {
        title: if known.title.is_empty() {
            parsed.as_str().rsplit(':').next().unwrap_or_default().to_owned()
        } else {
            known.title.clone()
        },
        name,
        version,
        ..known
    };
    Ok(embed_meta(&component, &meta)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn a_component_that_nobody_named_gets_name_and_version() {
        let named = under_a_name(BARE.to_vec(), Some("acme:geo"), Some("1.0.0")).unwrap();
        let statement = connectors::statement_of(&named).unwrap();
        assert_eq!(
            (statement.name.as_str(), statement.version.as_str()),
            ("acme:geo", "1.0.0")
        );
        let again = under_a_name(named.clone(), None, Some("1.0.1")).unwrap();
        let statement = connectors::statement_of(&again).unwrap();
        assert_eq!(
            (statement.name.as_str(), statement.version.as_str()),
            ("acme:geo", "1.0.1")
        );
        assert_eq!(under_a_name(named.clone(), None, None).unwrap(), named);
    }

    #[test]
    fn what_is_missing_beside_a_name_is_asked_for() {
        let told = |name, version| {
            under_a_name(BARE.to_vec(), name, version)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            told(Some("acme:geo"), None),
            "the component has no version of its own: give --version too"
        );
        assert_eq!(
            told(None, Some("1.0.0")),
            "the component has no name of its own: give --name too"
        );
        assert!(told(Some("Geo"), Some("1.0.0")).contains("such as acme:geo"));
    }
}
