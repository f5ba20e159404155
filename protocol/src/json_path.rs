//! Where in a JSON text a byte stands, as people write it: `rows[3].price`.
//!
//! Made only when something is wrong at that byte, for the message.

/// Longest path that is written whole, in characters.
const SHOWN_CHARS: usize = 60;

/// A collection that is open: where in it the scan is.
enum Open {
    List(usize),
    Object { key: String, value_next: bool },
}

/// The path of the value that begins at this byte of a JSON text; empty for the text as a whole. Of a text that is no
/// JSON, the path as far as it can be told.
#[must_use]
pub fn path_at(text: &str, at: usize) -> String {
    let mut open: Vec<Open> = Vec::new();
    let mut next = 0;
    while next < at {
        let Some(rest) = text.get(next..).filter(|rest| !rest.is_empty()) else {
            break;
        };
        next += step(rest, &mut open);
    }
    written(&open)
}

/// Takes what begins a text into account; the bytes of it.
fn step(rest: &str, open: &mut Vec<Open>) -> usize {
    match rest.bytes().next() {
        Some(b'[') => open.push(Open::List(0)),
        Some(b'{') => open.push(Open::Object {
            key: String::new(),
            value_next: false,
        }),
        Some(b']' | b'}') => {
            open.pop();
        }
        Some(b',') => match open.last_mut() {
            Some(Open::List(index)) => *index += 1,
            Some(Open::Object { value_next, .. }) => *value_next = false,
            None => {}
        },
        Some(b':') => {
            if let Some(Open::Object { value_next, .. }) = open.last_mut() {
                *value_next = true;
            }
        }
        Some(b'"') => {
            let length = string_length(rest);
            if let Some(Open::Object {
                key,
                value_next: false,
            }) = open.last_mut()
            {
                let quoted = rest.get(..length).unwrap_or_default();
                *key = serde_json::from_str(quoted).unwrap_or_default();
            }
            return length;
        }
        _ => return rest.chars().next().map_or(1, char::len_utf8),
    }
    1
}

/// Bytes of the string that begins a text, with its quotes.
fn string_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn written(open: &[Open]) -> String {
    let mut out = String::new();
    for part in open {
        match part {
            Open::List(index) => out.push_str(&format!("[{index}]")),
            Open::Object { key, .. } => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(key);
            }
        }
    }
    if out.chars().count() <= SHOWN_CHARS {
        return out;
    }
    let head: String = out.chars().take(SHOWN_CHARS).collect();
    format!("{head}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_has_the_path_of_the_value_around_it() {
        for (text, path) in [
            (r#"{"rows": [{"n": 1}, {"it\"em": HERE}]}"#, "rows[1].it\"em"),
            (r#"{"a": {"}": 1}, "b": HERE}"#, "b"),
            (r#"{"a": {"c": [1, 2]}, "b": [[], [0, HERE]]}"#, "b[1][1]"),
            ("HERE", ""),
            (r#"["[1, 2", HERE]"#, "[1]"),
            (r#"{"ü": HERE}"#, "ü"),
            (r#"{"open": HERE"#, "open"),
        ] {
            let at = text.find("HERE").unwrap();
            assert_eq!(path_at(text, at), path, "{text}");
        }
        let deep = format!("{{\"a\": {}1", "[".repeat(64));
        assert_eq!(
            path_at(&deep, deep.len() - 1),
            format!("a{}…", "[0]".repeat(20).get(..59).unwrap_or_default())
        );
        assert_eq!(path_at("{", 99), "");
    }
}
