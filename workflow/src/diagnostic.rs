//! What is wrong with a workflow file: where, what it says there, and how to fix it.
//!
//! Every message has a stable code, a place, the line as it stands, and where possible a fix that can be applied.
//! Places are counted as editors do: lines and columns from 1, columns in characters.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The workflow cannot be published.
    Error,
    /// It can, but is probably not what is meant.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// How bad.
    pub severity: Severity,
    /// Stable code, `FF-WF-0xx`.
    pub code: String,
    /// One fragment for people, with the names in back quotes.
    pub message: String,
    /// Line from 1.
    pub line: u32,
    /// Column from 1, in characters.
    pub column: u32,
    /// The line at that place, without its indentation; of a long one the part around it.
    pub excerpt: String,
    /// How to fix it, in words or as the line it should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// The fix as edits of the source, if it can be made without asking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correction: Option<Correction>,
}

/// Edits that fix one finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correction {
    /// What the edits do, in the past tense: "added …".
    pub title: String,
    /// The edits; they do not overlap.
    pub edits: Vec<Edit>,
}

/// One replacement in the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// First byte replaced.
    pub start: usize,
    /// One past the last byte replaced; equal to `start` for an insertion.
    pub end: usize,
    /// What stands there afterwards.
    pub text: String,
}

/// Longest part of a line that a message shows, in characters.
const EXCERPT_CHARACTERS: usize = 160;

impl Diagnostic {
    /// Whether it stops a publication.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The finding as lines for a terminal, each ended by a line end; `file` is how the reader names the file.
    #[must_use]
    pub fn render(&self, file: &str) -> String {
        let mut out = format!("{} {}: {}\n", self.severity.as_str(), self.code, self.message);
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "  {file}:{}:{}      {}",
            self.line, self.column, self.excerpt
        );
        if let Some(fix) = &self.fix {
            for (index, line) in fix.lines().enumerate() {
                let label = if index == 0 { "fix: " } else { "     " };
                let _ = writeln!(out, "  {label}{line}");
            }
        }
        out
    }
}

/// The source with the fixes of these findings applied, in place order. Lines that are added end as those of the source do.
///
/// An edit that overlaps one already taken is left out, so that running the lint again finds it once more. Edits
/// outside the source or inside a character are ignored.
#[must_use]
pub fn apply_fixes(source: &str, diagnostics: &[Diagnostic]) -> String {
    let mut taken: Vec<&Edit> = Vec::new();
    for fix in diagnostics.iter().filter_map(|d| d.correction.as_ref()) {
        let usable = fix.edits.iter().all(|edit| {
            edit.start <= edit.end
                && source.is_char_boundary(edit.start)
                && source.is_char_boundary(edit.end)
                && !taken.iter().any(|other| overlaps(edit, other))
        });
        if usable {
            taken.extend(&fix.edits);
        }
    }
    taken.sort_by_key(|edit| (edit.start, edit.end));
    let mut out = String::with_capacity(source.len() + 64);
    let mut at = 0;
    let ends_with_return = source
        .find('\n')
        .is_some_and(|at| source.get(..at).is_some_and(|line| line.ends_with('\r')));
    for edit in taken {
        out.push_str(source.get(at..edit.start).unwrap_or_default());
        if ends_with_return {
            out.push_str(&edit.text.replace('\n', "\r\n"));
        } else {
            out.push_str(&edit.text);
        }
        at = edit.end.max(at);
    }
    out.push_str(source.get(at..).unwrap_or_default());
    out
}

fn overlaps(a: &Edit, b: &Edit) -> bool {
    if a.start == a.end || b.start == b.end {
        return a == b || (a.start > b.start && a.start < b.end) || (b.start > a.start && b.start < a.end);
    }
    a.start < b.end && b.start < a.end
}

/// A text with its lines, to turn byte offsets into places.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    text: String,
    line_starts: Vec<usize>,
}

/// A stretch of the source, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Source {
    pub(crate) fn new(text: &str) -> Self {
        let starts = text
            .bytes()
            .enumerate()
            .filter(|(_, b)| *b == b'\n')
            .map(|(at, _)| at + 1);
        Self {
            text: text.to_owned(),
            line_starts: std::iter::once(0).chain(starts).collect(),
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Line and column from 1.
    pub(crate) fn place(&self, offset: usize) -> (u32, u32) {
        let line = self.line_starts.partition_point(|start| *start <= offset).max(1);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0);
        let before = self
            .text
            .get(start..offset.min(self.text.len()))
            .unwrap_or_default();
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        (number(line), number(before.chars().count() + 1))
    }

    /// The whole line around a byte offset, without its end.
    pub(crate) fn line_at(&self, offset: usize) -> &str {
        let line = self.line_starts.partition_point(|start| *start <= offset).max(1);
        self.line(line)
    }

    /// A line by its number from 1, without its end.
    pub(crate) fn line(&self, line: usize) -> &str {
        let start = self
            .line_starts
            .get(line.saturating_sub(1))
            .copied()
            .unwrap_or(self.text.len());
        let rest = self.text.get(start..).unwrap_or_default();
        rest.split('\n').next().unwrap_or_default().trim_end_matches('\r')
    }

    /// Byte offset of the start of a line, counted from 1.
    pub(crate) fn line_start(&self, line: usize) -> usize {
        self.line_starts
            .get(line.saturating_sub(1))
            .copied()
            .unwrap_or(self.text.len())
    }

    /// An error at a byte offset.
    pub(crate) fn error(&self, code: &str, offset: usize, message: impl Into<String>) -> Diagnostic {
        let (line, column) = self.place(offset);
        let excerpt = excerpt(self.line_at(offset), column);
        Diagnostic {
            severity: Severity::Error,
            code: code.to_owned(),
            message: message.into(),
            line,
            column,
            excerpt,
            fix: None,
            correction: None,
        }
    }
}

