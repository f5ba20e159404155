//! Rust source as far as the rules of the tree read it: which names a file takes from the root of its crate.
//!
//! No parser: comments and texts are blanked, then `crate::` and `super::` paths are followed. Line numbers stay.

use std::collections::{BTreeMap, BTreeSet};

/// The code of a file: comments and texts are blank, an inline test module and all after it is cut off.
pub(crate) struct Source(String);

impl Source {
    /// Keeps what is code and no test.
    pub(crate) fn without_tests(text: &str) -> Self {
        let mut code = blank(text);
        if let Some(start) = inline_tests(&code) {
            code.truncate(start);
        }
        Self(code)
    }
}

/// The names that a file takes from its crate's root, each with the line; `depth` is how many modules deep it is.
pub(crate) fn paths_from_root(source: &Source, depth: usize) -> Vec<(String, usize)> {
    let code = &source.0;
    let mut found = Vec::new();
    let mut supers = 0;
    let mut words = Words::of(code).peekable();
    while let Some((at, word)) = words.next() {
        let follows_path = code
            .get(at + word.len()..)
            .is_some_and(|rest| rest.starts_with("::"));
        let from_root = match word {
            "crate" if follows_path => true,
            "super" if follows_path => {
                supers += 1;
                let next_is_super = words.peek().is_some_and(|(_, next)| *next == "super");
                if next_is_super {
                    continue;
                }
                std::mem::take(&mut supers) >= depth
            }
            _ => false,
        };
        if from_root {
            let rest = at + word.len() + 2;
            let line = code.get(..at).unwrap_or_default().matches('\n').count() + 1;
            let names = first_names(code.get(rest..).unwrap_or_default());
            found.extend(names.into_iter().map(|name| (name, line)));
        }
    }
    found
}

/// For each name that the root exports again, the module it comes from.
pub(crate) fn exported_again(root: &Source) -> BTreeMap<String, String> {
    let mut again = BTreeMap::new();
    for statement in root.0.split(';') {
        let Some((_, path)) = statement.rsplit_once("use ") else {
            continue;
        };
        let path = path.trim_start_matches("crate::").trim_start_matches("self::");
        let Some((room, names)) = path.trim().split_once("::") else {
            continue;
        };
        for (_, name) in Words::of(names) {
            again.insert(name.to_owned(), room.to_owned());
        }
    }
    again
}

/// The modules that the root declares for tests only.
pub(crate) fn declared_for_tests(root: &Source) -> BTreeSet<String> {
    let mut declared = BTreeSet::new();
    for (at, mark) in root.0.match_indices("#[cfg(test)]") {
        let rest = root.0.get(at + mark.len()..).unwrap_or_default();
        let statement = rest.split(';').next().unwrap_or_default();
        if let Some((_, name)) = statement.split_once("mod ") {
            declared.insert(name.trim().to_owned());
        }
    }
    declared
}

/// The first name of a path, or those of a group: `{a::b, c}` gives `a` and `c`.
fn first_names(path: &str) -> Vec<String> {
    let Some(group) = path.strip_prefix('{') else {
        return Words::of(path)
            .next()
            .map(|(_, word)| word.to_owned())
            .into_iter()
            .collect();
    };
    let (mut names, mut depth, mut begins) = (Vec::new(), 1_usize, true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => begins = true,
            c if depth == 1 && begins && is_word(c) => {
                let name = Words::of(group.get(at..).unwrap_or_default()).next();
                names.extend(name.map(|(_, word)| word.to_owned()));
                begins = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

/// Where `#[cfg(test)] mod NAME {` begins.
fn inline_tests(code: &str) -> Option<usize> {
    code.match_indices("#[cfg(test)]").map(|(at, _)| at).find(|at| {
        let rest = code.get(*at..).unwrap_or_default();
        let statement = rest.split([';', '{']).next().unwrap_or_default();
        let opened = rest
            .get(statement.len()..)
            .is_some_and(|rest| rest.starts_with('{'));
        opened && statement.contains("mod ")
    })
}

/// Replaces comments and texts by spaces; what is left stands where it stood.
fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            raw.find("\"#").map_or(rest.len(), |end| end + 5)
        } else if let Some(inside) = rest.strip_prefix('"') {
            end_of_text(inside) + 1
        } else if rest.starts_with("'\"'") {
            3
        } else {
            out.push(c);
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            continue;
        };
        let (gone, after) = rest.split_at_checked(skipped).unwrap_or((rest, ""));
        out.extend(gone.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = after;
    }
    out
}

/// The length of a text up to and with its closing quote.
fn end_of_text(inside: &str) -> usize {
    let mut escaped = false;
    for (at, c) in inside.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    inside.len()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The words of a text with their places.
struct Words<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Words<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, at: 0 }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = (usize, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.text.get(self.at..)?;
        let start = self.at + rest.find(is_word)?;
        let word = self.text.get(start..)?.split(|c| !is_word(c)).next()?;
        self.at = start + word.len();
        Some((start, word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str, depth: usize) -> Vec<String> {
        let found = paths_from_root(&Source::without_tests(text), depth);
        found.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn groups_and_paths_that_climb_are_followed() {
        assert_eq!(names("use crate::{a::{x, y}, b, c::z};", 1), ["a", "b", "c"]);
        assert_eq!(names("use super::super::a; use super::b;", 2), ["a"]);
        assert_eq!(names("use super::b::c;", 1), ["b"]);
        assert_eq!(
            names("let q = '\"'; crate::a::f(\"crate::b\") // crate::c", 1),
            ["a"]
        );
        assert_eq!(names("const T: &str = r#\"\" crate::b\"#; crate::a!()", 1), ["a"]);
    }

    #[test]
    fn what_the_root_exports_again_is_traced() {
        let root = Source::without_tests("mod a;\npub use a::{B, c::D};\n#[cfg(test)]\nmod proof;\n");
        assert_eq!(exported_again(&root).get("D").map(String::as_str), Some("a"));
        assert!(declared_for_tests(&root).contains("proof"));
    }
}
