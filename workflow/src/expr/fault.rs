//! What goes wrong in an evaluation, in words for the author of the expression.

use super::value::Val;

/// Why a part of an expression gave no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// A fragment for people.
    pub(super) message: String,
    /// A bound was reached or the evaluation was stopped: no `||`, `all` or `default` may go on after it.
    pub(super) final_: bool,
    /// It was stopped from outside: with more time there might be a value.
    pub(super) late: bool,
    /// The message says already where it is.
    pub(super) placed: bool,
    /// The innermost part of the expression in which it came up: its first byte, and one past its last.
    pub(super) span: Option<(usize, usize)>,
}

impl Fault {
    /// A value of the wrong kind, an absent field, a number out of range.
    pub(super) fn new(message: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            message: message.into(),
            final_: false,
            late: false,
            placed: false,
            span: None,
        })
    }

    /// A bound that was reached.
    pub(super) fn stop(message: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            message: message.into(),
            final_: true,
            late: false,
            placed: true,
            span: None,
        })
    }

    /// The evaluation was stopped from outside.
    pub(super) fn late() -> Box<Self> {
        Box::new(Self {
            late: true,
            ..*Self::stop("the evaluation was stopped: it took too long")
        })
    }

    /// With the part of the expression in which it came up, unless that is the whole or was said already.
    pub(super) fn within(mut self: Box<Self>, source: &str, start: usize, end: usize) -> Box<Self> {
        self.span.get_or_insert((start, end));
        if self.placed {
            return self;
        }
        self.placed = true;
        let part = source.get(start..end).unwrap_or_default().trim();
        if !part.is_empty() && part.len() < source.trim().len() {
            let shown: String = part.chars().take(60).collect();
            let cut = if shown.len() < part.len() { "…" } else { "" };
            self.message = format!("{}, in `{shown}{cut}`", self.message);
        }
        self
    }
}

/// What a value is called in messages.
pub(super) fn kind(value: &Val<'_>) -> &'static str {
    match value {
        Val::Null | Val::Absent => "null",
        Val::Bool(_) => "bool",
        Val::Int(_) | Val::Big(_) => "int",
        Val::Double(_) => "double",
        Val::Text(_) => "text",
        Val::Bytes(_) => "bytes",
        Val::Moment(_) => "timestamp",
        Val::Length(_) => "duration",
        Val::Array(_) | Val::List(_) => "list",
        Val::Object(_) | Val::Map(_) => "object",
        Val::Optional(_) => "optional",
        Val::Type(_) => "type",
    }
}

/// Two values that an operator does not take together.
pub(super) fn cannot(verb: &str, a: &Val<'_>, b: &Val<'_>) -> Box<Fault> {
    let (a, b) = (kind(a), kind(b));
    let hint = match (a, b) {
        ("text", "int" | "double") | ("int" | "double", "text") if verb == "add" => {
            "; write string(x) or int(x) around one of them"
        }
        ("text", "int" | "double") | ("int" | "double", "text") => "; write double(x) around the text",
        (_, "null") | ("null", _) => "; write default(x, 0) if it may be absent",
        ("optional", _) | (_, "optional") => "; write .orValue(x) behind the optional",
        _ => "",
    };
    Fault::new(format!("cannot {verb} {a} and {b}{hint}"))
}
