//! The table at the end: what is expected, what was found, and where to look if they differ.

use std::fmt::Display;

use anyhow::Result;
use serde_json::Value;

use crate::counting::Received;
use crate::demo::Stage;
use crate::demo::evidence::Found;
use crate::demo::follow::Story;
use crate::files::{files_with, occurrences};

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    what: String,
    expected: String,
    found: String,
    /// More that is worth knowing, or where the evidence is.
    note: String,
}

impl Row {
    /// A row that is right if both sides are equal.
    pub fn new(what: &str, expected: impl Display, found: impl Display, note: impl Display) -> Self {
        Self {
            what: what.to_owned(),
            expected: expected.to_string(),
            found: found.to_string(),
            note: note.to_string(),
        }
    }

    /// Whether it is as expected.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.expected == self.found
    }
}

/// Computes every row.
pub(crate) async fn rows(stage: &Stage, story: &Story) -> Result<Vec<Row>> {
    let found = Found::of(stage).await?;
    let chat = stage.chat.requests();
    let mut rows = answer(stage, &found, &chat).to_vec();
    rows.extend(crashes(story));
    rows.extend(trust(stage, &found)?);
    Ok(rows)
}

/// What the workflow found out and told.
fn answer(stage: &Stage, found: &Found, chat: &[Received]) -> [Row; 4] {
    let feed = stage.feed.requests();
    let requests = format!("{}/{}", feed.len(), chat.len());
    let key = chat
        .first()
        .and_then(|got| got.idempotency_key.get(..8))
        .unwrap_or("none");
    [
        Row::new(
            "earthquakes ≥ 4.0 / ≥ 5.0 / ≥ 6.0",
            stage.expected,
            found.in_report,
            found.csv.display(),
        ),
        Row::new(
            "count in the run's output",
            stage.expected.from_4,
            found.count_in_output,
            "",
        ),
        Row::new(
            "requests at the feed server, at the chat server",
            "1/1",
            requests,
            format!("key {key}…"),
        ),
        Row::new(
            "chat message as expected, with the secret",
            "yes",
            message(stage, chat),
            "",
        ),
    ]
}

/// That the host was really killed in the middle, and while it waited.
fn crashes(story: &Story) -> [Row; 2] {
    const AMONG: &str = "1 to 127";
    let labels = story.labels_at_crash;
    let among = if (1..128).contains(&labels) {
        AMONG.to_owned()
    } else {
        labels.to_string()
    };
    [
        Row::new("labels recorded at the first crash", AMONG, among, labels),
        Row::new(
            "confirm at the second crash",
            "waiting",
            &story.waiting_at_crash,
            "",
        ),
    ]
}

/// What can be proven afterwards.
fn trust(stage: &Stage, found: &Found) -> Result<[Row; 4]> {
    let leaks = leaks(stage, &found.lines)?;
    let receipt = found.report.problem().unwrap_or_else(|| {
        let valid = found.report.valid() && found.valid_at_the_plane;
        if valid {
            "valid".to_owned()
        } else {
            "not valid".to_owned()
        }
    });
    let signed = found.report.receipt.as_ref();
    let release = signed
        .map(|receipt| receipt.release.to_string())
        .unwrap_or_default();
    let ran_as_published = |(name, digest): &&(String, String)| {
        signed
            .and_then(|receipt| receipt.connectors.get(name))
            .is_some_and(|ran| ran.to_string() == *digest)
    };
    let as_published = stage.connectors.iter().filter(ran_as_published).count();
    let records = format!("{} records", found.facts.records());
    Ok([
        Row::new("steps recorded twice", 0, found.facts.steps_repeated(), records),
        Row::new(
            "secret found in journal, logs or records",
            0,
            leaks.len(),
            leaks.join(", "),
        ),
        Row::new(
            "receipt: release → connectors → host → result",
            "valid",
            receipt,
            "",
        ),
        Row::new(
            "what ran is what was published",
            format!("{} connectors, {}", stage.connectors.len(), stage.release),
            format!("{as_published} connectors, {release}"),
            "",
        ),
    ])
}

/// Whether the chat got what the workflow says, with the secret that no connector saw.
fn message(stage: &Stage, chat: &[Received]) -> &'static str {
    let Some(got) = chat.first() else {
        return "no message";
    };
    let body: Value = serde_json::from_slice(&got.body).unwrap_or_default();
    let text = body.get("text").and_then(Value::as_str).unwrap_or_default();
    if got.authorization != format!("Bearer {}", stage.chat_token) {
        "without the secret"
    } else if !text.starts_with(&format!("{} earthquakes, strongest ", stage.expected.from_4)) {
        "another text"
    } else {
        "yes"
    }
}

/// Places where the secret stands in the clear.
fn leaks(stage: &Stage, lines: &[u8]) -> Result<Vec<String>> {
    let files = files_with(&stage.chat_token, &stage.folders())?;
    let mut places: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    if occurrences(&stage.chat_token, lines) > 0 {
        places.push("the records".to_owned());
    }
    Ok(places)
}

/// Prints the table; says whether every row is right.
pub(crate) fn print(rows: &[Row]) -> bool {
    const EXPECTED: usize = 11;
    let width = rows.iter().map(|row| row.what.chars().count()).max().unwrap_or(0);
    println!(
        "  {:<width$}  {:>EXPECTED$}  {:>EXPECTED$}",
        "check", "expected", "found"
    );
    for row in rows {
        let mark = if row.is_right() { "✓" } else { "✗" };
        // Long values, such as digests, are shown on lines of their own, and only if they differ.
        let short = |text: &str| match text.split_once(", sha256:") {
            Some((start, _)) => start.to_owned(),
            None => text.to_owned(),
        };
        let (expected, found) = (short(&row.expected), short(&row.found));
        let line = format!(
            "  {:<width$}  {expected:>EXPECTED$}  {found:>EXPECTED$}  {mark}   {}",
            row.what, row.note
        );
        println!("{}", line.trim_end());
        if !row.is_right() && (expected != row.expected || found != row.found) {
            println!("      expected {}\n      found    {}", row.expected, row.found);
        }
    }
    rows.iter().all(Row::is_right)
}
