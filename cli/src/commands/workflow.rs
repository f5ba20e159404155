//! `flowforge workflow`: check and publish; trying and comparing are beside this file.
//!
//! Publishing is signed here, not by the server: it prepares the two documents, this program checks that they belong
//! together, shows what they allow, signs them with the owner's keys and gives them back.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Subcommand;
use flowforge_client::{Api, ApiError};
use flowforge_protocol::grants::{GRANT_SET_TYPE, GrantSet};
use flowforge_protocol::release::{RELEASE_TYPE, Release};
use flowforge_protocol::{Digest, envelope};
use serde_json::{Map, Value, json};

use crate::args::Global;
use crate::commands::findings::{attention, is_same, print_diagnostic};
use crate::commands::{arrange, diff, draft};
use crate::keys::{self, Role};
use crate::output::{Exit, Usage, counted, list, next, number, result, short_digest, text};
use crate::signing::{self, Local};
use crate::table::Table;
use crate::{say, time};

/// Name of a workflow's file in its folder.
const FILE: &str = "workflow.yaml";
/// Name of the file beside it that pins its connectors.
const LOCK: &str = "workflow.lock";
/// Largest workflow file that is sent, in bytes.
const SOURCE_BYTES_MAX: u64 = 1024 * 1024;

const DIAGNOSTIC: &str = "severity code message line column excerpt fix fixed";
const LIST: &str = "{ workflows(first: 100) { nodes { name title version release publishedAtMs notices { \
    connector version message fix } held { connector version missing } } } }";

/// Check and publish workflows
#[derive(Debug, Subcommand)]
pub(crate) enum WorkflowCommand {
    /// Check a workflow against the published connectors and say how to mend it
    #[command(after_help = "Example:\n  flowforge workflow lint examples/earthquake-watch --fix")]
    Lint {
        #[command(flatten)]
        source: Source,
        /// Write the mends that are certain into the file
        #[arg(long)]
        fix: bool,
    },
    /// Publish a workflow as its next version: connectors pinned, release and grants signed
    #[command(
        after_help = "Example:\n  flowforge workflow publish examples/earthquake-watch --set config.chat=https://chat.acme.example"
    )]
    Publish {
        #[command(flatten)]
        source: Source,
        /// Take the newest version of every connector and write workflow.lock anew
        #[arg(long)]
        update: bool,
    },
    /// Try a workflow as it stands on disk, whole or in part, without publishing it
    #[command(
        after_help = "Example:\n  flowforge workflow try examples/sales-report --to totals --with day=2026-11-26 --wait"
    )]
    Try(draft::Try),
    /// Show what differs between two files, drafts or published versions
    #[command(after_help = "Example:\n  flowforge workflow diff sales-report@1 examples/sales-report")]
    Diff(diff::Diff),
    /// List the published workflows
    #[command(after_help = "Example:\n  flowforge workflow list")]
    List,
    #[command(flatten)]
    Arrange(arrange::ArrangeCommand),
}

/// Which workflow, and with which configuration.
#[derive(Debug, clap::Args)]
pub(crate) struct Source {
    /// The workflow's folder or file
    #[arg(value_name = "FOLDER", default_value = ".")]
    path: PathBuf,
    /// Overrides a configuration value; may be repeated
    #[arg(long = "set", value_name = "config.KEY=VALUE")]
    settings: Vec<String>,
}

impl Source {
    /// A folder or file with the configuration that it has.
    pub(super) fn at(path: &str) -> Self {
        Self {
            path: PathBuf::from(path),
            settings: Vec::new(),
        }
    }

    /// The same source on a command line, for the next command.
    fn words(&self) -> String {
        let settings = self.settings.iter().map(|setting| format!(" --set {setting}"));
        format!("{}{}", self.path.display(), settings.collect::<String>())
    }

    /// The workflow's file.
    fn file(&self) -> PathBuf {
        if self.path.is_dir() {
            self.path.join(FILE)
        } else {
            self.path.clone()
        }
    }
}

/// A workflow as it stands on disk.
pub(super) struct OnDisk {
    file: PathBuf,
    pub(super) source: String,
    pub(super) lock: Option<String>,
    pub(super) config: Value,
}

/// Runs the command.
pub(crate) async fn run(command: WorkflowCommand, global: &Global) -> Result<Exit> {
    match command {
        WorkflowCommand::Lint { source, fix } => lint(global, &source, fix).await,
        WorkflowCommand::Publish { source, update } => publish(global, &source, update).await,
        WorkflowCommand::Try(wanted) => draft::try_draft(global, wanted).await,
        WorkflowCommand::Diff(wanted) => diff::diff(global, &wanted).await,
        WorkflowCommand::List => show(global).await,
        WorkflowCommand::Arrange(command) => arrange::run(command, global).await,
    }
}

