//! The step table of a run while it runs: redrawn in place on a terminal, one line for each change elsewhere.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stdout};
use std::time::Duration;

use anyhow::Result;
use flowforge_client::{Api, EventsError, RunEvents};
use serde_json::Value;
use tokio::time::{Instant, sleep, sleep_until};

use crate::commands::run::{RUN, fetch};
use crate::output::{list, number, short, text};
use crate::result_lines::question;
use crate::table::{Table, one_line};
use crate::time;

/// How often a lost connection is tried again before the watcher gives up.
const RECONNECTS_MAX: u32 = 30;
/// The wait between two tries.
const RECONNECT_WAIT: Duration = Duration::from_secs(1);

/// How watching ended.
pub(crate) enum Watched {
    /// The run has ended; this is its last picture.
    Ended(Value),
    /// Watching ended before the run did, for this reason.
    Left(String),
}

/// Shows a run until it ends, `timeout` is over or Ctrl-C is pressed. Not `shown`: only waits.
pub(crate) async fn watch(api: &Api, run: Value, shown: bool, timeout: Option<Duration>) -> Result<Watched> {
    let mut screen = Screen::new(shown);
    let id = text(&run, "/id").to_owned();
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    let expired = async {
        match deadline {
            Some(deadline) => sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    };
    screen.show(&run);
    tokio::select! {
        ended = until_end(api, &id, &mut screen) => {
            let run = ended?;
            // The receipt follows the last record by a moment; the picture with it is the complete one.
            Ok(Watched::Ended(run))
        }
        () = expired => Ok(Watched::Left("the time is up".to_owned())),
        _ = tokio::signal::ctrl_c() => Ok(Watched::Left("stopped watching".to_owned())),
    }
}

async fn until_end(api: &Api, id: &str, screen: &mut Screen) -> Result<Value> {
    let mut losses = 0;
    loop {
        match one_subscription(api, id, screen).await {
            Ok(run) => return complete(api, run, screen).await,
            Err(EventsError::Refused(reason)) => anyhow::bail!("the run cannot be watched: {reason}"),
            Err(error) => {
                losses += 1;
                if losses > RECONNECTS_MAX {
                    return Err(error.into());
                }
                sleep(RECONNECT_WAIT).await;
            }
        }
    }
}

async fn one_subscription(api: &Api, id: &str, screen: &mut Screen) -> Result<Value, EventsError> {
    let selection = format!("ended run {{ {RUN} }}");
    let mut events = RunEvents::subscribe(api.context(), id, &selection).await?;
    while let Some(event) = events.next().await? {
        let run = event.get("run").cloned().unwrap_or_default();
        screen.show(&run);
        if event.get("ended") == Some(&Value::Bool(true)) {
            return Ok(run);
        }
    }
    // Completed without an end: the server is stopping.
    Err(EventsError::Lost)
}

/// The receipt is signed after the last record and arrives with a later call of the host: wait for it, within limits.
async fn complete(api: &Api, mut run: Value, screen: &mut Screen) -> Result<Value> {
    const LOOKS: u32 = 25;
    const BETWEEN: Duration = Duration::from_millis(100);
    for _ in 0..LOOKS {
        if run.get("receipt").is_some_and(Value::is_object) {
            break;
        }
        sleep(BETWEEN).await;
        run = fetch(api, text(&run, "/id")).await?;
    }
    screen.show(&run);
    Ok(run)
}

/// The line above the table.
pub(crate) fn header(run: &Value) -> Vec<String> {
    let host = match text(run, "/host/name") {
        "" => "no host has it yet".to_owned(),
        host => format!("on {host}"),
    };
    let (id, workflow) = (short(text(run, "/id")), text(run, "/workflow"));
    vec![format!(
        "run {id} · {workflow} v{} · {host}",
        number(run, "/version")
    )]
}

/// The table of nodes.
pub(crate) fn table(run: &Value) -> Vec<String> {
    let mut table = Table::new(&["node", "state", "what", "tries", "time"]);
    for row in rows(run) {
        table.row([&row.node, &row.state, &row.what, &row.tries, &row.time]);
    }
    table
        .lines()
        .into_iter()
        .map(|line| format!("  {line}"))
        .collect()
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    node: String,
    state: String,
    what: String,
    tries: String,
    time: String,
}

impl Row {
    fn line(&self) -> String {
        format!("  {:<10} {:<9} {}", self.node, self.state, self.what)
            .trim_end()
            .to_owned()
    }
}

fn rows(run: &Value) -> Vec<Row> {
    list(run, "/view/nodes")
        .iter()
        .map(|node| Row {
            node: text(node, "/node").to_owned(),
            state: text(node, "/state").replace('_', " "),
            what: one_line(text(node, "/what")),
            tries: node
                .get("tries")
                .and_then(Value::as_u64)
                .map_or_else(|| "–".to_owned(), |tries| tries.to_string()),
            time: spent(node),
        })
        .collect()
}

/// Time of work, or of waiting for what is waited for.
fn spent(node: &Value) -> String {
    let started = number(node, "/started_at_ms");
    match (text(node, "/state"), node.get("time_ms").and_then(Value::as_u64)) {
        ("waiting", None) if started > 0 => time::clock(time::now_ms().saturating_sub(started)),
        (_, None) => "–".to_owned(),
        ("pending" | "skipped" | "not_run", _) => "–".to_owned(),
        (_, Some(ms)) if text(node, "/kind") == "approval" => time::clock(ms),
        (_, Some(ms)) => time::elapsed(ms),
    }
}

/// What is on the screen.
struct Screen {
    shown: bool,
    terminal: bool,
    /// Lines that the next picture replaces.
    drawn: usize,
    /// What was printed of each node, elsewhere than on a terminal.
    printed: BTreeMap<String, String>,
}

impl Screen {
    fn new(shown: bool) -> Self {
        Self {
            shown,
            terminal: stdout().is_terminal(),
            drawn: 0,
            printed: BTreeMap::new(),
        }
    }

    fn show(&mut self, run: &Value) {
        if !self.shown {
            return;
        }
        if self.terminal {
            self.redraw(run)
        } else {
            self.append(run)
        }
    }

    fn redraw(&mut self, run: &Value) {
        let mut lines = header(run);
        if let Some(first) = lines.first_mut() {
            first.push_str("                       Ctrl-C stops watching, not the run");
        }
        lines.extend(table(run));
        lines.extend(questions(run));
        let mut out = stdout().lock();
        // A terminal that is gone is noticed when the result is printed.
        let _ = write!(
            out,
            "{}",
            if self.drawn > 0 {
                format!("\x1b[{}A\x1b[J", self.drawn)
            } else {
                String::new()
            }
        );
        for line in &lines {
            let _ = writeln!(out, "{line}");
        }
        let _ = out.flush();
        self.drawn = lines.len();
    }

    fn append(&mut self, run: &Value) {
        if self.printed.is_empty() {
            header(run).iter().for_each(|line| println!("{line}"));
            self.printed.insert(String::new(), String::new());
        }
        for row in rows(run) {
            // Counters of a running loop change all the time; a log wants the states only.
            let quiet = matches!(row.state.as_str(), "" | "pending" | "running");
            if !quiet && self.printed.get(&row.node) != Some(&row.state) {
                println!("{}", row.line());
                self.printed.insert(row.node, row.state);
            }
        }
        for line in questions(run) {
            if self.printed.insert(line.clone(), line.clone()).is_none() {
                println!("{line}");
            }
        }
    }
}

fn questions(run: &Value) -> Vec<String> {
    if text(run, "/state") != "WAITING" {
        return Vec::new();
    }
    list(run, "/approvals")
        .iter()
        .filter(|approval| text(approval, "/state") == "PENDING")
        .map(question)
        .collect()
}
