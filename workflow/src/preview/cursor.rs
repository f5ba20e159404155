//! Where a cursor stands in an expression that is still being written: nothing here needs the text to be whole.

use crate::expr::expression_length;

/// What lies before the cursor in one expression.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// Brackets that are open at the cursor, outermost first.
    pub(super) open: Vec<usize>,
    /// Brackets that are closed: first and last byte.
    pairs: Vec<(usize, usize)>,
    /// Texts in quotes: first byte, with the letter before the quotes, and last byte.
    texts: Vec<(usize, usize)>,
}

/// The stretch of a text with `${…}` in it that is the expression around the cursor; nothing if the cursor is outside.
pub(super) fn expression_around(text: &str, cursor: usize) -> Option<(usize, usize)> {
    let mut at = 0;
    while let Some(found) = text.get(at..cursor)?.find("${") {
        let start = at + found + 2;
        let escaped = text.get(..start - 2)?.ends_with('$');
        match expression_length(text.get(start..)?) {
            _ if escaped => at = start,
            Ok(length) if start + length < cursor => at = start + length + 1,
            Ok(length) => return Some((start, start + length)),
            // Its end is not written yet.
            Err(_) => return Some((start, text.len())),
        }
    }
    None
}

/// Reads what stands before the cursor; nothing if the cursor is inside a text in quotes.
pub(super) fn read(before: &str) -> Option<Before> {
    let bytes = before.as_bytes();
    let mut out = Before::default();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' | b'\'' => {
                let letter = at.checked_sub(1).and_then(|before| bytes.get(before));
                let is_raw = matches!(letter, Some(b'r' | b'R'));
                let end = end_of_text(bytes, at, is_raw)?;
                let prefixed = is_raw || matches!(letter, Some(b'b' | b'B'));
                out.texts.push((at - usize::from(prefixed), end));
                at = end;
            }
            b'(' | b'[' | b'{' => out.open.push(at),
            b')' | b']' | b'}' => {
                let open = out.open.pop()?;
                out.pairs.push((open, at));
            }
            _ => {}
        }
        at += 1;
    }
    Some(out)
}

/// The last byte of a text that begins at this quote; nothing if it has no end.
fn end_of_text(bytes: &[u8], start: usize, is_raw: bool) -> Option<usize> {
    let quote = *bytes.get(start)?;
    let triple = bytes.get(start..start + 3) == Some(&[quote; 3]);
    let marks = if triple { 3 } else { 1 };
    let mut at = start + marks;
    loop {
        match bytes.get(at)? {
            b'\\' if !is_raw => at += 1,
            _ if bytes
                .get(at..at + marks)
                .is_some_and(|end| end.iter().all(|b| *b == quote)) =>
            {
                return Some(at + marks - 1);
            }
            _ => {}
        }
        at += 1;
    }
}

/// The first byte of the name that ends here; equal to `end` if none does.
pub(super) fn word_start(text: &str, end: usize) -> usize {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let bytes = text.as_bytes().get(..end).unwrap_or_default();
    end - bytes.iter().rev().take_while(|byte| is_part(byte)).count()
}

impl Before {
    /// The first byte of the value that ends here: `fetch.body.items[0]`, `[1, 2]`, `"text"`, `f(x).g(y)`.
    pub(super) fn value_start(&self, text: &str, end: usize) -> usize {
        let mut end = end;
        loop {
            let last = end.checked_sub(1);
            let Some(byte) = last.and_then(|at| text.as_bytes().get(at)) else {
                return end;
            };
            let part = match byte {
                b')' | b']' | b'}' => match self.pairs.iter().find(|(_, close)| Some(*close) == last) {
                    Some((open, _)) if *byte == b'}' => return *open,
                    Some((open, _)) => {
                        let word = word_start(text, *open);
                        let continues = *byte == b']' && ends_value(text, *open);
                        if word == *open && continues {
                            end = *open;
                            continue;
                        }
                        word
                    }
                    None => return end,
                },
                b'"' | b'\'' => {
                    let found = self.texts.iter().find(|(_, close)| Some(*close) == last);
                    return found.map_or(end, |(start, _)| *start);
                }
                _ => word_start(text, end),
            };
            if part == end {
                return end;
            }
            let head = text.get(..part).unwrap_or_default();
            let Some(dot) = head.strip_suffix(".?").or_else(|| head.strip_suffix('.')) else {
                return part;
            };
            end = dot.len();
        }
    }
}

/// Whether a value ends here, so that a bracket that follows takes an element of it.
fn ends_value(text: &str, end: usize) -> bool {
    let before = text.get(..end).unwrap_or_default();
    before.ends_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ')' | ']' | '"' | '\''))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_before_a_dot_is_found_without_a_parser() {
        for (text, value) in [
            ("fetch", "fetch"),
            ("1 + fetch.body", "fetch.body"),
            ("a + fetch.body.items[0]", "fetch.body.items[0]"),
            ("a[b[0].c]", "a[b[0].c]"),
            ("a.?b", "a.?b"),
            (
                "x.map(e, e.size() > 1).filter(e, e)",
                "x.map(e, e.size() > 1).filter(e, e)",
            ),
            ("(a + b)", "(a + b)"),
            ("f(g(x)", "g(x)"),
            ("c ? [1, 2]", "[1, 2]"),
            ("1 + \"a.b(\"", "\"a.b(\""),
            ("x + r'\\'", "r'\\'"),
            ("{'a': 1}", "{'a': 1}"),
            ("a + ", ""),
        ] {
            let before = read(text).unwrap();
            let start = before.value_start(text, text.len());
            assert_eq!(&text[start..], value, "{text}");
        }
    }

    #[test]
    fn a_cursor_in_quotes_is_in_no_expression() {
        for text in ["'a", "x + \"a.", "'''it's", "r'\\"] {
            assert!(read(text).is_none(), "{text}");
        }
        assert_eq!(read("f(a, [b, g(").unwrap().open, [1, 5, 10]);
    }

    #[test]
    fn the_expression_around_the_cursor_may_have_no_end_yet() {
        let text = "Hello ${input.name}, $${no} ${fetch.";
        let around = |cursor| expression_around(text, cursor).map(|(start, end)| &text[start..end]);
        assert_eq!(around(3), None);
        assert_eq!(around(10), Some("input.name"));
        assert_eq!(around(18), Some("input.name"));
        assert_eq!(around(22), None);
        assert_eq!(around(26), None);
        assert_eq!(around(text.len()), Some("fetch."));
    }
}
