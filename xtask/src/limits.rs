//! `cargo xtask limits`: one table of every bound, written from the constants that hold them.
//!
//! A bound is a constant whose name has one of [`WORDS`] in it, or a field with a default of a struct `…Limits` or
//! `…Config`. Its doc comment is what the table says. Invariant: `docs/limits.md` says what the code does; `tidy` fails
//! when it does not.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::tidy::tracked;
use crate::workspace::Workspace;

/// Where the table is.
pub(crate) const FILE: &str = "docs/limits.md";

/// Folders of sources, in the order of the table, each with what its reader knows it as.
const SECTIONS: [(&str, &str); 16] = [
    ("workflow/src/", "Workflows (`workflow`)"),
    ("protocol/src/", "Signed documents and records (`protocol`)"),
    ("ports/src/", "Components, as they are read (`ports`)"),
    ("connect/src/", "Connections for others (`connect`)"),
    ("host/runtime/src/", "Connector calls (`host/runtime`)"),
    ("host/journal/src/", "The host's journal (`host/journal`)"),
    ("host/agent/src/", "The host (`host/agent`)"),
    (
        "control-plane/store/src/",
        "The control plane's store (`control-plane/store`)",
    ),
    (
        "control-plane/server/src/",
        "The control plane (`control-plane/server`)",
    ),
    (
        "control-plane/identity/src/",
        "Signing in (`control-plane/identity`)",
    ),
    ("telemetry/src/", "Telemetry (`telemetry`)"),
    ("registry/server/src/", "The registry (`registry/server`)"),
    ("registry/gates/src/", "What a version must be (`registry/gates`)"),
    ("registry/bundle/src/", "Bundles (`registry/bundle`)"),
    ("cli/", "The command line (`cli`)"),
    ("connector-build/src/", "Building connectors (`connector-build`)"),
];

/// A constant with one of these words in its name bounds something.
const WORDS: [&str; 16] = [
    "MAX",
    "TIMEOUT",
    "WAIT",
    "LIMIT",
    "PATIENCE",
    "TOLERANCE",
    "MAILBOX",
    "BACKLOG",
    "WINDOW",
    "LIFE",
    "ROOM",
    "TRIES",
    "QUEUED",
    "GRACE",
    "LONGEST",
    "PER",
];

const HEAD: &str = "\
# Limits

Every queue, size and wait, and what bounds it. What can be set says its default; all else is fixed. Written by
`cargo xtask limits` from the code; what happens at a limit stands with it.
";

/// One row.
#[derive(Debug, PartialEq)]
struct Limit {
    name: String,
    value: String,
    what: String,
}

/// Writes the table.
pub(crate) fn command() -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    let text = table(&workspace)?;
    let file = workspace.root().join(FILE);
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    println!("✓ {FILE}");
    Ok(ExitCode::SUCCESS)
}

/// Whether the table is the one that would be written.
pub(crate) fn problems(workspace: &Workspace) -> Result<Vec<String>> {
    let found = fs::read_to_string(workspace.root().join(FILE)).unwrap_or_default();
    if found == table(workspace)? {
        Ok(Vec::new())
    } else {
        Ok(vec![format!(
            "{FILE} is not what the code says: cargo xtask limits"
        )])
    }
}

fn table(workspace: &Workspace) -> Result<String> {
    let files = tracked(workspace.root())?;
    let mut text = HEAD.to_owned();
    for (folder, title) in SECTIONS {
        let mut rows = String::new();
        for file in files.iter().filter(|file| is_source_of(file, folder)) {
            let source = fs::read_to_string(workspace.root().join(file)).unwrap_or_default();
            let inside = file.strip_prefix(folder).unwrap_or(file);
            for limit in limits(&source) {
                let Limit { name, value, what } = limit;
                // Writing to a text cannot fail.
                let _ = writeln!(rows, "| {what} | {value} | `{name}`, {inside} |");
            }
        }
        if !rows.is_empty() {
            let _ = write!(
                text,
                "\n## {title}\n\n| bound of | value | where |\n|---|---|---|\n{rows}"
            );
        }
    }
    Ok(text)
}

fn is_source_of(file: &str, folder: &str) -> bool {
    file.starts_with(folder)
        && file.ends_with(".rs")
        && !["/tests/", "/testing/", "testing.rs"]
            .iter()
            .any(|part| file.contains(part))
}

