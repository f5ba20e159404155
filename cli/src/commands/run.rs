//! `flowforge run`: start, follow, look back; what is told to a run, and what is made from one, is beside this file.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use flowforge_protocol::Digest;
use serde_json::{Value, json};

use crate::args::Global;
use crate::commands::asked::{RUN, exit_of, fetch, read_json};
use crate::commands::findings::print_fields;
use crate::commands::follow::{Follow, Version};
use crate::commands::{again, operate};
use crate::output::{Exit, Usage, list, next, number, reader_is_gone, result, short, text};
use crate::table::{Table, one_line};
use crate::time;
use crate::{result_lines, say, screen};

/// Start and follow runs
#[derive(Debug, Subcommand)]
pub(crate) enum RunCommand {
    /// Start a run of a published workflow
    #[command(
        after_help = "Example:\n  flowforge run start earthquake-watch --input '{\"threshold\": 4.0}' --wait"
    )]
    Start(Start),
    /// Show a run: its steps, its result, its receipt
    #[command(after_help = "Example:\n  flowforge run show last")]
    Show {
        /// Id, the start of one, or `last`
        id: String,
        #[command(flatten)]
        follow: Follow,
    },
    /// List runs, newest first
    #[command(after_help = "Example:\n  flowforge run list --failed")]
    List {
        /// Only runs of this workflow
        #[arg(long, value_name = "NAME")]
        workflow: Option<String>,
        /// Only runs that failed
        #[arg(long)]
        failed: bool,
        /// At most this many
        #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100))]
        limit: u16,
    },
    /// Show what the connectors of a run wrote to their logs
    #[command(after_help = "Example:\n  flowforge run logs last")]
    Logs {
        /// Id, the start of one, or `last`
        id: String,
    },
    /// Save an artefact that a run made
    #[command(after_help = "Example:\n  flowforge run artefact last report -o earthquakes.csv")]
    Artefact {
        /// Id, the start of one, or `last`
        id: String,
        /// Name in the run's output, file name, or digest
        name: String,
        /// Where to save it; `-` for standard output; without it, under its own name here
        #[arg(short, long = "save", value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Stop a run and the runs that it waits for; what it did outside stays done, unless its nodes say how to undo it
    #[command(after_help = "Example:\n  flowforge run cancel last --reason 'started by mistake'")]
    Cancel(operate::Cancel),
    /// Pause a run: no step starts and no time comes until it goes on
    #[command(after_help = "Example:\n  flowforge run pause last --reason 'the bank is down'")]
    Pause(operate::Reasoned),
    /// Let a paused run go on
    #[command(after_help = "Example:\n  flowforge run resume last")]
    Resume(operate::Reasoned),
    /// Send a signal to a run, or to the runs of a workflow that wait for it
    #[command(
        after_help = "Example:\n  flowforge run signal payment_received --run last --correlation o-7 --payload '{\"amount\": 5}'"
    )]
    Signal(operate::Signal),
    /// Say what to do with a step that needs review: its outcome is unknown
    #[command(after_help = "Example:\n  flowforge run review last pay --skip '{\"status\": 200}'")]
    Review(operate::Review),
    /// Run a run again from a step on, with the results before it; shows first what happens again
    #[command(after_help = "Example:\n  flowforge run retry last --from notify --dry-run")]
    Retry(again::Retry),
    /// Erase the values of a run that is over, here and at its host; its records still verify
    #[command(after_help = "Example:\n  flowforge run erase last --reason 'ana asked for it' --yes")]
    Erase(operate::Erase),
    /// Try one node, with given results in the place of others
    #[command(
        after_help = "Example:\n  flowforge run try earthquake-watch --node stats --pinned-from last --wait"
    )]
    Try(again::Try),
}

/// What to start.
#[derive(Debug, clap::Args)]
pub(crate) struct Start {
    /// Name of a published workflow
    workflow: String,
    /// Input as JSON, or @FILE
    #[arg(long, value_name = "JSON", default_value = "{}")]
    input: String,
    #[command(flatten)]
    which: Version,
    #[command(flatten)]
    follow: Follow,
}