async fn lint(global: &Global, source: &Source, fix: bool) -> Result<Exit> {
    let on_disk = read(source)?;
    let api = global.api()?;
    let mut checked = check(&api, &on_disk).await?;
    let mut fixed = Vec::new();
    if fix
        && let Some(mended) = checked
            .get("fixedSource")
            .and_then(Value::as_str)
            .map(str::to_owned)
    {
        fs::write(&on_disk.file, &mended)
            .with_context(|| format!("cannot write {}", on_disk.file.display()))?;
        let before = list(&checked, "/diagnostics").to_vec();
        checked = check(
            &api,
            &OnDisk {
                source: mended,
                ..on_disk
            },
        )
        .await?;
        fixed = before;
        fixed.retain(|found| {
            !list(&checked, "/diagnostics")
                .iter()
                .any(|left| is_same(found, left))
        });
    }
    let name = file_name(&source.file());
    result(global, &checked, |checked| {
        for found in &fixed {
            print_diagnostic(found, &name, true);
        }
        for found in list(checked, "/diagnostics") {
            print_diagnostic(found, &name, false);
        }
        let warnings = match count(checked, "/warnings") {
            0 => String::new(),
            some => format!(", {}", counted(some, "warning")),
        };
        say!(
            "{} left{warnings}, {}, {}",
            counted(count(checked, "/errors"), "error"),
            counted(count(checked, "/nodes"), "node"),
            counted(count(checked, "/connectors"), "connector")
        );
    });
    let errors = number(&checked, "/errors");
    if errors == 0 {
        next(global, &format!("flowforge workflow publish {}", source.words()));
        return Ok(Exit::Done);
    }
    if checked.get("fixedSource").is_some_and(Value::is_string) {
        next(
            global,
            &format!("flowforge workflow lint {} --fix", source.words()),
        );
    }
    Ok(Exit::Failed)
}

async fn check(api: &Api, on_disk: &OnDisk) -> Result<Value> {
    let document = format!(
        "mutation Check($input: CheckWorkflowInput!) {{ checkWorkflow(input: $input) {{ \
         errors warnings nodes connectors fixedSource diagnostics {{ {DIAGNOSTIC} }} }} }}"
    );
    let input = json!({
        "source": on_disk.source,
        "fileName": file_name(&on_disk.file),
        "lock": on_disk.lock,
        "config": on_disk.config,
    });
    let data = api.ask(&document, json!({ "input": input })).await?;
    Ok(data.get("checkWorkflow").cloned().unwrap_or_default())
}

async fn publish(global: &Global, source: &Source, update: bool) -> Result<Exit> {
    let mut on_disk = read(source)?;
    if update {
        on_disk.lock = None;
    }
    let api = global.api()?;
    let Some(prepared) = prepare(global, &api, &on_disk, false).await? else {
        return Ok(Exit::Failed);
    };
    let signed = sign(&api, &prepared, &on_disk)?;
    let document = "mutation Publish($input: PublishReleaseInput!) { publishRelease(input: $input) { __typename \
        ... on PublishReleaseSuccess { workflow { name version release held { connector version missing } } } ... on Problem { message code } } }";
    let input = json!({ "release": signed.release, "grants": signed.grants, "source": on_disk.source });
    let published = api.change("publishRelease", document, input).await?;
    let lock = on_disk.file.with_file_name(LOCK);
    let pinned = text(&prepared, "/lock");
    if on_disk.lock.as_deref() != Some(pinned) {
        fs::write(&lock, pinned).with_context(|| format!("cannot write {}", lock.display()))?;
    }
    let mut answer = published.get("workflow").cloned().unwrap_or_default();
    if let Some(answer) = answer.as_object_mut() {
        answer.insert(
            "summary".to_owned(),
            prepared.get("summary").cloned().unwrap_or_default(),
        );
    }
    let name = file_name(&on_disk.file);
    result(global, &answer, |_| {
        for found in list(&prepared, "/diagnostics") {
            print_diagnostic(found, &name, false);
        }
        say!("{}", signed.summary);
        attention(&answer).iter().for_each(|line| say!("{line}"));
    });
    next(
        global,
        &format!("flowforge run start {} --wait", text(&answer, "/name")),
    );
    Ok(Exit::Done)
}

