//! The words and signs of an expression, each with its place in bytes.
//!
//! Owns every form of text that the language has: single and triple quotes, raw text, bytes, escapes. Whoever needs to
//! know where a text ends asks here: the parser, the search for the `}` that closes `${…}`, and the messages for first
//! mistakes. So the three cannot disagree.

use super::ExpressionError;

/// What stands at a place.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A whole number as written, without its sign; up to 2^64 - 1.
    Whole(u64),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// A text, its escapes resolved.
    Text(String),
    /// Bytes, their escapes resolved.
    Bytes(Vec<u8>),
    /// A name or a word of the language.
    Word(String),
    /// A field name in back quotes.
    Escaped(String),
    /// A sign.
    Sign(&'static str),
}

/// A token and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placed {
    pub(super) token: Token,
    /// First byte.
    pub(super) start: usize,
    /// One past the last byte.
    pub(super) end: usize,
}

/// The signs of the language, the longer ones first.
const SIGNS: [&str; 26] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", ".", ",", "(", ")",
    "[", "]", "{", "}", "=", "$",
];

/// All tokens of an expression.
///
/// # Errors
///
/// The first character or text that is none, with its place.
pub(super) fn tokens(source: &str) -> Result<Vec<Placed>, ExpressionError> {
    let mut lexer = Lexer { source, at: 0 };
    let mut out = Vec::new();
    while let Some(token) = lexer.next()? {
        out.push(token);
    }
    Ok(out)
}

/// Bytes of the text up to the `}` that closes an expression which begins at its start.
///
/// # Errors
///
/// There is none; with the text that is to blame for that, if one is.
pub(crate) fn expression_length(body: &str) -> Result<usize, Option<ExpressionError>> {
    let mut lexer = Lexer { source: body, at: 0 };
    let mut depth = 0_usize;
    loop {
        match lexer.next() {
            Ok(Some(Placed {
                token: Token::Sign("{"),
                ..
            })) => depth += 1,
            Ok(Some(Placed {
                token: Token::Sign("}"),
                start,
                ..
            })) => match depth.checked_sub(1) {
                Some(left) => depth = left,
                None => return Ok(start),
            },
            Ok(Some(_)) => {}
            Ok(None) => return Err(None),
            // What is no token is explained by the parser; here the search goes on behind its first character.
            Err(Trouble::Character(error)) => {
                let rest = body.get(error.offset..).unwrap_or_default();
                lexer.at = error.offset + rest.chars().next().map_or(1, char::len_utf8);
            }
            Err(Trouble::InText(error)) => return Err(Some(error)),
        }
    }
}

/// Why no token begins here.
enum Trouble {
    /// A text that has no end, or of which a part is none: where it would end cannot be told.
    InText(ExpressionError),
    /// Anything else; the search for a token can go on behind its first character.
    Character(ExpressionError),
}

impl From<Trouble> for ExpressionError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::InText(error) | Trouble::Character(error) => error,
        }
    }
}

/// The source with everything that stands inside a text blanked out, at the same length.
pub(super) fn without_texts(source: &str) -> String {
    let mut lexer = Lexer { source, at: 0 };
    let mut blank: Vec<(usize, usize)> = Vec::new();
    loop {
        match lexer.next() {
            Ok(Some(Placed {
                token: Token::Text(_) | Token::Bytes(_) | Token::Escaped(_),
                start,
                end,
            })) => blank.push((start, end)),
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(Trouble::InText(error)) => {
                blank.push((error.offset, source.len()));
                break;
            }
            Err(Trouble::Character(error)) => {
                let first = source.get(error.offset..).and_then(|rest| rest.chars().next());
                lexer.at = error.offset + first.map_or(1, char::len_utf8);
            }
        }
    }
    let mut blank = blank.into_iter().peekable();
    source
        .char_indices()
        .map(|(at, c)| {
            while blank.next_if(|(_, end)| *end <= at).is_some() {}
            let inside = blank.peek().is_some_and(|(start, _)| *start <= at);
            match (inside, c.len_utf8()) {
                (false, _) => c,
                (true, 1) => ' ',
                (true, 2) => '\u{a0}',
                (true, 3) => '\u{3000}',
                (true, _) => '\u{10000}',
            }
        })
        .collect()
}