/// Runs the command.
pub(crate) async fn run(command: RunCommand, global: &Global) -> Result<Exit> {
    match command {
        RunCommand::Start(start) => begin(global, start).await,
        RunCommand::Show { id, follow } => show(global, &id, &follow).await,
        RunCommand::List {
            workflow,
            failed,
            limit,
        } => recent(global, workflow.as_deref(), failed, limit).await,
        RunCommand::Logs { id } => logs(global, &id).await,
        RunCommand::Artefact { id, name, out } => artefact(global, &id, &name, out.as_deref()).await,
        RunCommand::Cancel(cancel) => operate::cancel(global, cancel).await,
        RunCommand::Pause(run) => operate::pause(global, run).await,
        RunCommand::Resume(run) => operate::resume(global, run).await,
        RunCommand::Signal(signal) => operate::signal(global, signal).await,
        RunCommand::Review(review) => operate::review(global, review).await,
        RunCommand::Retry(retry) => again::retry(global, retry).await,
        RunCommand::Erase(erase) => operate::erase(global, erase).await,
        RunCommand::Try(wanted) => again::try_node(global, wanted).await,
    }
}

async fn begin(global: &Global, start: Start) -> Result<Exit> {
    let following = start.follow.read()?;
    let input = read_json("--input", &start.input)?;
    let api = global.api()?;
    let document = format!(
        "mutation Start($input: StartRunInput!) {{ startRun(input: $input) {{ __typename \
         ... on StartRunSuccess {{ run {{ {RUN} }} duplicate }} ... on Problem {{ message code }} \
         ... on InputProblem {{ fields {{ path message }} }} }} }}"
    );
    let begun = api
        .change(
            "startRun",
            &document,
            json!({ "workflow": start.workflow, "version": start.which.version, "input": input }),
        )
        .await;
    let begun = match begun {
        Err(flowforge_client::ApiError::Problem(problem)) if problem.kind == "InputProblem" => {
            eprintln!(
                "error: the input is not what {} asks for ({})",
                start.workflow, problem.code
            );
            print_fields(&problem.fields);
            return Ok(Exit::Failed);
        }
        other => other?,
    };
    let run = begun.get("run").cloned().unwrap_or_default();
    following.begun(global, &api, run).await
}

async fn show(global: &Global, id: &str, follow: &Follow) -> Result<Exit> {
    let following = follow.read()?;
    let api = global.api()?;
    let run = fetch(&api, id).await?;
    if following.wait && run.get("endedAtMs").is_none_or(Value::is_null) {
        return following.to_the_end(global, &api, run).await;
    }
    result(global, &run, |run| {
        screen::header(run)
            .iter()
            .chain(&screen::table(run, screen::columns()))
            .for_each(|line| say!("{line}"));
        result_lines::of(run).iter().for_each(|line| say!("{line}"));
    });
    if matches!(text(&run, "/state"), "QUEUED" | "RUNNING") {
        next(
            global,
            &format!("flowforge run show {} --wait", short(text(&run, "/id"))),
        );
    }
    Ok(exit_of(&run))
}

async fn recent(global: &Global, workflow: Option<&str>, failed: bool, limit: u16) -> Result<Exit> {
    let document = "query List($first: Int, $workflow: String, $state: RunState) { \
        runs(first: $first, workflow: $workflow, state: $state) { nodes { \
        id workflow version state waitingFor createdAtMs endedAtMs host { name } } } }";
    let state = if failed { json!("FAILED") } else { Value::Null };
    let variables = json!({ "first": limit, "workflow": workflow, "state": state });
    let data = global.api()?.ask(document, variables).await?;
    let runs = data.pointer("/runs/nodes").cloned().unwrap_or_default();
    result(global, &runs, |runs| {
        let mut table = Table::new(&["run", "workflow", "state", "started", "took", "host", "waits for"]);
        for run in list(runs, "") {
            let (created, ended) = (number(run, "/createdAtMs"), number(run, "/endedAtMs"));
            table.row([
                short(text(run, "/id")),
                &format!("{} v{}", text(run, "/workflow"), number(run, "/version")),
                &text(run, "/state").to_lowercase(),
                &time::date(created),
                &if ended == 0 {
                    "–".to_owned()
                } else {
                    time::elapsed(ended.saturating_sub(created))
                },
                text(run, "/host/name"),
                text(run, "/waitingFor"),
            ]);
        }
        table.print(match (failed, workflow) {
            (false, None) => "no runs · next: flowforge run start WORKFLOW --wait",
            _ => "no such runs · next: flowforge run list",
        });
    });
    if let Some(first) = list(&runs, "").first() {
        next(
            global,
            &format!("flowforge run show {}", short(text(first, "/id"))),
        );
    }
    Ok(Exit::Done)
}

