//! `flowforge connector`: begin, build, test, look at, publish.

mod curate;
mod elsewhere;
mod inspect;
mod install;
mod new;
mod publish;
mod publish_trial;
mod score;
mod test;
mod trial;
mod watch;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use flowforge_connector_build::{BuildOptions, Built, Diagnostic, Progress, default_cache_dir};
use flowforge_connector_test::Bench;
use flowforge_ports::Interface;
use flowforge_runtime::CompileWorker;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::args::Global;
use crate::output::{Exit, list, next, number, result, short_digest, text};
use crate::table::Table;
use crate::{say, time};

/// Largest component that is read, in bytes; the registry's own limit.
const COMPONENT_BYTES_MAX: u64 = 256 * 1024 * 1024;

const LIST: &str = "query List($search: String, $category: String, $capability: String, $publisher: String) { \
    connectors(first: 100, search: $search, category: $category, capability: $capability, publisher: $publisher) { \
    nodes { name version title category sizeBytes digest publishedAtMs } } }";

/// Begin, build, test, look at and publish connectors
#[derive(Debug, Subcommand)]
pub(crate) enum ConnectorCommand {
    /// Build a connector written in Rust, TypeScript, JavaScript or Python
    #[command(after_help = "Example:\n  flowforge connector build connectors/http")]
    Build {
        /// The connector's folder, with its connector.toml
        #[arg(default_value = ".")]
        folder: PathBuf,
        /// Also copy the component to this file
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Write the folder of a new connector, which builds and whose tests pass
    #[command(after_help = "Example:\n  flowforge connector new acme:geo --lang ts")]
    New(new::NewArgs),
    /// Run the tests in tests/ against mocked services, in the sandbox of a host
    #[command(after_help = "Example:\n  flowforge connector test connectors/http --junit report.xml")]
    Test(test::TestArgs),
    /// Build and test again at every save, until it is stopped
    #[command(after_help = "Example:\n  flowforge connector dev connectors/quake-text")]
    Dev(watch::DevArgs),
    /// Make one call in the sandbox of a host, and show what it used and how long it took
    #[command(
        after_help = "Example:\n  flowforge connector run label connectors/quake-text --with magnitude=6.4 \
                            --with place=Hualian --with time=0"
    )]
    Run(trial::RunArgs),
    /// Score what its bytes say, what its tests show and what trials find, with what to do next
    #[command(after_help = "Example:\n  flowforge connector score connectors/quake-text")]
    Score(score::ScoreArgs),
    /// Show operations, typed ports as a workflow writes them, docs and capabilities of any component
    #[command(after_help = "Example:\n  flowforge connector inspect flowforge:http")]
    Inspect(inspect::InspectArgs),
    /// Build if needed, sign with the publisher key and push into the registry
    #[command(
        after_help = "Example:\n  flowforge connector publish geo.wasm --name acme:geo --version 1.0.0 --dry-run"
    )]
    Publish(publish::PublishArgs),
    /// Withdraw a version: it is listed no more, and whoever names it still gets it
    #[command(after_help = "Example:\n  flowforge connector yank acme:geo@0.2.0 --reason \"loses umlauts\"")]
    Yank(curate::YankArgs),
    /// Say that a connector is replaced by another
    #[command(
        after_help = "Example:\n  flowforge connector deprecate acme:geo --reason \"not maintained\" --use acme:places@1"
    )]
    Deprecate(curate::DeprecateArgs),
    /// Hand advisories to the registry: what is known to be wrong with published versions
    #[command(after_help = "Example:\n  flowforge connector advise FFSA-2026-0001.json")]
    Advise(curate::AdviseArgs),
    /// Look at what a version of another publisher asks for, and let this site's hosts run it
    #[command(after_help = "Example:\n  flowforge connector install acme:geo@0.2.0")]
    Install(install::InstallArgs),
    /// Show what a newer version changes, port by port, and what it asks for besides; exit 1 if that is not granted
    #[command(after_help = "Example:\n  flowforge connector upgrade acme:geo@0.2.0 --since 0.1.0")]
    Upgrade(install::UpgradeArgs),
    /// Grant a connector what an upgraded version asks for, so that runs which wait for it can start
    #[command(after_help = "Example:\n  flowforge connector grant acme:geo@0.2.0")]
    Grant(install::GrantArgs),
    /// List the published connectors, those that fit best first
    #[command(after_help = "Example:\n  flowforge connector list --search csv --category transform")]
    List(ListArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only those whose name, title, summary or operations hold these words
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Only those of this category: transform, data, messaging, files, ai, devices or other
    #[arg(long, value_name = "CATEGORY")]
    category: Option<String>,
    /// Only those that ask for this: http, secrets, artefacts, context, log or progress
    #[arg(long, value_name = "CAPABILITY")]
    capability: Option<String>,
    /// Only those of this publisher
    #[arg(long, value_name = "PUBLISHER")]
    publisher: Option<String>,
}

/// Runs the command.
pub(crate) async fn run(command: ConnectorCommand, global: &Global) -> Result<Exit> {
    match command {
        ConnectorCommand::Build { folder, out } => build(global, &folder, out.as_deref()).await,
        ConnectorCommand::New(args) => new::run(&args, global),
        ConnectorCommand::Test(args) => test::run(args, global).await,
        ConnectorCommand::Dev(args) => watch::run(&args, global).await,
        ConnectorCommand::Run(args) => trial::run(args, global).await,
        ConnectorCommand::Score(args) => score::run(args, global).await,
        ConnectorCommand::Inspect(args) => inspect::run(&args, global).await,
        ConnectorCommand::Publish(args) => publish::run(args, global).await,
        ConnectorCommand::Yank(args) => curate::yank(args, global).await,
        ConnectorCommand::Deprecate(args) => curate::deprecate(args, global).await,
        ConnectorCommand::Advise(args) => curate::advise(args, global).await,
        ConnectorCommand::Install(args) => install::install(args, global).await,
        ConnectorCommand::Upgrade(args) => install::upgrade(args, global).await,
        ConnectorCommand::Grant(args) => install::grant(args, global).await,
        ConnectorCommand::List(args) => show(global, &args).await,
    }
}