impl Diagnostic {
    pub(crate) fn with_fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    pub(crate) fn with_correction(mut self, title: impl Into<String>, edits: Vec<Edit>) -> Self {
        self.correction = Some(Correction {
            title: title.into(),
            edits,
        });
        self
    }

    pub(crate) fn into_warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }
}

/// The part of a line, without its indentation, that shows the place at a column from 1; what is left out is marked.
fn excerpt(line: &str, column: u32) -> String {
    let column = usize::try_from(column).unwrap_or(usize::MAX);
    let indent = line.chars().take_while(|c| c.is_whitespace()).count();
    // A mark at the beginning of the file would be invisible here, and shift what is seen.
    let line = line.trim().trim_start_matches('\u{feff}');
    let at = column.saturating_sub(1 + indent);
    let length = line.chars().count();
    if length <= EXCERPT_CHARACTERS {
        return line.to_owned();
    }
    let from = if at < EXCERPT_CHARACTERS - EXCERPT_CHARACTERS / 4 {
        0
    } else {
        (at - EXCERPT_CHARACTERS / 2).min(length - EXCERPT_CHARACTERS)
    };
    let part: String = line.chars().skip(from).take(EXCERPT_CHARACTERS).collect();
    let before = if from > 0 { "… " } else { "" };
    let after = if from + EXCERPT_CHARACTERS < length {
        " …"
    } else {
        ""
    };
    format!("{before}{}{after}", part.trim())
}

/// The known name nearest to a wrong one, if it is near enough to be meant.
pub(crate) fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters = wrong.chars().count();
    let limit = (letters / 3).clamp(1, 3);
    known
        .into_iter()
        // Any letter is one edit away from any other.
        .filter(|name| letters > 1 || name.chars().count() > 1)
        .map(|name| (distance(wrong, name), name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Edits between two words: one for each letter added, left out or changed, or two neighbours exchanged.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(80).collect();
    let b: Vec<char> = b.chars().take(80).collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, to) in b.iter().enumerate() {
            let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX - 1);
            let mut best = at(&last, j) + usize::from(from != to);
            best = best.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let exchanged = j > 0 && i > 0 && b.get(j - 1) == Some(from) && a.get(i - 1) == Some(to);
            if exchanged {
                best = best.min(at(&before_last, j - 1) + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_offered_and_a_far_one_is_not() {
        let known = ["foreach", "approval", "switch"];
        assert_eq!(nearest("forech", known), Some("foreach"));
        assert_eq!(nearest("swich", known), Some("switch"));
        assert_eq!(nearest("swicth", known), Some("switch"));
        assert_eq!(nearest("loop", known), None);
        assert_eq!(nearest("y", ["c", "f"]), None);
        assert_eq!(nearest("y", ["c", "by"]), Some("by"));
    }

    #[test]
    fn places_count_characters_and_lines_from_one() {
        let source = Source::new("a: ü\nbé: x\n");
        let x = source.text().find('x').expect("there is one");
        assert_eq!(source.place(x), (2, 5));
        assert_eq!(source.error("FF-WF-001", x, "m").excerpt, "bé: x");
    }

    /// Of a line with 200 characters only the first 160 were shown, wherever the mistake was.
    #[test]
    fn the_part_of_a_long_line_that_is_shown_holds_the_place() {
        let line = format!("  {} wrong {}", "a".repeat(190), "b".repeat(190));
        let source = Source::new(&line);
        let shown = |offset| source.error("FF-WF-001", offset, "m").excerpt;
        assert!(shown(2).starts_with("aaa") && shown(2).ends_with("a …"));
        assert!(shown(193).contains("a wrong b") && shown(193).starts_with("… a"));
        assert!(shown(line.len() - 1).starts_with("… ") && shown(line.len() - 1).ends_with("bb"));
        assert!((160..=164).contains(&shown(193).chars().count()));
    }

    #[test]
    fn overlapping_fixes_are_taken_once() {
        let source = Source::new("abc");
        let fix = |start, end, text: &str| {
            source.error("FF-WF-001", 0, "m").with_correction(
                "t",
                vec![Edit {
                    start,
                    end,
                    text: text.to_owned(),
                }],
            )
        };
        let out = apply_fixes(
            "abc",
            &[fix(0, 2, "X"), fix(1, 3, "Y"), fix(3, 3, "!"), fix(3, 3, "!")],
        );
        assert_eq!(out, "Xc!");
    }
}
