//! The picture of a run on the screen: redrawn in place on a terminal, one line for each change elsewhere.
//!
//! A terminal is never written past its edges: a line that wraps, or a picture higher than the window, could not be
//! replaced by the next one and would flood it.

use std::collections::BTreeMap;
use std::env;
use std::io::{IsTerminal, Write, stdout};

use console::{Term, measure_text_width, truncate_str};
use serde_json::Value;

use crate::output::{list, number, short, text};
use crate::result_lines::{Question, question};
use crate::say;
use crate::table::{Table, one_line};
use crate::time;

/// What the header says while the run goes on.
const HINT: &str = "Ctrl-C stops watching, not the run";
/// The column that gives way when a line is too wide.
const WHAT: usize = 2;

/// What is on the screen.
pub(crate) struct Screen {
    shown: bool,
    terminal: bool,
    /// Widths of the lines that the next picture replaces.
    drawn: Vec<usize>,
    /// The run as it was last seen.
    last: Value,
    /// What was printed of each node, elsewhere than on a terminal.
    printed: BTreeMap<String, String>,
}

impl Screen {
    /// A screen; nothing is written unless `shown`.
    pub(crate) fn new(shown: bool) -> Self {
        Self {
            shown,
            terminal: stdout().is_terminal() && env::var_os("TERM").is_some_and(|kind| kind != "dumb"),
            drawn: Vec::new(),
            last: Value::Null,
            printed: BTreeMap::new(),
        }
    }

    /// Shows a new picture of the run.
    pub(crate) fn show(&mut self, run: &Value) {
        if !self.shown {
            return;
        }
        if self.terminal {
            self.last = run.clone();
            self.redraw(HINT);
        } else {
            self.append(run);
        }
    }

    /// Shows the last picture again: times of waiting go on while nothing happens.
    pub(crate) fn tick(&mut self) {
        if self.shown && self.terminal {
            self.redraw(HINT);
        }
    }

    /// Shows the last picture with this remark, and on a terminal only: what is remarked passes.
    pub(crate) fn remark(&mut self, remark: &str) {
        if self.shown && self.terminal {
            self.redraw(remark);
        }
    }

    /// Shows the last picture of a run that has ended.
    pub(crate) fn finish(&mut self, run: &Value) {
        if self.shown && self.terminal {
            self.last = run.clone();
            let (rows, columns) = Term::stdout().size();
            let mut lines = header(run);
            lines.extend(table(run, usize::from(columns)));
            self.replace(lines, usize::from(columns), usize::from(rows));
        } else {
            self.show(run);
        }
    }

    fn redraw(&mut self, remark: &str) {
        let (rows, columns) = Term::stdout().size();
        let (rows, columns) = (usize::from(rows), usize::from(columns));
        let lines = picture(&self.last, remark, rows, columns);
        self.replace(lines, columns, rows);
    }

    /// Replaces what is drawn. Lines that the terminal has wrapped since, because it became narrower, are counted as
    /// often as they now stand there.
    fn replace(&mut self, lines: Vec<String>, columns: usize, rows: usize) {
        let up: usize = self
            .drawn
            .iter()
            .map(|width| width.div_ceil(columns.max(1)).max(1))
            .sum();
        let up = up.min(rows.saturating_sub(1));
        let mut out = stdout().lock();
        // Each line is cleared behind its new text, the rest at the end: a window that is cleared from its first place on
        // is kept by some terminals as history, once for each picture.
        let mut text = if up > 0 {
            format!("\x1b[{up}A")
        } else {
            String::new()
        };
        for line in &lines {
            text.push_str(line);
            text.push_str("\x1b[K\n");
        }
        text.push_str("\x1b[J");
        // A terminal that is gone is noticed when the result is printed.
        let _ = out.write_all(text.as_bytes());
        let _ = out.flush();
        self.drawn = lines.iter().map(|line| measure_text_width(line)).collect();
    }

    fn append(&mut self, run: &Value) {
        if self.printed.is_empty() {
            header(run).iter().for_each(|line| say!("{line}"));
            self.printed.insert(String::new(), String::new());
        }
        for row in rows(run) {
            // Counters of a running loop change all the time; a log wants the states only.
            let quiet = matches!(row.state.as_str(), "" | "pending" | "running");
            if !quiet && self.printed.get(&row.node) != Some(&row.state) {
                say!("{}", row.line());
                self.printed.insert(row.node, row.state);
            }
        }
        for question in questions(run) {
            let line = question.one_line();
            if self.printed.insert(line.clone(), line.clone()).is_none() {
                say!("{line}");
            }
        }
    }
}

/// Columns that a line may have: those of the terminal, or any number elsewhere.
pub(crate) fn columns() -> usize {
    match Term::stdout().size_checked() {
        Some((_, columns)) if stdout().is_terminal() => usize::from(columns),
        _ => usize::MAX,
    }
}

/// All lines for a window of this size: what does not fit is left out where it tells least.
fn picture(run: &Value, remark: &str, rows: usize, columns: usize) -> Vec<String> {
    let mut lines = header(run);
    let both = format!("{}    {remark}", lines.join(" "));
    if measure_text_width(&both) <= columns {
        lines = vec![both];
    } else {
        lines.push(remark.to_owned());
    }
    let mut below = Vec::new();
    for question in questions(run) {
        let line = question.one_line();
        if measure_text_width(&line) <= columns {
            below.push(line);
        } else {
            // The command must stay whole: somebody will copy it.
            below.extend([question.told, format!("  {}", question.command)]);
        }
    }
    // One row stays free for the cursor.
    let room = rows.saturating_sub(lines.len() + below.len() + 1).max(2);
    lines.extend(shortened(table(run, columns), room));
    lines.extend(below);
    lines.truncate(rows.saturating_sub(1).max(1));
    lines
        .iter()
        .map(|line| truncate_str(line, columns, "…").into_owned())
        .collect()
}