async fn logs(global: &Global, id: &str) -> Result<Exit> {
    let document = "query Logs($id: String!, $after: String) { run(id: $id) { logs(first: 100, after: $after) { \
        pageInfo { hasNextPage endCursor } nodes { atMs step attempt level message } } } }";
    let api = global.api()?;
    let mut after = Value::Null;
    let mut lines = Vec::new();
    let mut printed = false;
    loop {
        let data = api.ask(document, json!({ "id": id, "after": after })).await?;
        if !data.get("run").is_some_and(Value::is_object) {
            bail!("there is no run `{id}`; see: flowforge run list");
        }
        for line in list(&data, "/run/logs/nodes") {
            if global.json() {
                lines.push(line.clone());
            } else {
                printed = true;
                say!(
                    "{} {:<5} {:<20} {}",
                    time::date(number(line, "/atMs")),
                    text(line, "/level").to_lowercase(),
                    text(line, "/step"),
                    one_line(text(line, "/message"))
                );
            }
        }
        let has_more = data.pointer("/run/logs/pageInfo/hasNextPage") == Some(&Value::Bool(true));
        if !has_more || reader_is_gone() {
            break;
        }
        after = data
            .pointer("/run/logs/pageInfo/endCursor")
            .cloned()
            .unwrap_or_default();
    }
    if global.json() {
        say!("{:#}", Value::Array(lines));
    } else if !printed {
        say!("the connectors of this run wrote nothing to its log");
    }
    next(global, &format!("flowforge run show {id}"));
    Ok(Exit::Done)
}

async fn artefact(global: &Global, id: &str, name: &str, out: Option<&Path>) -> Result<Exit> {
    let api = global.api()?;
    let run = fetch(&api, id).await?;
    let found = result_lines::artefacts(&run);
    let Some(artefact) = found.iter().find(|artefact| artefact.is_named(name)) else {
        let names: Vec<&str> = found.iter().map(|artefact| artefact.key.as_str()).collect();
        bail!(Usage(match names.as_slice() {
            [] => format!("run {} has no artefact in its output", short(text(&run, "/id"))),
            names => format!(
                "run {} has no artefact `{name}`; it has: {}",
                short(text(&run, "/id")),
                names.join(", ")
            ),
        }));
    };
    let url = format!("{}/artefacts/{}", api.context().server, artefact.digest);
    let answer = api
        .signed_in(api.http().get(url))
        .send()
        .await
        .context("the artefact could not be fetched")?;
    if !answer.status().is_success() {
        bail!(
            "the control plane does not have {} yet (status {}); try again in a moment",
            artefact.name,
            answer.status()
        );
    }
    let bytes = answer.bytes().await.context("the artefact was cut off")?;
    let found_digest = Digest::of(&bytes).to_string();
    if found_digest != artefact.digest {
        bail!(
            "the bytes received are {found_digest}, expected {}; nothing was saved",
            artefact.digest
        );
    }
    if out == Some(Path::new("-")) {
        return match std::io::stdout().write_all(&bytes) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(error).context("the artefact cannot be written")
            }
            _ => Ok(Exit::Done),
        };
    }
    let file = match out {
        Some(file) => file.to_owned(),
        None => own_file(&artefact.name, &bytes)?,
    };
    fs::write(&file, &bytes).with_context(|| format!("cannot write {}", file.display()))?;
    let saved = json!({ "file": file, "bytes": bytes.len(), "digest": artefact.digest });
    result(global, &saved, |_| {
        say!(
            "{} · {} · digest checked",
            file.display(),
            time::size(number(&saved, "/bytes"))
        );
    });
    next(
        global,
        &format!("flowforge run show {}", short(text(&run, "/id"))),
    );
    Ok(Exit::Done)
}

/// Where an artefact goes when nobody says where: under its own name in this folder. The workflow chose that name, so
/// a file that is there with other content stays.
fn own_file(name: &str, bytes: &[u8]) -> Result<PathBuf> {
    let file = Path::new(name)
        .file_name()
        .map(PathBuf::from)
        .context("the artefact has no usable name: give -o FILE")?;
    match fs::read(&file) {
        Ok(found) if found != bytes => bail!(
            "{} is here with other content, which stays: give -o FILE",
            file.display()
        ),
        _ => Ok(file),
    }
}