fn limits(source: &str) -> Vec<Limit> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let named: Named<'_> = code.lines().filter_map(constant_of).collect();
    let (mut found, mut docs, mut used) = (Vec::new(), String::new(), false);
    let (mut in_settings, mut document) = (false, None);
    for line in code.lines() {
        let line = line.trim_end();
        let word = line.trim_start();
        if let Some(doc) = word.strip_prefix("///") {
            if std::mem::take(&mut used) {
                docs.clear();
            }
            docs.push_str(doc);
            continue;
        }
        if line.starts_with("pub struct ") || line.starts_with("pub(crate) struct ") {
            in_settings = ["Limits {", "Config {", "Settings {"]
                .iter()
                .any(|end| line.ends_with(end));
        } else if line == "}" {
            (in_settings, document) = (false, None);
        } else if let Some(name) = line.strip_prefix("impl Document for ") {
            document = Some(format!("Largest `{}`", name.trim_end_matches(" {")));
        }
        let text = document.as_deref().unwrap_or(docs.trim());
        let limit = constant(word, text, &named);
        let limit = limit.or_else(|| in_settings.then(|| field(word, text, &named)).flatten());
        found.extend(limit);
        // A constant right below another one shares its text.
        used = word.contains("const ");
        if !used && !word.starts_with("#[") {
            docs.clear();
        }
    }
    found
}

/// How many constants lead to a value.
const NAMES_DEEP: u8 = 4;

/// The constants of a file: name, and type and value as they are written.
type Named<'a> = HashMap<&'a str, (&'a str, &'a str)>;

/// `const NAME: TYPE = VALUE;`
fn constant_of(line: &str) -> Option<(&str, (&str, &str))> {
    let (before, rest) = line.trim_start().split_once("const ")?;
    if !before.is_empty() && !before.starts_with("pub") {
        return None;
    }
    let (name, rest) = rest.split_once(": ")?;
    Some((name, rest.trim_end_matches(';').split_once(" = ")?))
}

fn constant(line: &str, docs: &str, named: &Named<'_>) -> Option<Limit> {
    let (name, (kind, value)) = constant_of(line)?;
    let bounds = name.split('_').any(|word| WORDS.contains(&word));
    let counted = ["usize", "u64", "u32", "u16", "Duration"].contains(&kind);
    (bounds && counted && !docs.is_empty()).then(|| Limit {
        name: name.to_owned(),
        value: told(name, value, named),
        what: docs.trim_end_matches('.').replace('|', "\\|"),
    })
}

/// A setting that says its default, as a number or as the constant of the same file that it is.
fn field(line: &str, docs: &str, named: &Named<'_>) -> Option<Limit> {
    let (name, _) = line.strip_prefix("pub ")?.split_once(": ")?;
    let (what, default) = docs.split_once("Default ")?;
    let end = default.find(". ").unwrap_or(default.len());
    let (default, more) = default.split_at(end);
    let value = match default.strip_prefix("[`").and_then(|link| link.split_once('`')) {
        Some((constant, _)) => told(constant, named.get(constant)?.1, named),
        None => whole_number(default.trim_start_matches('`'))?,
    };
    Some(Limit {
        name: name.to_owned(),
        value: format!("{value}, can be set"),
        what: format!("{}{}", what.trim(), more.trim_start_matches('.'))
            .trim_end_matches('.')
            .replace('|', "\\|"),
    })
}

/// `10,000` and `64 MiB` at the beginning of a text, with the comma that belongs to the number.
fn whole_number(text: &str) -> Option<String> {
    let mut end = 0;
    let bytes = text.as_bytes();
    while let Some(byte) = bytes.get(end) {
        let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
        if !(byte.is_ascii_digit() || *byte == b',' && digit(end + 1)) {
            break;
        }
        end += 1;
    }
    let number = text.get(..end).filter(|number| !number.is_empty())?;
    let unit = text
        .get(end..)?
        .trim_start()
        .split(|c: char| !c.is_alphabetic())
        .next()
        .filter(|unit| ["B", "KiB", "MiB", "GiB", "s", "ms", "h", "min", "minutes"].contains(unit));
    Some(unit.map_or_else(|| number.to_owned(), |unit| format!("{number} {unit}")))
}

