//! `flowforge bundle`: connectors in one file, for a site that no network reaches.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use clap::{Args, Subcommand};
use flowforge_bundle::{Bundle, BundleError, Packed};
use flowforge_protocol::publication::{PublicationError, verify_publication};
use flowforge_protocol::{ConnectorName, Digest, TrustRoot};
use flowforge_registry::Client;
use flowforge_registry::client::Transfer;
use serde_json::{Value, json};

use crate::args::Global;
use crate::connectors::registry_of;
use crate::output::{Exit, Usage, list, next, result, short_digest, text};
use crate::{say, time};

/// Largest trust root that is read, in bytes.
const TRUST_BYTES_MAX: u64 = 1024 * 1024;

const LIST: &str = "query List($after: String) { connectors(first: 100, after: $after) { nodes { name version } \
    pageInfo { hasNextPage endCursor } } }";

/// Carry connectors in a file to a site that no network reaches
#[derive(Debug, Subcommand)]
pub(crate) enum BundleCommand {
    /// Write connectors with their signatures into one file, an OCI image layout
    #[command(after_help = "Example:\n  flowforge bundle export flowforge:http@0.1.0 --out connectors.tar")]
    Export(ExportArgs),
    /// Check every byte of a bundle, and with --trust who signed what is in it; needs no control plane
    #[command(after_help = "Example:\n  flowforge bundle verify connectors.tar --trust trust-root.json")]
    Verify(VerifyArgs),
    /// Publish everything in a bundle; the registry judges it as it judges any push
    #[command(after_help = "Example:\n  flowforge bundle import connectors.tar")]
    Import {
        /// The bundle
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// What to take, `publisher:name` or `publisher:name@version`; without it the newest version of everything
    #[arg(value_name = "CONNECTOR")]
    connectors: Vec<String>,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The bundle
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The `trust-root.json` of a server's data folder: whose signatures count
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
}

/// Runs the command.
pub(crate) async fn run(command: BundleCommand, global: &Global) -> Result<Exit> {
    match command {
        BundleCommand::Export(args) => export(global, &args).await,
        BundleCommand::Verify(args) => verify(global, &args),
        BundleCommand::Import { file } => import(global, &file).await,
    }
}

async fn export(global: &Global, args: &ExportArgs) -> Result<Exit> {
    let api = global.api()?;
    let client = registry_of(&api)?;
    let mut wanted = Vec::new();
    for connector in &args.connectors {
        wanted.push(parse(connector)?);
    }
    if wanted.is_empty() {
        wanted = everything(&api).await?;
    }
    let (mut versions, mut contents) = (Vec::new(), BTreeMap::new());
    for (name, version) in wanted {
        let version = match version {
            Some(version) => version,
            None => newest(&client, &name).await?,
        };
        let fetched = client
            .fetch(&name, &version)
            .await
            .with_context(|| format!("{name} {version} cannot be taken"))?;
        contents.extend(fetched.contents);
        versions.push(Packed {
            version: version
                .parse()
                .with_context(|| format!("`{version}` is no version"))?,
            name,
            manifest: fetched.manifest,
            referrers: fetched.referrers,
        });
    }
    if versions.is_empty() {
        bail!("there is nothing to take: no connector is published");
    }
    write(&args.out, &versions, &contents)?;
    let answer = json!({
        "file": args.out,
        "bytes": fs::metadata(&args.out)?.len(),
        "connectors": versions.iter().map(shown).collect::<Vec<_>>(),
    });
    result(global, &answer, |answer| {
        lines(answer);
        say!(
            "✓ {} in {}",
            time::size(crate::output::number(answer, "/bytes")),
            args.out.display()
        );
    });
    next(global, &format!("flowforge bundle verify {}", args.out.display()));
    Ok(Exit::Done)
}

/// Writes beside the file first, so that it is whole or not there.
fn write(out: &Path, versions: &[Packed], contents: &BTreeMap<Digest, Bytes>) -> Result<()> {
    let cannot = || format!("cannot write {}", out.display());
    let mut unfinished = out.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    let content = |digest: &Digest| -> Result<Vec<u8>, BundleError> {
        let found = contents.get(digest).map(|bytes| bytes.to_vec());
        found.ok_or_else(|| BundleError::Missing {
            digest: *digest,
            by: "a manifest".to_owned(),
        })
    };
    let file = BufWriter::new(File::create(&unfinished).with_context(cannot)?);
    let written = flowforge_bundle::write(file, versions, content);
    let written = written.map_err(anyhow::Error::from).and_then(|file| {
        let file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.sync_all()?;
        Ok(())
    });
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written.with_context(cannot)?;
    fs::rename(&unfinished, out).with_context(cannot)
}

fn verify(global: &Global, args: &VerifyArgs) -> Result<Exit> {
    let trust = args.trust.as_deref().map(read_trust).transpose()?;
    let mut bundle = open(&args.file)?;
    let mut connectors = Vec::new();
    let mut all_good = true;
    for version in bundle.versions().to_vec() {
        let mut entry = shown(&version);
        if let Some(trust) = &trust {
            let signed = signed_by(&mut bundle, &version, trust)?;
            all_good &= signed.is_ok();
            let (key, value) = match signed {
                Ok(key) => ("signed_by", key),
                Err(why) => ("refused", why),
            };
            if let Some(fields) = entry.as_object_mut() {
                fields.insert(key.to_owned(), value.into());
            }
        }
        connectors.push(entry);
    }
    let answer =
        json!({ "file": args.file, "signatures_checked": trust.is_some(), "connectors": connectors });
    result(global, &answer, |answer| {
        lines(answer);
        match (all_good, trust.is_some()) {
            (true, true) => say!("✓ every byte is as it was packed, and its publishers signed it"),
            (true, false) => {
                say!("✓ every byte is as it was packed; who signed it was not asked: give --trust FILE")
            }
            (false, _) => say!("✗ not everything in it is signed by its publisher"),
        }
    });
    Ok(if all_good { Exit::Done } else { Exit::Failed })
}

async fn import(global: &Global, file: &Path) -> Result<Exit> {
    let api = global.api()?;
    let client = registry_of(&api)?;
    let mut bundle = open(file)?;
    let mut connectors = Vec::new();
    // Older versions first: what a version must be called depends on what is there.
    let mut versions = bundle.versions().to_vec();
    versions.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    for version in versions {
        let transfer = unpacked(&mut bundle, &version)?;
        client
            .store(&version.name, &version.version.to_string(), &transfer)
            .await
            .with_context(|| {
                let done = connectors.len();
                format!(
                    "{} {} was not imported; {done} before it were, and importing again goes on",
                    version.name, version.version
                )
            })?;
        connectors.push(shown(&version));
    }
    let answer = json!({ "file": file, "connectors": connectors });
    result(global, &answer, |answer| {
        lines(answer);
        say!("✓ published {} of {}", connectors.len(), connectors.len());
    });
    next(global, "flowforge connector list");
    Ok(Exit::Done)
}

fn open(file: &Path) -> Result<Bundle<BufReader<File>>> {
    let opened = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    Bundle::open(BufReader::new(opened)).with_context(|| format!("{} is no usable bundle", file.display()))
}

fn read_trust(file: &Path) -> Result<TrustRoot> {
    let cannot = || format!("cannot read {}", file.display());
    if fs::metadata(file).with_context(cannot)?.len() > TRUST_BYTES_MAX {
        bail!("{} is above the limit of {TRUST_BYTES_MAX} bytes", file.display());
    }
    let bytes = fs::read(file).with_context(cannot)?;
    serde_json::from_slice(&bytes).with_context(|| {
        format!(
            "{} is no trust root: expected the `trust-root.json` of a server's data folder",
            file.display()
        )
    })
}

/// A version as a registry takes it.
fn unpacked(bundle: &mut Bundle<BufReader<File>>, version: &Packed) -> Result<Transfer, BundleError> {
    let mut contents = BTreeMap::new();
    for manifest in std::iter::once(&version.manifest).chain(&version.referrers) {
        for content in bundle.contents_of(manifest)? {
            contents.insert(content, Bytes::from(bundle.blob(&content)?));
        }
        contents.insert(*manifest, Bytes::from(bundle.blob(manifest)?));
    }
    Ok(Transfer {
        manifest: version.manifest,
        referrers: version.referrers.clone(),
        contents,
    })
}

/// The key whose signature stands behind a version; otherwise why none does.
fn signed_by(
    bundle: &mut Bundle<BufReader<File>>,
    version: &Packed,
    trust: &TrustRoot,
) -> Result<Result<String, String>> {
    let layer = bundle.contents_of(&version.manifest)?.into_iter().nth(1);
    let layer = layer.context("the component's manifest has no layer")?;
    let number = version.version.to_string();
    let mut why = "nobody signed it".to_owned();
    for referrer in &version.referrers {
        for statement in bundle.contents_of(referrer)?.into_iter().skip(1) {
            let envelope = bundle.blob(&statement)?;
            match verify_publication(&envelope, trust, &version.name, Some(&number), &layer) {
                Ok(signed) => return Ok(Ok(signed.key_id().short())),
                Err(PublicationError::Untrusted { name, source }) => {
                    why = format!("no publisher of {name} that is trusted here signed it: {source}");
                }
                Err(error @ PublicationError::Mismatch { .. }) => why = error.to_string(),
            }
        }
    }
    Ok(Err(why))
}

fn shown(version: &Packed) -> Value {
    json!({
        "name": version.name,
        "version": version.version.to_string(),
        "manifest": version.manifest,
        "documents": version.referrers.len(),
    })
}

fn lines(answer: &Value) {
    for connector in list(answer, "/connectors") {
        let note = match (text(connector, "/signed_by"), text(connector, "/refused")) {
            ("", "") => String::new(),
            (key, "") => format!(" · signed by {key}"),
            (_, why) => format!(" · ✗ {why}"),
        };
        say!(
            "  {} {} · {}{note}",
            text(connector, "/name"),
            text(connector, "/version"),
            short_digest(text(connector, "/manifest")),
        );
    }
}

fn parse(connector: &str) -> Result<(ConnectorName, Option<String>)> {
    let (name, version) = match connector.split_once('@') {
        Some((name, version)) => (name, Some(version.to_owned())),
        None => (connector, None),
    };
    let name = name.parse().map_err(|error| {
        Usage(format!(
            "{error}; write `publisher:name@version`, such as acme:geo@1.0.0"
        ))
    })?;
    Ok((name, version))
}

async fn newest(client: &Client, name: &ConnectorName) -> Result<String> {
    let tags = client
        .tags(name)
        .await
        .with_context(|| format!("{name} cannot be taken"))?;
    let versions = tags.iter().filter_map(|tag| flowforge_bundle::parse_version(tag));
    let newest = versions.max_by_key(|version| (version.pre.is_empty(), version.clone()));
    let newest = newest.with_context(|| format!("{name} has no published version"))?;
    Ok(newest.to_string())
}

async fn everything(api: &flowforge_client::Api) -> Result<Vec<(ConnectorName, Option<String>)>> {
    let (mut found, mut after) = (Vec::new(), None::<String>);
    loop {
        let data = api.ask(LIST, json!({ "after": after })).await?;
        for node in list(&data, "/connectors/nodes") {
            let name = text(node, "/name").parse::<ConnectorName>()?;
            found.push((name, Some(text(node, "/version").to_owned())));
        }
        match data.pointer("/connectors/pageInfo/hasNextPage") {
            Some(Value::Bool(true)) => after = Some(text(&data, "/connectors/pageInfo/endCursor").to_owned()),
            _ => return Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connector_is_named_with_or_without_its_version() {
        let (name, version) = parse("acme:geo@1.0.0").unwrap();
        assert_eq!((name.as_str(), version.as_deref()), ("acme:geo", Some("1.0.0")));
        assert_eq!(parse("acme:geo").unwrap().1, None);
        assert!(parse("geo").unwrap_err().to_string().contains("acme:geo@1.0.0"));
    }

    #[test]
    fn a_file_that_is_no_bundle_and_one_that_is_no_trust_root_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.tar");
        fs::write(&file, "hello").unwrap();
        let error = format!("{:#}", open(&file).unwrap_err());
        assert!(error.contains("x.tar is no usable bundle"), "{error}");
        let error = format!("{:#}", read_trust(&file).unwrap_err());
        assert!(error.contains("expected the `trust-root.json`"), "{error}");
    }
}