/// The documents of a file; of one with errors nothing, after they were told.
pub(super) async fn prepare(
    global: &Global,
    api: &Api,
    on_disk: &OnDisk,
    draft: bool,
) -> Result<Option<Value>> {
    let problem = match prepared(api, on_disk, draft).await {
        Ok(prepared) => return Ok(Some(prepared)),
        Err(ApiError::Problem(problem)) if problem.kind == "WorkflowProblem" => problem,
        Err(error) => return Err(error.into()),
    };
    let name = file_name(&on_disk.file);
    let found = list(&problem.fields, "/diagnostics");
    result(global, &problem.fields, |_| {
        found
            .iter()
            .for_each(|found| print_diagnostic(found, &name, false));
    });
    let errors = found.iter().filter(|found| text(found, "/severity") == "ERROR");
    let done = if draft { "tried" } else { "published" };
    eprintln!("error: nothing was {done}: {}", counted(errors.count(), "error"));
    // Some mends are commands, as that of a secret which is not set.
    if let Some(mend) = found
        .iter()
        .map(|found| text(found, "/fix"))
        .find(|mend| mend.starts_with("flowforge "))
    {
        next(global, mend);
    }
    Ok(None)
}

async fn prepared(api: &Api, on_disk: &OnDisk, draft: bool) -> Result<Value, ApiError> {
    let document = format!(
        "mutation Prepare($input: PrepareReleaseInput!) {{ prepareRelease(input: $input) {{ __typename \
         ... on PreparedRelease {{ workflow version release grants releaseDigest lock \
         diagnostics {{ {DIAGNOSTIC} }} \
         summary {{ title nodes connectors {{ name version digest }} destinations secrets }} }} \
         ... on Problem {{ message code }} ... on WorkflowProblem {{ diagnostics {{ {DIAGNOSTIC} }} }} }} }}"
    );
    let input = json!({
        "source": on_disk.source,
        "fileName": file_name(&on_disk.file),
        "lock": on_disk.lock,
        "config": on_disk.config,
        "draft": draft,
    });
    api.change("prepareRelease", &document, input).await
}

pub(super) struct SignedRelease {
    pub(super) release: String,
    pub(super) grants: String,
    summary: String,
}

/// Signs what the server prepared, after checking that it is this file's release and that the grants belong to it. What is
/// about to be allowed is said before.
pub(super) fn sign(api: &Api, prepared: &Value, on_disk: &OnDisk) -> Result<SignedRelease> {
    let bytes = |key: &str| {
        STANDARD
            .decode(text(prepared, key))
            .with_context(|| format!("the prepared {} cannot be read", key.trim_start_matches('/')))
    };
    let (release_bytes, grant_bytes) = (bytes("/release")?, bytes("/grants")?);
    let release: Release =
        serde_json::from_slice(&release_bytes).context("the prepared release cannot be read")?;
    let grants: GrantSet =
        serde_json::from_slice(&grant_bytes).context("the prepared grants cannot be read")?;
    let digest = Digest::of(&release_bytes);
    if grants.release != digest || release.definition_digest != Digest::of_json(&release.definition) {
        bail!("the server prepared documents that do not belong together; nothing was signed");
    }
    let nothing = Map::new();
    let local = Local {
        source: &on_disk.source,
        lock: on_disk.lock.as_deref(),
        config: on_disk.config.as_object().unwrap_or(&nothing),
    };
    signing::check(&local, &release, &grants)?;
    let (destinations, secrets) = signing::granted(&grants);
    for (what, names) in [("may reach", destinations), ("may use secret", secrets)] {
        if !names.is_empty() {
            eprintln!("{what} {}", names.join(", "));
        }
    }
    let context = api.context();
    let release_key = keys::load(context, Role::Release)?;
    let grant_key = keys::load(context, Role::Grant)?;
    Ok(SignedRelease {
        release: envelope::sign(RELEASE_TYPE, &release_bytes, &release_key),
        grants: envelope::sign(GRANT_SET_TYPE, &grant_bytes, &grant_key),
        summary: summary(&release, &grants, &digest, number(prepared, "/summary/nodes")),
    })
}

/// What is about to be allowed, taken from the documents themselves.
fn summary(release: &Release, grants: &GrantSet, digest: &Digest, nodes: u64) -> String {
    let (destinations, secrets) = signing::granted(grants);
    format!(
        "{} v{} · {nodes} nodes · {} pinned · {} · {} · signed release {}",
        release.workflow,
        release.version,
        counted(release.connectors.len(), "connector"),
        counted(destinations.len(), "destination"),
        counted(secrets.len(), "secret"),
        short_digest(&digest.to_string())
    )
}

