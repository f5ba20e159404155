//! First mistakes in expressions, each with what to write instead.

use cel::ParseErrors;

use super::ExpressionError;

fn found(
    offset: usize,
    code: &'static str,
    message: impl Into<String>,
    mend: impl Into<String>,
) -> ExpressionError {
    ExpressionError {
        code,
        offset,
        message: message.into(),
        mend: Some(mend.into()),
    }
}

/// What can be told from the text alone.
pub(super) fn before_parsing(source: &str) -> Option<ExpressionError> {
    if source.trim().is_empty() {
        return Some(found(
            0,
            "FF-WF-010",
            "there is no expression here",
            "write one, for example `input.threshold`",
        ));
    }
    let bare = without_text(source);
    if let Some(at) = bare.find('$') {
        return Some(foreign(source, at));
    }
    let assigns = |at: usize| {
        let before = bare.get(..at).and_then(|text| text.chars().next_back());
        let after = bare.get(at + 1..).and_then(|text| text.chars().next());
        !matches!(before, Some('=' | '!' | '<' | '>')) && after != Some('=')
    };
    if let Some((at, _)) = bare.match_indices('=').find(|(at, _)| assigns(*at)) {
        return Some(found(at, "FF-WF-010", "`=` does not compare", "write `==`"));
    }
    for (wrong, right) in [
        ("===", "=="),
        ("!==", "!="),
        ("=>", "a named variable: list.map(x, x.field)"),
        ("??", "default(x, y)"),
        ("?.", ".?field"),
    ] {
        if let Some(at) = bare.find(wrong) {
            return Some(found(
                at,
                "FF-WF-010",
                format!("`{wrong}` is not part of the language"),
                format!("write {right}"),
            ));
        }
    }
    for (wrong, right) in [("and", "&&"), ("or", "||"), ("not", "!")] {
        if let Some(at) = find_word(&bare, wrong) {
            return Some(found(
                at,
                "FF-WF-010",
                format!("`{wrong}` is not part of the language"),
                format!("write `{right}`"),
            ));
        }
    }
    None
}

/// `$node["fetch"].json.body`, `$json.x` and the like.
fn foreign(source: &str, at: usize) -> ExpressionError {
    let rest = source.get(at..).unwrap_or_default();
    let message = "this is another product's way to name a value";
    if let Some(node) = rest.strip_prefix("$node[") {
        let name: String = node
            .chars()
            .skip(1)
            .take_while(|c| c.is_ascii_alphanumeric() || "_- ".contains(*c))
            .collect();
        let name = name.to_ascii_lowercase().replace(['-', ' '], "_");
        let name = if name.is_empty() { "fetch".to_owned() } else { name };
        return found(
            at,
            "FF-WF-012",
            message,
            format!("write the node's name: `{name}.field`"),
        );
    }
    if rest.starts_with("${") {
        return found(
            at,
            "FF-WF-019",
            "this is already an expression",
            "leave the inner `${` and `}` out",
        );
    }
    if rest.starts_with("$input") || rest.starts_with("$json") {
        return found(
            at,
            "FF-WF-012",
            message,
            "write the name of the node the value comes from: `fetch.body`, or `input.name`",
        );
    }
    found(
        at,
        "FF-WF-012",
        "`$` is not part of the language",
        "names stand alone: `fetch.body`, `input.name`, `config.name`",
    )
}

/// The source with everything inside quotes blanked out.
fn without_text(source: &str) -> String {
    let mut quote = None;
    let mut escaped = false;
    source
        .chars()
        .map(|c| {
            let inside = quote.is_some();
            match (quote, c) {
                (Some(_), _) if escaped => escaped = false,
                (Some(_), '\\') => escaped = true,
                (Some(open), c) if c == open => quote = None,
                (None, '"' | '\'') => quote = Some(c),
                _ => {}
            }
            if inside && c.len_utf8() == 1 {
                ' '
            } else if inside {
                '\u{a0}'
            } else {
                c
            }
        })
        .collect()
}

fn find_word(text: &str, word: &str) -> Option<usize> {
    let boundary = |c: Option<char>| c.is_none_or(|c| c.is_whitespace() || c == '(' || c == ')');
    text.match_indices(word).map(|(at, _)| at).find(|at| {
        let before = text.get(..*at).and_then(|text| text.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|text| text.chars().next());
        // At least one blank, so that a field or a function of this name is left alone.
        boundary(before)
            && boundary(after)
            && (before.is_some() || after.is_some_and(char::is_whitespace))
            && after.is_some()
    })
}

/// The parser's first complaint, shortened to what helps.
pub(super) fn after_parsing(source: &str, errors: &ParseErrors) -> ExpressionError {
    let Some(error) = errors.errors.first() else {
        return ExpressionError {
            code: "FF-WF-010",
            offset: 0,
            message: "not an expression".to_owned(),
            mend: None,
        };
    };
    let line = usize::try_from(error.pos.0).unwrap_or(1).max(1);
    let column = usize::try_from(error.pos.1).unwrap_or(1).max(1);
    let start: usize = source.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let rest = source.get(start..).unwrap_or_default();
    let offset = start
        + rest
            .char_indices()
            .nth(column - 1)
            .map_or(rest.len(), |(at, _)| at);
    let message = error.msg.as_str();
    let (text, mend) = if message.contains("<EOF>") && !message.contains("extraneous") {
        (
            "the expression ends too early".to_owned(),
            Some("something is missing at its end: a value, `)`, `]` or `}`".to_owned()),
        )
    } else if message.contains("recursion") {
        (
            "the expression is nested too deeply".to_owned(),
            Some("let a `set` node before it do a part".to_owned()),
        )
    } else {
        let first = message.split(" expecting ").next().unwrap_or(message);
        let first = first.trim_start_matches("Syntax error: ");
        let text: String = first.chars().take(160).collect();
        (format!("this is not an expression: {text}"), None)
    };
    ExpressionError {
        code: "FF-WF-010",
        offset: offset.min(source.len()),
        message: text,
        mend,
    }
}
