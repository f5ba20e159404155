//! The one bound on how deep a value may be that enters a record.

use serde_json::Value;

/// Deepest nesting of a value that enters a record. The same bound holds for signed documents.
pub const MAX_VALUE_DEPTH: usize = crate::strict::MAX_DEPTH;

/// Whether a value may enter a record: the one bound on its depth.
///
/// # Errors
/// The path of the first place that is too deep, as `rows[3].price`, cut to its first levels.
pub fn check_depth(value: &Value) -> Result<(), String> {
    let mut to_visit: Vec<(&Value, usize, Option<usize>)> = vec![(value, 0, None)];
    // The way back from a place to the top: its parent in this list and its name.
    let mut ways: Vec<(Option<usize>, String)> = Vec::new();
    while let Some((value, depth, way)) = to_visit.pop() {
        let is_container = value.is_array() || value.is_object();
        if is_container && depth >= MAX_VALUE_DEPTH {
            return Err(path_of(&ways, way));
        }
        // Names are kept only near the top: a path of a few levels tells where to look.
        let mut named = |name: &dyn Fn() -> String| {
            if depth < 4 {
                ways.push((way, name()));
                Some(ways.len() - 1)
            } else {
                way
            }
        };
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    if item.is_array() || item.is_object() {
                        let way = named(&|| format!("[{index}]"));
                        to_visit.push((item, depth + 1, way));
                    }
                }
            }
            Value::Object(fields) => {
                for (key, item) in fields {
                    if item.is_array() || item.is_object() {
                        let way = named(&|| format!(".{key}"));
                        to_visit.push((item, depth + 1, way));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn path_of(ways: &[(Option<usize>, String)], mut way: Option<usize>) -> String {
    let mut names = Vec::new();
    while let Some((parent, name)) = way.and_then(|index| ways.get(index)) {
        names.push(name.as_str());
        way = *parent;
    }
    names.reverse();
    names.concat().trim_start_matches('.').to_owned()
}
