//! What the YAML parser's complaints mean in a workflow file.
//!
//! An expression contains `: `, `{` and `}` sooner or later, and YAML gives them a meaning of its own. The parser's
//! words for that help nobody, so the line is looked at and the fix is shown as the line should be.

use saphyr_parser::ScanError;

use super::reader::MARK;
use crate::diagnostic::{Diagnostic, Edit, Source, Span};

/// The message for a parse error.
pub(super) fn explain(source: &Source, at: usize, error: &ScanError) -> Diagnostic {
    let line_number = error.marker().line().max(1);
    if let Some(mark) = stray_mark_before(source, at) {
        return stray_mark(source, mark);
    }
    // The parser notices some mistakes only on the next line.
    for number in [line_number, line_number.saturating_sub(1)] {
        if number == 0 {
            continue;
        }
        let start = source.line_start(number);
        if let Some(found) = explain_line(source, source.line(number), start) {
            return found;
        }
    }
    let info = error.info();
    let found = source.error("FF-WF-001", at, format!("this is not YAML: {info}"));
    if source.line_at(at).starts_with('\t') || info.contains("tab") {
        return found.with_fix("indent with spaces, YAML allows no tabs there");
    }
    found.with_fix(
        "look at this line and the one before: brackets and quotes that are open, and the indentation",
    )
}

/// The message for the first character that YAML does not allow in a file, or that makes a person see other text than the
/// one that runs: behind a NUL the parser reads nothing, and a turned direction shows words in another order.
///
/// Source: YAML 1.2.2 §5.1, `c-printable`; Unicode Technical Report 36 §2.5.1 for directions.
pub(super) fn unprintable(source: &Source) -> Option<Diagnostic> {
    let (at, c) = source.text().char_indices().find(|(_, c)| is_hidden(*c))?;
    let number = u32::from(c);
    let message = format!("a character that cannot be seen (U+{number:04X}) stands here");
    let found = source.error("FF-WF-001", at, message);
    Some(found.with_fix(if number < 0x100 {
        format!("take it out; as part of a text write it as \"\\x{number:02X}\", in double quotes")
    } else {
        format!("take it out; as part of a text write it as \"\\u{number:04X}\", in double quotes")
    }))
}

fn is_hidden(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' | '\u{85}' => false,
        // Spaces of no width and marks that turn the direction. Joiners stay: some scripts are not written without them.
        '\u{200b}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fffe}' | '\u{ffff}' => true,
        c => c.is_control(),
    }
}

/// The byte of a mark that is not the first character of the file and stands on this line or before it.
fn stray_mark_before(source: &Source, at: usize) -> Option<usize> {
    let end = at + source.text().get(at..)?.find('\n').unwrap_or(0);
    let before = source.text().get(..end)?;
    before.match_indices(MARK).map(|(at, _)| at).find(|at| *at > 0)
}

/// The message for a mark inside the file, as two files have it that were put together.
pub(super) fn stray_mark(source: &Source, from: usize) -> Diagnostic {
    let text = source.text();
    let at = text
        .get(from..)
        .and_then(|rest| rest.find(MARK))
        .map_or(from, |at| from + at);
    let edit = Edit {
        start: at,
        end: (at + MARK.len_utf8()).min(text.len()),
        text: String::new(),
    };
    let message =
        "an invisible byte order mark (U+FEFF) stands here; only the first character of a file may be one";
    source
        .error("FF-WF-001", at, message)
        .with_fix("take it out")
        .with_correction("took the mark out", vec![edit])
}

/// The message for a list or a mapping that stands where a key belongs, as in `text: {{ value }}`.
pub(super) fn collection_as_key(source: &Source, span: Span) -> Diagnostic {
    let line = source.line_at(span.start);
    let start = span.start - line_offset(source, span.start);
    explain_line(source, line, start).unwrap_or_else(|| {
        source.error(
            "FF-WF-001",
            span.start,
            "a key must be text, not a list or a mapping",
        )
    })
}

fn line_offset(source: &Source, at: usize) -> usize {
    let (line, _) = source.place(at);
    at - source.line_start(usize::try_from(line).unwrap_or(1))
}

fn explain_line(source: &Source, line: &str, start: usize) -> Option<Diagnostic> {
    if let Some(at) = line.find("{{") {
        return Some(template(source, start + at, line.get(at..).unwrap_or_default()));
    }
    let at = line.find("${")?;
    let before = line.get(..at)?;
    let open_quote = before.matches('"').count() % 2 == 1 || before.matches('\'').count() % 2 == 1;
    if open_quote {
        return None;
    }
    let value_at = value_start(before);
    let value = line.get(value_at..)?;
    let in_flow = before.contains(['{', '[']);
    let value = if in_flow {
        flow_value(value)
    } else {
        value.trim_end()
    };
    let quoted = quote(value);
    let reason = if in_flow {
        "inside { … } or [ … ] a value with an expression must be quoted"
    } else {
        "an expression with `: ` or ` #` in it must be quoted"
    };
    let corrected = format!(
        "{}{quoted}{}",
        line.get(..value_at)?.trim_start(),
        line.get(value_at + value.len()..).unwrap_or_default()
    );
    let edit = Edit {
        start: start + value_at,
        end: start + value_at + value.len(),
        text: quoted,
    };
    Some(
        source
            .error("FF-WF-011", start + at, reason)
            .with_fix(corrected)
            .with_correction("quoted the value", vec![edit]),
    )
}

/// The message for `{{ … }}`, given the text that begins with it.
fn template(source: &Source, at: usize, rest: &str) -> Diagnostic {
    let inner = rest
        .trim_start_matches('{')
        .split("}}")
        .next()
        .unwrap_or_default();
    let message = "`{{ … }}` is another product's way to write an expression";
    source
        .error("FF-WF-012", at, message)
        .with_fix(format!("write {}", without_braces(inner)))
}

/// The expression in another product's braces, as it is written here.
pub(crate) fn without_braces(inner: &str) -> String {
    let inner = inner.trim();
    if let Some(field) = inner.strip_prefix("$json") {
        return format!("${{fetch{field}}}, with the name of the node the value comes from");
    }
    let inner = inner.trim_start_matches('$');
    format!("${{{}}}", if inner.is_empty() { "fetch.body" } else { inner })
}

/// Where the value begins that ends this prefix of a line: after the last `key: ` or `- ` or opening bracket.
fn value_start(before: &str) -> usize {
    let mut at = before.len() - before.trim_start().len();
    for mark in [": ", "- ", "{", "[", ", "] {
        if let Some(found) = before.rfind(mark) {
            at = at.max(found + mark.len());
        }
    }
    let rest = before.get(at..).unwrap_or_default();
    at + (rest.len() - rest.trim_start().len())
}

/// The value at the beginning of this rest of a flow collection, up to the `}` that closes its last expression.
fn flow_value(rest: &str) -> &str {
    let mut depth = 0_usize;
    for (at, c) in rest.char_indices() {
        match c {
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' if depth == 0 => return rest.get(..at).unwrap_or(rest).trim_end(),
            '}' | ']' | ')' => depth -= 1,
            ',' if depth == 0 => return rest.get(..at).unwrap_or(rest).trim_end(),
            _ => {}
        }
    }
    rest.trim_end()
}

/// The value in quotes, in the kind of quotes it does not contain.
pub(crate) fn quote(value: &str) -> String {
    if !value.contains('"') && !value.contains('\\') {
        format!("\"{value}\"")
    } else {
        format!("'{}'", value.replace('\'', "''"))
    }
}