struct Lexer<'s> {
    source: &'s str,
    at: usize,
}

/// How a text is written.
#[derive(Clone, Copy)]
struct Form {
    raw: bool,
    bytes: bool,
    quote: &'static str,
}

impl<'s> Lexer<'s> {
    fn rest(&self) -> &'s str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn error(offset: usize, message: impl Into<String>, fix: &str) -> ExpressionError {
        ExpressionError {
            code: "FF-WF-010",
            offset,
            message: message.into(),
            fix: (!fix.is_empty()).then(|| fix.to_owned()),
        }
    }

    fn next(&mut self) -> Result<Option<Placed>, Trouble> {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
        let rest = self.rest();
        let start = self.at;
        let Some(first) = rest.chars().next() else {
            return Ok(None);
        };
        let token = if let Some((form, length)) = opening(rest) {
            self.at += length;
            self.text(form, start)?
        } else if first == '`' {
            self.escaped(start)?
        } else if first.is_ascii_alphabetic() || first == '_' {
            let length = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            self.at += length;
            Token::Word(rest.get(..length).unwrap_or_default().to_owned())
        } else if first.is_ascii_digit()
            || (first == '.' && rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit))
        {
            self.number(start)?
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            self.at += sign.len();
            Token::Sign(sign)
        } else {
            let message = format!("`{first}` is not part of the language");
            return Err(Trouble::Character(Self::error(
                start,
                message,
                foreign_character(first),
            )));
        };
        Ok(Some(Placed {
            token,
            start,
            end: self.at,
        }))
    }

    fn escaped(&mut self, start: usize) -> Result<Token, Trouble> {
        let body = self.source.get(start + 1..).unwrap_or_default();
        let Some(length) = body
            .find(['`', '\n'])
            .filter(|at| body.as_bytes().get(*at) == Some(&b'`'))
        else {
            return Err(Trouble::InText(Self::error(
                start,
                "this field name has no end",
                "close it with a back quote, or write [\"name\"]",
            )));
        };
        self.at = start + length + 2;
        Ok(Token::Escaped(body.get(..length).unwrap_or_default().to_owned()))
    }

    fn number(&mut self, start: usize) -> Result<Token, Trouble> {
        let rest = self.rest();
        if let Some(digits) = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X")) {
            let length = digits
                .find(|c: char| !c.is_ascii_hexdigit())
                .unwrap_or(digits.len());
            self.at += 2 + length;
            self.unsigned_mark();
            let digits = digits.get(..length).unwrap_or_default();
            return u64::from_str_radix(digits, 16).map(Token::Whole).map_err(|_| {
                Trouble::Character(Self::error(
                    start,
                    "this is not a whole number of 64 bits",
                    "1 to 16 hexadecimal digits follow 0x",
                ))
            });
        }
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let whole = digits(rest);
        let mut length = whole;
        let after = rest.get(length..).unwrap_or_default();
        if let Some(fraction) = after.strip_prefix('.').map(digits).filter(|count| *count > 0) {
            length += 1 + fraction;
        }
        let after = rest.get(length..).unwrap_or_default();
        if after.starts_with(['e', 'E']) {
            let sign = usize::from(after.get(1..).is_some_and(|text| text.starts_with(['+', '-'])));
            let exponent = digits(after.get(1 + sign..).unwrap_or_default());
            if exponent > 0 {
                length += 1 + sign + exponent;
            }
        }
        self.at += length;
        let text = rest.get(..length).unwrap_or_default();
        if length > whole {
            return match text.parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(Token::Float(value)),
                _ => Err(Trouble::Character(Self::error(
                    start,
                    "this number is too large",
                    "a double ends at about 1.8e308",
                ))),
            };
        }
        self.unsigned_mark();
        text.parse().map(Token::Whole).map_err(|_| {
            Trouble::Character(Self::error(
                start,
                "this whole number does not fit 64 bits",
                "write it as text, in quotes, or as a double, with a fraction",
            ))
        })
    }

    /// The `u` behind an unsigned number: there is one kind of whole number here.
    fn unsigned_mark(&mut self) {
        let rest = self.rest();
        let alone = !rest
            .as_bytes()
            .get(1)
            .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        if rest.starts_with(['u', 'U']) && alone {
            self.at += 1;
        }
    }

    /// A text whose opening quote was read.
    fn text(&mut self, form: Form, start: usize) -> Result<Token, Trouble> {
        let mut out: Vec<u8> = Vec::new();
        let unclosed = || {
            let fix = format!("close it with {}", form.quote);
            Trouble::InText(Self::error(start, "this text has no end", &fix))
        };
        loop {
            let rest = self.rest();
            if rest.starts_with(form.quote) {
                self.at += form.quote.len();
                break;
            }
            let Some(c) = rest.chars().next() else {
                return Err(unclosed());
            };
            if (c == '\n' || c == '\r') && form.quote.len() == 1 {
                return Err(Trouble::InText(Self::error(
                    start,
                    "this text does not end on its line",
                    "write three quotes around a text of several lines",
                )));
            }
            if c == '\\' && !form.raw {
                self.escape(form, &mut out)?;
                continue;
            }
            if c == '\\' {
                // In raw text a backslash stands for itself, also before a quote.
                out.push(b'\\');
                self.at += 1;
                continue;
            }
            let mut buffer = [0; 4];
            out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
            self.at += c.len_utf8();
        }
        if form.bytes {
            return Ok(Token::Bytes(out));
        }
        String::from_utf8(out).map(Token::Text).map_err(|_| unclosed())
    }

    /// An escape, of which the backslash comes next.
    fn escape(&mut self, form: Form, out: &mut Vec<u8>) -> Result<(), Trouble> {
        let start = self.at;
        let rest = self.source.get(start + 1..).unwrap_or_default();
        let wrong = || {
            Trouble::InText(Self::error(
                start,
                "this is not an escape of the language",
                "write `\\\\` for a backslash, or r\"…\" for a text without escapes",
            ))
        };
        let letter = rest.bytes().next().ok_or_else(wrong)?;
        let plain = match letter {
            b'a' => Some(7),
            b'b' => Some(8),
            b'f' => Some(12),
            b'n' => Some(b'\n'),
            b'r' => Some(b'\r'),
            b't' => Some(b'\t'),
            b'v' => Some(11),
            b'\\' | b'?' | b'"' | b'\'' | b'`' => Some(letter),
            _ => None,
        };
        if let Some(byte) = plain {
            out.push(byte);
            self.at += 2;
            return Ok(());
        }
        let (skip, length, radix) = match letter {
            b'x' | b'X' => (1, 2, 16),
            b'u' if !form.bytes => (1, 4, 16),
            b'U' if !form.bytes => (1, 8, 16),
            b'0'..=b'3' => (0, 3, 8),
            _ => return Err(wrong()),
        };
        let digits = rest.get(skip..skip + length).ok_or_else(wrong)?;
        let code = digits
            .bytes()
            .all(|b| b.is_ascii_alphanumeric())
            .then(|| u32::from_str_radix(digits, radix).ok())
            .flatten()
            .ok_or_else(wrong)?;
        if form.bytes {
            out.push(u8::try_from(code).map_err(|_| wrong())?);
        } else {
            let c = char::from_u32(code).ok_or_else(wrong)?;
            let mut buffer = [0; 4];
            out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
        }
        self.at += 1 + skip + length;
        Ok(())
    }
}