async fn build(global: &Global, folder: &Path, out: Option<&Path>) -> Result<Exit> {
    let built = build_folder(folder).await?;
    let component = match out {
        Some(out) => {
            fs::copy(&built.component, out).with_context(|| format!("cannot write {}", out.display()))?;
            out
        }
        None => &built.component,
    };
    let answer = json!({
        "name": built.meta.name,
        "version": built.meta.version,
        "language": built.language.to_string(),
        "component": component,
        "digest": built.digest,
        "bytes": built.bytes,
        "elapsed_ms": u64::try_from(built.elapsed.as_millis()).unwrap_or(u64::MAX),
        "cached": built.cached,
        "notes": notes(&built),
    });
    result(global, &answer, |_| {
        say!(
            "✓ {} {} · {} · {} · {} · {}",
            built.meta.name,
            built.meta.version,
            built.language,
            time::size(built.bytes),
            operations(&built.interface),
            if built.cached {
                "unchanged".to_owned()
            } else {
                time::elapsed(number(&answer, "/elapsed_ms"))
            },
        );
        say!("  {}", component.display());
        for note in notes(&built) {
            say!("{note}");
        }
    });
    next(global, &format!("flowforge connector test {}", folder.display()));
    Ok(Exit::Done)
}

/// What hinders nobody and could be better, as lines.
fn notes(built: &Built) -> Vec<String> {
    built.notes.iter().map(Diagnostic::as_note).collect()
}

/// Where components are called outside of a host: compiled code is kept beside the builds.
fn bench() -> Result<Bench> {
    let cache = default_cache_dir(|name| std::env::var_os(name))
        .context("no place for a cache: set FLOWFORGE_CACHE to a folder")?;
    Ok(Bench {
        code_dir: cache.join("code"),
        worker: CompileWorker::this_program().context("this program does not know where it is")?,
    })
}

/// Builds on a thread of its own: the tools of some languages take minutes.
async fn build_folder(folder: &Path) -> Result<Built> {
    let cache = default_cache_dir(|name| std::env::var_os(name))
        .context("no place for a cache: set FLOWFORGE_CACHE to a folder")?;
    let options = BuildOptions::new(cache);
    let folder = folder.to_owned();
    let bar = ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{spinner} {msg}")?);
    let build = tokio::task::spawn_blocking(move || {
        let mut tell = |progress: Progress| {
            bar.set_message(format!("{}: {}", progress.stage, progress.detail));
            bar.tick();
        };
        let built = flowforge_connector_build::build(&folder, &options, &mut tell);
        bar.finish_and_clear();
        built
    });
    Ok(build.await??)
}

/// The component that is meant: a folder is built, if needed.
async fn component_of(path: &Path) -> Result<PathBuf> {
    if path.is_dir() {
        Ok(build_folder(path).await?.component)
    } else {
        Ok(path.to_owned())
    }
}

async fn show(global: &Global, args: &ListArgs) -> Result<Exit> {
    let wanted = json!({
        "search": args.search, "category": args.category, "capability": args.capability,
        "publisher": args.publisher,
    });
    let everything = wanted
        .as_object()
        .is_some_and(|wanted| wanted.values().all(serde_json::Value::is_null));
    let data = global.api()?.ask(LIST, wanted).await?;
    let found = data.pointer("/connectors/nodes").cloned().unwrap_or_default();
    result(global, &found, |found| {
        let mut table = Table::new(&["connector", "version", "size", "digest", "published", "title"]);
        for connector in list(found, "") {
            table.row([
                text(connector, "/name"),
                text(connector, "/version"),
                &time::size(number(connector, "/sizeBytes")),
                &short_digest(text(connector, "/digest")),
                &time::date(number(connector, "/publishedAtMs")),
                text(connector, "/title"),
            ]);
        }
        table.print(if everything {
            "no connectors · next: flowforge connector publish FOLDER"
        } else {
            "no such connectors · next: flowforge connector list"
        });
    });
    if let Some(first) = list(&found, "").first() {
        next(
            global,
            &format!("flowforge connector inspect {}", text(first, "/name")),
        );
    }
    Ok(Exit::Done)
}

/// Reads a component file that is not absurdly large.
pub(crate) fn read_component(path: &Path) -> Result<Vec<u8>> {
    let size = fs::metadata(path)
        .with_context(|| format!("cannot read {}", path.display()))?
        .len();
    if size > COMPONENT_BYTES_MAX {
        bail!(
            "{} is {size} bytes, above the limit of {COMPONENT_BYTES_MAX}",
            path.display()
        );
    }
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn operations(interface: &Interface) -> String {
    let names: Vec<&str> = interface
        .operations
        .iter()
        .map(|operation| operation.name.as_str())
        .collect();
    match names.len() {
        0 => "no operations".to_owned(),
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_missing_is_named() {
        let error = read_component(Path::new("no/such.wasm")).unwrap_err().to_string();
        assert!(error.contains("no/such.wasm"), "{error}");
    }
}