/// A value for people; what cannot be computed stays as it is written.
fn told(name: &str, value: &str, named: &Named<'_>) -> String {
    if let Some(call) = value.strip_prefix("Duration::from_") {
        let (unit, number) = call.trim_end_matches(')').split_once('(').unwrap_or((call, ""));
        let unit = match unit {
            "secs" => "s",
            "millis" => "ms",
            "mins" => "min",
            "hours" => "h",
            other => other,
        };
        return format!("{} {unit}", number.replace('_', ""));
    }
    match computed(value, named, NAMES_DEEP) {
        Some(number) if name.ends_with("_MS") => milliseconds(number),
        Some(number) if name.contains("BYTES") => bytes(number),
        Some(number) => grouped(number),
        None => format!("`{value}`"),
    }
}

/// Products, differences and shifts of whole numbers and of constants of the same file. A name is followed so often only:
/// in another scope a constant may be called as the one that it stands for.
fn computed(value: &str, named: &Named<'_>, depth: u8) -> Option<u64> {
    let part = |text: &str| computed(text, named, depth);
    if let Some((left, right)) = value.split_once(" << ") {
        return part(left)?.checked_shl(u32::try_from(part(right)?).ok()?);
    }
    if let Some((left, right)) = value.rsplit_once(" - ") {
        return part(left)?.checked_sub(part(right)?);
    }
    value.split(" * ").try_fold(1_u64, |product, factor| {
        let number = match factor.replace('_', "").parse() {
            Ok(number) => number,
            Err(_) => computed(named.get(factor)?.1, named, depth.checked_sub(1)?)?,
        };
        product.checked_mul(number)
    })
}

fn bytes(number: u64) -> String {
    for (unit, size) in [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if number >= size && number.is_multiple_of(size) {
            return format!("{} {unit}", number / size);
        }
    }
    format!("{} B", grouped(number))
}

fn milliseconds(number: u64) -> String {
    for (unit, size) in [
        ("days", 86_400_000),
        ("h", 3_600_000),
        ("min", 60_000),
        ("s", 1_000),
    ] {
        if number >= size && number.is_multiple_of(size) {
            return format!("{} {unit}", number / size);
        }
    }
    format!("{number} ms")
}

/// `10000` as `10,000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_and_settings_become_rows() {
        let source = "\
/// Largest body; a larger one is refused.
pub const BODY_BYTES_MAX: usize = 24 * 1024 * 1024;
/// Not a bound.
const PAGE: usize = 4096;
/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Room around a result.
const FRAME_BYTES: usize = 64 << 10;
/// What a result has.
const RESULT_BYTES: usize = 2 * MIB - FRAME_BYTES;
const MIB: usize = 1 << 20;
/// Life of a job.
const JOB_LIFE_MS: u64 = 15 * 60 * 1_000;
pub struct HostLimits {
    /// Runs held at once. Default 10,000; at least 1.
    pub max_runs: u32,
    /// A body in memory. Default 2 MiB.
    pub body: usize,
    /// A result. Default [`RESULT_BYTES`].
    pub result: usize,
    /// The folder.
    pub folder: PathBuf,
}
";
        let rows: Vec<String> = limits(source)
            .into_iter()
            .map(|limit| format!("{} | {} | {}", limit.what, limit.value, limit.name))
            .collect();
        assert_eq!(
            rows,
            [
                "Largest body; a larger one is refused | 24 MiB | BODY_BYTES_MAX",
                "How long an answer may take | 10 s | ANSWER_TIMEOUT",
                "Life of a job | 15 min | JOB_LIFE_MS",
                "Runs held at once | 10,000, can be set | max_runs",
                "A body in memory | 2 MiB, can be set | body",
                "A result | 1984 KiB, can be set | result",
            ]
        );
    }

    #[test]
    fn values_read_well() {
        let none = Named::new();
        assert_eq!(told("X_MAX", "100_000", &none), "100,000");
        assert_eq!(told("X_BYTES_MAX", "64 << 20", &none), "64 MiB");
        assert_eq!(
            told("MAX_WAIT_MS", "366 * 24 * 60 * 60 * 1000", &none),
            "366 days"
        );
        assert_eq!(told("X_MAX", "OTHER + 1", &none), "`OTHER + 1`");
    }
}
