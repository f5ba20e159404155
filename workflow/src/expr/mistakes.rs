//! First mistakes in expressions, each with what to write instead.

use super::ExpressionError;
use super::lexer::without_texts;
use crate::names::OTHER_OPERATORS;

fn found(
    offset: usize,
    code: &'static str,
    message: impl Into<String>,
    fix: impl Into<String>,
) -> ExpressionError {
    ExpressionError {
        code,
        offset,
        message: message.into(),
        fix: Some(fix.into()),
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
    let bare = without_texts(source);
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
    for (wrong, right) in OTHER_OPERATORS.into_iter().zip(["&&", "||", "!"]) {
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