async fn show(global: &Global) -> Result<Exit> {
    let data = global.api()?.ask(LIST, Value::Null).await?;
    let workflows = data.pointer("/workflows/nodes").cloned().unwrap_or_default();
    result(global, &workflows, |workflows| {
        let mut table = Table::new(&["workflow", "version", "published", "release", "title"]);
        for workflow in list(workflows, "") {
            table.row([
                text(workflow, "/name"),
                &format!("v{}", number(workflow, "/version")),
                &time::date(number(workflow, "/publishedAtMs")),
                &short_digest(text(workflow, "/release")),
                text(workflow, "/title"),
            ]);
        }
        table.print("no workflows · next: flowforge workflow publish FOLDER");
        for workflow in list(workflows, "") {
            attention(workflow).iter().for_each(|line| say!("{line}"));
        }
    });
    if let Some(first) = list(&workflows, "").first() {
        next(
            global,
            &format!("flowforge run start {} --wait", text(first, "/name")),
        );
    }
    Ok(Exit::Done)
}

/// Reads a workflow from its folder or file.
pub(super) fn read(source: &Source) -> Result<OnDisk> {
    let file = source.file();
    if source.path.is_dir() && !file.exists() {
        bail!(
            "{}: {FILE} is missing; is this a workflow's folder?",
            source.path.display()
        );
    }
    let size = fs::metadata(&file)
        .with_context(|| format!("cannot read {}", file.display()))?
        .len();
    if size > SOURCE_BYTES_MAX {
        bail!(
            "{} is {size} bytes, above the limit of {SOURCE_BYTES_MAX}",
            file.display()
        );
    }
    let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        anyhow!(
            "{} is not UTF-8: wrong byte at {}; save it as UTF-8",
            file.display(),
            error.utf8_error().valid_up_to()
        )
    })?;
    let lock = fs::read_to_string(file.with_file_name(LOCK)).ok();
    Ok(OnDisk {
        config: settings(&source.settings, &defaults(&text))?,
        source: text,
        lock,
        file,
    })
}

/// What the file says of its configuration; nothing if it cannot be read, which the control plane explains better.
fn defaults(source: &str) -> Map<String, Value> {
    let definition = flowforge_workflow::parse(source);
    definition.map_or_else(|_| Map::new(), |definition| definition.model().config.clone())
}

/// `config.feed=VALUE` → `{"feed": VALUE}`. A value whose default is text is text, whatever it looks like; of the others one
/// that is JSON keeps its type, and anything else is text.
fn settings(settings: &[String], defaults: &Map<String, Value>) -> Result<Value> {
    let mut config = Map::new();
    for setting in settings {
        let parts = setting
            .split_once('=')
            .and_then(|(key, value)| Some((key.strip_prefix("config.")?, value)));
        let Some((key, value)) = parts.filter(|(key, _)| !key.is_empty()) else {
            bail!(Usage(format!(
                "--set {setting}: expected config.KEY=VALUE, for example config.feed=https://example.com"
            )));
        };
        let as_text = || Value::String(value.to_owned());
        let value = match defaults.get(key) {
            Some(Value::String(_)) => as_text(),
            _ => serde_json::from_str(value).unwrap_or_else(|_| as_text()),
        };
        config.insert(key.to_owned(), value);
    }
    Ok(Value::Object(config))
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn count(value: &Value, pointer: &str) -> usize {
    usize::try_from(number(value, pointer)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `--set config.tag=1234e5`, the short form of a commit, became the number 123400000.
    #[test]
    fn what_the_file_says_is_text_stays_text() {
        let source = "workflow: w\nconfig: { tag: latest, limit: 3 }\nnodes: { a: { set: { x: 1 } } }\n";
        let given = ["config.tag=1234e5", "config.limit=7"].map(str::to_owned);
        let config = settings(&given, &defaults(source)).unwrap();
        assert_eq!(config, json!({ "tag": "1234e5", "limit": 7 }));
        let given = ["config.tag=true".to_owned()];
        assert_eq!(settings(&given, &defaults(source)).unwrap()["tag"], json!("true"));
    }

    #[test]
    fn settings_keep_the_type_of_json_and_take_the_rest_as_text() {
        let given = ["config.feed=http://127.0.0.1:1", "config.limit=3", "config.a=b=c"].map(str::to_owned);
        let config = settings(&given, &Map::new()).unwrap();
        assert_eq!(
            config,
            json!({ "feed": "http://127.0.0.1:1", "limit": 3, "a": "b=c" })
        );
        for wrong in ["feed=1", "config.=1", "config.feed"] {
            let error = settings(&[wrong.to_owned()], &Map::new()).unwrap_err();
            assert!(error.downcast_ref::<Usage>().is_some(), "{wrong}");
        }
    }
}