/// At most `room` lines of a table: its heading, the first rows that are not over, and how many are left out.
fn shortened(table: Vec<String>, room: usize) -> Vec<String> {
    if table.len() <= room {
        return table;
    }
    let over = |line: &&String| {
        let state = line.split_whitespace().nth(1).unwrap_or_default();
        matches!(state, "done" | "skipped")
    };
    let keep = room.saturating_sub(2);
    let rows = table.len() - 1;
    let ended = table.iter().skip(1).take_while(over).count();
    let first = ended.saturating_sub(1).min(rows.saturating_sub(keep));
    let mut lines: Vec<String> = table.iter().take(1).cloned().collect();
    lines.extend(table.iter().skip(1 + first).take(keep).cloned());
    lines.push(format!("  … {} more nodes", rows - keep));
    lines
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

/// The table of nodes, no wider than this.
pub(crate) fn table(run: &Value, columns: usize) -> Vec<String> {
    const INDENT: usize = 2;
    if list(run, "/view/nodes").is_empty() && matches!(text(run, "/state"), "QUEUED" | "RUNNING") {
        let why = match text(run, "/waitingFor") {
            "" => "nothing recorded yet; a connector is compiled for this machine at its first use",
            why => why,
        };
        return vec![format!("  {}", one_line(why))];
    }
    let mut table = Table::new(&["node", "state", "what", "tries", "time"]);
    for row in rows(run) {
        table.row([&row.node, &row.state, &row.what, &row.tries, &row.time]);
    }
    table
        .lines_within(columns.saturating_sub(INDENT), WHAT)
        .into_iter()
        .map(|line| format!("{:INDENT$}{line}", ""))
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
            what: match progress_of(run, text(node, "/node")) {
                Some(said) => said,
                None => one_line(text(node, "/what")),
            },
            tries: node
                .get("tries")
                .and_then(Value::as_u64)
                .map_or_else(|| "–".to_owned(), |tries| tries.to_string()),
            time: spent(node),
        })
        .collect()
}

/// How far the attempts of a node are, as their connectors said last: the newest word.
fn progress_of(run: &Value, node: &str) -> Option<String> {
    let is_of_node = |said: &&Value| {
        let step = text(said, "/step");
        let innermost = step.rsplit('.').next().unwrap_or(step);
        innermost == node
    };
    let newest = list(run, "/progress")
        .iter()
        .filter(is_of_node)
        .max_by_key(|said| number(said, "/atMs"))?;
    let percent = newest.get("percent").and_then(Value::as_u64);
    let percent = percent.map(|percent| format!("{percent} %"));
    let message = Some(one_line(text(newest, "/message"))).filter(|message| !message.is_empty());
    let words: Vec<String> = percent.into_iter().chain(message).collect();
    Some(words.join(" · ")).filter(|words| !words.is_empty())
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

fn questions(run: &Value) -> Vec<Question> {
    if text(run, "/state") != "WAITING" {
        return Vec::new();
    }
    list(run, "/approvals")
        .iter()
        .filter(|approval| text(approval, "/state") == "PENDING")
        .map(question)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn waiting(nodes: usize) -> Value {
        let row = |number: usize| {
            let state = if number < nodes / 2 { "done" } else { "pending" };
            json!({ "node": format!("node_{number}"), "state": state, "kind": "call", "tries": 1,
                "what": "128 earthquakes, the strongest 6.4, 地震. Send the report?" })
        };
        json!({
            "id": "7f3kaaaaaaaaaaaaaaaaaaaaaa", "workflow": "earthquake-watch", "version": 1, "state": "WAITING",
            "host": { "name": "dev-host" },
            "view": { "nodes": (0..nodes).map(row).collect::<Vec<_>>() },
            "approvals": [{ "id": "a41caaaa", "state": "PENDING", "approvers": ["duty"], "expiresAtMs": 1_795_684_440_000_u64 }],
        })
    }

    #[test]
    fn a_picture_stays_within_the_window() {
        for nodes in [1, 8, 60] {
            for (columns, rows) in [(200, 50), (80, 24), (60, 24), (40, 10), (12, 5)] {
                let lines = picture(&waiting(nodes), HINT, rows, columns);
                assert!(lines.len() < rows, "{nodes} nodes, {columns}x{rows}: {lines:#?}");
                for line in &lines {
                    assert!(measure_text_width(line) <= columns, "{columns}: {line}");
                }
            }
        }
    }

    #[test]
    fn the_command_that_answers_stays_whole_in_a_narrow_window() {
        let lines = picture(&waiting(8), HINT, 24, 60);
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn a_node_says_how_far_its_attempts_are() {
        let run = json!({
            "view": { "nodes": [{ "node": "load", "state": "running", "what": "files:read" },
                                { "node": "other", "state": "running", "what": "files:read" }] },
            "progress": [
                { "step": "each[1].load", "attempt": 1, "percent": 90, "message": null, "atMs": 1 },
                { "step": "each[2].load", "attempt": 1, "percent": 40, "message": "row 4\nof 10", "atMs": 2 },
            ],
        });
        let whats: Vec<String> = rows(&run).into_iter().map(|row| row.what).collect();
        assert_eq!(whats, ["40 % · row 4 of 10", "files:read"]);
    }

    #[test]
    fn a_long_table_shows_where_the_run_is() {
        let lines = picture(&waiting(60), HINT, 14, 80).join("\n");
        assert!(lines.contains("node_29") && lines.contains("node_30"), "{lines}");
        assert!(
            lines.contains("more nodes") && !lines.contains("node_0 "),
            "{lines}"
        );
    }
}
