//! Comma-separated values, written and read. Source: RFC 4180.

use std::io::{self, Write};

use flowforge_sdk::Failure;

/// The text as a cell that no spreadsheet runs: with an apostrophe before what would begin a formula. A plain number stays,
/// because it is one. Source: OWASP, CSV Injection.
pub(crate) fn neutral(text: String) -> String {
    let begins_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if begins_formula && text.parse::<f64>().is_err() {
        format!("'{text}")
    } else {
        text
    }
}

/// Write one line, each value quoted only if it must be.
pub(crate) fn write_line<'a>(out: &mut impl Write, values: impl Iterator<Item = &'a str>) -> io::Result<()> {
    let mut values = values.peekable();
    let mut index = 0;
    while let Some(value) = values.next() {
        if index > 0 {
            out.write_all(b",")?;
        } else if value.is_empty() && values.peek().is_none() {
            // A line without any character is no row: one empty value needs its quotes.
            out.write_all(b"\"\"")?;
        }
        index += 1;
        if value.contains(['"', ',', '\r', '\n']) {
            write!(out, "\"{}\"", value.replace('"', "\"\""))?;
        } else {
            out.write_all(value.as_bytes())?;
        }
    }
    out.write_all(b"\r\n")
}

/// The lines of a text, each a list of values. A line ends with LF, CR LF or CR, as some spreadsheets write it. One without
/// any character is none; one with `""` is a line whose value is empty.
pub(crate) struct Lines<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    separator: char,
    line: usize,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(text: &'a str, separator: char) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self {
            rest: text.chars().peekable(),
            separator,
            line: 0,
        }
    }

    /// Passes over lines without any character.
    fn skip_blank(&mut self) {
        loop {
            let mut ahead = self.rest.clone();
            let is_blank = match ahead.next() {
                Some('\n') => true,
                Some('\r') => {
                    ahead.next_if_eq(&'\n');
                    true
                }
                _ => false,
            };
            if !is_blank {
                return;
            }
            self.rest = ahead;
            self.line += 1;
        }
    }

    /// The number of the line that was read last, from 1.
    pub(crate) fn line(&self) -> usize {
        self.line
    }

    /// The rest of a quoted value, after its opening quote.
    fn quoted(&mut self) -> Result<String, Failure> {
        let opened = self.line;
        let mut value = String::new();
        while let Some(char) = self.rest.next() {
            match char {
                '"' if self.rest.next_if_eq(&'"').is_some() => value.push('"'),
                '"' => return Ok(value),
                other => {
                    self.line += usize::from(other == '\n');
                    value.push(other);
                }
            }
        }
        Err(Failure::rejected(
            "open_quote",
            format!("the quote opened in line {opened} is never closed"),
        ))
    }
}

impl Iterator for Lines<'_> {
    type Item = Result<Vec<String>, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        self.skip_blank();
        self.rest.peek()?;
        self.line += 1;
        let mut values = vec![String::new()];
        while let Some(char) = self.rest.next() {
            let Some(value) = values.last_mut() else { break };
            match char {
                '\n' => break,
                '\r' => {
                    self.rest.next_if_eq(&'\n');
                    break;
                }
                '"' if value.is_empty() => match self.quoted() {
                    Ok(quoted) => values.splice(values.len() - 1.., [quoted]).for_each(drop),
                    Err(failure) => {
                        self.rest = "".chars().peekable();
                        return Some(Err(failure));
                    }
                },
                other if other == self.separator => values.push(String::new()),
                other => value.push(other),
            }
        }
        Some(Ok(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_quote_names_its_line() {
        let lines: Vec<_> = Lines::new("a,b\n1,\"x\ny", ',').collect();
        assert_eq!(
            lines[1],
            Err(Failure::rejected(
                "open_quote",
                "the quote opened in line 2 is never closed"
            ))
        );
        assert_eq!(lines.len(), 2, "reading stops there");
    }

    #[test]
    fn what_begins_a_formula_is_neutralised_and_a_number_is_none() {
        for (text, expected) in [
            ("=1+1", "'=1+1"),
            ("@SUM(1)", "'@SUM(1)"),
            ("-2+3", "'-2+3"),
            ("\t=1", "'\t=1"),
            ("-5.25", "-5.25"),
            ("+49", "+49"),
            ("a=b", "a=b"),
            ("", ""),
        ] {
            assert_eq!(neutral(text.to_owned()), expected, "{text:?}");
        }
    }

    #[test]
    fn both_line_ends_and_a_byte_order_mark_are_read() {
        let lines: Result<Vec<_>, _> = Lines::new("\u{feff}a,b\r\n1,\"2\"\n", ',').collect();
        assert_eq!(lines.unwrap(), [["a", "b"], ["1", "2"]]);
    }

    /// A file whose lines end with CR alone was one line, the names of the columns, and had no rows.
    #[test]
    fn a_line_may_end_with_cr_alone() {
        let lines: Result<Vec<_>, _> = Lines::new("a,b\r1,\"x\ry\"\r\r2,3\r", ',').collect();
        assert_eq!(lines.unwrap(), [["a", "b"], ["1", "x\ry"], ["2", "3"]]);
    }
}
