//! Spelling of names (R1), reserved words (R4).

/// Words that every expression knows; no node, loop variable or case may be called so.
pub(crate) const RESERVED: [&str; 5] = ["input", "config", "trigger", "run", "item"];

/// The number of the round, from 1, in the condition and the body of a `repeat`.
pub(crate) const ROUND: &str = "round";

/// The reserved words that have a value in every expression.
pub(crate) const SPECIAL: [&str; 4] = ["input", "config", "trigger", "run"];

/// Names of types, which an expression may compare with `type(x)`.
const TYPE_WORDS: [&str; 11] = [
    "int",
    "uint",
    "double",
    "bool",
    "string",
    "bytes",
    "list",
    "map",
    "null_type",
    "type",
    "dyn",
];

/// The type that the word names in expressions.
pub(crate) fn type_word(name: &str) -> Option<&'static str> {
    TYPE_WORDS.iter().copied().find(|word| *word == name)
}

/// Whether the word names a type in expressions.
pub(crate) fn is_type_word(name: &str) -> bool {
    type_word(name).is_some()
}

/// Groups of functions in expressions, which stand before a dot and are no values.
pub(crate) const NAMESPACES: [&str; 3] = ["math", "lists", "optional"];

/// Words that no expression takes as a name.
const KEPT_WORDS: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// Operators of other languages, which an expression explains instead of taking them for names.
pub(crate) const OTHER_OPERATORS: [&str; 3] = ["and", "or", "not"];

/// Every word that no node and no element of a loop can be called.
pub(crate) fn reserved_words() -> impl Iterator<Item = &'static str> {
    let words = RESERVED.iter().chain(&KEPT_WORDS).chain(&NAMESPACES);
    words.chain(&OTHER_OPERATORS).chain(&TYPE_WORDS).copied()
}

/// Whether no expression takes the word as a name.
pub(crate) fn is_kept_word(word: &str) -> bool {
    KEPT_WORDS.contains(&word)
}

/// Whether it is `snake_case`, beginning with a letter, at most 64 characters.
pub(crate) fn is_snake(name: &str) -> bool {
    let shape = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    name.len() <= 64 && name.bytes().next().is_some_and(|b| b.is_ascii_lowercase()) && name.bytes().all(shape)
}

/// Whether a workflow can wait for a signal of this name: it is snake_case, beginning with a letter, at most 64 characters.
#[must_use]
pub fn is_signal_name(name: &str) -> bool {
    is_snake(name)
}

/// Whether it is kebab-case, beginning with a letter, at most 64 characters.
pub(crate) fn is_kebab(name: &str) -> bool {
    let shape = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    name.len() <= 64
        && name.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
        && name.bytes().all(shape)
        && !name.ends_with('-')
        && !name.contains("--")
}

/// The name as it should have been written, if there is one: `feedUrl`, `feed-url` and `Feed URL` are `feed_url`.
pub(crate) fn to_snake(name: &str) -> Option<String> {
    let mut out = String::new();
    let mut previous_lower = false;
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            if c.is_ascii_uppercase() && previous_lower {
                out.push('_');
            }
            previous_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
            out.push(c.to_ascii_lowercase());
        } else {
            previous_lower = false;
            if !out.is_empty() && !out.ends_with('_') {
                out.push('_');
            }
        }
    }
    let out = out.trim_matches('_').to_owned();
    is_snake(&out).then_some(out)
}

/// Why this word cannot name a node or a loop variable, if it cannot.
pub(crate) fn reserved(name: &str) -> Option<&'static str> {
    if RESERVED.contains(&name) {
        Some("every expression has a name of its own for that")
    } else if is_kept_word(name) {
        Some("it is a word of the expression language")
    } else if NAMESPACES.contains(&name) {
        Some("it names a group of functions in expressions")
    } else if OTHER_OPERATORS.contains(&name) {
        Some("expressions would take it for an operator of another language")
    } else if is_type_word(name) {
        Some("it names a type in expressions")
    } else {
        None
    }
}

/// Names for a message; of many only the first ones.
pub(crate) fn some_of(names: &[&str]) -> String {
    const SHOWN: usize = 16;
    let shown = names.get(..SHOWN).unwrap_or(names).join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown}, and {more} more"),
    }
}