/// The form of the text that begins here, and the bytes up to its first character.
fn opening(rest: &str) -> Option<(Form, usize)> {
    let prefix = rest
        .bytes()
        .take_while(|b| matches!(b, b'r' | b'R' | b'b' | b'B'))
        .count();
    let letters = rest.get(..prefix)?.to_ascii_lowercase();
    if !matches!(letters.as_str(), "" | "r" | "b" | "rb" | "br") {
        return None;
    }
    let body = rest.get(prefix..)?;
    let quote = ["\"\"\"", "'''", "\"", "'"]
        .into_iter()
        .find(|quote| body.starts_with(*quote))?;
    let form = Form {
        raw: letters.contains('r'),
        bytes: letters.contains('b'),
        quote,
    };
    Some((form, prefix + quote.len()))
}

fn foreign_character(c: char) -> &'static str {
    match c {
        '“' | '”' | '„' | '‘' | '’' | '«' | '»' => "write straight quotes: \" or '",
        '−' | '–' => "write the minus sign of the keyboard: -",
        '×' => "write *",
        '÷' => "write /",
        '≤' => "write <=",
        '≥' => "write >=",
        '≠' => "write !=",
        '|' => "functions are called with a dot: text.trim(); `or` is `||`",
        '&' => "`and` is `&&`",
        '^' => "there is no power; multiply",
        '~' | '#' | '@' | ';' => "take it out",
        _ => "names have the letters a to z, digits and `_`; other fields are written [\"name\"]",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An expression was cut up before the language saw it: raw and triple-quoted texts, and braces or quotes inside
    /// a text, ended it too early. Now whoever looks for its end reads the same tokens as the parser.
    #[test]
    fn the_end_of_an_expression_is_found_behind_texts_of_every_form() {
        for body in [
            r#""""he said "a}b" ok""""#,
            "'''it's {x} fine'''",
            r#"r"C:\temp\" + "new""#,
            r#"json("""{"k": "}"}""").k"#,
            r#""a\"}\"b""#,
            "b'}' == b\"}\"",
            r"rb'\}' == Rb'}'",
            "{'a': {'b': 1}}.a.b",
            "a.`x}y`",
            "\"ü}\" + '€}'",
        ] {
            let text = format!("{body}}} and more }}");
            assert_eq!(expression_length(&text).ok(), Some(body.len()), "{body}");
        }
        assert!(matches!(expression_length("{'a': 1"), Err(None)));
    }

    #[test]
    fn escapes_are_resolved_by_their_form() {
        let only = |source: &str| match tokens(source).as_deref() {
            Ok([one]) => one.token.clone(),
            other => panic!("{source}: {other:?}"),
        };
        let text = |source: &str| match only(source) {
            Token::Text(text) => text,
            other => panic!("{source}: {other:?}"),
        };
        assert_eq!(text(r#""a\u00e9\x41\101\U0001F600""#), "aéAA😀");
        assert_eq!(text(r#""tab\tquote\"end""#), "tab\tquote\"end");
        assert_eq!(text(r#"r"a\tb""#), "a\\tb");
        assert_eq!(text("'''two\nlines'''"), "two\nlines");
        assert_eq!(text("\"\"\"\"\"\""), "");
        assert_eq!(only(r"b'\xff\377a'"), Token::Bytes(vec![255, 255, b'a']));
        assert_eq!(only("18446744073709551615"), Token::Whole(u64::MAX));
        assert_eq!(only("0xFFu"), Token::Whole(255));
        assert_eq!(only("1.5e3"), Token::Float(1500.0));
        for wrong in [
            r"'\q'",
            r"'\x4'",
            r"b'\u0041'",
            "'a\nb'",
            "18446744073709551616",
            "1e999",
            "“a”",
        ] {
            assert!(tokens(wrong).is_err(), "{wrong}");
        }
    }
}
