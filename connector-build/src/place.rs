//! Places in files that authors write: from a byte range to a mistake with line, column, code and mend.

use std::ops::Range;

use crate::Diagnostic;
use crate::manifest::FILE;

/// Code of a file that cannot be read: no TOML, a key too many or too few.
pub(crate) const UNREADABLE: &str = "FF-BLD-001";

/// Code of a value that cannot be.
pub(crate) const WRONG_VALUE: &str = "FF-BLD-002";

/// A mistake at the place of `span`.
pub(crate) fn place(text: &str, span: &Range<usize>, code: &str, message: String, mend: &str) -> Diagnostic {
    let (line, column) = position(text, span.start);
    Diagnostic {
        file: FILE.to_owned(),
        line,
        column,
        code: Some(code.to_owned()),
        message,
        mend: Some(mend.to_owned()),
    }
}

/// How a file that cannot be read is mended, by what the parser says of it.
pub(crate) fn mend_of(message: &str) -> String {
    if let Some(key) = message
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split('`').next())
    {
        return format!("add `{key} = …`; docs/authors.md shows a complete file");
    }
    if message.starts_with("unknown field") || message.starts_with("unknown variant") {
        return "use one of the words that are listed".to_owned();
    }
    "docs/authors.md shows a complete file".to_owned()
}

/// Line and column, both from 1, of a byte offset.
#[must_use]
pub fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}
